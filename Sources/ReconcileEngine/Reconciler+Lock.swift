public import ReconcileCore
import SystemPackage

// `reconcile lock`: turns "which version" into a diff that can be reviewed.
extension Reconciler {
    /// What writing the lock changed.
    public struct LockResult: Sendable {
        /// The lock's path.
        public let path: String
        /// The models whose release changed, with the versions before and after.
        public let moved: [(model: ModelName, from: ReleaseID?, to: ReleaseID?)]
        /// What is newer and was not taken.
        public let blocked: [Plan.Blocked]
        /// What could not be resolved; its old entry stays.
        public let problems: [Fault]
        /// The models whose files in archives were named.
        public let filled: [ModelName]
        /// Whether the file was written, because something in it is new.
        public let isWritten: Bool
    }

    /// Which entries of a lock may move.
    public enum LockUpdate: Sendable {
        /// Only what is missing or no longer answers.
        case gaps
        /// Every model, as far as `automatic` allows.
        case all
        /// These models, as far as their ranges allow, because a person named them.
        case named(Set<ModelName>)
    }

    /// Writes the lock: a function of desired state, previous lock, sources and time alone.
    ///
    /// - Parameter fetches: Whether content is fetched where its digests are not known otherwise: files in archives, and objects
    ///   that were stored without a checksum.
    /// - Throws: ``Fault``, or the problems of the desired-state files; the old lock is then still there.
    public func lock(update: LockUpdate = .gaps, fetches: Bool = false) async throws -> LockResult {
        let now = settings.clock()
        let declaration = try load()
        if case .named(let names) = update { try checkNames(names, declaration) }
        let previous = try Lockfile.read(declaration.lockPath)?.lock ?? Lockfile()
        // Whoever asks for something newer does not want to hear what was answered before.
        let isUpdate = if case .gaps = update { false } else { true }
        let memory = StoreLayout(root: declaration.store)
        let cache = SourceCache(
            path: isUpdate ? memory.control.appending("no-memory") : memory.history, canWrite: false)
        let sources = declaration.makeSources(cache: cache, reading: fetches ? .whole : .asked)
        let resolver = Resolver(sources: sources, facts: declaration.desired.facts, platform: .any, now: now)
        let questions = declaration.desired.models.values.sorted { $0.name < $1.name }.compactMap {
            question($0, previous: previous.models[$0.name], update)
        }
        let resolutions = try await resolver.resolve(questions)
        var lock = Lockfile(models: previous.models.filter { declaration.desired.models[$0.key] != nil })
        let result = planner(for: questions, resolutions, declaration, previous: lock, now: now).plan()
        for change in result.changes { lock.set(change.release, for: change.model, declaration) }
        for question in questions where !result.changes.contains(where: { $0.model == question.desired.name }) {
            lock.repoint(question.desired, resolutions[question.desired.name])
        }
        for question in questions {
            let name = question.desired.name
            guard let entry = lock.models[name], entry != previous.models[name] else { continue }
            lock.models[name]?.platforms = try await platforms(of: entry, question.desired, sources)
        }
        let filled =
            fetches
            ? try await LockFiller(declaration: declaration, sources: sources, settings: settings).fill(&lock) : []
        let moved = Set(previous.models.keys).union(lock.models.keys).sorted().compactMap { name in
            let (from, to) = (previous.models[name]?.id, lock.models[name]?.id)
            return from == to ? nil : (model: name, from: from, to: to)
        }
        let text = try lock.text()
        let isNew = try DiskReader.contents(of: declaration.lockPath, limit: 512 << 20) != Array(text.utf8)
        if isNew { try lock.write(to: declaration.lockPath) }
        return LockResult(
            path: declaration.lockPath.string, moved: moved, blocked: result.blocked, problems: result.problems,
            filled: filled, isWritten: isNew)
    }

    /// What a release delivers to each kind of machine; `nil` when it is the same to all.
    private func platforms(
        of entry: Lockfile.Entry, _ model: DesiredModel, _ sources: [String: any ModelSource]
    ) async throws -> [String: Lockfile.Entry.Variant]? {
        guard let source = sources[entry.source.source] else { return nil }
        let listing = Listing(
            version: entry.version, channel: entry.channel, publishedAt: nil, isYanked: false, revision: entry.revision)
        let platforms = try await source.platforms(of: listing, in: entry.source.repository)
        var variants: [String: Lockfile.Entry.Variant] = [:]
        for platform in platforms {
            let release = try await source.describe(
                listing, of: entry.source.repository, choosing: model.selection, for: platform)
            variants[platform.description] = Lockfile.Entry.Variant(try release.choosing(model.selection))
        }
        return variants.isEmpty ? nil : variants
    }

    /// The planner of a machine that holds exactly what the lock says: the same decisions, requirements between models
    /// included, as a pass would take them.
    private func planner(
        for questions: [Resolver.Question], _ resolutions: [ModelName: Resolution], _ declaration: Declaration,
        previous: Lockfile, now: Timestamp
    ) -> Planner {
        let asked = Dictionary(uniqueKeysWithValues: questions.map { ($0.desired.name, $0) })
        var observed: [ModelName: ObservedModel] = [:]
        var models: [ModelName: DesiredModel] = [:]
        var known = resolutions
        for (name, model) in declaration.desired.models {
            let entry = previous.models[name]
            models[name] = asked[name]?.desired ?? model.forLocking(takesAnySize: false)
            observed[name] = asked[name]?.observed ?? entry.map(\.asObserved) ?? ObservedModel()
            guard known[name] == nil, let release = entry?.deliveries.first else { continue }
            known[name] = .candidates(
                [Candidate(version: release.version, verdict: .eligible(release), isLocked: true)], listed: nil)
        }
        let desired = DesiredState(
            digest: declaration.desired.digest, facts: declaration.desired.facts, prune: false, models: models)
        return Planner(
            desired: desired, observed: ObservedState(models: observed), resolutions: known, selectors: [:], now: now)
    }

    /// What is asked of a model, as if its lock entry were what is active; `nil` when its entry stays.
    private func question(
        _ model: DesiredModel, previous: Lockfile.Entry?, _ update: LockUpdate
    ) -> Resolver.Question? {
        let answers = previous?.answers(model) ?? false
        var isNamed = false
        switch update {
        case .gaps: if answers { return nil }
        case .all: break
        case .named(let names):
            isNamed = names.contains(model.name)
            if answers, !isNamed { return nil }
        }
        let observed = previous.map(\.asObserved) ?? ObservedModel()
        let known = isNamed ? [] : observed.known
        return Resolver.Question(
            desired: model.forLocking(takesAnySize: isNamed), observed: observed, selector: model.selector, locked: nil,
            known: known)
    }
}

extension DesiredModel {
    /// The model as the lock sees it: when it is activated is no matter of the lock.
    fileprivate func forLocking(takesAnySize: Bool) -> DesiredModel {
        let policy = Policy(
            automatic: takesAnySize ? .major : policy.automatic, channel: policy.channel,
            minimumAgeSeconds: policy.minimumAgeSeconds, drift: policy.drift, onFailure: policy.onFailure,
            keep: policy.keep, automaticPriority: policy.automaticPriority, licenses: policy.licenses)
        return DesiredModel(
            name: name, origin: origin, alternatives: Array(origins.dropFirst()), range: range, revision: revision,
            selection: selection, policy: policy, notBefore: nil, check: check, reload: reload, probe: probe,
            isProtected: isProtected, place: place, trialInputs: trialInputs,
            selector: selector)
    }
}

extension Lockfile {
    /// Puts a release in.
    fileprivate mutating func set(_ release: Release?, for name: ModelName, _ declaration: Declaration) {
        guard let release, let model = declaration.desired.models[name] else { return }
        models[name] = Entry(release, for: model)
    }

    /// Takes the same content from where it is declared now, when only the source or the globs changed.
    fileprivate mutating func repoint(_ model: DesiredModel, _ resolution: Resolution?) {
        guard let entry = models[model.name], case .candidates(let candidates, _)? = resolution,
            let release = candidates.compactMap(\.release).first(where: { $0.id == entry.id })
        else { return }
        var new = Entry(release, for: model)
        // What was unpacked to know its files need not be unpacked again.
        if new.revision == entry.revision { new = new.keeping(entry) }
        models[model.name] = new
    }
}

extension Lockfile.Entry {
    /// A machine that holds the locked release.
    fileprivate var asObserved: ObservedModel {
        guard let release = deliveries.first else { return ObservedModel() }
        let generation = Generation(directory: "lock", release: release, usedAt: Timestamp(seconds: 0))
        return ObservedModel(slot: .intact(generation), good: "lock", generations: [generation])
    }
}
