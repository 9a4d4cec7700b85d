import NIOCore
import ReconcileCore
import Synchronization

/// One large file while it is put together: which bytes are there, where they go, and the hash of all of them.
///
/// A block that comes where the hash stands goes past the page cache to the disk and, from the same memory, into the hash of
/// the whole file; the digest so far vouches for it in the journal. A block that comes early gets a SHA-256 of its own and is
/// kept in memory until its turn, or read back when memory ran short.
final class Assembly: Sendable, BlockPool.Keeper {
    struct State {
        var book: RangeBook
        /// What the file consists of, once that is known.
        var index: BlockIndex?
        var hash = StreamingHash()
        /// Up to here the whole file is hashed.
        var frontier: Int64 = 0
        /// Up to here it is there without a gap, or about to be written.
        var runEnd: Int64 = 0
        var waiting = HashLine()
        var isHashing = false
        /// Whether nobody wants the rest of the hash.
        var isEnding = false
        /// Whether the whole turned out to be wrong, so that every block is checked from then on.
        var isSuspicious = false
        /// When the last block came, and how long one takes to come lately.
        var cameAt = ContinuousClock.now
        var pace = Duration.zero
        /// Blocks that are being checked and written.
        var writing = 0
        /// Whether what came was not what the index says.
        var hasWrong = false
        var fault: Fault?
        /// The starts of pieces that could do without their memory.
        var spare: Set<Int64> = []
        var checkpoint = ContinuousClock.now
        /// Those who wait until nothing is being written or hashed.
        var settling: [CheckedContinuation<Void, Never>] = []

        var isBusy: Bool { isHashing || writing > 0 }

        /// Whether everything that came was also hashed.
        var isIdle: Bool { !isHashing || runEnd - frontier <= Int64(Block.bytes) }

        /// Whether the hash goes on.
        var hashes: Bool { fault == nil && !isEnding }

        /// Takes pieces out of the line for the hash.
        mutating func takeWaiting(_ isTaken: (Int64, HashLine.Piece) -> Bool) -> [HashLine.Piece] {
            waiting.filter(isTaken).map { start, piece in
                spare.remove(start)
                waiting[start] = nil
                return piece
            }
        }
    }

    let size: Int64
    let pool: BlockPool
    let partial: PartialFile
    let threads: DownloadThreads
    let state: Mutex<State>

    /// How often what was written is made safe against a power cut.
    static let checkpointInterval = Duration.seconds(2)

    init(size: Int64, index: BlockIndex?, partial: PartialFile, pool: BlockPool, threads: DownloadThreads) {
        (self.size, self.partial, self.pool, self.threads) = (size, partial, pool, threads)
        state = Mutex(State(book: Self.book([0..<size], index), index: index))
        pool.register(self)
    }

    /// Gives everything back to the pool; called once nothing is under way any more.
    func end() {
        pool.forget(self)
        drop(state.withLock { $0.takeWaiting { _, _ in true } }, .success(.taken))
    }

    /// Gives back what pieces hold that are no longer in the line for the hash.
    private func drop(_ pieces: [HashLine.Piece], _ result: Result<Verdict, any Error>) {
        for piece in pieces {
            piece.done?(result)
            if let block = piece.block { pool.give(block) }
        }
    }

    /// Notes that the disk failed. The hash goes no further, so those who wait for it are told.
    func fail(_ error: any Error) {
        let fault = error as? Fault ?? Fault(.bug(detail: "\(error)"))
        let pieces = state.withLock { state in
            state.fault = state.fault ?? fault
            return state.takeWaiting { !$1.isClaimed }
        }
        drop(pieces, .failure(fault))
    }

    private static func book(_ missing: [Range<Int64>], _ index: BlockIndex?) -> RangeBook {
        var book = RangeBook(missing: missing)
        if let index { book.cut = { index.boundary(atOrBefore: $0) } }
        return book
    }

    /// What the file consists of, once that is known.
    var index: BlockIndex? { state.withLock(\.index) }

    /// Takes the index that came while bytes did; those that are here are checked by it only when the whole turns out wrong.
    func take(_ index: BlockIndex) {
        state.withLock { state in
            state.index = index
            state.book.cut = { index.boundary(atOrBefore: $0) }
        }
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
                state.waiting[piece.lowerBound] = HashLine.Piece(end: piece.upperBound)
                position = piece.upperBound
            }
            missing.append(position..<size)
            state.book = Self.book(missing, state.index)
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
        let items = state.withLock { state in
            (state.hash, state.frontier, state.runEnd) = (StreamingHash(), 0, 0)
            state.book = Self.book(missing, state.index)
            return state.takeWaiting { _, _ in true }
        }
        drop(items, .success(.taken))
    }

    /// Waits until nothing is being written, and nothing hashed that can be; when it is cancelled, the hash goes no further.
    func settle() async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isQuiet = state.withLock { state in
                    if state.isBusy { state.settling.append(continuation) }
                    return !state.isBusy
                }
                if isQuiet { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.isEnding = true }
            // What the hash will not reach gets a claim of its own.
            breakRun(at: 0)
        }
    }

    /// Notes the end of some work, and tells those who wait for the end of all.
    func workEnded(_ change: (inout State) -> Void) {
        let settled = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            change(&state)
            guard !state.isBusy else { return [] }
            defer { state.settling = [] }
            return state.settling
        }
        for continuation in settled { continuation.resume() }
    }

    /// Whether something that came was not what the index says; asking forgets it.
    func takeWrong() -> Bool {
        state.withLock { state in
            defer { state.hasWrong = false }
            return state.hasWrong
        }
    }

    /// Waits until everything that came is hashed.
    ///
    /// - Returns: The SHA-256 of the file; `nil` when something is missing.
    /// - Throws: ``Fault`` when the disk failed.
    func digest() async throws -> Digest? {
        await settle()
        if let fault { throw fault }
        if let digest = state.withLock({ $0.frontier == size ? $0.hash.digest() : nil }) { return digest }
        fillGap()
        return nil
    }

    /// Makes what is neither here nor under way missing, up to the next piece that is here.
    private func fillGap() {
        let items = state.withLock { state in
            let frontier = state.frontier
            let behind = state.takeWaiting { start, _ in start < frontier }
            if state.book.isComplete { state.book.addMissing(frontier..<(state.waiting.first ?? size)) }
            return behind
        }
        drop(items, .success(.taken))
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
    /// Whether everything that came was also hashed, so that disk and processor could take more.
    var isIdle: Bool { state.withLock(\.isIdle) }

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
    ///
    /// - Returns: Whether all of it was missing; if not, it stays as it is.
    func claimLocally(_ range: Range<Int64>) -> Bool {
        state.withLock { $0.book.remove(range) }
    }

    /// Takes all that is missing out of what connections fetch.
    func claimAllLocally() { state.withLock { $0.book.removeAll() } }

    /// Where a block that begins at an offset ends, at most at `limit`: whole blocks of the index where they are checked, else whole
    /// pages, so that nothing of it goes through the page cache.
    func blockEnd(from start: Int64, limit: Int64) -> Int64 {
        let room = start / Int64(Block.alignment) * Int64(Block.alignment) + Int64(Block.bytes)
        guard let index = indexToCheck(from: start) else {
            return min(limit, start - start % Int64(Block.bytes) + Int64(Block.bytes))
        }
        let end = index.boundary(atOrBefore: min(room, limit))
        return end > start ? end : min(room, limit)
    }
}
