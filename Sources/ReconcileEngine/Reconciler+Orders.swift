public import ReconcileCore
import SystemPackage
import YAML

// What people order: approve, rollback, hold, resume, retry. Each is written into the model's memory, so that the next
// pass, and every one after it, follows it. None of them waits for a download.
extension Reconciler {
    /// Says yes to the change of a model, and of those that switch together with it, that waits for it; to nothing else.
    ///
    /// - Parameters:
    ///   - model: The model; everything that waits for an approval when `nil`.
    ///   - until: When the approval ends; without it, when the model's policy says so.
    /// - Returns: What was approved.
    /// - Throws: ``Fault`` of kind `nothingToApprove`.
    public func approve(_ model: ModelName?, until: Timestamp? = nil) async throws -> [Plan.Blocked] {
        let survey = try await survey(PassOptions(only: model.map { [$0] } ?? []), isDryRun: true)
        var seen: Set<ModelName> = []
        // Of several that could be approved, the highest.
        let items = survey.plan().blocked.filter { blocked in
            blocked.obstacle.isApprovable && blocked.contentDigest != nil && seen.insert(blocked.model).inserted
        }
        guard !items.isEmpty else { throw Fault(.nothingToApprove, model: model) }
        try await change(items.map(\.model), survey.declaration) { memories, _, _, now in
            items.compactMap { item in
                guard let digest = item.contentDigest else { return nil }
                let from = survey.observation.state.models[item.model]?.slot.generation?.release
                let policy = survey.declaration.desired.models[item.model]?.policy
                let end = until ?? policy?.approvalSeconds.map { now.advanced(bySeconds: $0) }
                memories[item.model]?.approvals.removeAll { $0.to == digest }
                memories[item.model]?.approvals.append(
                    Memory.Approval(from: from?.contentDigest, to: digest, by: settings.user, at: now, until: end))
                return act(
                    "approved", item.model, now, from: from?.id,
                    to: ReleaseID(version: item.version, contentDigest: digest), detail: end.map { "until \($0)" })
            }
        }
        return items
    }

    /// Activates a kept generation at once and holds the model there; a model of a group goes back with its group.
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
        let selectors = declaration.selectors(lock: try declaration.readLock()?.lock)
        let companions = declaration.desired.companions(of: model)
        func order() async throws {
            try await change(companions, declaration) { memories, observed, reader, now in
                let targets = try Self.rollbackTargets(model, version, observed, declaration, reader)
                return companions.compactMap { name in
                    guard let target = targets[name] else { return nil }
                    memories[name]?.hold = Memory.Hold(
                        kind: .rollback, release: target.release.id, by: settings.user, reason: reason?.printable,
                        at: now,
                        until: until, selector: selectors[name] ?? Hashing.digest(of: ""),
                        set: companions.count > 1 ? targets.mapValues(\.release.id) : nil)
                    memories[name]?.trial = nil
                    return act("rollback", name, now, to: target.release.id, detail: reason?.printable)
                }
            }
        }
        do {
            try await order()
        } catch {
            // A kept generation may be damaged; it is repaired when it is needed.
            let found = try await verify(only: Set(companions), deep: false, repair: false)
            guard found.contains(where: { !$0.isActive && !$0.damage.isEmpty }) else { throw error }
            _ = try await verify(only: Set(companions), deep: false, repair: true)
            try await order()
        }
        var survey = try await localSurvey(declaration)
        survey.options = PassOptions(only: Set(companions))
        let plan = survey.plan()
        let ordered = survey
        return try await carryOut(plan, of: ordered) { try await apply(plan.changes, of: ordered, $0) }
    }

    /// What each model of a group goes back to: the set that was confirmed before, or the one with the wanted version; when
    /// there is none, the model alone moves and the others stay.
    private static func rollbackTargets(
        _ model: ModelName, _ version: Version?, _ observed: [ModelName: ObservedModel], _ declaration: Declaration,
        _ reader: StoreReader
    ) throws -> [ModelName: Generation] {
        if let group = declaration.desired.models[model]?.group,
            let set = try GroupHistory(reader: reader, group: group, observed: observed).target(model, version)
        {
            return set
        }
        var targets = [model: try rollbackTarget(model, version, observed[model] ?? ObservedModel())]
        // A release under trial may still turn out not to work: then the one before it is what stays.
        for (name, other) in observed where name != model { targets[name] = other.lasting }
        return targets
    }

    private static func rollbackTarget(
        _ model: ModelName, _ version: Version?, _ observed: ObservedModel
    ) throws -> Generation {
        if let fault = observed.fault { throw fault }
        let active = observed.slot.generation
        let kept = observed.generations.filter { $0.directory != active?.directory }.sorted { $0.usedAt > $1.usedAt }
        let target: Generation? =
            if let version {
                // What was only prepared, or did not work, is nothing to go back to.
                observed.generations.first { generation in
                    generation.release.version == version
                        && (observed.memory.confirmed.isEmpty
                            || observed.memory.wasConfirmed(generation.release.contentDigest))
                }
            } else if observed.trial != nil {
                observed.goodGeneration
            } else {
                Self.predecessor(of: active?.release.id, kept, observed.memory.confirmed)
            }
        guard let target else {
            throw Fault(
                .notKept(
                    version: version?.description,
                    kept: kept.filter { observed.memory.wasConfirmed($0.release.contentDigest) }
                        .map(\.release.version.description)), model: model)
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
        let companions = declaration.desired.companions(of: model)
        var held: ReleaseID?
        try await change(companions, declaration) { memories, observed, _, now in
            let set = observed.compactMapValues { $0.lasting?.release.id }
            held = set[model]
            return try companions.map { name in
                guard let release = set[name] else { throw Fault(.notKept(version: nil, kept: []), model: name) }
                memories[name]?.hold = Memory.Hold(
                    kind: .hold, release: release, by: settings.user, reason: reason?.printable, at: now, until: until,
                    selector: Hashing.digest(of: ""), set: companions.count > 1 ? set : nil)
                return act("held", name, now, to: release, detail: reason?.printable)
            }
        }
        guard let held else { throw Fault(.notKept(version: nil, kept: []), model: model) }
        return held
    }

    /// Ends a hold.
    ///
    /// - Returns: The hold that was ended; `nil` when there was none.
    public func resume(_ model: ModelName) async throws -> Memory.Hold? {
        let declaration = try declared(model)
        let companions = declaration.desired.companions(of: model)
        var ended: Memory.Hold?
        try await change(companions, declaration) { memories, _, _, now in
            ended = memories[model]?.hold ?? companions.compactMap { memories[$0]?.hold }.first
            return companions.compactMap { name in
                guard memories[name]?.hold != nil else { return nil }
                memories[name]?.hold = nil
                return act("resumed", name, now)
            }
        }
        return ended
    }

    /// Forgets that content did not work, so that the next pass tries it again.
    ///
    /// - Returns: What will be tried again, by model.
    public func retry(_ model: ModelName) async throws -> [(model: ModelName, release: ReleaseID)] {
        let declaration = try declared(model)
        let companions = declaration.desired.companions(of: model)
        var freed: [(model: ModelName, release: ReleaseID)] = []
        try await change(companions, declaration) { memories, _, _, now in
            for name in companions {
                guard let memory = memories[name] else { continue }
                let halted = memory.trial?.halted == nil ? [] : [memory.trial?.release].compactMap(\.self)
                let own = memory.quarantine.map(\.release) + memory.undecided.map(\.release) + halted
                freed += own.map { (name, $0) }
                memories[name]?.quarantine = []
                memories[name]?.undecided = []
                memories[name]?.trial = nil
            }
            return freed.map { act("retry", $0.model, now, to: $0.release) }
        }
        return freed
    }

    /// The declaration, when it has the model.
    func declared(_ model: ModelName) throws -> Declaration {
        let declaration = try load()
        try checkNames([model], declaration)
        return declaration
    }

    /// A survey that asks no source: enough for orders about what is on disk.
    func localSurvey(_ declaration: Declaration) async throws -> Survey {
        let layout = StoreLayout(root: declaration.store)
        let lock = try declaration.readLock()
        let cache = SourceCache(path: layout.history, canWrite: false)
        return Survey(
            declaration: declaration, layout: layout, cache: cache, sources: declaration.makeSources(cache: cache),
            lock: lock,
            observation: try await Observer(reader: StoreReader(layout: layout)).observe(
                declaration.desired.models.keys),
            resolutions: [:], selectors: declaration.selectors(lock: lock?.lock), notices: [], now: settings.clock())
    }

    /// Changes what is remembered of models, all of them under one lock, and writes the acts it returns into the history.
    private func change(
        _ models: [ModelName], _ declaration: Declaration,
        _ body: (inout [ModelName: Memory], [ModelName: ObservedModel], StoreReader, Timestamp) throws -> [Act]
    ) async throws {
        let layout = StoreLayout(root: declaration.store)
        let writer = try await StoreWriter.open(layout, holder: settings.holder, patience: settings.lockPatience)
        var observed: [ModelName: ObservedModel] = [:]
        for name in models { observed[name] = try await Observer(reader: writer.reader).observe(name).0 }
        var memories = observed.mapValues(\.memory)
        let acts = try body(&memories, observed, writer.reader, settings.clock())
        for name in models {
            guard let memory = memories[name], memory != observed[name]?.memory else { continue }
            try writer.remember(memory, of: name)
        }
        record(acts, in: layout)
    }

    private func act(
        _ kind: String, _ model: ModelName, _ now: Timestamp, from: ReleaseID? = nil, to: ReleaseID? = nil,
        detail: String? = nil
    ) -> Act {
        Act(
            at: now, kind: kind, model: model.description, who: settings.user, from: from?.words, to: to?.words,
            detail: detail)
    }
}

extension ObservedModel {
    /// What stays when the model is held: what is active, or what was before it while its trial is open.
    fileprivate var lasting: Generation? { trial == nil ? slot.generation : goodGeneration }
}
