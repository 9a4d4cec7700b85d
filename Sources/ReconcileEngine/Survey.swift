package import ReconcileCore
import SystemPackage

/// Everything a plan is made from: what is wanted, what is there, what is published, and the time it all was looked at.
package struct Survey: Sendable {
    package let declaration: Declaration
    /// What the pass is limited to.
    package var options = PassOptions()
    package let layout: StoreLayout
    package let cache: SourceCache
    package let sources: [String: any ModelSource]
    package let lock: (lock: Lockfile, digest: Digest)?
    package var observation: Observer.Observation
    /// Whether another machine was observed, by its status.
    package var isRemote = false
    package let resolutions: [ModelName: Resolution]
    package let selectors: [ModelName: Digest]
    package let notices: [Plan.Notice]
    package let now: Timestamp
    /// Bytes of files that can be had from this machine, beside those that earlier downloads have of them.
    package var reusable: [Digest: Int64] = [:]

    /// The plan: the one pure function, then digests and bytes.
    package func plan() -> Plan {
        var state = observation.state
        let fetching = fetchingChanges
        if !fetching.isEmpty {
            state.localBytes = localBytes(for: fetching)
            state.heldBytes = heldBytes(for: fetching)
        }
        let result = plan(of: state)
        let notices = (result.notices + self.notices.filter { options.includes($0.model) })
        var plan = Plan(
            toolVersion: ToolVersion.current, createdAt: now,
            inputs: Plan.Inputs(
                desiredState: declaration.desired.digest, lock: lock?.digest,
                observedState: Hashing.digest(of: state.canonicalText), memory: Hashing.digest(of: state.memoryText),
                commit: declaration.commit),
            changes: result.changes, blocked: result.blocked, problems: result.problems,
            notices: notices.sorted { $0.model < $1.model }, inSync: result.inSync,
            planDigest: Hashing.digest(of: Plan.digestText(of: result.changes)))
        plan.windowOverride = options.windowOverride
        return plan
    }

    /// What other models put in the way of releases.
    package func rejections() -> [ModelName: [Digest: Obstacle]] { plan(of: observation.state).rejected }

    /// The changes for which content is fetched, whether the disk has room for it or not: that is known once it is known what is
    /// here already.
    private var fetchingChanges: [Change] {
        var state = observation.state
        state.freeBytes = nil
        return plan(of: state).changes.filter { $0.steps.contains(.fetch) }
    }

    private func heldBytes(for changes: [Change]) -> [Digest: Int64] {
        guard !isRemote else { return [:] }
        let observer = Observer(reader: StoreReader(layout: layout))
        return changes.reduce(into: [:]) { held, change in
            guard let release = change.release else { return }
            held.merge(observer.heldBytes(of: release.contents)) { $1 }
        }
    }

    private func plan(of state: ObservedState) -> Planner.Result {
        planner(of: state).plan(isWhole: options.only.isEmpty) { options.includes($0) }
    }

    private func planner(of state: ObservedState) -> Planner {
        Planner(
            desired: declaration.desired, observed: state, resolutions: resolutions, selectors: selectors, now: now,
            overridesWindows: options.windowOverride != nil, resting: options.except)
    }

    private func localBytes(for changes: [Change]) -> [Digest: Int64] {
        guard !isRemote else {
            // Of another machine it is known what its generations hold.
            let files = observation.state.models.values.flatMap { $0.generations.flatMap(\.release.files) }
            return Dictionary(files.map { ($0.sha256, $0.size) }, uniquingKeysWith: { first, _ in first })
        }
        let observer = Observer(reader: StoreReader(layout: layout))
        var local: [Digest: Int64] = [:]
        for change in changes {
            guard let release = change.release else { continue }
            local.merge(observer.localBytes(of: release.contents, damaged: damaged(change.model))) { $1 }
            for file in release.deliveries {
                guard let bytes = reusable[file.sha256], local[file.sha256] ?? 0 < file.size else { continue }
                local[file.sha256] = bytes
            }
        }
        return local
    }

    /// Looks for what of the files that would be fetched is on this machine.
    ///
    /// - Throws: `CancellationError`.
    package func findingReuse() async throws -> Survey {
        guard !isRemote else { return self }
        let fetching = fetchingChanges
        guard !fetching.isEmpty else { return self }
        let models = observation.state.models
        let finder = ReuseFinder(
            layout: layout, generations: models.kept, damaged: models.damaged(in: layout),
            policy: declaration.desired.download)
        let observer = Observer(reader: StoreReader(layout: layout))
        var survey = self
        for change in fetching {
            guard let release = change.release else { continue }
            let local = observer.localBytes(of: release.deliveries, damaged: damaged(change.model))
            let missing = release.deliveries.filter { local[$0.sha256] ?? 0 < $0.size }
            let found = try await finder.find(missing, of: release, in: sources[release.origin.source])
            for file in missing {
                let held = local[file.sha256] ?? 0
                survey.reusable[file.sha256] = found[file.sha256]?.localBytes(of: file, held: held)
            }
        }
        return survey
    }

    private func damaged(_ model: ModelName) -> [FilePath] {
        guard case .damaged(let generation, let damage) = observation.state.models[model]?.slot else { return [] }
        let directory = layout.generation(model, generation.directory)
        return damage.map { directory.pushing(FilePath($0.path.description)) }
    }

    /// What must happen to a model that was observed anew; `nil` when it is not the change that was planned.
    ///
    /// - Parameter rejected: What other models put in the way of releases when the plan was made.
    package func recheck(
        _ change: Change, _ observed: ObservedModel, rejected: [ModelName: [Digest: Obstacle]] = [:]
    ) -> Change? {
        guard let desired = declaration.desired.models[change.model] else {
            return change.action == .remove && observed.isPresent && !observed.memory.isProtected ? change : nil
        }
        let decision = ModelPlanner(
            desired: desired, observed: observed, resolution: resolutions[change.model] ?? .candidates([], listed: nil),
            selector: selectors[change.model] ?? desired.selector,
            groupHold: declaration.desired.groupHold(of: change.model, observation.state, selectors, at: now), now: now
        ).decide(rejecting: rejected[change.model] ?? [:])
        guard let fresh = decision.change, fresh.to == change.to, fresh.from == change.from,
            fresh.action == change.action
        else { return nil }
        return change
    }
}

extension Plan.Notice {
    /// The model it is about.
    package var model: ModelName {
        switch self {
        case .activeUnfit(let model, _, _), .activeYanked(let model, _), .activeUnlisted(let model, _),
            .undeclared(let model), .protected(let model),
            .lockSilent(let model):
            model
        }
    }
}

extension ObservedState {
    /// A line for each model that is there: what the digest of the observed state is made from.
    fileprivate var canonicalText: String {
        models.keys.sorted().compactMap { name in
            guard let model = models[name], model.isPresent else { return nil }
            let slot: String =
                switch model.slot {
                case .empty: "empty"
                case .foreign: "foreign"
                case .lost(let directory): "lost \(directory)"
                case .intact(let generation): "intact \(generation.directory) \(generation.release.contentDigest)"
                case .damaged(let generation, let damage): "damaged \(generation.directory) \(damage.map(\.path))"
                }
            let handedOver = model.handedOver.map { " handed over \($0.declared) \($0.generation)" } ?? ""
            return "\(name) \(slot) \(model.good ?? "-")\(handedOver)\n"
        }.joined()
    }

    /// What the digest of the memory is made from; models of which nothing is remembered leave no trace in it.
    fileprivate var memoryText: String {
        let empty = Memory()
        return models.keys.sorted().compactMap { name in
            guard let model = models[name], model.memory != empty else { return nil }
            let bytes = (try? JSONFile.bytes(of: model.memory, pretty: false)) ?? []
            return "\(name) \(Hashing.digest(of: bytes))\n"
        }.joined()
    }
}

extension [ModelName: ObservedModel] {
    /// Every generation of every model, by name.
    var kept: [(ModelName, Generation)] {
        sorted { $0.key < $1.key }.flatMap { name, model in model.generations.map { (name, $0) } }
    }

    /// The files that are known to be damaged.
    func damaged(in layout: StoreLayout) -> Set<FilePath> {
        Set(
            flatMap { name, model -> [FilePath] in
                guard case .damaged(let generation, let damage) = model.slot else { return [] }
                let directory = layout.generation(name, generation.directory)
                return damage.map { directory.pushing(FilePath($0.path.description)) }
            })
    }
}
