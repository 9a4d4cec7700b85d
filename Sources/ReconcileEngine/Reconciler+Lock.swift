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
    /// - Throws: ``Fault``, or the problems of the desired-state files; the old lock is then still there.
    public func lock(update: LockUpdate = .gaps) async throws -> LockResult {
        let now = settings.clock()
        let declaration = try DesiredStateLoader(paths: files).load()
        if case .named(let names) = update { try checkNames(names, declaration) }
        let previous = try Lockfile.read(declaration.lockPath)?.lock ?? Lockfile()
        let cache = SourceCache(path: StoreLayout(root: declaration.store).history, canWrite: false)
        let resolver = Resolver(
            sources: declaration.makeSources(cache: cache), facts: declaration.desired.facts, now: now)
        let questions = declaration.desired.models.values.sorted { $0.name < $1.name }.compactMap {
            question($0, previous: previous.models[$0.name], update)
        }
        let resolutions = try await resolver.resolve(questions)
        var lock = Lockfile(models: previous.models.filter { declaration.desired.models[$0.key] != nil })
        var blocked: [Plan.Blocked] = []
        var problems: [Fault] = []
        for question in questions {
            let name = question.desired.name
            let decision = ModelPlanner(
                desired: question.desired, observed: question.observed,
                resolution: resolutions[name] ?? .candidates([], listed: nil), selector: question.selector, now: now
            ).decide()
            blocked += decision.blocked
            problems += decision.problems
            guard let release = decision.change?.release, let range = declaration.desired.models[name]?.range else {
                continue
            }
            lock.models[name] = Lockfile.Entry(release, range: range)
        }
        let moved = Set(previous.models.keys).union(lock.models.keys).sorted().compactMap { name in
            let (from, to) = (previous.models[name]?.release.id, lock.models[name]?.release.id)
            return from == to ? nil : (model: name, from: from, to: to)
        }
        let text = try lock.text()
        if try DiskReader.contents(of: declaration.lockPath, limit: 512 << 20) != Array(text.utf8) {
            try lock.write(to: declaration.lockPath)
        }
        return LockResult(path: declaration.lockPath.string, moved: moved, blocked: blocked, problems: problems)
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
        var observed = ObservedModel()
        if let previous {
            let generation = Generation(directory: "lock", release: previous.release, usedAt: Timestamp(seconds: 0))
            observed = ObservedModel(slot: .intact(generation), good: "lock", generations: [generation])
        }
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
            keep: policy.keep)
        return DesiredModel(
            name: name, origin: origin, range: range, include: include, policy: policy, notBefore: nil, check: check,
            reload: reload, probe: probe, isProtected: isProtected, place: place, trialInputs: trialInputs,
            selector: selector)
    }
}
