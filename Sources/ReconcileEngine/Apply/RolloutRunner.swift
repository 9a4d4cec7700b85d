package import ReconcileCore
package import SystemPackage

/// Performs the actions of a ``Rollout`` for one change: the shell around the state machine. Whoever runs it holds the
/// store's lock and has just observed the model.
package struct RolloutRunner {
    private let change: Change
    private let desired: DesiredModel?
    private let observed: ObservedModel
    private let fetched: Fetcher.Fetched?
    private let writer: StoreWriter
    private let hooks: HookRunner
    private let now: Timestamp
    private let report: ProgressReporter
    /// Where a user's own directory goes that `adopt` takes the place of.
    private let aside: FilePath?

    private var memory: Memory
    private var rollout: Rollout
    /// The directory of the wanted release, once it is known.
    private var directory: String?

    package init(
        change: Change, desired: DesiredModel?, observed: ObservedModel, fetched: Fetcher.Fetched?, writer: StoreWriter,
        hooks: HookRunner, now: Timestamp, aside: FilePath? = nil, report: @escaping ProgressReporter
    ) {
        self.change = change
        self.desired = desired
        self.observed = observed
        self.fetched = fetched
        self.writer = writer
        self.hooks = hooks
        self.now = now
        self.report = report
        self.aside = aside
        memory = observed.memory
        directory = observed.generations.first { $0.release.id == change.to }?.directory
        rollout = Rollout(
            steps: change.steps, context: Self.context(change, desired, observed))
    }

    private static func context(_ change: Change, _ desired: DesiredModel?, _ observed: ObservedModel)
        -> Rollout.Context
    {
        let isTrial = observed.trial?.release.id == change.to
        let digest = change.to?.contentDigest
        let memory = observed.memory
        let good = observed.goodGeneration
        return Rollout.Context(
            hasPredecessor: isTrial ? good != nil : (observed.slot.generation ?? good) != nil,
            wasConfirmed: digest.map { memory.wasConfirmed($0) || good?.release.contentDigest == $0 } ?? false,
            onFailure: desired?.policy.onFailure ?? .rollback, probeAttempts: desired?.probe?.attempts ?? 3,
            probesBegun: isTrial && memory.trial?.release == change.to ? min(memory.trial?.attempts ?? 0, 1000) : 0,
            reloads: desired?.reload != nil, isActivated: isTrial)
    }

    /// Runs the change to its end.
    ///
    /// - Returns: How it ended. Nothing is thrown: what failed is part of the answer.
    package mutating func run() async -> Outcome.Result {
        var action = rollout.start()
        while true {
            if case .finish(let ending) = action { return await finish(ending) }
            let event = await perform(action)
            action = rollout.handle(event)
        }
    }

    private mutating func finish(_ ending: Rollout.Ending) async -> Outcome.Result {
        switch ending {
        case .confirmed(let warning): return .done(warning: warning)
        case .failed(let fault): return .failed(fault.about(change.model))
        case .rolledBack(let cause, let isQuarantined):
            let active = writer.reader.activeDirectory(of: change.model)
            let version = observed.generations.first { $0.directory == active }?.release.version
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
                if step != .fetch, step != .verify { report(.step(model: change.model, step: step)) }
                return try await run(step)
            case .wait(let seconds):
                report(.waiting(model: change.model, seconds: seconds))
                try await Task.sleep(for: .seconds(seconds))
                return .done
            case .record(let note):
                try record(note)
                return .done
            case .revert:
                report(.reverting(model: change.model, cause: ""))
                try revert()
                return .done
            case .reloadPredecessor: return await askUncancelled(.reload, predecessor)
            case .compare(let stage): return await askUncancelled(stage, predecessor)
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

    private mutating func run(_ step: Step) async throws -> Rollout.Event {
        let model = change.model
        switch step {
        case .fetch, .verify: return fetched == nil ? .failed(Fault(.bug(detail: "\(step) was not prepared"))) : .done
        case .stage:
            directory = try await stage()
            return .done
        case .check: return try await ask(.check, staged())
        case .activate:
            try activate()
            return .done
        case .reload:
            rememberAttempt()
            return try await ask(.reload, staged())
        case .probe:
            rememberAttempt()
            return try await ask(.probe, staged())
        case .confirm:
            try confirm()
            return .done
        case .retire:
            try writer.remove(model)
            return .done
        case .revert: return .failed(Fault(.bug(detail: "a revert is never planned")))
        }
    }

    /// Moves the link. A trial is remembered first, so that a full disk is noticed while nothing has changed.
    private mutating func activate() throws {
        let (id, directory) = try staged()
        if change.reason != .held, change.steps.contains(.probe) || change.steps.contains(.reload) {
            memory.trial = Memory.Trial(release: id, attempts: 0)
            try writer.remember(memory, of: change.model)
        }
        if let aside, observed.slot == .foreign {
            try writer.adopt(change.model, directory, aside: aside)
        } else {
            try writer.activate(change.model, directory)
        }
    }

    private func stage() async throws -> String {
        guard let release = change.release else { throw Fault(.bug(detail: "there is no release to stage")) }
        if let fetched { return try await writer.stage(fetched.release, for: change.model) }
        // A relabel fetches nothing: its blobs are here, and are hashed before they are used.
        let (verified, wrong) = try await writer.reader.verify(release, files: release.files)
        guard let verified else {
            throw Fault(
                .fileDamaged(path: writer.layout.blobs.string, detail: "\(wrong.count) blobs are missing or wrong"))
        }
        return try await writer.stage(verified, for: change.model)
    }

    /// The wanted release with its directory.
    private func staged() throws -> (release: ReleaseID, directory: String) {
        guard let directory, let release = change.to else {
            throw Fault(.notKept(version: change.to?.version.description, kept: []), model: change.model)
        }
        return (release, directory)
    }

    /// What was active before: in a finished trial the last good one.
    private var predecessor: (release: ReleaseID, directory: String)? {
        let isTrial = observed.trial?.release.id == change.to
        let generation = isTrial ? observed.goodGeneration : observed.slot.generation ?? observed.goodGeneration
        return generation.map { ($0.release.id, $0.directory) }
    }

    private func ask(_ stage: HookStage, _ subject: (release: ReleaseID, directory: String)) async throws
        -> Rollout.Event
    {
        let hook: Hook? =
            switch stage {
            case .check: desired?.check
            case .reload: desired?.reload
            case .probe: desired?.probe
            }
        guard let hook else { return .done }
        let path = writer.layout.generation(change.model, subject.directory)
        let answer = try await hooks.ask(
            hook, stage,
            about: HookRunner.Subject(
                model: change.model, version: subject.release.version, path: DiskReader.realPath(path) ?? path))
        switch answer {
        case .works: return .done
        case .broken(let detail): return .broken("\(stage.rawValue) failed: \(detail)")
        case .timedOut(let detail): return .timedOut("\(stage.rawValue) failed: \(detail)")
        case .undecided(let detail): return .undecided("\(stage.rawValue) could not tell: \(detail)")
        }
    }

    /// Asks about the predecessor even when the pass was cancelled: what was begun is brought to its end.
    private func askUncancelled(
        _ stage: HookStage, _ subject: (release: ReleaseID, directory: String)?
    ) async -> Rollout.Event {
        guard let subject else { return .done }
        let runner = self
        return await Task {
            do {
                return try await runner.ask(stage, subject)
            } catch {
                return .undecided("\(error)")
            }
        }.value
    }

    /// An interrupted reload or probe is an attempt, so it is counted before it begins.
    private mutating func rememberAttempt() {
        guard let release = change.to, observed.good != directory, change.reason != .held,
            directory == writer.reader.activeDirectory(of: change.model)
        else { return }
        memory.trial = Memory.Trial(release: release, attempts: rollout.probeCount)
        do {
            try writer.remember(memory, of: change.model)
        } catch {
            // The link has moved: what matters now is to find out whether the new one works.
            report(.warning("an attempt with \(change.model) could not be written down"))
        }
    }

    /// The link first: from then on the trial is over, whatever is remembered of it.
    private mutating func confirm() throws {
        try writer.confirm(change.model, staged().directory)
        let before = memory
        if let release = change.release { memory.confirm(release, at: now) }
        memory.isProtected = desired?.isProtected ?? memory.isProtected
        if memory != before { try writer.remember(memory, of: change.model) }
    }

    private mutating func record(_ note: Rollout.Note) throws {
        guard let release = change.to else { return }
        memory.quarantine.removeAll { $0.release.contentDigest == release.contentDigest }
        switch note {
        case .quarantined(let cause):
            memory.quarantine.append(
                Memory.Quarantine(
                    release: release, cause: cause, at: now, trialInputs: desired?.trialInputs ?? Hashing.digest(of: "")
                ))
        case .undecided(let cause):
            let attempts = min(memory.undecided.first { $0.release == release }?.attempts ?? 0, 1000) + 1
            memory.undecided.removeAll { $0.release.contentDigest == release.contentDigest }
            let hours = Int64(min(24, 1 << min(attempts - 1, 5)))
            memory.undecided.append(
                Memory.Undecided(
                    release: release, cause: cause, attempts: attempts, retryAt: now.advanced(bySeconds: hours * 3600),
                    trialInputs: desired?.trialInputs ?? Hashing.digest(of: "")))
        case .halted(let cause):
            memory.trial = Memory.Trial(release: release, attempts: rollout.probeCount, halted: cause)
        }
        try writer.remember(memory, of: change.model)
    }

    private mutating func revert() throws {
        if let predecessor {
            try writer.activate(change.model, predecessor.directory)
        } else if let aside, observed.slot == .foreign {
            try writer.restore(change.model, from: aside)
        } else {
            try writer.deactivate(change.model)
        }
        guard memory.trial != nil else { return }
        memory.trial = nil
        do {
            try writer.remember(memory, of: change.model)
        } catch {
            // The link is back, which is what counts; the trial that is still remembered is of no release that is active.
            report(.warning("the end of the trial of \(change.model) could not be written down"))
        }
    }
}
