public import ReconcileCore

/// What a pass tells while it runs. The kinds will grow.
public enum ProgressEvent: Sendable {
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
    /// A change ended.
    case ended(Outcome)
    /// Something a person should know, that does not change how the pass ends.
    case warning(String)
}

/// Takes what a pass tells.
public typealias ProgressReporter = @Sendable (ProgressEvent) -> Void
