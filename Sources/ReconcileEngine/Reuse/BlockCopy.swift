import NIOCore
import NIOPosix
import ReconcileCore
import SystemPackage

/// Copies blocks of a wanted file from other files of this machine, while the rest is fetched. What cannot be read, or is not
/// what the index says, is fetched as well.
struct BlockCopy: Sendable {
    private let copies: [ReusePlan.Copy]
    private let assembly: Assembly

    /// Blocks that may wait for the disk or the hash.
    private static let outstandingLimit = 4
    /// How long the hash is waited for before blocks are copied ahead of it, where they have to be read back.
    private static let patience = Duration.milliseconds(300)

    /// A copy of what is still missing, which is taken out of what is fetched.
    init(_ plan: ReusePlan, assembly: Assembly) {
        self.assembly = assembly
        copies = plan.copies.filter { assembly.claimLocally($0.range) }
    }

    /// Copies everything.
    ///
    /// - Throws: `CancellationError`; ``Fault`` when the disk that is written to failed.
    func run() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        var outstanding: [EventLoopFuture<Assembly.Verdict>] = []
        var sources: [FilePath: ReadableFile] = [:]
        for copy in copies {
            let source = sources[copy.from.path] ?? ReadableFile(copy.from.path)
            sources[copy.from.path] = source
            var position = copy.range.lowerBound
            while position < copy.range.upperBound, assembly.fault == nil {
                try Task.checkCancellation()
                let range = position..<assembly.blockEnd(from: position, limit: copy.range.upperBound)
                position = range.upperBound
                try await keepPace(with: range)
                let block = try await assembly.pool.take(on: loop).get()
                let offset = copy.from.offset + range.lowerBound - copy.range.lowerBound
                guard let source, try await assembly.read(range, from: source, at: offset, into: block) else {
                    assembly.pool.give(block)
                    assembly.lose(range)
                    continue
                }
                outstanding.append(assembly.absorb(block, range, isRemote: false, on: loop))
                if outstanding.count >= Self.outstandingLimit { _ = try await outstanding.removeFirst().get() }
            }
        }
        for future in outstanding { _ = try await future.get() }
    }

    /// Waits while the hash is so far behind that a block would not stay in memory until its turn.
    private func keepPace(with range: Range<Int64>) async throws {
        var seen = assembly.frontier
        var since = ContinuousClock.now
        while !assembly.isNear(range), assembly.fault == nil {
            try await Task.sleep(for: .milliseconds(1))
            let now = assembly.frontier
            if now != seen {
                (seen, since) = (now, .now)
            } else if ContinuousClock.now - since > Self.patience {
                return
            }
        }
    }
}
