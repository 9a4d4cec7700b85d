public import ReconcileCore

/// What the engine tells while it works: what progress bars, notifications and the web page are fed from. The kinds will grow.
public enum ReconcileEvent: Sendable {
    /// A pass begins.
    case passBegan(PassInfo)
    /// A newer release is there and waits for a person or a moment.
    case updateAvailable(Plan.Blocked)
    /// A change begins; these many bytes will be fetched for it.
    case began(model: ModelName, action: Change.Action, version: Version?, downloadBytes: Int64)
    /// A step begins.
    case step(model: ModelName, step: Step)
    /// Bytes came.
    case received(model: ModelName, file: ReleasePath, bytes: Int, size: Int64)
    /// A probe did not answer yet and is asked again.
    case waiting(model: ModelName, seconds: Int64)
    /// The link goes back.
    case reverting(model: ModelName, cause: String)
    /// A change ended: confirmed, failed, rolled back.
    case ended(Outcome)
    /// A condition of a model became true or false.
    case condition(model: ModelName, Condition)
    /// A pass has ended.
    case passEnded(PassInfo, ExitStatus)
    /// The desired state cannot be used, in words; the last good one stays in force, if there was one.
    case desiredStateInvalid(String, isOlderInForce: Bool)
    /// The desired state can be used again.
    case desiredStateValid
    /// Another desired state is in force.
    case desiredStateChanged(Digest, commit: String?)
    /// `watch` sleeps until then, unless something wakes it.
    case sleeping(until: Timestamp)
    /// Something a person should know, that does not change how the pass ends.
    case warning(String)
}

/// Which pass is meant.
public struct PassInfo: Codable, Sendable, Hashable {
    /// Unique among the passes of a store.
    public let id: String
    /// The desired state it works towards.
    public let desiredState: Digest
    /// The commit of it, when it comes from git.
    public let commit: String?
    /// When it began.
    public let at: Timestamp
}

/// Takes what the engine tells.
public typealias EventReporter = @Sendable (ReconcileEvent) -> Void
