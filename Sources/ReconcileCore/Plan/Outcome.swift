/// What became of one change.
public struct Outcome: Codable, Hashable, Sendable {
    /// How it ended.
    public enum Result: Codable, Hashable, Sendable {
        /// Carried out; a probe after a person's order may still have a warning.
        case done(warning: String?)
        /// Not carried out, because it was done already or is no longer wanted.
        case skipped
        /// Not carried out; what was active before is active still.
        case failed(Fault)
        /// Tried, found not to work (or not to be testable), and put back; `active` is what runs now.
        case rolledBack(cause: String, isQuarantined: Bool, active: Version?)
        /// Tried, found not to work, and left as the policy says.
        case halted(cause: String)
        /// Ended by a signal; nothing is half done.
        case interrupted
    }

    /// The change.
    public let change: Change
    /// How it ended.
    public let result: Result
    /// How long it took, in milliseconds.
    public let milliseconds: Int64
    /// Bytes that were received for it.
    public let receivedBytes: Int64

    /// An outcome.
    public init(change: Change, result: Result, milliseconds: Int64, receivedBytes: Int64) {
        (self.change, self.result, self.milliseconds, self.receivedBytes) = (
            change, result, milliseconds, receivedBytes
        )
    }
}
