import ReconcileCore
public import ServiceLifecycle
import Synchronization
import YAML

/// `reconcile watch` as a service: passes for as long as it runs, woken by what can be computed and by what changes.
///
/// It looks four times a second at the stamps of the files, the clock and what is asked of it; everything that takes time (a
/// fetch, a pass, bringing news) is a task beside that loop. So nothing that hangs keeps it from being ended or woken.
public final class Watcher: Service {
    /// How it watches.
    public struct Options: Sendable {
        /// The time between passes when nothing else asks for one, in seconds.
        public var intervalSeconds: Int64
        /// The most by which that is lengthened or shortened at random, in percent.
        public var jitterPercent: Int64

        /// Every five minutes, give or take a fifth.
        public init(intervalSeconds: Int64 = 300, jitterPercent: Int64 = 20) {
            (self.intervalSeconds, self.jitterPercent) = (intervalSeconds, jitterPercent)
        }
    }

    private let reconciler: Reconciler
    private let origin: any DesiredStateOrigin
    private let options: Options
    private let manager: ServiceManager
    private let wakes = Atomic(false)
    private let stops = Atomic(false)

    private static let tick = Duration.milliseconds(250)

    /// A watcher of desired-state files.
    public convenience init(_ reconciler: Reconciler, options: Options = Options()) {
        self.init(reconciler, origin: FileOrigin(paths: reconciler.files), options: options)
    }

    /// A watcher of any origin.
    package init(
        _ reconciler: Reconciler, origin: any DesiredStateOrigin, options: Options,
        manager: ServiceManager = ServiceManager()
    ) {
        (self.reconciler, self.origin, self.options, self.manager) = (reconciler, origin, options, manager)
    }

    /// Asks for a pass now, as SIGHUP does; a remote is asked first.
    public func wake() { wakes.store(true, ordering: .relaxed) }

    /// Runs until it is shut down gracefully or cancelled. The step in hand is then finished or reverted, and downloads are kept.
    ///
    /// - Throws: Nothing that a pass meets: that is reported, and the next pass tries again.
    public func run() async throws {
        var loop = WatchLoop(reconciler: reconciler, origin: origin, options: options, manager: manager)
        manager.ready()
        await withGracefulShutdownHandler {
            while !stops.load(ordering: .relaxed), !Task.isCancelled {
                await loop.turn(isAsked: wakes.exchange(false, ordering: .relaxed))
                try? await Task.sleep(for: Self.tick)
            }
        } onGracefulShutdown: {
            self.stops.store(true, ordering: .relaxed)
        }
        manager.stopping()
        await loop.end()
    }

    /// One pass, for cron and CI: the remote is asked, the desired state read, the pass made, the news brought.
    ///
    /// - Throws: ``Fault``, or the problems of the desired-state files.
    package func once() async throws -> Reconciler.PassResult {
        try await origin.refresh()
        var reconciler = reconciler
        reconciler.declaration = try await origin.adopt()
        return try await reconciler.pass()
    }
}

/// What the watcher does in each turn of its loop. One task owns it.
private struct WatchLoop {
    private let reconciler: Reconciler
    private let origin: any DesiredStateOrigin
    private let manager: ServiceManager
    private let flights: Flights
    private let listening: Task<Void, Never>
    private var timetable: Timetable

    /// The last good desired state.
    private var declaration: Declaration?
    /// What the origin looked like when it was read last.
    private var glance: String?
    /// What is wrong with the newest desired state, in words; `nil` when it is in force.
    private var trouble: String?
    private var refreshDue: Timestamp
    private var newsDue: Timestamp?
    private var lastTurn: Timestamp
    private var lastAlive: ContinuousClock.Instant?

    private var pass: Work<Result<Reconciler.PassResult, any Error>>?
    private var passScope: Set<ModelName> = []
    private var refresh: Work<Result<Void, any Error>>?
    private var delivery: Work<Timestamp?>?
    private var hasCancelled = false
    /// Newer content that came while a pass runs; without a declaration when it cannot be used.
    private var preview: (glance: String, declaration: Declaration?)?

    init(
        reconciler: Reconciler, origin: any DesiredStateOrigin, options: Watcher.Options, manager: ServiceManager
    ) {
        self.reconciler = reconciler
        self.origin = origin
        self.manager = manager
        let now = reconciler.settings.clock()
        timetable = Timetable(
            intervalSeconds: options.intervalSeconds, jitterPercent: options.jitterPercent, now: now)
        (refreshDue, lastTurn) = (now, now)
        let flights = Flights()
        let events = reconciler.events
        self.flights = flights
        listening = Task { for await event in events { flights.note(event) } }
    }

    private var now: Timestamp { reconciler.settings.clock() }
    private var report: EventReporter { reconciler.settings.report }

    /// One turn: takes up what has ended, and begins what is due. Waits for nothing.
    mutating func turn(isAsked: Bool) async {
        tellManager()
        let now = now
        if now < lastTurn.advanced(bySeconds: -5) { timetable.clockMoved(to: now) }
        lastTurn = now
        if isAsked {
            refreshDue = now
            timetable.wake(at: now)
        }
        takeUpRefresh()
        await takeUpPass()
        if let due = delivery?.result { (newsDue, delivery) = (due, nil) }
        if refresh == nil, refreshDue <= now || refreshDue > now.advanced(bySeconds: timetable.intervalSeconds * 2) {
            let origin = origin
            refresh = Work { await Result.of { try await origin.refresh() } }
        }
        await lookAtOrigin()
        if pass == nil, refresh == nil, timetable.due <= now, declaration != nil { beginPass(at: now) }
        if delivery == nil, pass == nil, let due = newsDue, due <= now { beginDelivery() }
    }

    /// Ends what runs.
    mutating func end() async {
        for work in [pass?.cancel, refresh?.cancel, delivery?.cancel] { work?() }
        _ = await pass?.value
        _ = await refresh?.value
        _ = await delivery?.value
        listening.cancel()
    }

    private mutating func tellManager() {
        guard let interval = manager.watchdogInterval else { return }
        if let lastAlive, ContinuousClock.now - lastAlive < interval { return }
        lastAlive = .now
        manager.alive()
    }

    // MARK: The desired state

    private mutating func takeUpRefresh() {
        guard let result = refresh?.result else { return }
        refresh = nil
        refreshDue = now.advanced(bySeconds: timetable.intervalSeconds)
        guard case .failure(let error) = result, !(error is CancellationError) else { return }
        report(.warning(words(error) + (declaration == nil ? "" : " What was taken last stays in force.")))
    }

    /// Takes newer content into force, or notes what is wrong with it. Waits for a pass that runs: it is cut short when what
    /// it works on is no longer wanted like that.
    private mutating func lookAtOrigin() async {
        let seen = origin.glance()
        // While a remote is asked for the first time there is nothing to read yet.
        guard seen != glance, !(seen.isEmpty && refresh != nil) else { return }
        guard pass == nil else { return await cutShort(for: seen) }
        do {
            let newer = try await origin.adopt()
            let isOther = newer.desired.digest != declaration?.desired.digest || newer.commit != declaration?.commit
            (glance, declaration) = (seen, newer)
            if trouble != nil { recovered(newer) }
            trouble = nil
            timetable.begin(at: now)
            if isOther { changed(to: newer) }
        } catch is CancellationError {
            return
        } catch {
            glance = seen
            let text = (error as? Problems)?.description ?? words(error)
            guard text != trouble else { return }
            trouble = text
            report(.desiredStateInvalid(text, isOlderInForce: declaration != nil))
            manager.status("the desired state cannot be used")
            post(.desiredStateInvalid, "the desired state cannot be used; the last good one stays in force: \(text)")
        }
    }

    /// Cancels a pass whose models in hand are declared otherwise in the newer content.
    private mutating func cutShort(for seen: String) async {
        guard !hasCancelled, let old = declaration else { return }
        if preview?.glance != seen { preview = (seen, try? await origin.preview()) }
        guard let newer = preview?.declaration else { return }
        let affected = flights.models.contains { name in
            !Self.isSame(old.desired.models[name], newer.desired.models[name])
        }
        guard affected else { return }
        hasCancelled = true
        pass?.cancel()
    }

    private static func isSame(_ old: DesiredModel?, _ new: DesiredModel?) -> Bool {
        guard let old, let new else { return old == nil && new == nil }
        return old.selector == new.selector && old.trialInputs == new.trialInputs && old.policy == new.policy
            && old.group == new.group && old.notBefore == new.notBefore
    }

    private func changed(to newer: Declaration) {
        report(.desiredStateChanged(newer.desired.digest, commit: newer.commit))
        for warning in newer.warnings(at: now) { report(.warning(warning.warning)) }
        let layout = StoreLayout(root: newer.store)
        // A store that cannot be made is what the pass will tell of.
        guard (try? StoreWriter.prepare(layout)) != nil else { return }
        var act = Act(
            at: now, kind: "desiredState", model: "", who: reconciler.settings.user, to: newer.desired.digest.short)
        act.commit = newer.commit
        reconciler.record([act], in: layout)
    }

    private mutating func recovered(_ newer: Declaration) {
        report(.desiredStateValid)
        post(.desiredStateValid, "the desired state can be used again")
    }

    /// Tells receivers of the last good desired state about the desired state itself.
    private mutating func post(_ kind: News.Kind, _ message: String) {
        guard let declaration, DiskReader.entry(at: StoreLayout(root: declaration.store).control) != nil else { return }
        notifier(declaration).post([
            News(
                kind: kind, at: now, host: Platform.host(), model: nil, from: nil, to: nil, priority: nil,
                message: "\(message) (\(now))", command: "reconcile validate", changelog: nil,
                commit: declaration.commit, pass: nil)
        ])
        newsDue = now
    }

    // MARK: Passes

    private mutating func beginPass(at now: Timestamp) {
        guard let declaration else { return }
        var worker = reconciler
        (worker.declaration, worker.newsPatience) = (declaration, .zero)
        let resting = timetable.resting(at: now)
        passScope = Set(declaration.desired.models.keys).subtracting(resting)
        hasCancelled = false
        let pass = worker
        self.pass = Work { await Result.of { try await pass.pass(PassOptions(except: resting)) } }
    }

    private mutating func takeUpPass() async {
        guard let result = pass?.result else { return }
        pass = nil
        var random = SystemRandomNumberGenerator()
        switch result {
        case .success(let passed):
            let failed = passed.outcomes.compactMap(\.passingFault) + passed.plan.problems.filter(\.mayPass)
            timetable.passed(
                at: now, edge: passed.plan.nextEdge, failed: Set(failed.compactMap(\.model)), looked: passScope,
                using: &random)
            // What was cut short for a newer desired state goes on with that one at once.
            if passed.status == .interrupted { timetable.wake(at: now) }
            manager.status(passed.statusWords)
        case .failure(let error):
            timetable.lost(at: now, using: &random)
            if !(error is CancellationError) { report(.warning("the pass came to nothing: \(words(error))")) }
        }
        newsDue = now
        report(.sleeping(until: timetable.due))
    }

    private mutating func beginDelivery() {
        guard let declaration else { return }
        let notifier = notifier(declaration)
        newsDue = nil
        delivery = Work {
            await notifier.deliver(within: .seconds(60))
            return notifier.nextDelivery()
        }
    }

    private func notifier(_ declaration: Declaration) -> Notifier {
        Notifier(
            history: History(path: StoreLayout(root: declaration.store).history), receivers: declaration.receivers,
            settings: reconciler.settings)
    }

    private func words(_ error: any Error) -> String {
        (error as? Fault).map { Wording.message(for: $0).summary } ?? (error as? Problems)?.description ?? "\(error)"
    }
}

/// A task beside the loop, whose result the loop takes up when it is there.
private final class Work<Value: Sendable>: Sendable {
    private let task: Task<Value, Never>
    private let box: Box

    private final class Box: Sendable {
        let value = Mutex<Value?>(nil)
    }

    init(_ body: @escaping @Sendable () async -> Value) {
        let box = Box()
        self.box = box
        task = Task {
            let value = await body()
            box.value.withLock { $0 = value }
            return value
        }
    }

    /// The result, when it is there.
    var result: Value? { box.value.withLock { $0 } }

    /// The result, waited for.
    var value: Value { get async { await task.value } }

    func cancel() { task.cancel() }
}

/// The models that a pass is at work on.
private final class Flights: Sendable {
    private let state = Mutex<Set<ModelName>>([])

    var models: Set<ModelName> { state.withLock { $0 } }

    func note(_ event: ReconcileEvent) {
        switch event {
        case .began(let model, _, _, _): _ = state.withLock { $0.insert(model) }
        case .ended(let outcome): _ = state.withLock { $0.remove(outcome.change.model) }
        case .passEnded: state.withLock { $0 = [] }
        default: break
        }
    }
}

extension Result where Failure == any Error, Success: Sendable {
    /// What a body returns or throws.
    fileprivate static func of(_ body: () async throws -> Success) async -> Self {
        do {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }
}

extension Outcome {
    /// Why it failed, when that may pass by itself.
    fileprivate var passingFault: Fault? {
        guard case .failed(let fault) = result, fault.mayPass else { return nil }
        return fault.about(change.model)
    }
}

extension Reconciler.PassResult {
    /// One line for the service manager.
    fileprivate var statusWords: String {
        let done = outcomes.count { if case .done = $0.result { !$0.change.onlyPrepares } else { false } }
        let failed = outcomes.count { $0.actKind == "failed" || $0.actKind == "rolledBack" || $0.actKind == "halted" }
        var parts = ["\(plan.summary.inSync + done) in sync"]
        if failed > 0 { parts.append("\(failed) failed") }
        if plan.summary.blocked > 0 { parts.append("\(plan.summary.blocked) blocked") }
        if plan.summary.problems > 0 { parts.append(Wording.count(plan.summary.problems, "problem")) }
        return parts.joined(separator: ", ")
    }
}
