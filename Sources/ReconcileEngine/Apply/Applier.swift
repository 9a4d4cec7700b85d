package import ReconcileCore
package import SystemPackage

/// Carries out the changes of a plan: fetches without the store's lock, several models at once, and rolls out one unit (a
/// model, or a group) after the other, each under the lock and only if it is still what must happen.
package struct Applier: Sendable {
    private let layout: StoreLayout
    private let desired: DesiredState
    private let sources: [String: any ModelSource]
    private let settings: Settings
    /// Where a user's own directory goes that an adoption takes the place of.
    private let aside: FilePath?
    private let judge: Judge
    /// Writes down what became of changes, as soon as it is known: the pass may go on for hours, or die.
    private let note: @Sendable ([Outcome]) -> Void

    private let gate = DigestGate()
    private let engine: DownloadEngine

    /// Models that are fetched at once.
    private static let width = 4

    /// What is asked about a change at the moment at which it is rolled out.
    package struct Judge: Sendable {
        /// What must happen to a model that was observed just now; `nil` when the change is no longer wanted.
        package var recheck: @Sendable (Change, ObservedModel) -> Change?
        /// Whether a person said that windows do not count.
        package var overridesWindows: Bool

        package init(
            overridesWindows: Bool = true, recheck: @escaping @Sendable (Change, ObservedModel) -> Change?
        ) {
            (self.recheck, self.overridesWindows) = (recheck, overridesWindows)
        }
    }

    package init(
        layout: StoreLayout, desired: DesiredState, sources: [String: any ModelSource], settings: Settings,
        aside: FilePath? = nil, judge: Judge, note: @escaping @Sendable ([Outcome]) -> Void = { _ in }
    ) {
        self.note = note
        self.layout = layout
        self.desired = desired
        self.sources = sources
        self.settings = settings
        self.aside = aside
        self.judge = judge
        engine = DownloadEngine(desired.download, control: settings.downloads, clock: settings.clock)
    }

    private enum Preparation: Sendable {
        case ready(Fetcher.Fetched?)
        case failed(Fault)
        case interrupted
    }

    /// The bytes of a change, or why they are not here, and how long that took.
    private struct Prepared: Sendable {
        let preparation: Preparation
        let spent: Duration
    }

    /// What is known while a plan is carried out.
    private struct Progress {
        var prepared: [ModelName: Prepared] = [:]
        var outcomes: [ModelName: Outcome] = [:]
        var inspections: [Inspection] = []
        var queue: RolloutQueue
    }

    /// What was done.
    package struct Result: Sendable {
        /// An outcome for each change, in their order.
        package let outcomes: [Outcome]
        /// What hooks said meanwhile.
        package let inspections: [Inspection]

        /// Nothing was done.
        static let nothing = Result(outcomes: [], inspections: [])
    }

    /// Carries out changes. One that fails does not keep those from being carried out that do not depend on it.
    ///
    /// - Throws: ``Fault`` of kind `system` when the store cannot be made.
    package func apply(_ changes: [Change]) async throws -> Result {
        try StoreWriter.prepare(layout)
        let lease = StoreLease(layout.downloading)
        defer { withExtendedLifetime(lease) {} }
        let removals = RolloutUnit.units(of: changes.filter { $0.action == .remove })
        let units = RolloutUnit.units(of: changes.filter { $0.action != .remove })
        var progress = Progress(queue: RolloutQueue(units, desired: desired.models) { dependencies(of: $0) })
        let fetching = units.flatMap(\.changes).filter { $0.steps.contains(.fetch) }
        let unitOf = Dictionary(units.flatMap { unit in unit.changes.map { ($0.model, unit) } }) { first, _ in first }
        let finder = await finder(isNeeded: !fetching.isEmpty)
        await withTaskGroup(of: (Change, Prepared).self) { group in
            for change in fetching.prefix(Self.width) { add(change, finder, to: &group) }
            var waiting = fetching.dropFirst(Self.width)
            for change in units.flatMap(\.changes) where !change.steps.contains(.fetch) {
                settings.report(began(change))
                progress.prepared[change.model] = Prepared(preparation: .ready(nil), spent: .zero)
            }
            for unit in units where isPrepared(unit, progress) { progress.queue.append(unit) }
            while true {
                while let unit = progress.queue.popFree() { await rollOut(unit, &progress) }
                if let (change, prepared) = await group.next() {
                    if let next = waiting.popFirst() { add(next, finder, to: &group) }
                    progress.prepared[change.model] = prepared
                    guard let unit = unitOf[change.model], isPrepared(unit, progress) else { continue }
                    progress.queue.append(unit)
                } else if let unit = progress.queue.popHeld() {
                    await rollOut(unit, &progress)
                } else {
                    break
                }
            }
        }
        // Removals last: nothing goes before its successor is there.
        for unit in removals {
            for change in unit.changes { settings.report(began(change)) }
            await rollOut(unit, &progress)
        }
        dropArchives(of: progress.outcomes.values.filter(\.isDone).map(\.change))
        return Result(
            outcomes: changes.compactMap { progress.outcomes[$0.model] }, inspections: progress.inspections)
    }

    /// Archives that were taken apart are no longer needed; those of changes that failed are, the next time. What cannot be
    /// deleted now is swept by `gc`.
    private func dropArchives(of changes: [Change]) {
        for archive in changes.flatMap({ $0.release?.archives ?? [] }) {
            try? Disk().remove(layout.blob(archive.sha256))
        }
    }

    private func isPrepared(_ unit: RolloutUnit, _ progress: Progress) -> Bool {
        unit.changes.allSatisfy { progress.prepared[$0.model] != nil }
    }

    private func add(_ change: Change, _ finder: ReuseFinder, to group: inout TaskGroup<(Change, Prepared)>) {
        settings.report(began(change))
        group.addTask {
            let start = ContinuousClock.now
            let preparation = await prepare(change, finder)
            return (change, Prepared(preparation: preparation, spent: ContinuousClock.now - start))
        }
    }

    private func began(_ change: Change) -> ReconcileEvent {
        .began(
            model: change.model, action: change.action, version: (change.to ?? change.from)?.version,
            downloadBytes: change.bytes.download)
    }

    private func prepare(_ change: Change, _ finder: ReuseFinder) async -> Preparation {
        let reader = StoreReader(layout: layout)
        let fetcher = Fetcher(
            reader: reader,
            downloader: Downloader(
                layout: layout, engine: engine, holder: settings.holder, gate: gate, patience: settings.lockPatience,
                warn: { [settings] in settings.report(.warning($0)) }),
            sources: sources, finder: finder, origins: desired.models[change.model]?.origins ?? [],
            revision: desired.models[change.model]?.revision,
            report: settings.report)
        do {
            let observed = try await Observer(reader: reader).observe(change.model).0
            var only: Set<ReleasePath>?
            if change.action == .repair, case .damaged(let active, let damage) = observed.slot,
                active.release.id == change.to
            {
                only = Set(damage.map(\.path))
            }
            return .ready(try await fetcher.fetch(change, only: only, observed: observed))
        } catch is CancellationError {
            return .interrupted
        } catch let fault as Fault {
            return .failed(fault.about(change.model))
        } catch {
            return .failed(Fault(.bug(detail: "\(error)"), model: change.model))
        }
    }

    /// Finds blocks in all that the store keeps when the pass begins, except in what is damaged.
    private func finder(isNeeded: Bool) async -> ReuseFinder {
        var models: [ModelName: ObservedModel] = [:]
        let reader = StoreReader(layout: layout)
        for name in isNeeded ? (try? reader.modelNames()) ?? [] : [] {
            models[name] = try? await Observer(reader: reader).observe(name).0
        }
        return ReuseFinder(
            layout: layout, generations: models.kept, damaged: models.damaged(in: layout), policy: desired.download)
    }

    private func rollOut(_ unit: RolloutUnit, _ progress: inout Progress) async {
        let start = ContinuousClock.now
        let result = await results(of: unit, progress)
        let elapsed = ContinuousClock.now - start
        var ended: [Outcome] = []
        for planned in unit.changes {
            var bytes: Int64 = 0
            let change = result.changes[planned.model] ?? planned
            let prepared = progress.prepared[change.model]
            if case .ready(let fetched?) = prepared?.preparation { bytes = fetched.receivedBytes }
            let spent = (elapsed + (prepared?.spent ?? .zero)).components
            let outcome = Outcome(
                change: change, result: result.results[change.model] ?? .skipped,
                milliseconds: spent.seconds * 1000 + spent.attoseconds / 1_000_000_000_000_000, receivedBytes: bytes)
            progress.outcomes[change.model] = outcome
            ended.append(outcome)
            settings.report(.ended(outcome))
        }
        note(ended)
        progress.inspections += result.inspections
        progress.queue.finish(unit)
    }

    private func results(of unit: RolloutUnit, _ progress: Progress) async -> RolloutRunner.Result {
        if let (model, preparation) = firstUnready(unit, progress) {
            return .of(unit) { change in
                switch preparation {
                case .failed(let fault):
                    change.model == model ? .failed(fault) : .failed(Fault(.heldBack(by: model), model: change.model))
                case .interrupted, .ready: .interrupted
                }
            }
        }
        if Task.isCancelled { return .of(unit) { _ in .interrupted } }
        if let other = failedDependency(of: unit, progress.outcomes) {
            return .of(unit) { .failed(Fault(.heldBack(by: other), model: $0.model)) }
        }
        do {
            return try await run(unit, progress)
        } catch is CancellationError {
            return .of(unit) { _ in .interrupted }
        } catch let fault as Fault {
            return .of(unit) { .failed(fault.about($0.model)) }
        } catch {
            return .of(unit) { .failed(Fault(.bug(detail: "\(error)"), model: $0.model)) }
        }
    }

    /// The models that must have changed before a unit does: what any model of its group depends on.
    private func dependencies(of unit: RolloutUnit) -> Set<ModelName> {
        let companions = Set(unit.changes.flatMap { desired.companions(of: $0.model) })
        return Set(companions.flatMap { desired.models[$0]?.dependsOn ?? [] }).subtracting(companions)
    }

    private func firstUnready(_ unit: RolloutUnit, _ progress: Progress) -> (ModelName, Preparation)? {
        for change in unit.changes {
            switch progress.prepared[change.model]?.preparation {
            case .failed(let fault): return (change.model, .failed(fault))
            case .interrupted: return (change.model, .interrupted)
            case .ready, nil: continue
            }
        }
        return nil
    }

    /// A model that the unit depends on and that did not get through in this pass.
    private func failedDependency(of unit: RolloutUnit, _ outcomes: [ModelName: Outcome]) -> ModelName? {
        guard unit.changes.contains(where: \.startsTrial) else { return nil }
        return dependencies(of: unit).sorted().first { other in
            guard let outcome = outcomes[other] else { return false }
            switch outcome.result {
            // What was only prepared, because its window has closed meanwhile, is not there yet.
            case .done: return outcome.change.onlyPrepares && unit.changes.contains { !$0.onlyPrepares }
            case .skipped: return false
            case .failed, .rolledBack, .halted, .interrupted: return true
            }
        }
    }

    /// Takes the store's lock, looks again, and does what is still to be done.
    private func run(_ unit: RolloutUnit, _ progress: Progress) async throws -> RolloutRunner.Result {
        let writer = try await StoreWriter.open(layout, holder: settings.holder, patience: settings.lockPatience)
        let observer = Observer(reader: writer.reader)
        let now = settings.clock()
        let companions = unit.group == nil ? [] : desired.companions(of: unit.changes[0].model)
        var members: [RolloutMember] = []
        for name in Set(unit.changes.map(\.model) + companions).sorted() {
            let observed = try await observer.observe(name).0
            var change = unit.changes.first { $0.model == name }
            if let planned = change {
                guard judge.recheck(planned, observed) != nil else { return .of(unit) { _ in .skipped } }
                change = inTime(planned, companions, now)
            }
            var fetched: Fetcher.Fetched?
            if case .ready(let ready) = progress.prepared[name]?.preparation { fetched = ready }
            members.append(
                RolloutMember(
                    model: name, change: change, desired: desired.models[name], observed: observed, fetched: fetched))
        }
        for change in unit.changes {
            guard let fault = try await unmetRequirement(of: change, among: progress.queue.unfinished) else {
                continue
            }
            return .of(unit) {
                $0 == change ? .failed(fault) : .failed(Fault(.heldBack(by: change.model), model: $0.model))
            }
        }
        var runner = RolloutRunner(
            members: members.filter { $0.change != nil || $0.observed.slot.generation != nil }, group: unit.group,
            writer: writer, now: now, aside: aside, report: settings.report)
        return await runner.run()
    }

    /// The change, or what of it may be done when the window has closed since it was planned: a trial that runs is finished,
    /// none is started.
    private func inTime(_ change: Change, _ companions: [ModelName], _ now: Timestamp) -> Change {
        let names = companions.isEmpty ? [change.model] : companions
        guard change.startsTrial, !judge.overridesWindows, !desired.isOpen(names, at: now) else { return change }
        return change.preparation ?? change.doingNothing
    }

    /// What a release requires and this machine does not have, looked at now: a model whose update has failed a moment ago
    /// holds back those that need the update. Models that wait for each other are let through.
    private func unmetRequirement(
        of change: Change, among pending: [ModelName: Change]
    ) async throws -> Fault? {
        guard let release = change.release, let needed = release.requires?.models, !needed.isEmpty,
            change.startsTrial, !change.onlyPrepares
        else { return nil }
        let observer = Observer(reader: StoreReader(layout: layout))
        var versions: [String: [Version]] = [:]
        for model in desired.models.values where needed[model.origin.repository] != nil {
            let version =
                if let other = pending[model.name], model.name != change.model {
                    other.to?.version
                } else {
                    try await observer.observe(model.name).0.slot.generation?.release.version
                }
            if let version { versions[model.origin.repository, default: []].append(version) }
        }
        guard case .modelDiffers(let repository, let needed, let found)? = release.unmetRequirement(by: versions) else {
            return nil
        }
        return Fault(.requirementUnmet(repository: repository, needed: needed, found: found), model: change.model)
    }
}

extension RolloutRunner.Result {
    /// The same kind of result for each change of a unit that was not begun.
    fileprivate static func of(_ unit: RolloutUnit, _ result: (Change) -> Outcome.Result) -> Self {
        Self(
            results: Dictionary(unit.changes.map { ($0.model, result($0)) }) { first, _ in first }, changes: [:],
            inspections: [])
    }
}
