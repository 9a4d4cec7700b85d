package import ReconcileCore
package import SystemPackage

/// Performs the actions of a ``Rollout`` for one model, or for the models of a group together: the shell around the state
/// machine. Whoever runs it holds the store's lock and has just observed the models.
package struct RolloutRunner {
    var members: [RolloutMember]
    /// The group whose link moves; `nil` when the model's own does.
    private let group: String?
    let writer: StoreWriter
    let hooks: HookRunner
    private let now: Timestamp
    let report: EventReporter
    /// Where a user's own directory goes that `adopt` takes the place of.
    private let aside: FilePath?

    private var rollout: Rollout
    /// Whether the link has moved to what is wanted, now or in a pass before: from then on it is the set that is on trial.
    private var isTried: Bool
    /// The member whose hook said no, of several.
    private var culprit: ModelName?
    /// What hooks said, for the health of the models.
    private var inspections: [Inspection] = []

    /// After a signal the predecessor is told that it is back, but not waited for as long as usual.
    private static let hurriedSeconds: Int64 = 4

    /// A rollout of one model, or of all models of a group, the unchanged ones included.
    package init(
        members: [RolloutMember], group: String? = nil, writer: StoreWriter, hooks: HookRunner = HookRunner(),
        now: Timestamp, aside: FilePath? = nil, report: @escaping EventReporter
    ) {
        self.members = members
        self.group = group
        self.writer = writer
        self.hooks = hooks
        self.now = now
        self.report = report
        self.aside = aside
        isTried = members.contains(where: \.isTrial)
        rollout = Rollout(steps: Self.steps(of: members), context: Self.context(members))
    }

    /// How a rollout ended.
    package struct Result: Sendable {
        /// For each member with a change.
        package let results: [ModelName: Outcome.Result]
        /// What was carried out, which may be less than what was planned.
        package let changes: [ModelName: Change]
        /// What hooks said meanwhile.
        package let inspections: [Inspection]
    }

    /// The steps of all members, in one order.
    private static func steps(of members: [RolloutMember]) -> [Step] {
        let changes = members.compactMap(\.change)
        var wanted = Set(changes.flatMap(\.steps))
        // What stays as it is must go on working with what changes beside it.
        let isSwitching = wanted.contains(.activate) || wanted.contains(.confirm)
        if isSwitching, members.contains(where: { $0.change == nil && $0.desired?.probe != nil }) {
            wanted.insert(.probe)
        }
        let isOrder = changes.contains { $0.reason == .held }
        let trial: [Step] = isOrder ? [.confirm, .reload, .probe] : [.reload, .probe, .confirm]
        return ([.fetch, .verify, .stage, .check, .activate, .handOver] + trial + [.retire]).filter(wanted.contains)
    }

    private static func context(_ members: [RolloutMember]) -> Rollout.Context {
        let changing = members.filter { $0.change != nil }
        let isTrial = changing.contains(where: \.isTrial)
        return Rollout.Context(
            hasPredecessor: changing.contains { $0.predecessor != nil },
            wasConfirmed: changing.allSatisfy(\.wasConfirmed),
            onFailure: changing.contains { $0.desired?.policy.onFailure == .halt } ? .halt : .rollback,
            probeAttempts: members.compactMap { $0.desired?.probe?.attempts }.max() ?? 3,
            probesBegun: changing.map(\.probesBegun).max() ?? 0,
            reloads: changing.contains { $0.desired?.reload != nil || $0.desired?.handOver != nil },
            isActivated: isTrial)
    }

    /// Runs the changes to their end.
    ///
    /// - Returns: How it ended. Nothing is thrown: what failed is part of the answer.
    package mutating func run() async -> Result {
        var action = rollout.start()
        while true {
            if case .finish(let ending) = action { return finish(ending) }
            let event = await perform(action)
            action = rollout.handle(event)
        }
    }

    private func finish(_ ending: Rollout.Ending) -> Result {
        var results: [ModelName: Outcome.Result] = [:]
        for member in members where member.change != nil { results[member.model] = result(ending, of: member) }
        let changes = members.compactMap { member in member.change.map { (member.model, $0) } }
        return Result(results: results, changes: Dictionary(changes) { $1 }, inspections: inspections)
    }

    private func result(_ ending: Rollout.Ending, of member: RolloutMember) -> Outcome.Result {
        switch ending {
        case .confirmed(let warning): return .done(warning: warning)
        case .failed(let fault):
            guard let culprit, culprit != member.model else { return .failed(fault.about(member.model)) }
            return .failed(Fault(.heldBack(by: culprit), model: member.model))
        case .rolledBack(let cause, let isQuarantined):
            let active = writer.reader.activeDirectory(of: member.model)
            let version = member.observed.generations.first { $0.directory == active }?.release.version
            return .rolledBack(cause: cause, isQuarantined: isQuarantined, active: version)
        case .halted(let cause): return .halted(cause: cause)
        case .interrupted: return .interrupted
        }
    }

    private mutating func perform(_ action: Rollout.Action) async -> Rollout.Event {
        do {
            switch action {
            case .run(let step):
                if Task.isCancelled { return .cancelled }
                if step != .fetch, step != .verify { tell(step) }
                return try await run(step)
            case .wait(let seconds):
                for member in members where member.change != nil {
                    report(.waiting(model: member.model, seconds: seconds))
                }
                try await Task.sleep(for: .seconds(seconds))
                return .done
            case .record(let note):
                try record(note)
                return .done
            case .revert:
                for member in members where member.change != nil { report(.reverting(model: member.model, cause: "")) }
                try revert()
                withdrawFirst()
                return .done
            case .reloadPredecessor:
                let event = await handBack()
                return event == .done ? await askUncancelled(.reload) : event
            case .compare(let stage): return await askUncancelled(stage)
            case .finish: return .done
            }
        } catch is CancellationError {
            return .cancelled
        } catch let fault as Fault {
            return .failed(fault)
        } catch {
            return .failed(Fault(.bug(detail: "\(error)")))
        }
    }

    /// Tells of a step for the members that take part in it.
    private func tell(_ step: Step) {
        for member in members where takesPart(member, in: step) { report(.step(model: member.model, step: step)) }
    }

    private func takesPart(_ member: RolloutMember, in step: Step) -> Bool {
        guard let change = member.change else { return step == .probe && member.desired?.probe != nil }
        return change.steps.contains(step)
    }

    private mutating func run(_ step: Step) async throws -> Rollout.Event {
        switch step {
        case .fetch, .verify:
            let isPrepared = members.allSatisfy { !takesPart($0, in: step) || $0.fetched != nil }
            return isPrepared ? .done : .failed(Fault(.bug(detail: "\(step) was not prepared")))
        case .stage:
            for index in members.indices where takesPart(members[index], in: .stage) {
                members[index].directory = try await stage(members[index])
                inspections.append(try .verified(members[index].model, members[index].staged().release, at: now))
                if !takesPart(members[index], in: .check) { try notePrepared(index) }
            }
            return .done
        case .check: return try await check()
        case .activate:
            try activate()
            return .done
        case .handOver: return try await handOver()
        case .reload, .probe:
            rememberAttempt()
            return try await askAll(step == .reload ? .reload : .probe)
        case .confirm:
            try confirm()
            return .done
        case .retire:
            for member in members where takesPart(member, in: .retire) { try retire(member.model) }
            return .done
        case .revert: return .failed(Fault(.bug(detail: "a revert is never planned")))
        }
    }

    // MARK: Steps

    private func stage(_ member: RolloutMember) async throws -> String {
        guard let release = member.wantedRelease else { throw Fault(.bug(detail: "there is no release to stage")) }
        if let fetched = member.fetched { return try await writer.stage(fetched.release, for: member.model) }
        // A relabel fetches nothing: its blobs are here, and are hashed before they are used.
        let (verified, wrong) = try await writer.reader.verify(release, files: release.files)
        guard let verified else {
            throw Fault(
                .fileDamaged(path: writer.layout.blobs.string, detail: "\(wrong.count) blobs are missing or wrong"))
        }
        return try await writer.stage(verified, for: member.model)
    }

    /// Checks every staged release; that one passed is remembered, because its activation may be days away.
    private mutating func check() async throws -> Rollout.Event {
        for index in members.indices where takesPart(members[index], in: .check) {
            let member = members[index]
            let event = try await ask(.check, member, member.staged())
            guard event == .done else { return event }
            try notePrepared(index)
        }
        return .done
    }

    /// Remembers that a release is ready to be activated, so that it is not checked again, and not deleted, until then.
    private mutating func notePrepared(_ index: Int) throws {
        guard let change = members[index].change, change.onlyPrepares, let release = change.to else { return }
        members[index].memory.noteChecked(release, trialInputs: members[index].trialInputs, at: now)
        try writer.remember(members[index].memory, of: members[index].model)
    }

    /// Moves the link. A trial is remembered first, so that a full disk is noticed while nothing has changed.
    private mutating func activate() throws {
        for index in members.indices {
            guard let change = members[index].change, change.reason != .held,
                change.steps.contains(.probe) || change.steps.contains(.reload)
            else { continue }
            members[index].memory.trial = Memory.Trial(release: try members[index].staged().release, attempts: 0)
            try writer.remember(members[index].memory, of: members[index].model)
        }
        isTried = true
        if let group {
            return try writer.switchGroup(
                group, to: Dictionary(try members.map { ($0.model, try $0.staged().directory) }) { $1 })
        }
        for member in members where member.change != nil {
            if let aside, member.observed.slot == .foreign {
                try writer.adopt(member.model, member.staged().directory, aside: aside)
            } else {
                try writer.activate(member.model, member.staged().directory)
            }
        }
    }

    /// The link first: from then on the trial is over, whatever is remembered of it.
    private mutating func confirm() throws {
        if let group {
            try writer.confirmGroup(group, members.map(\.model))
        } else {
            for member in members where member.change != nil {
                try writer.confirm(member.model, member.staged().directory)
            }
        }
        for index in members.indices {
            guard let release = members[index].change?.release else { continue }
            let before = members[index].memory
            members[index].memory.confirm(release, at: now)
            members[index].memory.isProtected = members[index].desired?.isProtected ?? before.isProtected
            if members[index].memory != before { try writer.remember(members[index].memory, of: members[index].model) }
        }
    }

    private mutating func revert() throws {
        if let group {
            let departing = members.filter { $0.change != nil && $0.predecessor == nil }.map(\.model)
            let back = members.compactMap { member in member.predecessor.map { (member.model, $0.directory) } }
            try writer.switchGroup(group, to: Dictionary(back) { $1 }, departing: Set(departing))
        } else {
            for member in members where member.change != nil { try revert(member) }
        }
        for index in members.indices where members[index].change != nil && members[index].memory.trial != nil {
            members[index].memory.trial = nil
            do {
                try writer.remember(members[index].memory, of: members[index].model)
            } catch {
                // The link is back, which is what counts; the trial that is still remembered is of no release that is active.
                report(.warning("the end of the trial of \(members[index].model) could not be written down"))
            }
        }
    }

    private func revert(_ member: RolloutMember) throws {
        if let predecessor = member.predecessor {
            try writer.activate(member.model, predecessor.directory)
        } else if let aside, member.observed.slot == .foreign {
            try writer.restore(member.model, from: aside)
        } else {
            try writer.deactivate(member.model)
        }
    }

    // MARK: Hooks

    /// Asks every member that takes part; the first that does not say yes decides.
    private mutating func askAll(_ stage: HookStage) async throws -> Rollout.Event {
        let step: Step = stage == .reload ? .reload : .probe
        for member in members where takesPart(member, in: step) {
            let event = try await ask(stage, member, member.staged())
            guard event == .done else { return event }
        }
        return .done
    }

    private mutating func ask(
        _ stage: HookStage, _ member: RolloutMember, _ subject: (release: ReleaseID, directory: String)
    ) async throws -> Rollout.Event {
        guard let hook = member.hook(stage) else { return .done }
        let answer = try await answer(hook, stage, member.model, subject)
        if stage != .reload {
            inspections.append(Inspection(member.model, stage, of: subject.release, answer, at: now))
        }
        if answer != .works, members.count > 1 { culprit = member.model }
        let name = members.count > 1 ? "\(member.model): " : ""
        switch answer {
        case .works: return .done
        case .broken(let detail): return .broken("\(name)\(stage.rawValue) failed: \(detail)")
        case .timedOut(let detail): return .timedOut("\(name)\(stage.rawValue) failed: \(detail)")
        case .undecided(let detail): return .undecided("\(name)\(stage.rawValue) could not tell: \(detail)")
        }
    }

    private func answer(
        _ hook: Hook, _ stage: HookStage, _ model: ModelName, _ subject: (release: ReleaseID, directory: String),
        within seconds: Int64? = nil
    ) async throws -> HookRunner.Answer {
        let path = writer.layout.generation(model, subject.directory)
        return try await hooks.ask(
            seconds.map { hook.within(seconds: $0) } ?? hook, stage,
            about: HookRunner.Subject(
                model: model, version: subject.release.version, path: DiskReader.realPath(path) ?? path))
    }

    /// Asks about the predecessors even when the pass was cancelled: what was begun is brought to its end, but in a hurry then.
    private func askUncancelled(_ stage: HookStage) async -> Rollout.Event {
        let deadline = Task.isCancelled ? ContinuousClock.now + .seconds(Self.hurriedSeconds) : nil
        var event = Rollout.Event.done
        for member in members {
            // A probe that says no is enough; of a reload every program must hear.
            guard event == .done || stage == .reload else { break }
            let limit = deadline.map { max(1, Int64(($0 - ContinuousClock.now).components.seconds)) }
            guard let hook = member.hook(stage), let old = member.predecessor,
                member.change != nil || stage == .probe
            else { continue }
            let runner = self
            let answer = await Task {
                do {
                    return try await runner.answer(
                        hook, stage, member.model, (old.release.id, old.directory), within: limit)
                } catch {
                    return .undecided("\(error)")
                }
            }.value
            switch answer {
            case .works: continue
            case .broken(let detail): event = .broken(detail)
            case .timedOut(let detail): event = .timedOut(detail)
            case .undecided(let detail): event = .undecided(detail)
            }
        }
        return event
    }

    // MARK: Memory

    /// An interrupted reload or probe is an attempt, so it is counted before it begins.
    private mutating func rememberAttempt() {
        for index in members.indices {
            let member = members[index]
            guard let change = member.change, let release = change.to, member.observed.good != member.directory,
                change.reason != .held, member.directory == writer.reader.activeDirectory(of: member.model)
            else { continue }
            members[index].memory.trial = Memory.Trial(release: release, attempts: rollout.probeCount)
            do {
                try writer.remember(members[index].memory, of: member.model)
            } catch {
                // The link has moved: what matters now is to find out whether the new one works.
                report(.warning("an attempt with \(member.model) could not be written down"))
            }
        }
    }

    /// What was found out is about the release alone, or about the set of the group that was tried together. A check tests
    /// one release, so it is about that one.
    private mutating func record(_ note: Rollout.Note) throws {
        let digests = members.compactMap { member in
            (member.change?.to?.contentDigest ?? member.observed.slot.generation?.release.contentDigest).map {
                (member.model, $0)
            }
        }
        let set = group != nil && isTried ? Dictionary(digests) { $1 } : nil
        for index in members.indices where members[index].change != nil {
            if !isTried, let culprit, culprit != members[index].model { continue }
            members[index].note(note, attempts: rollout.probeCount, set: set, at: now)
            try writer.remember(members[index].memory, of: members[index].model)
        }
    }
}
