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
    /// The desired state to work towards, when it is not read from the files anew each time: `watch` keeps the last good one.
    var declaration: Declaration?
    /// How long a pass waits for receivers of news that do not answer; what they miss is brought by the next one.
    var newsPatience = Duration.seconds(15)

    /// A reconciler of desired-state files; later ones are laid over earlier ones.
    public init(files: [String] = ["desired-state.yaml"], settings: Settings = Settings()) {
        self.files = files.map { FilePath($0) }
        self.settings = settings
    }

    /// What happens from now on, for whoever wants to show or tell it.
    public var events: AsyncStream<ReconcileEvent> { settings.events.events() }

    /// What a pass did.
    public struct PassResult: Sendable {
        /// What was planned.
        public let plan: Plan
        /// What became of each change.
        public let outcomes: [Outcome]
        /// How the program ends.
        public let status: ExitStatus
    }

    /// One pass: read what is wanted, look at what is there, compute the difference, make it so, write down what happened.
    ///
    /// - Throws: ``Fault`` when nothing could be done at all; what fails for one model is in the result.
    public func pass(_ options: PassOptions = PassOptions()) async throws -> PassResult {
        let survey = try await survey(options, isDryRun: false)
        let plan = survey.plan()
        let result = try await carryOut(plan, of: survey) { try await apply(plan.changes, of: survey, $0) }
        survey.cache.save()
        try await tidy(survey)
        // An open trial was finished first; only now can be planned what follows from it.
        if plan.changes.contains(where: { $0.reason == .openTrial }), result.outcomes.allSatisfy(\.isDone) {
            let next = try await pass(options)
            return PassResult(plan: next.plan, outcomes: result.outcomes + next.outcomes, status: next.status)
        }
        return result
    }

    /// Does the work of a plan, and writes down and tells what became of it.
    ///
    /// - Parameter planDigest: The digest of the saved plan that is applied, when it is one.
    func carryOut(
        _ plan: Plan, of survey: Survey, planDigest: Digest? = nil,
        _ work: (Journal) async throws -> Applier.Result
    ) async throws -> PassResult {
        let journal = Journal(survey: survey, plan: plan, settings: settings, planDigest: planDigest)
        journal.begin()
        let applied = try await work(journal)
        let status = ExitStatus(applying: plan, outcomes: applied.outcomes)
        await journal.end(applied, status, newsPatience: newsPatience)
        return PassResult(plan: plan, outcomes: applied.outcomes, status: status)
    }

    /// The plan of a pass, which writes nothing anywhere.
    ///
    /// - Throws: ``Fault`` when no plan can be made.
    public func plan(_ options: PassOptions = PassOptions()) async throws -> Plan {
        try await survey(options, isDryRun: true).plan()
    }

    /// What the files say, or what was given instead of them.
    package func load() throws -> Declaration { try declaration ?? DesiredStateLoader(paths: files).load() }

    /// Looks at everything a plan depends on: the files, the lock, the store, the sources, the time.
    package func survey(
        _ options: PassOptions = PassOptions(), isDryRun: Bool, observing other: ObservedState? = nil
    ) async throws -> Survey {
        let now = settings.clock()
        let declaration = try load()
        try checkNames(options.only, declaration)
        let options = options.widened(to: declaration.desired)
        let layout = StoreLayout(root: declaration.store)
        let cache = SourceCache(path: layout.history, canWrite: !isDryRun)
        let sources = declaration.makeSources(
            cache: cache, reading: isDryRun ? .asked : .beforeFetch(declaration.desired.download, at: now))
        let lock = try declaration.readLock()
        try checkLock(lock?.lock, declaration)
        var observation = try await Observer(reader: StoreReader(layout: layout)).observe(
            declaration.desired.models.keys)
        if let other { observation = Observer.Observation(state: other, restamps: [:]) }
        let questions = declaration.questions(lock: lock?.lock, observed: observation.state, options)
        let resolver = Resolver(sources: sources, facts: declaration.desired.facts, now: now)
        let resolutions = try await resolver.resolve(questions)
        for warning in cache.takeWarnings() { settings.report(.warning(warning)) }
        return try await Survey(
            declaration: declaration, options: options, layout: layout, cache: cache, sources: sources, lock: lock,
            observation: observation, isRemote: other != nil,
            resolutions: resolutions, selectors: declaration.selectors(lock: lock?.lock),
            notices: lock.map { declaration.silences(of: $0.lock) } ?? [], now: now
        ).findingReuse()
    }

    /// Has sources let go of what they opened for the plan and what is not fetched now. What they learned of the rest is written
    /// down before it comes: a pass that is killed meanwhile is followed by one that opens nothing a second time.
    private func keepOpened(for changes: [Change], of survey: Survey) {
        let fetched = changes.lazy.filter { $0.steps.contains(.fetch) }.compactMap(\.release)
        func isHere(_ digest: Digest) -> Bool {
            [survey.layout.blob(digest), survey.layout.partial(digest)].contains { DiskReader.entry(at: $0) != nil }
        }
        var waiting = 0
        for (name, source) in survey.sources {
            waiting += source.keepOpened { digest in
                !isHere(digest)
                    && fetched.contains { release in
                        release.origin.source == name && release.deliveries.contains { $0.sha256 == digest }
                    }
            }
        }
        if waiting > 0 { survey.cache.save() }
    }

    /// Carries out changes, each rechecked under the store's lock.
    func apply(_ changes: [Change], of survey: Survey, _ journal: Journal) async throws -> Applier.Result {
        keepOpened(for: changes, of: survey)
        guard !changes.isEmpty else { return .nothing }
        let rejected = survey.rejections()
        let applier = Applier(
            layout: survey.layout, desired: survey.declaration.desired, sources: survey.sources, settings: settings,
            judge: Applier.Judge(overridesWindows: survey.options.windowOverride != nil) {
                survey.recheck($0, $1, rejected: rejected)
            }, note: { journal.note($0) })
        return try await applier.apply(changes)
    }
}
