import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import ReconcileCore
import Synchronization

/// Takes one answer of a server: judges its head, and fills blocks with its body as the bytes come, on the connection's own
/// thread. Asks for no more than memory, disk and bandwidth allow.
final class RangeReceiver: HTTPClientResponseDelegate {
    typealias Response = Ending

    /// How an answer ended that did not fail.
    enum Ending: Sendable, Hashable {
        /// All that was asked for came.
        case whole
        case redirect(String)
    }

    /// Why an answer was not taken, or not to its end.
    enum Refusal: Error, Hashable, Sendable {
        /// A status that brings no bytes.
        case status(Int, retryAfter: Duration?)
        /// These cannot be the bytes of the file.
        case unfit(String)
        /// The file is another one than it was.
        case changed
        /// The whole file came where a part was asked for.
        case ignoresRanges
        /// The server ended early.
        case short
        /// Another connection brings the rest.
        case takenOver
        /// What came is not what the index says.
        case wrongBytes
        /// Nothing came for too long.
        case stalled
    }

    private struct State {
        var block: Block?
        var start: Int64 = 0
        var position: Int64 = 0
        /// Up to here the range counts as brought; what is not yet in a block when this answer is ended was not.
        var advanced: Int64 = 0
        var blockEnd: Int64 = 0
        /// Blocks that were handed on and are not vouched for yet.
        var outstanding = 0
        var resume: EventLoopPromise<Void>?
        var refusal: Refusal?
        var redirect: String?
        /// What the source means by its refusal, and how it wants to be asked.
        var explanation: Fault?
        var challenge: String?
        var isOver = false
        /// Whether it was cancelled, and waits for nothing any more.
        var isAbandoned = false
        /// Since when bytes are waited for; `nil` while memory, disk or bandwidth are.
        var listensSince: ContinuousClock.Instant? = .now
        /// How long bytes were waited for before that.
        var listened = Duration.zero
        var lastByte = ContinuousClock.now
        var received = 0

        mutating func listen() {
            guard listensSince == nil else { return }
            let now = ContinuousClock.now
            (listensSince, lastByte) = (now, now)
        }

        mutating func stopListening() {
            if let listensSince { listened += .now - listensSince }
            listensSince = nil
        }
    }

    /// The body of a redirect is read to its end, so that the connection can be used again, unless it is longer than this.
    private static let redirectBodyLimit = 64 << 10

    private let id: Int
    private let assembly: Assembly
    private let asked: Range<Int64>?
    /// Whether the answer has been opened before, for the whole file: as much of it is taken as was asked for.
    private let isOpened: Bool
    private let bucket: TokenBucket
    /// Blocks of this connection that the journal need not vouch for yet: what a kill may cost.
    private let allowance: @Sendable () -> Int
    private let report: @Sendable (Int) -> Void
    private let answered: @Sendable (Duration) -> Void
    private let knowledge: FileKnowledge?
    private let validator: Validator
    private let state: Mutex<State>
    /// Held while bytes are copied into the block: the hash, which only has to say that it is done, does not wait for that.
    private let copying = Mutex(())
    private let check = Mutex(PieceCheck())

    /// - Parameters:
    ///   - flight: What was asked for.
    ///   - isRange: Whether it was asked for as a range; the whole file otherwise.
    ///   - isOpened: Whether the answer has been opened before, for the whole file.
    ///   - answered: Told of the head, and how long after the question it came.
    init(
        id: Int, flight: RangeBook.Flight, isRange: Bool, isOpened: Bool = false, assembly: Assembly,
        validator: Validator,
        bucket: TokenBucket, allowance: @escaping @Sendable () -> Int,
        knowledge: FileKnowledge? = nil,
        answered: @escaping @Sendable (Duration) -> Void, report: @escaping @Sendable (Int) -> Void
    ) {
        (self.allowance, self.answered, self.knowledge) = (allowance, answered, knowledge)
        (self.id, self.assembly, self.validator, self.bucket, self.report) = (id, assembly, validator, bucket, report)
        (asked, self.isOpened) = (isRange ? flight.position..<flight.end : nil, isOpened)
        state = Mutex(State(start: flight.position, position: flight.position, advanced: flight.position))
    }

    // MARK: Head

    func didReceiveHead(task: HTTPClient.Task<Ending>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        let loop = task.eventLoop
        let latency = state.withLock { state in
            defer { state.lastByte = .now }
            return ContinuousClock.now - state.lastByte
        }
        if !isOpened { answered(latency) }
        if (300..<400).contains(head.status.code), let target = head.headers.first(name: "Location") {
            if let objection = knowledge?.objection(toLinked: head.headers.first(name: "X-Linked-Etag")) {
                return refuse(.unfit(objection), on: loop)
            }
            state.withLock { $0.redirect = target }
            return loop.makeSucceededVoidFuture()
        }
        if let challenge = head.headers.first(name: "WWW-Authenticate") { state.withLock { $0.challenge = challenge } }
        if let explanation = knowledge?.refusal(Int(head.status.code), { head.headers.first(name: $0) }) {
            state.withLock { $0.explanation = explanation }
        }
        switch validator.judge(head, asked: isOpened ? nil : asked, size: assembly.size) {
        case .fits: return loop.makeSucceededVoidFuture()
        case .wholeInstead where assembly.takeAll(id): return loop.makeSucceededVoidFuture()
        case .wholeInstead: return refuse(.ignoresRanges, on: loop)
        case .refused(let refusal): return refuse(refusal, on: loop)
        }
    }

    private func refuse(_ refusal: Refusal, on loop: any EventLoop) -> EventLoopFuture<Void> {
        state.withLock { $0.refusal = $0.refusal ?? refusal }
        return loop.makeFailedFuture(refusal)
    }

    // MARK: Body

    func didReceiveBodyPart(task: HTTPClient.Task<Ending>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        let loop = task.eventLoop
        let (isTooLong, step) = state.withLock { state -> (Bool, (useful: Int, position: Int64, end: Int64)?) in
            state.lastByte = .now
            state.received += buffer.readableBytes
            if state.redirect != nil { return (state.received > Self.redirectBodyLimit, nil) }
            // Once it was ended, what still comes is nobody's: the range has been given back.
            guard !state.isOver else { return (false, nil) }
            let step = assembly.advance(id, by: buffer.readableBytes)
            state.advanced += Int64(step.useful)
            return (false, step)
        }
        if isTooLong { return loop.makeFailedFuture(Refusal.short) }
        guard let (useful, position, end) = step else { return loop.makeSucceededVoidFuture() }
        report(useful)
        let isCut = useful < buffer.readableBytes
        var part = buffer
        guard let bytes = part.readSlice(length: useful) else { return loop.makeSucceededVoidFuture() }
        let taken = fill(bytes, end, on: loop)
        let isTakenOver = end < (asked?.upperBound ?? end)
        if isCut || (isTakenOver && position == end) {
            // All that is still wanted came: another connection has taken over the rest. Or it sends what nobody wants.
            let refusal = isTakenOver ? Refusal.takenOver : .unfit("it sends more than was asked for")
            return taken.flatMap { self.refuse(refusal, on: loop) }
        }
        let ticket = bucket.take(buffer.readableBytes)
        guard bucket.delay(of: ticket) > .zero else { return taken }
        return taken.flatMap {
            self.state.withLock { $0.stopListening() }
            let promise = loop.makePromise(of: Void.self)
            self.pause(ticket, promise, on: loop)
            return promise.futureResult
        }
    }

    /// Waits for bandwidth, and as long as everything is paused.
    private func pause(_ ticket: Int64, _ promise: EventLoopPromise<Void>, on loop: any EventLoop) {
        let delay = bucket.delay(of: ticket)
        guard delay > .zero, !state.withLock({ $0.isAbandoned }) else {
            state.withLock { $0.listen() }
            return promise.succeed()
        }
        loop.scheduleTask(in: TimeAmount(delay)) { self.pause(ticket, promise, on: loop) }
    }

    /// Puts bytes into blocks. The future is there at once, unless a block is full and there is no other.
    private func fill(_ bytes: ByteBuffer, _ end: Int64, on loop: any EventLoop) -> EventLoopFuture<Void> {
        var rest = bytes
        while rest.readableBytes > 0 {
            if state.withLock({ $0.block == nil }) {
                let left = rest
                if let block = assembly.pool.takeNow() {
                    open(block, end)
                } else {
                    state.withLock { $0.stopListening() }
                    return assembly.pool.take(on: loop).flatMap { block in
                        self.state.withLock { $0.listen() }
                        self.open(block, end)
                        return self.fill(left, end, on: loop)
                    }
                }
            }
            copy(&rest, end)
            if isFull(end), let waiting = handOn(on: loop) {
                let left = rest
                return waiting.flatMap { self.fill(left, end, on: loop) }
            }
        }
        return loop.makeSucceededVoidFuture()
    }

    private func open(_ block: Block, _ end: Int64) {
        let isOver = state.withLock { state in
            guard !state.isOver else { return true }
            (state.block, state.start) = (block, state.position)
            state.blockEnd = assembly.blockEnd(from: state.position, limit: end)
            return false
        }
        if isOver { assembly.pool.give(block) }
    }

    private func copy(_ rest: inout ByteBuffer, _ end: Int64) {
        copying.withLock { _ in
            let (block, room, lead) = state.withLock { state in
                (
                    state.block, Int(min(state.blockEnd, end) - state.position),
                    Int(state.start % Int64(Block.alignment)) + Int(state.position - state.start)
                )
            }
            guard let block else {
                rest.moveReaderIndex(forwardBy: rest.readableBytes)
                return
            }
            let count = min(room, rest.readableBytes)
            rest.readWithUnsafeReadableBytes { bytes in
                block.withBytes { $0.fill(from: UnsafeRawBufferPointer(rebasing: bytes[..<count]), at: lead) }
                return count
            }
            state.withLock { $0.position += Int64(count) }
        }
    }

    private func isFull(_ end: Int64) -> Bool {
        state.withLock { $0.block != nil && $0.position >= min($0.blockEnd, end) }
    }

    /// Hands the block on.
    ///
    /// - Returns: What to wait for before the next one is filled; `nil` when nothing.
    private func handOn(on loop: any EventLoop) -> EventLoopFuture<Void>? {
        let (block, range) = state.withLock { state -> (Block?, Range<Int64>) in
            defer { state.block = nil }
            if state.block != nil { state.outstanding += 1 }
            return (state.block, state.start..<state.position)
        }
        guard let block else { return nil }
        guard isRight(block, range) else {
            state.withLock { $0.outstanding -= 1 }
            assembly.pool.give(block)
            assembly.lose(range)
            return refuse(.wrongBytes, on: loop)
        }
        assembly.absorb(block, range) { self.settled($0) }
        let limit = allowance()
        return state.withLock { state in
            guard state.outstanding >= limit, !state.isAbandoned else { return nil }
            let promise = loop.makePromise(of: Void.self)
            state.resume = promise
            state.stopListening()
            return promise.futureResult
        }
    }

    /// Checks a block of the index that is longer than a piece of memory, as far as it came.
    private func isRight(_ block: Block, _ range: Range<Int64>) -> Bool {
        let index = assembly.indexToCheck(from: range.lowerBound)
        return check.withLock { check in
            assembly.withBytes(of: block, range) { check.take($0, at: range.lowerBound, index: index) }
        }
    }

    private func settled(_ result: Result<Assembly.Verdict, any Error>) {
        let (resume, refusal) = state.withLock { state in
            state.outstanding -= 1
            if case .success(.wrong) = result { state.refusal = state.refusal ?? .wrongBytes }
            if state.resume != nil { state.listen() }
            defer { state.resume = nil }
            return (state.resume, state.refusal)
        }
        if let refusal { resume?.fail(refusal) } else { resume?.succeed() }
    }

    // MARK: End

    func didFinishRequest(task: HTTPClient.Task<Ending>) throws -> Ending {
        if let redirect { return .redirect(redirect) }
        let (position, refusal) = state.withLock { ($0.position, $0.refusal) }
        if let refusal { throw refusal }
        let end = assembly.advance(id, by: 0).end
        if position < end { throw Refusal.short }
        return .whole
    }

    /// Waits for nothing any more: it is about to be cancelled. A client that holds the end of a body ends a request only when all
    /// of it has been taken.
    func abandon() {
        let resume = state.withLock { state in
            state.isAbandoned = true
            defer { state.resume = nil }
            return state.resume
        }
        resume?.fail(CancellationError())
    }

    /// Ends this answer for good: what came of a block that is not full is handed on too.
    ///
    /// - Returns: What was said against it.
    func finish() -> Refusal? {
        let (block, range, lost) = copying.withLock { _ in
            state.withLock { state -> (Block?, Range<Int64>, Range<Int64>) in
                defer { state.block = nil }
                state.isOver = true
                return (
                    state.block, state.start..<state.position, state.position..<max(state.position, state.advanced)
                )
            }
        }
        assembly.lose(lost)
        if let block {
            if range.isEmpty {
                assembly.pool.give(block)
            } else {
                assembly.absorb(block, range) { _ in }
            }
        }
        return state.withLock { $0.refusal }
    }

    // MARK: Watching

    /// How long it has brought nothing although something was waited for.
    func silence(at now: ContinuousClock.Instant) -> Duration {
        state.withLock { $0.listensSince == nil ? .zero : now - $0.lastByte }
    }

    /// How long it waited for bytes, and not for memory, disk or bandwidth.
    func listened(at now: ContinuousClock.Instant) -> Duration {
        state.withLock { state in state.listened + (state.listensSince.map { now - $0 } ?? .zero) }
    }

    /// How the server wants to be asked, when it says so.
    var challenge: String? { state.withLock { $0.challenge } }

    /// What the source means by its refusal, when it says it in words of its own.
    var explanation: Fault? { state.withLock { $0.explanation } }

    /// Where it is redirected to.
    var redirect: String? { state.withLock { $0.redirect } }

    /// Bytes of the body so far.
    var received: Int { state.withLock { $0.received } }
}
