import Foundation
public import ReconcileCore

/// What a pass needs to know beyond the files: who runs it, what time it is, how long to wait, whom to tell.
public struct Settings: Sendable {
    /// Who runs the pass, for memory and history: `ana@gpu1`.
    public var user: String
    /// The time; read once a pass.
    public var clock: @Sendable () -> Timestamp
    /// How long to wait for another process that holds the store.
    public var lockPatience: Duration
    /// Whether a missing or outdated lock is an error.
    public var isLocked: Bool
    /// Takes what a pass tells.
    public var report: ProgressReporter

    /// The settings of this user on this machine.
    public init(
        user: String? = nil, clock: (@Sendable () -> Timestamp)? = nil, lockPatience: Duration = .seconds(10),
        isLocked: Bool = false, report: @escaping ProgressReporter = { _ in }
    ) {
        self.user = user ?? Platform.user()
        self.clock = clock ?? { Timestamp(seconds: Int64(Date().timeIntervalSince1970)) }
        self.lockPatience = lockPatience
        self.isLocked = isLocked
        self.report = report
    }

    /// Who holds a lock, for the person who finds it taken.
    var holder: String { "\(user), process \(ProcessInfo.processInfo.processIdentifier)" }
}
