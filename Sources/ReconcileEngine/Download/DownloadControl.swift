import Synchronization

/// Steers the downloads of passes that are under way, from anywhere: pauses them, lets them go on, limits them. Cancelling the
/// task of a pass ends its downloads; what came is kept.
public final class DownloadControl: Sendable {
    let bucket = TokenBucket()
    private let isOverridden = Mutex(false)

    /// A control that leaves everything to the policy.
    public init() {}

    /// Whether nothing may come for now.
    public var isPaused: Bool { bucket.isPaused }

    /// Stops asking for more bytes. Connections stay, for as long as their servers let them.
    public func pause() { bucket.isPaused = true }

    /// Goes on.
    public func resume() { bucket.isPaused = false }

    /// Limits all connections together from now on, whatever the policy says.
    ///
    /// - Parameter bytesPerSecond: At least 1; `nil` for no limit.
    public func limit(to bytesPerSecond: Int64?) {
        isOverridden.withLock { isOverridden in
            isOverridden = true
            bucket.rate = bytesPerSecond
        }
    }

    /// Leaves the limit to the policy again, which is asked every few seconds.
    public func followPolicy() { isOverridden.withLock { $0 = false } }

    /// Takes the limit of the policy, unless somebody said otherwise.
    func keep(_ bytesPerSecond: Int64?) {
        isOverridden.withLock { if !$0 { bucket.rate = bytesPerSecond } }
    }
}
