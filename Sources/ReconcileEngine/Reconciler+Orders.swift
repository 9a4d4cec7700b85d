public import ReconcileCore
import SystemPackage
import YAML

// What people order: approve, rollback, hold, resume, retry. Each is written into the model's memory, so that the next
// pass, and every one after it, follows it. None of them waits for a download.
extension Reconciler {
    /// Says yes to the change that waits for it, and to nothing else.
    ///
    /// - Returns: What was approved.
    /// - Throws: ``Fault`` of kind `nothingToApprove`.
    public func approve(_ model: ModelName) async throws -> Plan.Blocked {
        let survey = try await survey(only: [model], isDryRun: true)
        let blocked = survey.plan(only: [model]).blocked.filter { $0.obstacle.isApprovable && $0.contentDigest != nil }
        guard let item = blocked.first, let digest = item.contentDigest else {
            throw Fault(.nothingToApprove, model: model)
        }
        let from = survey.observation.state.models[model]?.slot.generation?.release
        try await change(model, survey.declaration) { memory, _, now in
            memory.approvals.removeAll { $0.to == digest }
            memory.approvals.append(Memory.Approval(from: from?.contentDigest, to: digest, by: settings.user, at: now))
            return event(
                "approved", model, now, from: from?.id, to: ReleaseID(version: item.version, contentDigest: digest))
        }
        return item
    }

    /// Activates a kept generation at once and holds the model there.
    ///
    /// - Parameters:
    ///   - version: The version to go back to; without it the confirmed one that was used last.
    ///   - reason: Why, for people.
    ///   - until: When the hold ends by itself.
    /// - Throws: ``Fault`` of kind `notKept`, `modelUnknown` or `busy`.
    public func rollback(
        _ model: ModelName, to version: Version? = nil, reason: String? = nil, until: Timestamp? = nil
    ) async throws -> PassResult {
        let declaration = try declared(model)
        let selectors = declaration.selectors(lock: try Lockfile.read(declaration.lockPath)?.lock)
        func order() async throws {
            try await change(model, declaration) { memory, observed, now in
                let target = try Self.rollbackTarget(model, version, observed)
                memory.hold = Memory.Hold(
                    kind: .rollback, release: target.release.id, by: settings.user, reason: reason, at: now,
                    until: until,
                    selector: selectors[model] ?? Hashing.digest(of: ""))
                memory.trial = nil
                return event("rollback", model, now, to: target.release.id, detail: reason)
            }
        }
        do {
            try await order()
        } catch {
            // A kept generation may be damaged; it is repaired when it is needed.
            let found = try await verify(only: [model], deep: false, repair: false)
            guard found.contains(where: { !$0.isActive && !$0.damage.isEmpty }) else { throw error }
            _ = try await verify(only: [model], deep: false, repair: true)
            try await order()
        }
        let survey = try await localSurvey(declaration)
        let plan = survey.plan(only: [model])
        let outcomes = try await apply(plan.changes, of: survey)
        return PassResult(plan: plan, outcomes: outcomes, status: ExitStatus(applying: plan, outcomes: outcomes))
    }

    private static func rollbackTarget(
        _ model: ModelName, _ version: Version?, _ observed: ObservedModel
    ) throws -> Generation {
        if let fault = observed.fault { throw fault }
        let active = observed.slot.generation
        let kept = observed.generations.filter { $0.directory != active?.directory }.sorted { $0.usedAt > $1.usedAt }
        let target: Generation? =
            if let version {
                observed.generations.first { $0.release.version == version }
            } else if observed.trial != nil {
                observed.goodGeneration
            } else {
                Self.predecessor(of: active?.release.id, kept, observed.memory.confirmed)
            }
        guard let target else {
            throw Fault(
                .notKept(version: version?.description, kept: kept.map(\.release.version.description)), model: model)
        }
        return target
    }

    /// The kept release that worked here before the active one did: going back twice goes back further.
    private static func predecessor(
        of active: ReleaseID?, _ kept: [Generation], _ confirmed: [Memory.Confirmed]
    ) -> Generation? {
        let earlier = confirmed.prefix { $0.release != active }.reversed()
        for entry in earlier {
            if let generation = kept.first(where: { $0.release.id == entry.release }) { return generation }
        }
        return nil
    }

    /// Orders that a model stays at what is active.
    ///
    /// - Returns: What is held.
    /// - Throws: ``Fault`` of kind `notKept` when nothing is active.
    public func hold(_ model: ModelName, reason: String? = nil, until: Timestamp? = nil) async throws -> ReleaseID {
        let declaration = try declared(model)
        var held: ReleaseID?
        try await change(model, declaration) { memory, observed, now in
            // A release under trial may still turn out not to work: then the one before it is what stays.
            let stays = observed.trial == nil ? observed.slot.generation : observed.goodGeneration
            guard let release = stays?.release.id else { throw Fault(.notKept(version: nil, kept: []), model: model) }
            memory.hold = Memory.Hold(
                kind: .hold, release: release, by: settings.user, reason: reason, at: now, until: until,
                selector: Hashing.digest(of: ""))
            held = release
            return event("held", model, now, to: release, detail: reason)
        }
        guard let held else { throw Fault(.notKept(version: nil, kept: []), model: model) }
        return held
    }

    /// Ends a hold.
    ///
    /// - Returns: The hold that was ended; `nil` when there was none.
    public func resume(_ model: ModelName) async throws -> Memory.Hold? {
        let declaration = try declared(model)
        var ended: Memory.Hold?
        try await change(model, declaration) { memory, _, now in
            ended = memory.hold
            memory.hold = nil
            return ended == nil ? nil : event("resumed", model, now)
        }
        return ended
    }

    /// Forgets that content did not work, so that the next pass tries it again.
    ///
    /// - Returns: What will be tried again.
    public func retry(_ model: ModelName) async throws -> [ReleaseID] {
        let declaration = try declared(model)
        var freed: [ReleaseID] = []
        try await change(model, declaration) { memory, _, now in
            let halted = memory.trial?.halted == nil ? [] : [memory.trial?.release].compactMap(\.self)
            freed = memory.quarantine.map(\.release) + memory.undecided.map(\.release) + halted
            (memory.quarantine, memory.undecided, memory.trial) = ([], [], nil)
            return freed.isEmpty ? nil : event("retry", model, now, to: freed.first)
        }
        return freed
    }

    /// The declaration, when it has the model.
    func declared(_ model: ModelName) throws -> Declaration {
        let declaration = try DesiredStateLoader(paths: files).load()
        try checkNames([model], declaration)
        return declaration
    }

    /// A survey that asks no source: enough for orders about what is on disk.
    func localSurvey(_ declaration: Declaration) async throws -> Survey {
        let layout = StoreLayout(root: declaration.store)
        let lock = try Lockfile.read(declaration.lockPath)
        let cache = SourceCache(path: layout.history, canWrite: false)
        return Survey(
            declaration: declaration, layout: layout, cache: cache, sources: declaration.makeSources(cache: cache),
            lock: lock,
            observation: try await Observer(reader: StoreReader(layout: layout)).observe(
                declaration.desired.models.keys),
            resolutions: [:], selectors: declaration.selectors(lock: lock?.lock), notices: [], now: settings.clock())
    }

    /// Changes a model's memory under the store's lock and writes the event it returns into the history.
    private func change(
        _ model: ModelName, _ declaration: Declaration,
        _ body: (inout Memory, ObservedModel, Timestamp) throws -> History.Event?
    ) async throws {
        let layout = StoreLayout(root: declaration.store)
        let writer = try await StoreWriter.open(layout, holder: settings.holder, patience: settings.lockPatience)
        let observed = try await Observer(reader: writer.reader).observe(model).0
        var memory = observed.memory
        let before = memory
        let event = try body(&memory, observed, settings.clock())
        if memory != before { try writer.remember(memory, of: model) }
        record([event].compactMap(\.self), in: layout)
    }

    private func event(
        _ kind: String, _ model: ModelName, _ now: Timestamp, from: ReleaseID? = nil, to: ReleaseID? = nil,
        detail: String? = nil
    ) -> History.Event {
        func words(_ id: ReleaseID) -> String { "\(id.version) \(id.contentDigest.short)" }
        return History.Event(
            at: now, kind: kind, model: model.description, who: settings.user, from: from.map(words), to: to.map(words),
            detail: detail)
    }
}
