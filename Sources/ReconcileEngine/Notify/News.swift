public import ReconcileCore

/// What people are told: a change of state, said once.
public struct News: Codable, Sendable, Hashable {
    /// What happened. The kinds will grow.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// A newer release is there and is not taken by itself: it waits for a person or for a moment.
        case updateAvailable
        /// A release was activated and works.
        case confirmed
        /// A release could not be brought or did not pass its check; what was active is active still.
        case failed
        /// A release did not work, and the one before it is active again.
        case rolledBack
        /// A release did not work and was left as it is, as the policy says.
        case halted
        /// Something is broken.
        case degraded
        /// What was broken no longer is.
        case recovered
        /// Files on disk differ from their release.
        case drifted
        /// The desired state cannot be used; the last good one stays in force.
        case desiredStateInvalid
        /// The desired state can be used again.
        case desiredStateValid
        /// Something is still broken.
        case reminder
    }

    /// The format of the JSON.
    public var formatVersion = 1
    /// What happened.
    public let kind: Kind
    /// When.
    public let at: Timestamp
    /// Where: the machine's name.
    public let host: String
    /// The model it is about; `nil` when it is about all of them.
    public let model: ModelName?
    /// What was, or still is, active.
    public let from: ReleaseID?
    /// What it is about.
    public let to: ReleaseID?
    /// How urgent the release is.
    public let priority: Priority?
    /// One sentence for people.
    public let message: String
    /// What helps, as a command.
    public let command: String?
    /// What changed, as the publisher says.
    public let changelog: String?
    /// The commit of the desired state.
    public let commit: String?
    /// The pass it happened in, for what may happen more than once.
    public let pass: String?
    /// The head of the history's chain: kept elsewhere, it shows later whether the history was cut or written anew.
    public var historyHead: String?

    /// What makes it the same news when it comes again.
    var identity: String {
        "\(kind.rawValue) \(model?.description ?? "-") \(to?.contentDigest.description ?? "-") \(kind.isAboutState ? message : pass ?? "")"
    }
}

extension News.Kind {
    /// Whether it tells of a state that may end, and not of something that happened.
    var isAboutState: Bool {
        switch self {
        case .degraded, .drifted, .desiredStateInvalid, .desiredStateValid, .reminder: true
        default: false
        }
    }
}
