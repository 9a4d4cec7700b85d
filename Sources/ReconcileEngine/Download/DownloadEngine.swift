package import ReconcileCore
import Synchronization

/// What all downloads of a process share: memory, threads, connections, bandwidth, and what was learned of servers.
package final class DownloadEngine: Sendable {
    let client: WebClient
    let pool: BlockPool
    let threads = DownloadThreads()
    let slots: ConnectionSlots
    let bucket = TokenBucket()
    let health = LocationHealth()
    /// Files that are put together at once; more would only divide memory.
    let files = ConnectionSlots(limit: 4, hostLimit: 4)
    let policy: DownloadPolicy
    private let clock: @Sendable () -> Timestamp
    private let state = Mutex<(asked: ContinuousClock.Instant?, isSet: Bool)>((nil, false))

    /// How often it is asked which limit of the bandwidth holds.
    private static let interval = Duration.seconds(5)

    /// An engine with these limits.
    package init(_ policy: DownloadPolicy, client: WebClient = .shared, clock: @escaping @Sendable () -> Timestamp) {
        (self.client, self.policy, self.clock) = (client, policy, clock)
        pool = BlockPool(bytes: policy.memoryBytes)
        slots = ConnectionSlots(limit: policy.connections, hostLimit: policy.connectionsPerHost)
    }

    /// Bytes per second for all connections together, from now on, whatever the policy says; `nil` for no limit.
    package func limit(to bytesPerSecond: Int64?) {
        state.withLock { $0.isSet = true }
        bucket.rate = bytesPerSecond
    }

    /// Stops asking for more bytes, or goes on; what is under way stays as it is.
    package func pause(_ isPaused: Bool) { bucket.isPaused = isPaused }

    /// Sees to it that the limit that holds now is the one that is kept; cheap enough to be called often.
    func keepLimit() {
        guard !policy.bandwidth.isEmpty else { return }
        let now = ContinuousClock.now
        let isDue = state.withLock { state in
            guard !state.isSet, state.asked.map({ now - $0 >= Self.interval }) ?? true else { return false }
            state.asked = now
            return true
        }
        if isDue { bucket.rate = policy.bandwidth(at: clock()) }
    }
}
