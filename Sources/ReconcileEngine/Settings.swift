import Foundation
public import ReconcileCore

/// What a pass needs to know beyond the files: who runs it, what time it is, how long to wait, whom to tell.
public struct Settings: Sendable {
    /// Who runs the pass, for memory and history: `ana@gpu1`.
    public var user: String
    /// The time; read once a pass, and again when a trial would begin.
    public var clock: @Sendable () -> Timestamp
    /// How long to wait for another process that holds the store.
    public var lockPatience: Duration
    /// Whether a missing or outdated lock is an error.
    public var isLocked: Bool
    /// Where everything that happens is told.
    public var events: EventHub
    /// What pauses and limits downloads while they are under way.
    public var downloads: DownloadControl

    /// The settings of this user on this machine.
    public init(
        user: String? = nil, clock: (@Sendable () -> Timestamp)? = nil, lockPatience: Duration = .seconds(10),
        isLocked: Bool = false, events: EventHub = EventHub(), downloads: DownloadControl = DownloadControl()
    ) {
        self.user = user ?? Platform.user()
        self.clock = clock ?? { Timestamp(seconds: Int64(Date().timeIntervalSince1970)) }
        self.lockPatience = lockPatience
        self.isLocked = isLocked
        self.events = events
        self.downloads = downloads
    }

    /// Tells everybody who listens.
    var report: EventReporter { { [events] in events.report($0) } }

    /// Who holds a lock, for the person who finds it taken.
    var holder: String { "\(user), process \(ProcessInfo.processInfo.processIdentifier)" }
}

/// What one pass is limited to.
public struct PassOptions: Sendable {
    /// The models to reconcile; all when empty. The models of a group belong together.
    public var only: Set<ModelName>
    /// Models that are left out, because they failed a moment ago.
    public var except: Set<ModelName>
    /// Why windows do not count this time; `nil` when they do.
    public var windowOverride: String?

    /// A whole pass, unless said otherwise.
    public init(only: Set<ModelName> = [], except: Set<ModelName> = [], windowOverride: String? = nil) {
        (self.only, self.except, self.windowOverride) = (only, except, windowOverride?.printable)
    }

    /// Whether a model is reconciled.
    func includes(_ model: ModelName) -> Bool { (only.isEmpty || only.contains(model)) && !except.contains(model) }

    /// The models whose sources are asked: also those that decide whether another may change.
    func asked(in desired: DesiredState) -> Set<ModelName> {
        let wanted = only.isEmpty ? Set(desired.models.keys) : dependencies(in: desired)
        return wanted.subtracting(except)
    }

    /// The models with all that they depend on.
    private func dependencies(in desired: DesiredState) -> Set<ModelName> {
        var found = only
        var open = Array(only)
        while let next = open.popLast() {
            let needed = desired.companions(of: next).flatMap { [$0] + (desired.models[$0]?.dependsOn ?? []) }
            open += needed.filter { found.insert($0).inserted }
        }
        return found
    }

    /// The options with whole groups.
    func widened(to desired: DesiredState) -> PassOptions {
        var options = self
        options.only = Set(only.flatMap(desired.companions))
        options.except = Set(except.flatMap(desired.companions))
        return options
    }
}
