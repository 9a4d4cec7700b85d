package import ReconcileCore
import Synchronization

/// What all downloads of a process share: memory, threads, connections, bandwidth, and what was learned of servers.
package final class DownloadEngine: Sendable {
    let client: WebClient
    let pool: BlockPool
    let threads = DownloadThreads()
    let slots: ConnectionSlots
    let health = LocationHealth()
    let files = ConnectionSlots(limit: DownloadEngine.largeFiles, hostLimit: DownloadEngine.largeFiles)
    let policy: DownloadPolicy
    private let control: DownloadControl
    private let clock: @Sendable () -> Timestamp
    private let asked = Mutex<ContinuousClock.Instant?>(nil)
    private let writesDirect = Mutex<Bool?>(nil)

    /// Files that are put together at once; more would only divide memory.
    static let largeFiles = 4
    /// How often it is asked which limit of the bandwidth holds.
    private static let interval = Duration.seconds(5)

    /// An engine with these limits.
    package init(
        _ policy: DownloadPolicy, client: WebClient = .shared, control: DownloadControl = DownloadControl(),
        clock: @escaping @Sendable () -> Timestamp
    ) {
        (self.client, self.policy, self.control, self.clock) = (client, policy, control, clock)
        // The rest is what has come and is in no block yet: what sockets and connections hold.
        pool = BlockPool(bytes: policy.memoryBytes / 16 * 9)
        slots = ConnectionSlots(limit: policy.connections, hostLimit: policy.connectionsPerHost)
    }

    /// The bytes per second of all connections together.
    var bucket: TokenBucket { control.bucket }

    /// Whether large files of a store are written past the page cache; one file at a time finds it out.
    func writesDirect(_ layout: StoreLayout) -> Bool {
        writesDirect.withLock { known in
            let isDirect = known ?? WriteMode.isDirect(policy.directIO, layout)
            known = isDirect
            return isDirect
        }
    }

    /// Sees to it that the limit that holds now is the one that is kept; cheap enough to be called often.
    func keepLimit() {
        let now = ContinuousClock.now
        let isDue = asked.withLock { asked in
            guard asked.map({ now - $0 >= Self.interval }) ?? true else { return false }
            asked = now
            return true
        }
        if isDue { control.keep(policy.bandwidth(at: clock())) }
    }
}
