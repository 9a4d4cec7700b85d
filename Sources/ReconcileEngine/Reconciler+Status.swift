public import ReconcileCore
import SystemPackage

/// What runs on a machine, for people, scripts and `plan --against`.
public struct Status: Codable, Sendable {
    /// One model.
    public struct Model: Codable, Sendable {
        /// Its name.
        public let model: ModelName
        /// The range or revision that is declared; `nil` when the model is not.
        public let range: String?
        /// The version that is active.
        public let active: Version?
        /// Its content.
        public let contentDigest: Digest?
        /// Where it came from.
        public let origin: Origin?
        /// Whether a trial is open.
        public let isTrial: Bool
        /// Why the trial was halted, when it was.
        public let halted: String?
        /// How many of its files are damaged.
        public let damagedFiles: Int
        /// When it was activated.
        public let since: Timestamp?
        /// The versions that are kept for rollback.
        public let kept: [Version]
        /// The hold in effect.
        public let hold: Memory.Hold?
        /// What did not work.
        public let quarantine: [Memory.Quarantine]
        /// What is broken.
        public let fault: Fault?
        /// The group it is in.
        public let group: String?
        /// What is true of it, and since when.
        public let conditions: [Condition]
        /// How it is, in one word.
        public let health: Health
        /// What its health comes from: the last check, probe and deep verification.
        public let inspections: [Inspection]

        /// The condition of a kind.
        public func condition(_ type: Condition.Kind) -> Condition? { conditions.first { $0.type == type } }
    }

    /// The format of the JSON.
    public var formatVersion = 1
    /// When it was made.
    public let createdAt: Timestamp
    /// The store.
    public let store: String
    /// The digest of the desired state as it is now.
    public let desiredState: Digest
    /// The digest of the desired state that the last pass worked towards; the conditions are about that one.
    public let observedDesiredState: Digest?
    /// The commit of that, when it came from git.
    public let commit: String?
    /// The models, sorted.
    public let models: [Model]
    /// Downloads that were begun and not finished, by digest, with the bytes that are safe.
    public let partials: [String: Int64]
    /// What was observed, whole: what `plan --against` plans from.
    public let observed: ObservedState
}

extension Reconciler {
    /// What is on this machine; asks no source.
    ///
    /// - Parameter only: The models to report; all when empty.
    /// - Throws: ``Fault``.
    public func status(only: Set<ModelName> = []) async throws -> Status {
        let declaration = try load()
        let survey = try await localSurvey(declaration)
        let observed = survey.observation.state
        let names = Set(observed.models.filter { $0.value.isPresent || declaration.desired.models[$0.key] != nil }.keys)
        for name in only where !names.contains(name) { try checkNames([name], declaration) }
        let page = ConditionBook(History(path: survey.layout.history)).page()
        let models = names.filter { only.isEmpty || only.contains($0) }.sorted().map { name in
            describe(name, observed.models[name] ?? ObservedModel(), declaration.desired.models[name], survey, page)
        }
        let partials = try DiskReader.names(in: survey.layout.partials).filter { Digest($0) != nil }.map { name in
            (name, DownloadJournal.claimedBytes(in: survey.layout.partials.appending(name), size: .max))
        }
        return Status(
            createdAt: survey.now, store: declaration.store.string, desiredState: declaration.desired.digest,
            observedDesiredState: page.desiredState, commit: page.commit, models: models,
            partials: Dictionary(partials, uniquingKeysWith: { $1 }), observed: observed)
    }

    private func describe(
        _ name: ModelName, _ model: ObservedModel, _ desired: DesiredModel?, _ survey: Survey,
        _ page: ConditionBook.Page
    ) -> Status.Model {
        let conditions = conditions(of: name, model, desired, survey, page)
        let isDegraded = conditions.contains { $0.type == .degraded && $0.status }
        let inspections = page.inspections[name] ?? []
        let active = model.slot.generation
        var damaged = 0
        if case .damaged(_, let damage) = model.slot { damaged = damage.count }
        let quarantine = model.memory.quarantine.filter { desired == nil || $0.trialInputs == desired?.trialInputs }
        return Status.Model(
            model: name, range: desired?.wanted, active: active?.release.version,
            contentDigest: active?.release.contentDigest, origin: active?.release.origin, isTrial: model.trial != nil,
            halted: model.trial?.release.id == model.memory.trial?.release ? model.memory.trial?.halted : nil,
            damagedFiles: damaged, since: active?.usedAt,
            kept: model.generations.filter { $0.directory != active?.directory }.map(\.release.version).sorted(by: >),
            hold: hold(of: name, model, survey), quarantine: quarantine,
            fault: model.fault
                ?? (model.slot == .foreign
                    ? Fault(.occupied(path: survey.layout.link(name).string), model: name) : nil),
            group: desired?.group, conditions: conditions,
            health: Health(model, isDegraded: isDegraded, inspections: inspections), inspections: inspections)
    }

    /// The hold in effect, of the model or of its group; also of a model that is no longer declared.
    private func hold(of name: ModelName, _ model: ObservedModel, _ survey: Survey) -> Memory.Hold? {
        let desired = survey.declaration.desired
        guard desired.models[name] != nil else { return model.memory.hold(at: survey.now, selector: nil) }
        return desired.hold(of: name, survey.observation.state, survey.selectors, at: survey.now)
    }

    /// What the last pass found, where what is here now does not say otherwise.
    private func conditions(
        of name: ModelName, _ model: ObservedModel, _ desired: DesiredModel?, _ survey: Survey,
        _ page: ConditionBook.Page
    ) -> [Condition] {
        let local = Conditions(
            desired: desired, observed: model, hold: hold(of: name, model, survey), blocked: [],
            problems: [model.fault].compactMap(\.self), failure: nil, isChanging: false, now: survey.now
        ).all
        let recorded = Dictionary((page.models[name] ?? []).map { ($0.type, $0) }) { $1 }
        // What a pass found about sources and releases, no look at the disk can tell.
        let lasting: Set<String> = ["Failed", "DidNotWork", "Problem", "SourceUnknown", "UpdateWaits", "Changing"]
        return local.map { condition in
            guard let old = recorded[condition.type] else { return condition }
            let isQuiet = condition.type == .ready ? condition.status : !condition.status
            if isQuiet, lasting.contains(old.reason), condition.type != .held, condition.type != .drifted { return old }
            guard old.status == condition.status else { return condition }
            var condition = condition
            condition.since = old.since
            return condition
        }
    }

    /// Reads the JSON that `reconcile status -o json` printed on another machine.
    ///
    /// - Throws: ``Fault`` of kind `fileMissing` or `fileDamaged`.
    public static func readStatus(_ path: String) throws -> Status {
        guard let bytes = try DiskReader.contents(of: FilePath(path), limit: 512 << 20) else {
            throw Fault(.fileMissing(path: path))
        }
        return try JSONFile.value(Status.self, from: bytes, name: path, format: 1)
    }

    /// The real path of a model's active generation: what programs resolve once and open everything below.
    ///
    /// - Throws: ``Fault`` of kind `notKept` when nothing is active.
    public func path(of model: ModelName) async throws -> String {
        let declaration = try load()
        let reader = StoreReader(layout: StoreLayout(root: declaration.store))
        guard let directory = reader.activeDirectory(of: model) else {
            if declaration.desired.models[model] == nil { try checkNames([model], declaration) }
            throw Fault(.notKept(version: nil, kept: []), model: model)
        }
        let path = reader.layout.generation(model, directory)
        return (DiskReader.realPath(path) ?? path).string
    }

    /// The latest acts of the history, newest first.
    ///
    /// - Parameters:
    ///   - model: Only of this model.
    ///   - since: Only from this moment on.
    /// - Throws: ``Fault`` of kind `fileDamaged`, or `modelUnknown` when nobody ever heard of the model.
    public func history(of model: ModelName? = nil, since: Timestamp? = nil, limit: Int = 50) throws -> [Act] {
        let declaration = try load()
        let history = History(path: StoreLayout(root: declaration.store).history)
        if let model, declaration.desired.models[model] == nil, try !history.knows(model) {
            try checkNames([model], declaration)
        }
        return try history.acts(model: model, since: since, limit: limit)
    }

    /// Walks along the chain of the history.
    ///
    /// - Throws: ``Fault`` of kind `fileDamaged`.
    package func verifyHistory() throws -> History.Verification {
        try History(path: StoreLayout(root: try load().store).history).verify()
    }

    /// Figures over time.
    ///
    /// - Parameter since: Only from this moment on.
    /// - Throws: ``Fault`` of kind `fileDamaged`.
    public func statistics(since: Timestamp? = nil) throws -> Statistics {
        let acts = try history(since: since, limit: 10_000_000)
        return Statistics(acts.reversed(), since: since)
    }

    /// Which versions a model could have.
    public struct Outdated: Codable, Sendable {
        /// The model.
        public let model: ModelName
        /// What the lock says, else what is active.
        public let current: Version?
        /// The newest that is taken without a person.
        public let withinAutomatic: Version?
        /// The newest in the range.
        public let withinRange: Version?
        /// The newest at all, on any channel.
        public let newest: Version?
        /// How urgent the newest in the range is, when it is newer than the current one.
        public let priority: Priority?
        /// What could not be found out.
        public let fault: Fault?
    }

    /// What is published for each model, beside what it has.
    ///
    /// - Parameter only: The models to ask about; all when empty.
    /// - Throws: ``Fault``; a source that does not answer is in its model's row.
    public func outdated(only: Set<ModelName> = []) async throws -> [Outdated] {
        let declaration = try load()
        try checkNames(only, declaration)
        let survey = try await localSurvey(declaration)
        var rows: [Outdated] = []
        for model in declaration.desired.models.values.sorted(by: { $0.name < $1.name })
        where only.isEmpty || only.contains(model.name) {
            let active = survey.observation.state.models[model.name]?.slot.generation?.release.version
            let current = survey.lock?.lock.models[model.name]?.version ?? active
            do {
                guard let source = survey.sources[model.origin.source] else { continue }
                rows.append(try await row(model, current, source))
            } catch let fault as Fault {
                rows.append(
                    Outdated(
                        model: model.name, current: current, withinAutomatic: nil, withinRange: nil, newest: nil,
                        priority: nil,
                        fault: fault.about(model.name)))
            }
        }
        return rows
    }

    private func row(_ model: DesiredModel, _ current: Version?, _ source: any ModelSource) async throws -> Outdated {
        let listings = try await source.list(model.origin.repository).filter { !$0.isYanked }.sorted {
            $0.version > $1.version
        }
        let inRange = listings.filter {
            model.range.contains($0.version, admittingPrereleases: model.policy.admitsPrereleases)
                && model.policy.admits(channel: $0.channel)
        }
        let automatic = inRange.first { listing in
            current.map { StepSize(from: $0, to: listing.version) <= model.policy.automatic || listing.version == $0 }
                ?? true
        }
        var priority: Priority?
        if let best = inRange.first, let current, best.version > current {
            priority = try await source.describe(
                best, of: model.origin.repository, choosing: model.selection, for: Platform.target
            ).priority(from: current)
        }
        return Outdated(
            model: model.name, current: current, withinAutomatic: automatic?.version,
            withinRange: inRange.first?.version,
            newest: listings.first { !$0.version.isPrerelease }?.version ?? listings.first?.version, priority: priority,
            fault: nil)
    }
}
