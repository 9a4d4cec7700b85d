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
    private let loops = Array(MultiThreadedEventLoopGroup.singleton.makeIterator())
    private let fetches = Mutex(0)

    private func started() -> Pools {
        pools.withLock { pools in
            if let pools { return pools }
            let new = Pools()
            pools = new
            return new
        }
    }

    /// A number for a fetch, so that several spread over the threads of the network.
    func nextFetch() -> Int {
        fetches.withLock { fetches in
            defer { fetches = (fetches + 1) % max(1, loops.count) }
            return fetches
        }
    }

    /// The thread of one connection of a fetch: always the same, so that what it receives is not handed to another one first.
    func loop(_ connection: Int, of fetch: Int) -> any EventLoop {
        loops.isEmpty ? MultiThreadedEventLoopGroup.singleton.any() : loops[(fetch + connection) % loops.count]
    }

    /// For work that waits for the disk.
    var disk: NIOThreadPool { started().disk }

    /// For work that keeps a core busy.
    var hashing: NIOThreadPool { started().hashing }

    /// Runs something that waits for the disk.
    func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await disk.runIfActive(body)
    }

    /// Runs something long that waits for the disk, and looks at a flag to end early.
    ///
    /// - Throws: `CancellationError`, and what the work throws.
    func cancellable<Result: Sendable>(
        _ body: @escaping @Sendable (CancellationFlag) throws -> Result
    ) async throws -> Result { try await Self.cancellable(on: disk, body) }

    /// The same on other threads, for what itself needs those of the disk.
    static func cancellable<Result: Sendable>(
        on threads: NIOThreadPool, _ body: @escaping @Sendable (CancellationFlag) throws -> Result
    ) async throws -> Result {
        let flag = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await threads.runIfActive { try body(flag) }
        } onCancel: {
            flag.set()
        }
    }

    deinit {
        guard let pools = pools.withLock({ $0 }) else { return }
        pools.disk.shutdownGracefully { _ in }
        pools.hashing.shutdownGracefully { _ in }
    }
}
