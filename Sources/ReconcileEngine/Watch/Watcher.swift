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
                loop.turn(isAsked: wakes.exchange(false, ordering: .relaxed))
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
        var isRefused = false
        do {
            try await origin.refresh()
        } catch let fault as Fault where !origin.glance().isEmpty {
            // The last commit stays in force; that the newest was refused is more than a remote that does not answer.
            if case .unusable = fault.kind { isRefused = true }
            let state = "What was taken last stays in force."
            reconciler.settings.report(.warning("\(Wording.message(for: fault).summary) \(state)"))
        }
        var reconciler = reconciler
        reconciler.declaration = try await origin.adopt()
        let result = try await reconciler.pass()
        guard isRefused, result.status == .success else { return result }
        return Reconciler.PassResult(plan: result.plan, outcomes: result.outcomes, status: .problem)
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
    private var refreshBegan: Timestamp
    private var newsDue: Timestamp?
    private var lastTurn: Timestamp
    private var lastAlive: ContinuousClock.Instant?

    private var pass: Work<Result<Reconciler.PassResult, any Error>>?
    private var passScope: Set<ModelName> = []
    private var refresh: Work<Result<Void, any Error>>?
    private var delivery: Work<Timestamp?>?
    private var adoption: Work<Result<Declaration, any Error>>?
    /// What the origin looked like when the adoption began.
    private var adopting = ""
    /// When content that could not be taken for a reason that may pass is tried again.
    private var adoptAgain: Timestamp?
    /// Whether somebody asked for a pass while one was running.
    private var isAskedAgain = false
    private var hasCancelled = false
    /// Newer content that came while a pass runs; without a declaration when it cannot be used.
    private var preview: (glance: String, work: Work<Declaration?>)?

    init(
        reconciler: Reconciler, origin: any DesiredStateOrigin, options: Watcher.Options, manager: ServiceManager
    ) {
        self.reconciler = reconciler
        self.origin = origin
        self.manager = manager
        let now = reconciler.settings.clock()
        timetable = Timetable(
            intervalSeconds: options.intervalSeconds, jitterPercent: options.jitterPercent, now: now)
        (refreshDue, refreshBegan, lastTurn) = (now, now, now)
        let flights = Flights()
        let events = reconciler.events
        self.flights = flights
        listening = Task { for await event in events { flights.note(event) } }
    }

    private var now: Timestamp { reconciler.settings.clock() }
    private var report: EventReporter { reconciler.settings.report }

    /// One turn: takes up what has ended, and begins what is due. Waits for nothing.
    mutating func turn(isAsked: Bool) {
        tellManager()
        let now = now
        if now < lastTurn.advanced(bySeconds: -5) {
            timetable.clockMoved(to: now)
            (newsDue, adoptAgain) = (newsDue.map { min($0, now) }, nil)
        }
        lastTurn = now
        if isAsked {
            (refreshDue, adoptAgain, isAskedAgain) = (now, nil, pass != nil)
            timetable.wake(at: now)
        }
        takeUpRefresh()
        takeUpPass()
        takeUpAdoption()
        if let due = delivery?.result {
            (newsDue, delivery) = ([newsDue, due].compactMap(\.self).min(), nil)
        }
        if refresh == nil, refreshDue <= now || refreshDue > now.advanced(bySeconds: timetable.intervalSeconds * 2) {
            let origin = origin
            refresh = Work { await Result.of { try await origin.refresh() } }
            refreshBegan = now
        }
        lookAtOrigin()
        // A remote that hangs keeps no window waiting.
        let isRefreshing = refresh != nil && now < refreshBegan.advanced(bySeconds: 5)
        if pass == nil, adoption == nil, !isRefreshing, timetable.due <= now, declaration != nil { beginPass(at: now) }
        if delivery == nil, pass == nil, let due = newsDue, due <= now { beginDelivery() }
    }

    /// Ends what runs.
    mutating func end() async {
        for cancel in [pass?.cancel, refresh?.cancel, delivery?.cancel, adoption?.cancel, preview?.work.cancel] {
            cancel?()
        }
        _ = await preview?.work.value
        _ = await adoption?.value
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
        var random = SystemRandomNumberGenerator()
        refreshDue = now.advanced(bySeconds: timetable.nextInterval(using: &random))
        guard case .failure(let error) = result, !(error is CancellationError) else { return }
        report(.warning(words(error) + (declaration == nil ? "" : " What was taken last stays in force.")))
    }

    /// Begins to take newer content into force. Waits for a pass that runs: it is cut short when what it works on is no longer
    /// wanted like that.
    private mutating func lookAtOrigin() {
        let seen = origin.glance()
        // While a remote is asked for the first time there is nothing to read yet.
        guard adoption == nil, seen != glance, !(seen.isEmpty && refresh != nil) else { return }
        if let adoptAgain, seen == adopting, now < adoptAgain { return }
        guard pass == nil else { return cutShort(for: seen) }
        let origin = origin
        (adopting, adoptAgain) = (seen, nil)
        adoption = Work { await Result.of { try await origin.adopt() } }
    }

    private mutating func takeUpAdoption() {
        guard let result = adoption?.result else { return }
        adoption = nil
        switch result {
        case .success(let newer):
            let isOther = newer.desired.digest != declaration?.desired.digest || newer.commit != declaration?.commit
            (glance, declaration) = (adopting, newer)
            if trouble != nil { recovered() }
            trouble = nil
            timetable.begin(at: now)
            if isOther { changed(to: newer) }
        case .failure(let error):
            if error is CancellationError { return }
            // What is wrong in the files stays so until they change; everything else may pass.
            if error is Problems { glance = adopting } else { adoptAgain = now.advanced(bySeconds: 10) }
            let text = (error as? Problems)?.description ?? words(error)
            guard text != trouble else { return }
            trouble = text
            report(.desiredStateInvalid(text, isOlderInForce: declaration != nil))
            manager.status("the desired state cannot be used")
            post(.desiredStateInvalid, "the desired state cannot be used; the last good one stays in force: \(text)")
        }
    }

    /// Cancels a pass whose models in hand are declared otherwise in the newer content.
    private mutating func cutShort(for seen: String) {
        guard !hasCancelled, let old = declaration else { return }
        if preview?.glance != seen {
            let origin = origin
            preview = (seen, Work { try? await origin.preview() })
        }
        guard let newer = preview?.work.result ?? nil else { return }
        let (oldLock, newLock) = (old.pinnedLock?.found?.lock, newer.pinnedLock.map { $0.found?.lock } ?? nil)
        let affected = flights.models.contains { name in
            !Self.isSame(old.desired.models[name], newer.desired.models[name])
                || (newer.pinnedLock != nil && oldLock?.models[name] != newLock?.models[name])
        }
        guard affected else { return }
        hasCancelled = true
        pass?.cancel()
    }

    private static func isSame(_ old: DesiredModel?, _ new: DesiredModel?) -> Bool {
        guard let old, let new else { return old == nil && new == nil }
        return old.selector == new.selector && old.trialInputs == new.trialInputs && old.policy == new.policy
            && old.group == new.group && old.notBefore == new.notBefore && old.dependsOn == new.dependsOn
    }

    private func changed(to newer: Declaration) {
        report(.desiredStateChanged(newer.desired.digest, commit: newer.commit))
        for warning in newer.warnings(at: now) { report(.warning(warning.warning)) }
        let layout = StoreLayout(root: newer.store)
        // A store that cannot be made is what the pass will tell of.
        guard (try? StoreWriter.prepare(layout)) != nil else { return }
        let page = ConditionBook(History(path: layout.history)).page()
        guard page.desiredState != newer.desired.digest || page.commit != newer.commit else { return }
        var act = Act(
            at: now, kind: "desiredState", model: "", who: reconciler.settings.user, to: newer.desired.digest.short)
        act.commit = newer.commit
        reconciler.record([act], in: layout)
    }

    private mutating func recovered() {
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
        passScope = Set(declaration.desired.models.keys).subtracting(resting.flatMap(declaration.desired.companions))
        hasCancelled = false
        let pass = worker
        self.pass = Work { await Result.of { try await pass.pass(PassOptions(except: resting)) } }
    }

    private mutating func takeUpPass() {
        guard let result = pass?.result else { return }
        pass = nil
        var random = SystemRandomNumberGenerator()
        switch result {
        case .success(let passed):
            let failed = passed.outcomes.compactMap(\.passingFault) + passed.plan.problems.filter(\.mayPass)
            timetable.passed(
                at: now, edge: passed.plan.nextEdge, failed: Set(failed.compactMap(\.model)), looked: passScope,
                using: &random)
            // What was cut short for a newer desired state goes on with that one at once; and what a window that closed
            // meanwhile left for later has a moment that this plan does not know.
            let isCut = passed.outcomes.contains { $0.change.onlyPrepares && !passed.plan.changes.contains($0.change) }
            if passed.status == .interrupted || isCut || isAskedAgain { timetable.wake(at: now) }
            manager.status(passed.statusWords)
        case .failure(let error):
            timetable.lost(at: now, using: &random)
            if isAskedAgain { timetable.wake(at: now) }
            if !(error is CancellationError) { report(.warning("the pass came to nothing: \(words(error))")) }
        }
        (newsDue, isAskedAgain) = (now, false)
        report(.sleeping(until: timetable.due))
    }

    private mutating func beginDelivery() {
        guard let declaration else { return }
        let notifier = notifier(declaration)
        newsDue = nil
        let later = now.advanced(bySeconds: 60)
        delivery = Work {
            let isNoted = await notifier.deliver(within: .seconds(60))
            let next = notifier.nextDelivery()
            return isNoted ? next : next.map { max($0, later) }
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
