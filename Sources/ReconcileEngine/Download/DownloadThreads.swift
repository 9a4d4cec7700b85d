import NIOCore
import NIOPosix
import Synchronization

/// The threads that downloads block: a few for the disk, and one a core for hashes. None exists before the first download.
final class DownloadThreads: Sendable {
    private struct Pools: Sendable {
        let disk = NIOThreadPool(numberOfThreads: 4)
        let hashing = NIOThreadPool(numberOfThreads: max(2, System.coreCount))

        init() {
            disk.start()
            hashing.start()
        }
    }

    private let pools = Mutex<Pools?>(nil)

    private func started() -> Pools {
        pools.withLock { pools in
            if let pools { return pools }
            let new = Pools()
            pools = new
            return new
        }
    }

    /// For work that waits for the disk.
    var disk: NIOThreadPool { started().disk }

    /// For work that keeps a core busy.
    var hashing: NIOThreadPool { started().hashing }

    /// Runs something that waits for the disk.
    func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await disk.runIfActive(body)
    }

    deinit {
        guard let pools = pools.withLock({ $0 }) else { return }
        pools.disk.shutdownGracefully { _ in }
        pools.hashing.shutdownGracefully { _ in }
    }
}
