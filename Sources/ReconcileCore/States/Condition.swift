/// One thing that is true or not of a model, as Kubernetes users know conditions: for people and scripts, never for decisions.
public struct Condition: Codable, Hashable, Sendable {
    /// What may be true.
    public enum Kind: String, Codable, Hashable, Sendable, CaseIterable {
        /// What is active works, is whole, and is what is wanted, or all that may be had now.
        case ready = "Ready"
        /// A change is under way: a pass is at work on it, or its trial is open.
        case progressing = "Progressing"
        /// Something is broken: a problem, a release that did not work, damaged files.
        case degraded = "Degraded"
        /// A person ordered the model to stay.
        case held = "Held"
        /// Files on disk differ from the release.
        case drifted = "Drifted"
    }

    /// What it says.
    public let type: Kind
    /// Whether it is true.
    public let status: Bool
    /// Why, in one word for programs.
    public let reason: String
    /// Why, in a sentence for people.
    public let message: String
    /// Since when it has this status.
    public var since: Timestamp

    /// A condition.
    public init(type: Kind, status: Bool, reason: String, message: String = "", since: Timestamp) {
        (self.type, self.status, self.reason, self.message, self.since) = (type, status, reason, message, since)
    }
}

/// How a model is, in one word.
public enum Health: String, Codable, Hashable, Sendable, CaseIterable {
    /// It works as far as anybody asked.
    case healthy = "Healthy"
    /// It works, but something is broken.
    case degraded = "Degraded"
    /// It is not there, or does not work.
    case unhealthy = "Unhealthy"
    /// Nobody asked.
    case unknown = "Unknown"
}
