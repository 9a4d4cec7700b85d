import NIOCore
import NIOPosix
import ReconcileCore
import Synchronization

/// One large file while it is put together: which bytes are there, where they go, and the hash of all of them.
///
/// A block that comes where the hash stands goes past the page cache to the disk and, from the same memory, into the hash of
/// the whole file; the digest so far vouches for it in the journal. A block that comes early gets a SHA-256 of its own and is
/// kept in memory until its turn, or read back when memory ran short.
final class Assembly: Sendable, BlockPool.Keeper {
    /// A piece that is on disk and waits for the hash of the whole file to reach it.
    struct Waiting {
        let end: Int64
        /// Its bytes, while memory lasts.
        var block: Block?
        /// Whether the journal vouches for it already.
        var isClaimed: Bool
        /// Told when the journal does.
        var done: EventLoopPromise<Void>?
    }

    struct State {
        var book: RangeBook
        var hash = StreamingHash()
        /// Up to here the whole file is hashed.
        var frontier: Int64 = 0
        /// Up to here it is there without a gap, or about to be written.
        var runEnd: Int64 = 0
        /// By their start.
        var waiting: [Int64: Waiting] = [:]
        var isHashing = false
        /// Blocks that are being checked and written.
        var writing = 0
        /// Whether what came was not what the index says.
        var hasWrong = false
        var fault: Fault?
        /// The starts of pieces that could do without their memory.
        var spare: Set<Int64> = []
        var checkpoint = ContinuousClock.now
    }

    let size: Int64
    let index: BlockIndex?
    let pool: BlockPool
    let partial: PartialFile
    let threads: DownloadThreads
    let state: Mutex<State>

    /// How often what was written is made safe against a power cut.
    private static let checkpointInterval = Duration.seconds(2)

    init(size: Int64, index: BlockIndex?, partial: PartialFile, pool: BlockPool, threads: DownloadThreads) {
        (self.size, self.index, self.partial, self.pool, self.threads) = (size, index, partial, pool, threads)
        state = Mutex(State(book: Self.book([0..<size], index)))
        pool.register(self)
    }

    /// Gives everything back to the pool; called once nothing is under way any more.
    func end() {
        pool.forget(self)
        while let block = giveUp() { pool.give(block) }
    }

    private static func book(_ missing: [Range<Int64>], _ index: BlockIndex?) -> RangeBook {
        guard let index else { return RangeBook(missing: missing) }
        return RangeBook(missing: missing, cut: { index.boundary(atOrBefore: $0) })
    }

    // MARK: What is there

    /// Takes over what an earlier process left: the beginning of the file, hashed, and single pieces, each verified.
    func adopt(hash: StreamingHash, upTo end: Int64, pieces: [Range<Int64>]) {
        state.withLock { state in
            (state.hash, state.frontier, state.runEnd) = (hash, end, end)
            var missing: [Range<Int64>] = []
            var position = end
            for piece in pieces where piece.lowerBound >= position {
                missing.append(position..<piece.lowerBound)
                state.waiting[piece.lowerBound] = Waiting(end: piece.upperBound, isClaimed: true)
                position = piece.upperBound
            }
            missing.append(position..<size)
            state.book = Self.book(missing, index)
            extendRun(&state)
        }
        hashSoon()
    }

    /// Begins anew, with nothing.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func restart() async throws {
        await settle()
        try partial.restart()
        try partial.reserve(size)
        forget(missing: [0..<size])
    }

    func forget(missing: [Range<Int64>]) {
        let dropped = state.withLock { state in
            let dropped = Array(state.waiting.values)
            (state.waiting, state.spare) = ([:], [])
            (state.hash, state.frontier, state.runEnd) = (StreamingHash(), 0, 0)
            state.book = Self.book(missing, index)
            return dropped
        }
        for item in dropped {
            item.done?.succeed()
            if let block = item.block { pool.give(block) }
        }
    }

    /// Waits until nothing is being written, and nothing hashed that can be.
    func settle() async {
        while state.withLock({ $0.isHashing || $0.writing > 0 }) { try? await Task.sleep(for: .milliseconds(1)) }
    }

    /// Whether something that came was not what the index says; asking forgets it.
    func takeWrong() -> Bool {
        state.withLock { state in
            defer { state.hasWrong = false }
            return state.hasWrong
        }
    }

    /// Waits until the whole file is hashed.
    ///
    /// - Returns: Its SHA-256.
    /// - Throws: ``Fault`` when the disk failed.
    func digest() async throws -> Digest {
        while true {
            let (digest, fault) = state.withLock { ($0.frontier == size ? $0.hash.digest() : nil, $0.fault) }
            if let fault { throw fault }
            if let digest { return digest }
            try await Task.sleep(for: .milliseconds(1))
        }
    }

    /// Up to here the whole file is hashed.
    var frontier: Int64 { state.withLock { $0.frontier } }

    /// What went wrong with the disk.
    var fault: Fault? { state.withLock { $0.fault } }

    // MARK: Ranges

    /// Whether nothing is missing, under way or being written.
    var isComplete: Bool { state.withLock { $0.book.isComplete && $0.writing == 0 } }
    /// Whether nothing is missing or under way; what came last may still be checked.
    var hasAll: Bool { state.withLock { $0.book.isComplete } }
    /// Whether a further connection could be given something.
    var canShare: Bool { state.withLock { $0.book.canShare } }
    /// Bytes that came, or were here.
    var present: Int64 {
        state.withLock { state in
            state.book.flights.values.reduce(size - state.book.missingBytes) { $0 - ($1.end - $1.position) }
        }
    }
    var missing: [Range<Int64>] { state.withLock { $0.book.missing } }
    /// Whether everything that came was also hashed, so that disk and processor could take more.
    var isIdle: Bool { state.withLock { !$0.isHashing || $0.runEnd - $0.frontier <= Int64(Block.bytes) } }

    func next(for id: Int, wanted: Int64, connections: Int, rates: [Int: Double]) -> RangeBook.Flight? {
        state.withLock { $0.book.next(for: id, wanted: wanted, connections: connections, rates: rates) }
    }

    func advance(_ id: Int, by count: Int) -> (useful: Int, position: Int64, end: Int64) {
        state.withLock { state in
            let useful = Int(state.book.advance(id, by: Int64(count)))
            let flight = state.book.flights[id]
            return (useful, flight?.position ?? 0, flight?.end ?? 0)
        }
    }

    func takeAll(_ id: Int) -> Bool { state.withLock { $0.book.takeAll(id, size: size) } }

    func land(_ id: Int) { state.withLock { $0.book.land(id) } }

    /// Says that bytes which a connection had brought were lost before they were written.
    func lose(_ range: Range<Int64>) { state.withLock { $0.book.addMissing(range) } }

    /// Takes a range that is fetched from this machine out of what connections fetch.
    func claimLocally(_ range: Range<Int64>) { state.withLock { $0.book.remove(range) } }

    /// Where a block that begins at an offset ends, at most at `limit`: whole blocks of the index where there is one.
    func blockEnd(from start: Int64, limit: Int64) -> Int64 {
        let room = start / Int64(Block.alignment) * Int64(Block.alignment) + Int64(Block.bytes)
        guard let index else { return min(limit, start - start % Int64(Block.bytes) + Int64(Block.bytes)) }
        let end = index.boundary(atOrBefore: min(room, limit))
        return end > start ? end : min(room, limit)
    }

    // MARK: Blocks

    /// What became of a block.
    enum Verdict: Sendable, Equatable {
        case taken
        /// Parts of it are not what the index says; they have to be fetched from elsewhere.
        case wrong
    }

    /// Takes a block of bytes that came: checks it against the index, writes it and hands it to the hash. The block goes back to
    /// the pool by itself.
    ///
    /// - Parameter isRemote: Whether the server that is being asked brought them, and answers for them.
    /// - Returns: When the connection may bring as much more: once the journal vouches for the block.
    func absorb(
        _ block: Block, _ range: Range<Int64>, isRemote: Bool = true, on loop: any EventLoop
    ) -> EventLoopFuture<Verdict> {
        let promise = loop.makePromise(of: Verdict.self)
        let isInOrder = state.withLock { state in
            state.writing += 1
            guard state.runEnd == range.lowerBound else { return false }
            state.runEnd = range.upperBound
            extendRun(&state)
            return true
        }
        threads.disk.submit { _ in
            self.take(block, range, isRemote: isRemote, isInOrder: isInOrder, promise)
            self.state.withLock { $0.writing -= 1 }
        }
        return promise.futureResult
    }

    private func take(
        _ block: Block, _ range: Range<Int64>, isRemote: Bool, isInOrder: Bool,
        _ promise: EventLoopPromise<Verdict>
    ) {
        do {
            if let index, !isInOrder || isIdle, !matches(index, block, range) {
                lose(range)
                if isRemote { state.withLock { $0.hasWrong = true } }
                pool.give(block)
                if isInOrder { try breakRun(at: range.lowerBound) }
                return promise.succeed(.wrong)
            }
            try withBytes(of: block, range) {
                try partial.write($0, at: range.lowerBound, isDirect: isInOrder || isNear(range))
            }
            // A block that the hash will reach at once is vouched for by the digest so far.
            let isReachable = isInOrder && state.withLock { $0.runEnd > range.lowerBound }
            if !isReachable { try claim(block, range) }
            enqueue(block, range, isClaimed: !isReachable, promise)
            try checkpointIfDue()
        } catch {
            fail(error)
            pool.give(block)
            promise.fail(error)
        }
    }

    /// Whether the hash will probably reach a block while it is still in memory, so that it is not read back.
    func isNear(_ range: Range<Int64>) -> Bool {
        range.upperBound - state.withLock { $0.frontier } <= Int64(pool.capacity / 2 * Block.bytes)
    }

    private func claim(_ block: Block, _ range: Range<Int64>) throws {
        try partial.journal.claim(range, withBytes(of: block, range) { Hashing.digest(ofBytes: $0) })
    }

    private func enqueue(
        _ block: Block, _ range: Range<Int64>, isClaimed: Bool, _ promise: EventLoopPromise<Verdict>
    ) {
        let claimed = isClaimed ? nil : promise.futureResult.eventLoop.makePromise(of: Void.self)
        claimed?.futureResult.map { Verdict.taken }.cascade(to: promise)
        let isLate = state.withLock { state in
            // The hash has passed it: the same bytes had come before.
            guard range.lowerBound >= state.frontier else { return true }
            state.waiting[range.lowerBound] = Waiting(
                end: range.upperBound, block: block, isClaimed: isClaimed, done: claimed)
            if isClaimed { state.spare.insert(range.lowerBound) }
            extendRun(&state)
            return false
        }
        if isLate {
            pool.give(block)
            claimed?.succeed()
        }
        if isClaimed { promise.succeed(.taken) }
        hashSoon()
        pool.serve()
    }

    /// Says that the bytes at an offset do not come after all: the hash will not reach what is behind them, so those blocks
    /// get a SHA-256 of their own.
    private func breakRun(at offset: Int64) throws {
        let stranded = state.withLock { state -> [(Int64, Waiting)] in
            state.runEnd = min(state.runEnd, offset)
            let stranded = state.waiting.filter { $0.key >= offset && !$0.value.isClaimed }
            for start in stranded.keys {
                state.waiting[start]?.isClaimed = true
                state.waiting[start]?.done = nil
            }
            return stranded.map { ($0.key, $0.value) }
        }
        for (start, item) in stranded {
            if let block = item.block { try claim(block, start..<item.end) }
            state.withLock { if $0.waiting[start]?.block != nil { $0.spare.insert(start) } }
            item.done?.succeed()
        }
        pool.serve()
    }

    private func extendRun(_ state: inout State) {
        while let next = state.waiting[state.runEnd] { state.runEnd = next.end }
    }

    private func matches(_ index: BlockIndex, _ block: Block, _ range: Range<Int64>) -> Bool {
        withBytes(of: block, range) { bytes in
            index.blocks(in: range).allSatisfy { piece in
                let low = Int(piece.range.lowerBound - range.lowerBound)
                return Hashing.digest(
                    ofBytes: UnsafeRawBufferPointer(rebasing: bytes[low..<low + piece.range.count])) == piece.digest
            }
        }
    }

    /// The bytes of a block that hold a range: they begin where the range's start is within its page.
    func withBytes<Result: Sendable>(
        of block: Block, _ range: Range<Int64>, _ body: (UnsafeRawBufferPointer) throws -> Result
    ) rethrows -> Result {
        try block.withBytes { memory in
            let lead = Int(range.lowerBound % Int64(Block.alignment))
            return try body(UnsafeRawBufferPointer(rebasing: memory[lead..<lead + range.count]))
        }
    }

    func giveUp() -> Block? {
        state.withLock { state in
            guard let last = state.spare.max() else { return nil }
            state.spare.remove(last)
            let block = state.waiting[last]?.block
            state.waiting[last]?.block = nil
            return block
        }
    }

    func fail(_ error: any Error) {
        state.withLock { state in
            state.fault = state.fault ?? error as? Fault ?? Fault(.bug(detail: "\(error)"))
        }
    }

    private func checkpointIfDue() throws {
        let isDue = state.withLock { state in
            let now = ContinuousClock.now
            guard now - state.checkpoint >= Self.checkpointInterval else { return false }
            state.checkpoint = now
            return true
        }
        if isDue { try partial.checkpoint() }
    }

    /// Reads bytes of another file into a block, where they belong in it.
    ///
    /// - Parameter offset: Where they are in that file.
    func read(
        _ range: Range<Int64>, from source: ReadableFile, at offset: Int64, into block: Block
    ) async throws -> Bool {
        try await threads.run {
            block.withBytes { memory in
                let lead = Int(range.lowerBound % Int64(Block.alignment))
                return source.read(
                    into: UnsafeMutableRawBufferPointer(rebasing: memory[lead..<lead + range.count]),
                    at: offset)
            }
        }
    }
}
