/// Decides what a rollout does next: takes events, returns actions. Touches no file, no network, no clock.
///
/// Laws: before `activate` a failure leaves the link untouched; after it, what was found out is recorded before the link
/// goes back; nothing but a confirm or a revert ends a trial, unless the policy says halt.
public struct Rollout: Sendable {
    /// What the shell must do next; it answers with exactly one event, except to `finish`.
    public enum Action: Hashable, Sendable {
        /// Carry out a step.
        case run(Step)
        /// Let some time pass before the probe is asked again.
        case wait(seconds: Int64)
        /// Write something down, durably.
        case record(Note)
        /// Move the link back, or take it away when nothing was active before.
        case revert
        /// Tell the serving program that the old one is back; its answer decides nothing.
        case reloadPredecessor
        /// Ask the same hook about the predecessor, to tell a broken release from a broken environment.
        case compare(HookStage)
        /// The rollout has ended.
        case finish(Ending)
    }

    /// What is written down.
    public enum Note: Hashable, Sendable {
        /// The content does not work here.
        case quarantined(cause: String)
        /// It cannot be told whether it works; tried again later. Replaces a quarantine of this rollout.
        case undecided(cause: String)
        /// The trial failed and stays open until a person acts.
        case halted(cause: String)
    }

    /// What the shell reports.
    public enum Event: Hashable, Sendable {
        /// The action succeeded; for `compare`: the predecessor works.
        case done
        /// A hook says no.
        case broken(String)
        /// A hook did not answer in time.
        case timedOut(String)
        /// A hook cannot tell.
        case undecided(String)
        /// Something other than a hook failed.
        case failed(Fault)
        /// Somebody wants to stop.
        case cancelled
    }

    /// How a rollout ends.
    public enum Ending: Hashable, Sendable {
        /// The new one is confirmed; a probe that only informs may have found something.
        case confirmed(warning: String?)
        /// A failure before the link moved.
        case failed(Fault)
        /// The old one is back.
        case rolledBack(cause: String, isQuarantined: Bool)
        /// The new one stays, unconfirmed.
        case halted(cause: String)
        /// Stopped; the link is where it was, or back.
        case interrupted
    }

    /// What the machine must know about the model.
    public struct Context: Hashable, Sendable {
        /// Whether something is active to go back to and to compare with.
        public var hasPredecessor: Bool
        /// Whether the content once worked here, so that a trial cannot quarantine it.
        public var wasConfirmed: Bool
        /// What the policy says about failures.
        public var onFailure: Policy.OnFailure
        /// How often the probe may be asked, at least 1.
        public var probeAttempts: Int
        /// How often it was asked in this trial before, by a pass that was interrupted.
        public var probesBegun: Int
        /// Whether there is a reload hook.
        public var reloads: Bool
        /// Whether the change begins with the link already moved.
        public var isActivated: Bool

        /// What is known of a model.
        public init(
            hasPredecessor: Bool, wasConfirmed: Bool = false, onFailure: Policy.OnFailure = .rollback,
            probeAttempts: Int = 1,
            probesBegun: Int = 0, reloads: Bool = false, isActivated: Bool = false
        ) {
            self.hasPredecessor = hasPredecessor
            self.wasConfirmed = wasConfirmed
            self.onFailure = onFailure
            self.probeAttempts = probeAttempts
            self.probesBegun = probesBegun
            self.reloads = reloads
            self.isActivated = isActivated
        }
    }

    private enum Verdict { case broken, timedOut, undecided }

    private let context: Context
    private var queue: [Action]
    private var current: Action?
    private var isActivated: Bool
    private var isConfirmed = false
    private var probesBegun: Int
    private var warning: String?
    private var stage: HookStage = .check
    private var isBlamed = false
    private var hasReloaded = false
    private var cause = ""

    /// A rollout of these steps.
    public init(steps: [Step], context: Context) {
        self.context = context
        queue = steps.map(Action.run)
        isActivated = context.isActivated
        probesBegun = context.probesBegun
    }

    /// The first action.
    public mutating func start() -> Action {
        let asks = queue.contains(.run(.probe)) || queue.contains(.run(.reload))
        if isActivated, probesBegun >= context.probeAttempts, asks {
            stage = .probe
            return judge(.broken, "its trial was interrupted \(probesBegun) times")
        }
        return next()
    }

    /// The action that follows an event.
    public mutating func handle(_ event: Event) -> Action {
        switch (current, event) {
        case (.finish(let ending)?, _): return .finish(ending)
        case (.compare?, let event): return compared(event)
        case (.reloadPredecessor?, let event): return stage == .reload && isBlamed ? compared(event) : next()
        case (.record?, .failed(let fault)): return unrecorded(fault)
        case (.revert?, .failed(let fault)): return finish(.failed(fault))
        case (.run?, .cancelled), (.wait?, .cancelled): return stop()
        case (.run(let step)?, .done): return completed(step)
        case (.run(let step)?, .failed(let fault)): return failed(step, fault)
        case (.run(let step)?, .broken(let cause)): return answered(step, .broken, cause)
        case (.run(let step)?, .timedOut(let cause)): return answered(step, .timedOut, cause)
        case (.run(let step)?, .undecided(let cause)): return answered(step, .undecided, cause)
        case (.wait?, _), (.record?, _), (.revert?, _), (nil, _): return next()
        }
    }

    /// How often this trial was attempted, for the memory.
    public var probeCount: Int { probesBegun }

    private mutating func next() -> Action {
        let action = queue.isEmpty ? .finish(.confirmed(warning: warning)) : queue.removeFirst()
        // A reload begins an attempt, which the first probe after it goes on with; a crash in either counts.
        if action == .run(.reload) || (action == .run(.probe) && !hasReloaded) { probesBegun += 1 }
        hasReloaded = action == .run(.reload)
        current = action
        return action
    }

    private mutating func finish(_ ending: Ending) -> Action {
        queue = []
        current = .finish(ending)
        return .finish(ending)
    }

    private mutating func completed(_ step: Step) -> Action {
        if step == .activate { isActivated = true }
        if step == .confirm { isConfirmed = true }
        return next()
    }

    private mutating func failed(_ step: Step, _ fault: Fault) -> Action {
        // An I/O failure says nothing about the release. A trial that is open stays open: the next pass finishes it.
        finish(.failed(fault))
    }

    private mutating func answered(_ step: Step, _ verdict: Verdict, _ cause: String) -> Action {
        if isConfirmed {
            warning = cause
            return next()
        }
        if step == .probe, probesBegun < context.probeAttempts {
            queue.insert(.run(.probe), at: 0)
            current = .wait(seconds: 1 << min(Int64(probesBegun - 1), 4))
            return current ?? .run(.probe)
        }
        stage = step == .check ? .check : step == .reload || step == .handOver ? .reload : .probe
        return judge(verdict, cause)
    }

    /// What follows from a hook's final answer. A quarantine is written before the link goes back; when the predecessor turns
    /// out to be broken too, it is replaced by "undecided".
    private mutating func judge(_ verdict: Verdict, _ cause: String) -> Action {
        self.cause = cause
        if isActivated, context.onFailure == .halt {
            queue = [.record(.halted(cause: cause)), .finish(.halted(cause: cause))]
            return next()
        }
        let blames = verdict == .broken || (verdict == .timedOut && context.hasPredecessor)
        isBlamed = blames && !context.wasConfirmed
        queue = [.record(isBlamed ? .quarantined(cause: cause) : .undecided(cause: cause))]
        if isActivated {
            queue.append(.revert)
            if context.hasPredecessor, context.reloads { queue.append(.reloadPredecessor) }
        }
        // The reload of the predecessor is itself the comparison for a failed reload.
        if isBlamed, context.hasPredecessor, stage != .reload { queue.append(.compare(stage)) }
        queue.append(.finish(ending(isQuarantined: isBlamed)))
        return next()
    }

    /// What was found out cannot be written down (a full disk): the old one comes back all the same, and the ending says so.
    private mutating func unrecorded(_ fault: Fault) -> Action {
        isBlamed = false
        if case .system(_, _, let detail) = fault.kind { cause += "; this could not be written down: \(detail)" }
        queue.removeAll { if case .compare = $0 { true } else { false } }
        if case .finish(let end)? = queue.last {
            if case .halted = end {
                queue[queue.count - 1] = .finish(.halted(cause: cause))
            } else {
                queue[queue.count - 1] = .finish(ending(isQuarantined: false))
            }
        }
        return next()
    }

    private mutating func compared(_ event: Event) -> Action {
        switch event {
        case .done, .failed, .cancelled: return next()
        case .broken, .timedOut, .undecided:
            queue = [
                .record(.undecided(cause: "\(cause); the version before it fails in the same way")),
                .finish(ending(isQuarantined: false)),
            ]
            return next()
        }
    }

    private func ending(isQuarantined: Bool) -> Ending {
        guard !isActivated else { return .rolledBack(cause: cause, isQuarantined: isQuarantined) }
        return .failed(
            Fault(
                isQuarantined ? .hookFailed(stage: stage, detail: cause) : .hookUndecided(stage: stage, detail: cause)))
    }

    private mutating func stop() -> Action {
        guard isActivated, !isConfirmed, context.onFailure == .rollback else { return finish(.interrupted) }
        isActivated = false
        queue =
            [.revert] + (context.hasPredecessor && context.reloads ? [.reloadPredecessor] : []) + [
                .finish(.interrupted)
            ]
        return next()
    }
}
