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
        var isOver = false
        /// Whether bytes are waited for, and not memory, disk or bandwidth.
        var isListening = true
        var lastByte = ContinuousClock.now
        var latency: Duration?
        var received = 0
    }

    private let id: Int
    private let assembly: Assembly
    private let asked: Range<Int64>?
    private let bucket: TokenBucket
    /// Blocks of this connection that the journal need not vouch for yet: what a kill may cost.
    private let allowance: @Sendable () -> Int
    private let report: @Sendable (Int) -> Void
    private let validator: Validator
    private let state: Mutex<State>

    /// - Parameters:
    ///   - flight: What was asked for.
    ///   - isRange: Whether it was asked for as a range; the whole file otherwise.
    init(
        id: Int, flight: RangeBook.Flight, isRange: Bool, assembly: Assembly, validator: Validator,
        bucket: TokenBucket, allowance: @escaping @Sendable () -> Int, report: @escaping @Sendable (Int) -> Void
    ) {
        self.allowance = allowance
        (self.id, self.assembly, self.validator, self.bucket, self.report) = (id, assembly, validator, bucket, report)
        asked = isRange ? flight.position..<flight.end : nil
        state = Mutex(State(start: flight.position, position: flight.position, advanced: flight.position))
    }

    // MARK: Head

    func didReceiveHead(task: HTTPClient.Task<Ending>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        let loop = task.eventLoop
        state.withLock {
            $0.latency = .now - $0.lastByte
            $0.lastByte = .now
        }
        if (300..<400).contains(head.status.code), let target = head.headers.first(name: "Location") {
            state.withLock { $0.redirect = target }
            return loop.makeSucceededVoidFuture()
        }
        switch validator.judge(head, asked: asked, size: assembly.size) {
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
        let step = state.withLock { state -> (useful: Int, position: Int64, end: Int64)? in
            state.lastByte = .now
            state.received += buffer.readableBytes
            // Once it was ended, what still comes is nobody's: the range has been given back.
            guard state.redirect == nil, !state.isOver else { return nil }
            let step = assembly.advance(id, by: buffer.readableBytes)
            state.advanced += Int64(step.useful)
            return step
        }
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
        let delay = bucket.take(buffer.readableBytes)
        return delay > .zero ? pause(taken, delay, on: loop) : taken
    }

    /// Waits for bandwidth, and as long as everything is paused.
    private func pause(
        _ taken: EventLoopFuture<Void>, _ delay: Duration, on loop: any EventLoop
    ) -> EventLoopFuture<Void> {
        state.withLock { $0.isListening = false }
        return taken.flatMap {
            loop.scheduleTask(in: TimeAmount(delay)) {}.futureResult
        }.flatMap {
            guard !self.bucket.isPaused else {
                return self.pause(loop.makeSucceededVoidFuture(), .milliseconds(250), on: loop)
            }
            self.listen()
            return loop.makeSucceededVoidFuture()
        }
    }

    private func listen() {
        state.withLock { state in
            state.isListening = true
            state.lastByte = .now
        }
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
                    state.withLock { $0.isListening = false }
                    return assembly.pool.take(on: loop).flatMap { block in
                        self.listen()
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
        state.withLock { state in
            guard let block = state.block else {
                rest.moveReaderIndex(forwardBy: rest.readableBytes)
                return
            }
            let room = Int(min(state.blockEnd, end) - state.position)
            let count = min(room, rest.readableBytes)
            let lead = Int(state.start % Int64(Block.alignment)) + Int(state.position - state.start)
            rest.readWithUnsafeReadableBytes { bytes in
                block.withBytes { memory in
                    UnsafeMutableRawBufferPointer(rebasing: memory[lead...]).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                }
                return count
            }
            state.position += Int64(count)
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
        assembly.absorb(block, range, on: loop).whenComplete { self.settled($0) }
        let limit = allowance()
        return state.withLock { state in
            guard state.outstanding >= limit else { return nil }
            let promise = loop.makePromise(of: Void.self)
            (state.resume, state.isListening) = (promise, false)
            return promise.futureResult
        }
    }

    private func settled(_ result: Result<Assembly.Verdict, any Error>) {
        let (resume, refusal) = state.withLock { state in
            state.outstanding -= 1
            if case .success(.wrong) = result { state.refusal = state.refusal ?? .wrongBytes }
            (state.isListening, state.lastByte) = (true, .now)
            defer { state.resume = nil }
            return (state.resume, state.refusal)
        }
        if let refusal { resume?.fail(refusal) } else { resume?.succeed() }
    }

    // MARK: End

    func didFinishRequest(task: HTTPClient.Task<Ending>) throws -> Ending {
        if let redirect = state.withLock({ $0.redirect }) { return .redirect(redirect) }
        let (position, refusal) = state.withLock { ($0.position, $0.refusal) }
        if let refusal { throw refusal }
        let end = assembly.advance(id, by: 0).end
        if position < end { throw Refusal.short }
        return .whole
    }

    /// Ends this answer for good: what came of a block that is not full is handed on too.
    ///
    /// - Returns: What was said against it.
    func finish(on loop: any EventLoop) -> Refusal? {
        let (block, range, lost) = state.withLock { state -> (Block?, Range<Int64>, Range<Int64>) in
            defer { state.block = nil }
            state.isOver = true
            return (state.block, state.start..<state.position, state.position..<max(state.position, state.advanced))
        }
        assembly.lose(lost)
        if let block {
            if range.isEmpty {
                assembly.pool.give(block)
            } else {
                _ = assembly.absorb(block, range, on: loop)
            }
        }
        return state.withLock { $0.refusal }
    }

    // MARK: Watching

    /// How long it has brought nothing although something was waited for.
    func silence(at now: ContinuousClock.Instant) -> Duration {
        state.withLock { $0.isListening ? now - $0.lastByte : .zero }
    }

    /// Bytes of the body so far.
    var received: Int { state.withLock { $0.received } }

    /// From asking to the head of the answer.
    var latency: Duration? { state.withLock { $0.latency } }
}

/// Decides whether an answer's head promises the bytes that were asked for (RFC 9110, sections 14 and 15.3.7).
final class Validator: Sendable {
    /// What a head is worth.
    enum Judgement: Hashable {
        case fits
        /// The whole file, although a part was asked for.
        case wholeInstead
        case refused(RangeReceiver.Refusal)
    }

    /// What tells one state of a file at this location from another.
    private let tag = Mutex<String?>(nil)

    /// Judges a head.
    ///
    /// - Parameters:
    ///   - asked: The range that was asked for; `nil` when the whole file was.
    ///   - size: The size of the file.
    func judge(_ head: HTTPResponseHead, asked: Range<Int64>?, size: Int64) -> Judgement {
        let headers = head.headers
        switch head.status.code {
        case 206:
            guard let asked else { return .refused(.unfit("it sends a part where the whole was asked for")) }
            let expected = "bytes \(asked.lowerBound)-\(asked.upperBound - 1)/\(size)"
            guard headers.first(name: "Content-Range")?.lowercased() == expected else {
                return .refused(.unfit("it sends another part of the file than was asked for"))
            }
        case 200: break
        case 416: return .refused(.unfit("its file is shorter than \(size) bytes"))
        default:
            return .refused(.status(Int(head.status.code), retryAfter: RetryAfter.wait(headers)))
        }
        let encoding = headers.first(name: "Content-Encoding")?.lowercased() ?? "identity"
        guard encoding == "identity" else { return .refused(.unfit("it compresses what must not be changed")) }
        let expected = head.status.code == 206 ? Int64(asked?.count ?? 0) : size
        if let length = headers.first(name: "Content-Length").flatMap(Int64.init), length != expected {
            return .refused(
                .unfit(
                    length < expected
                        ? "its file is shorter than \(size) bytes" : "its file is longer than \(size) bytes"))
        }
        guard isSame(headers) else { return .refused(.changed) }
        return head.status.code == 206 || asked == nil ? .fits : .wholeInstead
    }

    /// Whether the file is still the one of the first answer, as far as the server tells: by its strong entity tag, else by the
    /// time of its last change (RFC 9110, section 8.8).
    private func isSame(_ headers: HTTPHeaders) -> Bool {
        let etag = headers.first(name: "ETag").flatMap { $0.hasPrefix("W/") ? nil : $0 }
        guard let now = etag ?? headers.first(name: "Last-Modified") else { return true }
        return tag.withLock { tag in
            defer { tag = tag ?? now }
            return tag == nil || tag == now
        }
    }
}

/// How long a server asks to be left alone.
enum RetryAfter {
    /// `Retry-After` in seconds (RFC 9110, section 10.2.3), else the reset of an exhausted `RateLimit`
    /// (draft-ietf-httpapi-ratelimit-headers).
    static func wait(_ headers: HTTPHeaders) -> Duration? {
        if let seconds = headers.first(name: "Retry-After").flatMap({ Int64($0.trimmed) }), seconds >= 0 {
            return .seconds(min(seconds, 86_400))
        }
        guard let limit = headers.first(name: "RateLimit") else { return nil }
        let parts = limit.split(separator: ";").map { $0.trimmed }
        func number(_ key: String) -> Int64? {
            parts.first { $0.hasPrefix("\(key)=") }.flatMap { Int64($0.dropFirst(key.count + 1)) }
        }
        guard number("r") == 0, let seconds = number("t"), seconds >= 0 else { return nil }
        return .seconds(min(seconds, 86_399) + 1)
    }
}

extension StringProtocol {
    /// The text without blanks at its ends.
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
