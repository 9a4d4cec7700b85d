import AsyncHTTPClient
import NIOCore
import ReconcileCore
import Synchronization

/// Fetches what is missing of one file from one server, with as many connections as help.
///
/// It begins with one. Where the server is far, all the others follow at once; where it is near they come one by one, as long
/// as disk and hash wait for bytes and more connections bring more. One that fails while others bring bytes is not replaced
/// for a while: some servers refuse what is too much for them.
final class LargeFetch: Sendable {
    /// How it ended.
    enum Ending: Sendable {
        case complete
        /// Nothing more can be had from there.
        case failed(Fault)
        /// It is not the file that is wanted.
        case unfit(String)
        /// Its file changed while it was fetched.
        case changed(Fault)
        case wrongBytes
        /// It fell silent; others may do better.
        case silent(Fault)
        /// It only has the whole file, and parts of it may not be thrown away now.
        case needsWhole
    }

    private let remote: RemoteFile
    private let host: String
    private let assembly: Assembly
    private let engine: DownloadEngine
    private let attempts: Int
    private let mayRestart: Bool
    private let report: @Sendable (Int) -> Void
    private let watch = TransferWatch()
    private let sharing = Mutex(1)
    private let number: Int

    /// A server whose round trip is longer is far. Where the kernel did not tell it, the time to an answer stands for it; the first
    /// one also waits for the connection.
    static let far = Duration.milliseconds(20)
    private static let farAtFirst = Duration.milliseconds(60)
    /// How often it is looked how things go.
    private static let tick = Duration.milliseconds(50)
    /// Bytes per second of all downloads at which the machine, not the network, is what is slow.
    static let fast = 150e6
    /// Bytes per second that a connection should have at least where the bandwidth is limited.
    private static let leastRate: Int64 = 512 << 10
    /// Blocks of one connection on their way to disk and hash, at most.
    private static let outstandingLimit = 12

    init(
        _ remote: RemoteFile, host: String, into assembly: Assembly, engine: DownloadEngine,
        mayRestart: Bool, attempts: Int, report: @escaping @Sendable (Int) -> Void
    ) {
        (self.remote, self.host, self.assembly, self.engine, self.report) = (remote, host, assembly, engine, report)
        (self.mayRestart, self.attempts, number) = (mayRestart, attempts, engine.threads.nextFetch())
    }

    /// What became of one connection.
    private enum Event: Sendable {
        case tick
        case ended(Int, Failure?, Duration)
    }

    /// Why a connection ended early.
    private enum Failure: Sendable {
        case refusal(RangeReceiver.Refusal)
        case fault(Fault)
        case connection(String)
        case cancelled
    }

    /// The course of the fetch; only the task that watches it has it.
    private struct Course {
        var active: Set<Int> = []
        var nextID = 0
        var target = 1
        /// How many there were before the last growth.
        var previous: Int?
        var persistence: Persistence
        var best: Int64
        /// When something came that never came before.
        var progressAt = ContinuousClock.now
        var quietUntil = ContinuousClock.now
        var growth: (at: ContinuousClock.Instant, bytes: Int64, rate: Double)?
        var ending: Ending?
        var mustRestart = false
        /// Connections that fell silent since the last one was begun.
        var silent = 0
    }

    private typealias Group = TaskGroup<Event>

    /// Fetches until everything is there or this server cannot bring more.
    ///
    /// - Throws: `CancellationError`; ``Fault`` when the disk failed.
    func run() async throws -> Ending {
        engine.keepLimit()
        var course = Course(persistence: Persistence(attempts: attempts), best: assembly.present)
        await withTaskGroup(of: Event.self) { group in
            start(&course, &group)
            grow(&course, &group)
            group.addTask { await Self.ticked() }
            while course.ending == nil || !course.active.isEmpty, let event = await group.next() {
                switch event {
                case .tick:
                    noteProgress(&course)
                    engine.keepLimit()
                    watch.replaceSilent(isLimited: engine.bucket.isNarrow)
                    grow(&course, &group)
                    if course.ending == nil, !Task.isCancelled { group.addTask { await Self.ticked() } }
                case .ended(let id, let failure, let elapsed):
                    course.active.remove(id)
                    if let failure { judge(failure, elapsed, &course, &group) }
                    if course.active.isEmpty { await resume(&course, &group) }
                }
                if let fault = assembly.fault { course.ending = .failed(fault) }
                if assembly.takeWrong() { course.ending = .wrongBytes }
                if course.ending != nil { group.cancelAll() }
                sharing.withLock { $0 = max(1, min(course.target, course.active.count)) }
            }
            group.cancelAll()
        }
        // What came last is still being checked and written: this server answers for it.
        await assembly.settle()
        if assembly.takeWrong() { course.ending = .wrongBytes }
        try Task.checkCancellation()
        if let fault = assembly.fault { throw fault }
        return course.ending ?? .complete
    }

    private static func ticked() async -> Event {
        try? await Task.sleep(for: tick)
        return .tick
    }

    // MARK: Connections

    private func start(
        _ course: inout Course, _ group: inout Group, after delay: Duration = .zero, hasSlot: Bool = false
    ) {
        let id = course.nextID
        course.nextID += 1
        course.active.insert(id)
        group.addTask { await self.connection(id, after: delay, hasSlot: hasSlot) }
    }

    private func connection(_ id: Int, after delay: Duration, hasSlot: Bool) async -> Event {
        var began = ContinuousClock.now
        do {
            if delay > .zero { try await Task.sleep(for: delay) }
            if !hasSlot { try await engine.slots.take(host) }
        } catch {
            return .ended(id, .cancelled, .zero)
        }
        defer { engine.slots.give(host) }
        began = .now
        do {
            var rate: Double?
            while let flight = try nextFlight(id, rate) {
                began = .now
                try await fetch(id, flight)
                rate = watch.rate(of: id) ?? rate
                // Another file has none yet, or so many do not help.
                let others = sharing.withLock { $0 }
                if others > 1, engine.slots.isWanted(from: host) || watch.count > others { break }
            }
            return .ended(id, nil, ContinuousClock.now - began)
        } catch {
            return .ended(id, Self.failure(error), ContinuousClock.now - began)
        }
    }

    private func nextFlight(_ id: Int, _ rate: Double?) throws -> RangeBook.Flight? {
        let wanted = rate.map { Int64($0 * RangeBook.requestSeconds) } ?? firstLength
        guard
            let flight = assembly.next(
                for: id, wanted: wanted, connections: sharing.withLock { $0 }, rates: watch.rates)
        else { return nil }
        if remote.known.ignoresRanges, !assembly.takeAll(id) {
            // The whole file can only begin at its start.
            assembly.land(id)
            throw RangeReceiver.Refusal.ignoresRanges
        }
        return flight
    }

    /// How much is asked for before it is known how fast it comes: a guess of the speed, by which others are relieved of theirs.
    private var firstLength: Int64 {
        if engine.bucket.isNarrow { return RangeBook.smallest }
        return isFar == false && sharing.withLock { $0 } == 1 ? RangeBook.largest : 4 * RangeBook.smallest
    }

    private func fetch(_ id: Int, _ flight: RangeBook.Flight) async throws {
        defer {
            watch.remove(id)
            assembly.land(id)
        }
        let isRange = !remote.known.ignoresRanges
        do {
            let loop = engine.threads.loop(id, of: number)
            try await engine.client.transfer(remote, isRange ? flight.position..<flight.end : nil, on: loop) {
                isOpened in
                RangeReceiver(
                    id: id, flight: flight, isRange: isRange, isOpened: isOpened, assembly: assembly,
                    validator: remote.validator, bucket: engine.bucket, allowance: allowance,
                    knowledge: remote.request.knowledge, answered: remote.answered, report: report)
            } began: { transfer in
                watch.add(id, transfer)
            }
        } catch RangeReceiver.Refusal.takenOver {
            // All that was still wanted of this range came.
        }
    }

    /// Blocks that may be without a claim, which a kill would cost: fewer in all than there may be connections. One alone needs
    /// several, or it stands still whenever the hash waits for a core.
    @Sendable private func allowance() -> Int {
        max(1, min(Self.outstandingLimit, engine.slots.limit * 3 / 4 / sharing.withLock { $0 }))
    }

    private static func failure(_ error: any Error) -> Failure {
        switch error {
        case is CancellationError: .cancelled
        case let refusal as RangeReceiver.Refusal: .refusal(refusal)
        case let fault as Fault: .fault(fault)
        case let error as HTTPClientError where error == .cancelled: .refusal(.stalled)
        default: .connection(WebClient.words(for: error))
        }
    }

    /// Adds connections, when bytes are what everything waits for.
    private func grow(_ course: inout Course, _ group: inout Group) {
        let now = ContinuousClock.now
        guard course.ending == nil, !course.mustRestart, !remote.known.ignoresRanges, now >= course.quietUntil,
            let isFar, isFar || remote.validator.hasAccepted, assembly.isIdle, assembly.canShare
        else { return }
        if course.active.count >= course.target {
            guard isWorthwhile(&course, now, isFar: isFar), course.target < limit else { return }
            course.previous = course.target
            course.target = isFar ? limit : min(limit, course.target * 2)
        }
        sharing.withLock { $0 = course.target }
        while course.active.count < course.target, engine.slots.takeAnother(host) {
            start(&course, &group, hasSlot: true)
        }
    }

    /// Connections that there are blocks and bandwidth for, at most. What many of them have in their sockets when little may come
    /// would come twice.
    private var limit: Int {
        let share = engine.bucket.rate.map { Int(clamping: $0 / Self.leastRate) } ?? .max
        return max(1, min(engine.slots.limit, engine.pool.capacity / 2, share))
    }

    /// Whether the server is far; `nil` until anything tells.
    private var isFar: Bool? {
        let known = remote.known
        if let roundTrip = engine.client.connections.roundTrip(to: known.target ?? remote.request.url) {
            return roundTrip >= Self.far
        }
        return known.latency.map { $0 >= (known.answers > 1 ? Self.far : Self.farAtFirst) }
    }

    /// Whether more connections are to be tried: at once when the server is far, else when each brings little, and the last
    /// ones brought more. If they did not, they end after what they fetch now: ranges beside each other cost more than one
    /// after the other.
    private func isWorthwhile(_ course: inout Course, _ now: ContinuousClock.Instant, isFar: Bool) -> Bool {
        let bytes = engine.bucket.total
        if course.previous == nil, isFar { return true }
        guard let last = course.growth else {
            course.growth = (now, bytes, 0)
            return false
        }
        let seconds = (now - last.at).inSeconds
        guard seconds >= 0.25 else { return false }
        let rate = Double(bytes - last.bytes) / seconds
        course.growth = (now, bytes, rate)
        if rate > Self.fast { return false }
        guard let previous = course.previous, rate < last.rate * 1.15 else { return true }
        course.target = previous
        course.previous = nil
        course.growth = nil
        course.quietUntil = now + .seconds(3)
        return false
    }

    // MARK: Failures

    private func judge(_ failure: Failure, _ elapsed: Duration, _ course: inout Course, _ group: inout Group) {
        if case .fault(let fault) = failure {
            course.ending = .failed(fault)
            return
        }
        // Once everything is here, it does not matter how a request ended that was left over.
        guard course.ending == nil, !assembly.hasAll else { return }
        let isLast = course.active.isEmpty
        switch failure {
        case .cancelled, .fault: break
        case .refusal(.wrongBytes): course.ending = .wrongBytes
        case .refusal(.changed):
            let detail = "its file changed while it was fetched"
            course.ending = .changed(Fault(.sourceInvalid(url: remote.request.shown, detail: detail)))
        // One that has brought parts of the right size may have an odd moment.
        case .refusal(.unfit(let detail)) where !isLast || remote.validator.hasAccepted:
            passing(detail, nil, elapsed, &course, &group, orElse: .unfit(detail))
        case .refusal(.unfit(let detail)): course.ending = .unfit(detail)
        // Others bring parts: only this answer was an exception.
        case .refusal(.ignoresRanges) where !isLast:
            passing("it sent the whole file where a part was asked for", nil, elapsed, &course, &group)
        case .refusal(.ignoresRanges) where mayRestart: course.mustRestart = true
        case .refusal(.ignoresRanges): course.ending = .needsWhole
        case .refusal(.status(let status, _)) where isLast && [401, 403, 404, 410].contains(status):
            course.ending = .failed(Fault(.sourceLacks(url: remote.request.shown)))
        case .refusal(.status(let status, let wait)):
            passing("HTTP \(status)", wait, elapsed, &course, &group)
        case .refusal(.short), .refusal(.takenOver):
            passing("the connection was closed", nil, elapsed, &course, &group)
        case .refusal(.stalled):
            // Another location may do better than one that falls silent.
            if isLast, attempts < Persistence.attempts {
                course.ending = .silent(
                    Fault(.sourceUnreachable(url: remote.request.shown, detail: WebClient.timedOut)))
            } else {
                course.silent += 1
                passing(WebClient.timedOut, nil, elapsed, &course, &group)
            }
        case .connection(let detail): passing(detail, nil, elapsed, &course, &group)
        }
    }

    /// A failure that may pass: others go on with less, the last one tries again.
    private func passing(
        _ detail: String, _ wait: Duration?, _ elapsed: Duration, _ course: inout Course, _ group: inout Group,
        orElse ending: Ending? = nil
    ) {
        guard course.ending == nil else { return }
        let hasProgressed = noteProgress(&course)
        guard course.active.isEmpty else {
            // Connections that take turns in failing are no better than one that always does.
            if ContinuousClock.now - course.progressAt > Persistence.patience * 1.5 {
                course.ending = ending ?? .failed(Fault(.sourceUnreachable(url: remote.request.shown, detail: detail)))
                return
            }
            course.target = max(1, course.active.count)
            course.quietUntil = .now + (wait ?? .seconds(5))
            return
        }
        // One that brings some bytes and then falls silent brings more of them over more connections.
        course.target = hasProgressed ? max(1, min(limit, 2 * course.silent)) : 1
        course.silent = 0
        let fault = Fault(.sourceUnreachable(url: remote.request.shown, detail: detail))
        if detail == WebClient.connectionRefused, !hasProgressed {
            course.ending = .failed(fault)
            return
        }
        guard let delay = course.persistence.failed(after: elapsed, retryAfter: wait).delay else {
            course.ending = ending ?? .failed(fault)
            return
        }
        // Nobody else asks before.
        (course.quietUntil, course.growth) = (.now + delay, nil)
        start(&course, &group, after: delay)
    }

    /// Notes that bytes came that never came before.
    ///
    /// - Returns: Whether any did.
    @discardableResult
    private func noteProgress(_ course: inout Course) -> Bool {
        guard assembly.present - course.best >= min(FileFetch.progressBytes, assembly.size) else { return false }
        (course.best, course.progressAt) = (assembly.present, .now)
        course.persistence.progressed()
        return true
    }

    /// Goes on when no connection is left.
    private func resume(_ course: inout Course, _ group: inout Group) async {
        guard course.ending == nil else { return }
        if assembly.hasAll { await assembly.settle() }
        guard !assembly.takeWrong() else {
            course.ending = .wrongBytes
            return
        }
        if course.mustRestart {
            course.mustRestart = false
            remote.learn { $0.ignoresRanges = true }
            do { try await assembly.restart() } catch {
                course.ending = .failed(error as? Fault ?? Fault(.bug(detail: "\(error)")))
                return
            }
        }
        if Task.isCancelled || assembly.isComplete {
            course.ending = .complete
        } else {
            start(&course, &group)
        }
    }
}
