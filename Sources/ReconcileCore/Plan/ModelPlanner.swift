/// Decides what must happen to one model: a pure function of what is wanted, observed and remembered, and of the time.
public struct ModelPlanner: Sendable {
    let desired: DesiredModel
    let observed: ObservedModel
    let resolution: Resolution
    /// The selector together with the lock entry, which ends the hold of a rollback when it changes.
    let selector: Digest
    /// What a hold of another model of the group says of this one.
    let groupHold: Memory.Hold?
    let now: Timestamp

    /// Plans one model.
    public init(
        desired: DesiredModel, observed: ObservedModel, resolution: Resolution, selector: Digest,
        groupHold: Memory.Hold? = nil, now: Timestamp
    ) {
        self.groupHold = groupHold
        (self.desired, self.observed, self.resolution, self.selector, self.now) =
            (desired, observed, resolution, selector, now)
    }

    /// What was decided for one model.
    public struct Decision: Sendable, Hashable {
        /// What must happen; `nil` when the model stays as it is.
        public var change: Change?
        /// What is newer and not taken.
        public var blocked: [Plan.Blocked] = []
        /// What is broken.
        public var problems: [Fault] = []
        /// What people should know.
        public var notices: [Plan.Notice] = []
    }

    /// The decision. Order of precedence: what cannot be read, what is not ours, an order of a person, an open trial, the candidates.
    ///
    /// - Parameter rejecting: Obstacles that other models put in the way of releases, by content digest.
    public func decide(rejecting: [Digest: Obstacle] = [:]) -> Decision {
        if let fault = observed.fault { return Decision(problems: [fault.about(desired.name)]) }
        if observed.slot == .foreign {
            return Decision(problems: [Fault(.occupied(path: desired.name.description), model: desired.name)])
        }
        if case .lost(let directory) = observed.slot { return recover(directory) }
        var decision = Decision()
        let active = observed.slot.generation
        if let hold = observed.memory.hold(at: now, selector: selector) ?? groupHold {
            follow(hold, into: &decision)
        } else if let trial = observed.trial {
            finish(trial, into: &decision)
        } else {
            choose(into: &decision, rejecting: rejecting)
        }
        if decision.change == nil, decision.problems.isEmpty || active != nil { repair(into: &decision) }
        if decision.change == nil { handOver(into: &decision) }
        return decision
    }

    /// The record of what is active is lost: it is written anew when the source still has that release, and until then
    /// nothing is changed.
    private func recover(_ directory: String) -> Decision {
        let release = candidates.compactMap(\.release).first {
            "\($0.version)-\($0.contentDigest.short)" == directory
        }
        guard let release else {
            let path = "generations/\(desired.name)/\(directory).json"
            var problems = [Fault(.recordLost(path: path), model: desired.name)]
            if case .unknown(let fault) = resolution { problems.append(fault.about(desired.name)) }
            return Decision(problems: problems)
        }
        return Decision(
            change: Change(
                model: desired.name, action: .repair, from: release.id, to: release.id, release: release,
                reason: .damaged(files: 1),
                steps: Change.steps(for: .repair, readiness: .proven, hooks: HookSet(desired), isOrder: false)))
    }

    /// A person's order: the held release is what is wanted, and everything newer is blocked by it.
    private func follow(_ hold: Memory.Hold, into decision: inout Decision) {
        if hold.kind == .hold {
            // "Stay" never activates anything.
        } else if let held = observed.generations.first(where: { $0.release.id == hold.release }) {
            decision.change = change(to: held.release, isOrder: true)
        } else {
            decision.problems.append(Fault(.holdLost(version: hold.release.version.description), model: desired.name))
        }
        if decision.change == nil, observed.trial != nil, let active = observed.slot.generation {
            finish(active, into: &decision)
        }
        let newer = candidates.first {
            $0.isEligible && (isOrdered ? $0.version > hold.release.version : $0.version != hold.release.version)
        }
        guard let newer else { return }
        block(
            newer, .held(by: hold.by, reason: hold.reason, until: hold.until, version: hold.release.version), &decision)
    }

    /// An open trial is finished before anything else is begun.
    private func finish(_ trial: Generation, into decision: inout Decision) {
        if let halted = observed.memory.trial?.halted, observed.memory.trial?.release == trial.release.id {
            decision.problems.append(Fault(.halted(detail: halted), model: desired.name))
            return
        }
        let before = observed.goodGeneration?.release.id
        let action: Change.Action = before == nil ? .install : .replace
        decision.change = Change(
            model: desired.name, action: action, from: before, to: trial.release.id, release: trial.release,
            reason: .openTrial,
            steps: Change.steps(for: action, readiness: .active, hooks: HookSet(desired), isOrder: false))
    }

    private var candidates: [Candidate] {
        if case .candidates(let list, _) = resolution { list } else { [] }
    }

    /// Walks the candidates from the highest precedence down to the first that may be taken or is already active.
    private func choose(into decision: inout Decision, rejecting: [Digest: Obstacle]) {
        if case .unknown(let fault) = resolution { return decision.problems.append(fault.about(desired.name)) }
        let active = observed.slot.generation?.release
        noteActive(active, into: &decision)
        var failed: Version?
        for candidate in candidates {
            if let active, stays(active), !candidate.isLocked, isOrdered, candidate.version < active.version { return }
            guard let release = candidate.release, candidate.isEligible || isApproved(candidate, from: active) else {
                if let obstacle = candidate.obstacle, !isActive(candidate, active) {
                    block(candidate, obstacle, &decision)
                }
                continue
            }
            if let active, active.id == release.id { return }
            if let obstacle = rejecting[release.contentDigest] ?? obstacle(to: release, active: active, candidate) {
                block(candidate, obstacle, &decision)
                if case .quarantined = obstacle { failed = failed ?? release.version }
                if case .undecided = obstacle { failed = failed ?? release.version }
                continue
            }
            if let failed, active != nil, !candidate.isLocked {
                return block(candidate, .olderThanFailed(version: failed), &decision)
            }
            decision.change = change(to: release, isOrder: false)
            return
        }
    }

    /// Whether the active release may stay although higher precedence is not to be had: only a changed desired state,
    /// a hold or a rollback moves a model backwards (LAW 6).
    private func stays(_ active: Release) -> Bool {
        desired.covers(active)
    }

    /// Whether versions tell what is newer: what a revision stands for is simply what it stands for now.
    private var isOrdered: Bool { desired.revision == nil }

    /// A step; one of a revision has no size and counts as major.
    private func size(from old: Version, to new: Version) -> StepSize {
        isOrdered ? StepSize(from: old, to: new) : .major
    }

    private func isActive(_ candidate: Candidate, _ active: Release?) -> Bool {
        guard let active, candidate.version == active.version else { return false }
        return candidate.release.map { $0.contentDigest == active.contentDigest } ?? true
    }

    private func isApproved(_ candidate: Candidate, from active: Release?) -> Bool {
        guard let release = candidate.release, candidate.obstacle?.isApprovable == true else { return false }
        return observed.memory.approves(from: active?.contentDigest, to: release.contentDigest, at: now)
    }

    private func obstacle(to release: Release, active: Release?, _ candidate: Candidate) -> Obstacle? {
        let memory = observed.memory
        if let found = memory.quarantine(of: release.contentDigest, trialInputs: desired.trialInputs, at: now) {
            return .quarantined(cause: found.cause, at: found.at, until: found.until)
        }
        if let found = memory.undecided(
            release.contentDigest, trialInputs: desired.trialInputs, at: now)
        {
            return .undecided(cause: found.cause, retryAt: found.retryAt)
        }
        if let active, !candidate.isLocked, active.contentDigest != release.contentDigest, stays(active) {
            let size = size(from: active.version, to: release.version)
            let isApproved = memory.approves(from: active.contentDigest, to: release.contentDigest, at: now)
            if !desired.policy.takes(size, priority: release.priority), !isApproved {
                return .needsApproval(size: size)
            }
        }
        if let notBefore = desired.notBefore, now < notBefore { return .notBefore(time: notBefore) }
        return nil
    }

    /// The table of design section 4: what is held on disk against what is wanted.
    private func change(to release: Release, isOrder: Bool) -> Change? {
        let action: Change.Action
        let old = observed.slot.generation?.release
        switch (observed.slot, old) {
        case (.foreign, _), (.lost, _): return nil
        case (.empty, _), (.intact, nil), (.damaged, nil): action = .install
        case (.intact, let old?) where old.id == release.id, (.damaged, let old?) where old.id == release.id: return nil
        case (.intact, let old?) where old.contentDigest == release.contentDigest: action = .relabel
        case (.intact, _?), (.damaged, _?): action = .replace
        }
        let readiness = readiness(of: release)
        return Change(
            model: desired.name, action: action, from: old?.id, to: release.id, release: release,
            reason: reason(for: action, release: release, old: old, isOrder: isOrder),
            steps: Change.steps(for: action, readiness: readiness, hooks: HookSet(desired), isOrder: isOrder))
    }

    private func readiness(of release: Release) -> Change.Readiness {
        guard observed.generations.contains(where: { $0.release.id == release.id }) else { return .absent }
        if observed.memory.wasConfirmed(release.contentDigest) { return .proven }
        return observed.memory.isChecked(release.id, trialInputs: desired.trialInputs) ? .checked : .staged
    }

    private func reason(for action: Change.Action, release: Release, old: Release?, isOrder: Bool) -> Change.Reason {
        if isOrder { return .held }
        guard let old else { return .declared }
        if action == .relabel { return .sameContent }
        guard old.version < release.version || !isOrdered, stays(old) else { return .notAsDeclared }
        let size = size(from: old.version, to: release.version)
        return .newer(
            size: size, priority: release.priority(from: old.version),
            isHotfix: size == .patch && release.priority == .critical)
    }

    private func repair(into decision: inout Decision) {
        guard case .damaged(let generation, let damage) = observed.slot else { return }
        guard desired.policy.drift == .heal else {
            return decision.problems.append(Fault(.drifted(damage: damage), model: desired.name))
        }
        let release = generation.release
        decision.change = Change(
            model: desired.name, action: .repair, from: release.id, to: release.id, release: release,
            reason: .damaged(files: damage.count),
            steps: Change.steps(for: .repair, readiness: .proven, hooks: HookSet(desired), isOrder: false))
    }

    /// What is active and good is handed over when that was never done, was asked for otherwise, or is no longer there; and taken
    /// back when it is no longer asked for.
    private func handOver(into decision: inout Decision) {
        guard case .intact(let active) = observed.slot, observed.trial == nil else { return }
        let wanted = desired.handOver.map { HandedOver(declared: $0.digest, generation: active.directory) }
        guard wanted != observed.handedOver else { return }
        let id = active.release.id
        decision.change = Change(
            model: desired.name, action: .repair, from: id, to: id, release: active.release, reason: .notHandedOver,
            steps: [.handOver] + (desired.reload == nil ? [] : [.reload]))
    }

    /// An active release that its source no longer lists, or has withdrawn, stays, with a warning.
    private func noteActive(_ active: Release?, into decision: inout Decision) {
        guard let active, stays(active) else { return }
        if case .candidates(_, let listed?) = resolution, !listed.contains(active.version) {
            decision.notices.append(.activeUnlisted(model: desired.name, version: active.version))
        } else if let unfit = candidates.first(where: { $0.release?.id == active.id })?.obstacle, unfit.isUnfitness {
            decision.notices.append(.activeUnfit(model: desired.name, version: active.version, obstacle: unfit))
        } else if candidates.contains(where: { $0.version == active.version && $0.obstacle == .yanked }) {
            decision.notices.append(.activeYanked(model: desired.name, version: active.version))
        }
    }

    /// Notes the highest release behind each kind of obstacle, once.
    private func block(_ candidate: Candidate, _ obstacle: Obstacle, _ decision: inout Decision) {
        guard !decision.blocked.contains(where: { $0.obstacle.kind == obstacle.kind }) else { return }
        decision.blocked.append(
            Plan.Blocked(
                model: desired.name, active: observed.slot.generation?.release.version, version: candidate.version,
                contentDigest: candidate.release?.contentDigest, obstacle: obstacle,
                priority: candidate.release?.priority(from: observed.slot.generation?.release.version)))
    }
}

extension Candidate {
    /// The release, when it was read.
    public var release: Release? {
        switch verdict {
        case .eligible(let release): release
        case .excluded(_, let release): release
        }
    }

    /// Whether the source and the desired state have nothing against it.
    public var isEligible: Bool { obstacle == nil }

    /// What the source or the desired state has against it.
    public var obstacle: Obstacle? {
        if case .excluded(let obstacle, _) = verdict { obstacle } else { nil }
    }
}

extension Obstacle {
    /// Whether a release that is active already stays in spite of it, with a notice.
    fileprivate var isUnfitness: Bool {
        switch self {
        case .factDiffers, .license: true
        default: false
        }
    }

    /// The case without its facts, so that only one release a kind is reported.
    var kind: Int {
        switch self {
        case .yanked: 0
        case .channel: 1
        case .factDiffers: 2
        case .modelDiffers: 3
        case .tooYoung: 4
        case .ageUnknown: 5
        case .republished: 6
        case .needsApproval: 7
        case .notBefore: 8
        case .quarantined: 9
        case .undecided: 10
        case .held: 11
        case .olderThanFailed: 12
        case .window: 13
        case .dependency: 14
        case .group: 15
        case .conflict: 16
        case .license: 17
        case .incomplete: 18
        }
    }
}
