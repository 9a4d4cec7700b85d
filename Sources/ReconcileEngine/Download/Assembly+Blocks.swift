import NIOCore
import NIOPosix
import ReconcileCore
import Synchronization

// What becomes of a block that came: it is checked, written, vouched for and put in line for the hash.
extension Assembly {
    /// Told what became of a block.
    typealias Completion = @Sendable (Result<Verdict, any Error>) -> Void

    /// What became of a block.
    enum Verdict: Sendable, Equatable {
        case taken
        /// Parts of it are not what the index says; they have to be fetched from elsewhere.
        case wrong
    }

    /// Takes a block of bytes that came: checks it against the index, writes it and hands it to the hash. The block goes back to
    /// the pool by itself.
    ///
    /// - Parameters:
    ///   - isRemote: Whether the server that is being asked brought them, and answers for them.
    ///   - done: Told, on any thread, when the connection may bring as much more: once the journal vouches for the block.
    func absorb(_ block: Block, _ range: Range<Int64>, isRemote: Bool = true, done: @escaping Completion) {
        let isInOrder: Bool? = state.withLock { state in
            guard Self.isFree(range, state) else { return nil }
            state.writing += 1
            state.notePace()
            guard state.runEnd == range.lowerBound else { return false }
            state.runEnd = range.upperBound
            extendRun(&state)
            return true
        }
        guard let isInOrder else {
            // What is hashed, or vouched for, is not written again.
            pool.give(block)
            return done(.success(.taken))
        }
        threads.disk.submit { _ in
            self.take(block, range, isRemote: isRemote, isInOrder: isInOrder, done)
            self.workEnded { $0.writing -= 1 }
        }
    }

    /// The same, for those who wait for it.
    func absorb(
        _ block: Block, _ range: Range<Int64>, isRemote: Bool, on loop: any EventLoop
    ) -> EventLoopFuture<Verdict> {
        let promise = loop.makePromise(of: Verdict.self)
        absorb(block, range, isRemote: isRemote) { promise.completeWith($0) }
        return promise.futureResult
    }

    private func take(
        _ block: Block, _ range: Range<Int64>, isRemote: Bool, isInOrder: Bool, _ done: @escaping Completion
    ) {
        do {
            let index = state.withLock { !isInOrder || $0.isChecked(range.lowerBound) ? $0.index : nil }
            if let index, !matches(index, block, range) {
                pool.give(block)
                lose(range)
                if isRemote { state.withLock { $0.hasWrong = true } }
                if isInOrder { breakRun(at: range.lowerBound) }
                return done(.success(.wrong))
            }
            try keep(block, range, isInOrder: isInOrder, done)
        } catch {
            fail(error)
            return done(.failure(error))
        }
        do { try checkpointIfDue() } catch { fail(error) }
    }

    /// Writes a block and puts it in line for the hash. One that the hash will reach at once is vouched for by the digest so far,
    /// any other by a SHA-256 of its own.
    private func keep(_ block: Block, _ range: Range<Int64>, isInOrder: Bool, _ done: @escaping Completion) throws {
        do {
            try withBytes(of: block, range) {
                try partial.write($0, at: range.lowerBound, isDirect: isInOrder || isNear(range))
            }
            if isInOrder, enqueue(HashLine.Piece(end: range.upperBound, block: block, done: done), at: range.lowerBound)
            {
                return
            }
            try claim(block, range)
        } catch {
            pool.give(block)
            throw error
        }
        _ = enqueue(HashLine.Piece(end: range.upperBound, block: block), at: range.lowerBound)
        done(.success(.taken))
    }

    /// The index, if bytes are to be checked by it: when they come early, or there is time. Of what comes in order the hash of
    /// the whole file will tell.
    func indexToCheck(from start: Int64) -> BlockIndex? {
        state.withLock { $0.runEnd != start || $0.isChecked(start) ? $0.index : nil }
    }

    private static func isFree(_ range: Range<Int64>, _ state: State) -> Bool {
        range.lowerBound >= state.frontier && !state.waiting.overlaps(range)
    }

    /// Whether the hash will probably reach a block while it is still in memory, so that it is not read back.
    func isNear(_ range: Range<Int64>) -> Bool {
        range.upperBound - state.withLock { $0.frontier } <= Int64(pool.capacity / 2 * Block.bytes)
    }

    private func claim(_ block: Block, _ range: Range<Int64>) throws {
        try partial.journal.claim(range, withBytes(of: block, range) { Hashing.digest(ofBytes: $0) })
    }

    /// Puts a written block in line for the hash.
    ///
    /// - Returns: Whether it is: one without a claim is only if the hash will reach it.
    private func enqueue(_ piece: HashLine.Piece, at start: Int64) -> Bool {
        let isInLine = state.withLock { state in
            guard piece.isClaimed || (state.runEnd > start && state.hashes) else { return false }
            state.waiting[start] = piece
            if piece.isClaimed { state.spare.insert(start) }
            extendRun(&state)
            return true
        }
        guard isInLine else { return false }
        hashSoon()
        pool.serve()
        return true
    }

    /// Says that the bytes at an offset do not come after all: the hash will not reach what is behind them, so those blocks
    /// get a SHA-256 of their own.
    func breakRun(at offset: Int64) {
        let stranded = state.withLock { state in
            state.runEnd = max(state.frontier, min(state.runEnd, offset))
            let stranded = state.waiting.filter { $0 >= offset && !$1.isClaimed }
            for (start, _) in stranded { state.waiting[start]?.done = nil }
            return stranded
        }
        for (start, piece) in stranded {
            do {
                if let block = piece.block { try claim(block, start..<piece.end) }
                state.withLock { if $0.waiting[start]?.block != nil { $0.spare.insert(start) } }
                piece.done?(.success(.taken))
            } catch {
                fail(error)
                piece.done?(.failure(error))
            }
        }
        pool.serve()
    }

    func extendRun(_ state: inout State) {
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

extension Assembly.State {
    /// A block that comes faster than this comes as fast as the machine can take it.
    private static let hurry = Duration.seconds(Double(Block.bytes) / LargeFetch.fast)

    /// Whether a block that comes in order is hashed twice: the hash waits for it, and it comes so slowly that no core is missed.
    /// One in sixteen always is, the first too, so that another file is noticed before all of it came; all are, once the whole
    /// was wrong.
    fileprivate func isChecked(_ start: Int64) -> Bool {
        isSuspicious || start / Int64(Block.bytes) % 16 == 0 || (isIdle && pace > Self.hurry)
    }

    /// Notes that a block came.
    fileprivate mutating func notePace() {
        let now = ContinuousClock.now
        let gap: Duration = now - cameAt
        (pace, cameAt) = ((pace * 3 + gap) / 4, now)
    }
}
