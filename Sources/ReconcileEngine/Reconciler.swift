public import ReconcileCore
package import SystemPackage

/// Keeps the models of a machine at the versions that files in git declare. This page is the whole program; every other
/// file is a detail of one of its lines.
///
/// ```text
/// desired-state.yaml → DesiredState → Candidates ────┐
/// the store on disk ────────────────→ ObservedState ─┼→ Plan → steps → Outcome
///                                     Memory ────────┘
/// ```
public struct Reconciler: Sendable {
    package let files: [FilePath]
    package let settings: Settings

    /// A reconciler of desired-state files; later ones are laid over earlier ones.
    public init(files: [String] = ["desired-state.yaml"], settings: Settings = Settings()) {
        self.files = files.map { FilePath($0) }
        self.settings = settings
    }

    /// What a pass did.
    public struct PassResult: Sendable {
        /// What was planned.
        public let plan: Plan
        /// What became of each change.
        public let outcomes: [Outcome]
        /// How the program ends.
        public let status: ExitStatus
    }

    /// One pass: read what is wanted, look at what is there, compute the difference, make it so.
    ///
    /// - Parameter only: The models to reconcile; all when empty.
    /// - Throws: ``Fault`` when nothing could be done at all; what fails for one model is in the result.
    public func pass(only: Set<ModelName> = []) async throws -> PassResult {
        let survey = try await survey(only: only, isDryRun: false)
        let plan = survey.plan(only: only)
        let outcomes = try await apply(plan.changes, of: survey)
        try await tidy(survey)
        survey.cache.save()
        // An open trial was finished first; only now can be planned what follows from it.
        if plan.changes.contains(where: { $0.reason == .openTrial }), outcomes.allSatisfy(\.isDone) {
            let next = try await pass(only: only)
            return PassResult(plan: next.plan, outcomes: outcomes + next.outcomes, status: next.status)
        }
        return PassResult(plan: plan, outcomes: outcomes, status: ExitStatus(applying: plan, outcomes: outcomes))
    }

    /// The plan of a pass, which writes nothing anywhere.
    ///
    /// - Parameter only: The models to plan; all when empty.
    /// - Throws: ``Fault`` when no plan can be made.
    public func plan(only: Set<ModelName> = []) async throws -> Plan {
        try await survey(only: only, isDryRun: true).plan(only: only)
    }

    /// Looks at everything a plan depends on: the files, the lock, the store, the sources, the time.
    package func survey(
        only: Set<ModelName> = [], isDryRun: Bool, observing other: ObservedState? = nil
    ) async throws -> Survey {
        let now = settings.clock()
        let declaration = try DesiredStateLoader(paths: files).load()
        try checkNames(only, declaration)
        let layout = StoreLayout(root: declaration.store)
        let cache = SourceCache(path: layout.history, canWrite: !isDryRun)
        let sources = declaration.makeSources(cache: cache)
        let lock = try Lockfile.read(declaration.lockPath)
        try checkLock(lock?.lock, declaration)
        var observation = try await Observer(reader: StoreReader(layout: layout)).observe(
            declaration.desired.models.keys)
        if let other { observation = Observer.Observation(state: other, restamps: [:]) }
        let questions = declaration.questions(lock: lock?.lock, observed: observation.state, only: only)
        let resolver = Resolver(sources: sources, facts: declaration.desired.facts, now: now)
        let resolutions = try await resolver.resolve(questions)
        return Survey(
            declaration: declaration, layout: layout, cache: cache, sources: sources, lock: lock,
            observation: observation, isRemote: other != nil,
            resolutions: resolutions, selectors: declaration.selectors(lock: lock?.lock),
            notices: lock.map { declaration.silences(of: $0.lock) } ?? [], now: now)
    }

    /// Carries out changes, each rechecked under the store's lock, and writes down what became of them.
    package func apply(_ changes: [Change], of survey: Survey, planDigest: Digest? = nil) async throws -> [Outcome] {
        guard !changes.isEmpty else { return [] }
        let rejected = survey.rejections()
        let applier = Applier(
            layout: survey.layout, desired: survey.declaration.desired.models, sources: survey.sources,
            settings: settings,
            now: survey.now
        ) { survey.recheck($0, $1, rejected: rejected) }
        let outcomes = try await applier.apply(changes)
        record(outcomes, in: survey.layout, planDigest: planDigest)
        return outcomes
    }
}
