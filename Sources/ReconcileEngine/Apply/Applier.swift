package import ReconcileCore
package import SystemPackage

/// Carries out the changes of a plan: fetches without the store's lock, several models at once, and rolls out one model
/// after the other, each under the lock and only if it is still what must happen.
package struct Applier: Sendable {
    private let layout: StoreLayout
    private let desired: [ModelName: DesiredModel]
    private let sources: [String: any ModelSource]
    private let settings: Settings
    private let now: Timestamp
    /// Where a user's own directory goes that an adoption takes the place of.
    private let aside: FilePath?
    /// What must happen to a model that was observed just now; `nil` when the change is no longer wanted.
    private let recheck: @Sendable (Change, ObservedModel) -> Change?

    private let gate = DigestGate()

    /// Models that are fetched at once.
    private static let width = 4

    package init(
        layout: StoreLayout, desired: [ModelName: DesiredModel], sources: [String: any ModelSource], settings: Settings,
        now: Timestamp, aside: FilePath? = nil, recheck: @escaping @Sendable (Change, ObservedModel) -> Change?
    ) {
        self.layout = layout
        self.desired = desired
        self.sources = sources
        self.settings = settings
        self.now = now
        self.aside = aside
        self.recheck = recheck
    }

    private enum Preparation: Sendable {
        case ready(Fetcher.Fetched?)
        case failed(Fault)
        case interrupted
    }

    /// Carries out changes. One that fails does not keep the others from being carried out.
    ///
    /// - Returns: An outcome for each change, in their order.
    /// - Throws: ``Fault`` of kind `system` when the store cannot be made.
    package func apply(_ changes: [Change]) async throws -> [Outcome] {
        try StoreWriter.prepare(layout)
        var outcomes: [ModelName: Outcome] = [:]
        var queue = RolloutQueue<Prepared>(changes, repositories: desired.mapValues(\.origin.repository))
        await withTaskGroup(of: (Change, Prepared).self) { group in
            let fetching = changes.filter { $0.steps.contains(.fetch) }
            for change in fetching.prefix(Self.width) { add(change, to: &group) }
            var waiting = fetching.dropFirst(Self.width)
            for change in changes where !change.steps.contains(.fetch) && change.action != .remove {
                settings.report(began(change))
                queue.append(change, Prepared(preparation: .ready(nil), spent: .zero))
            }
            while true {
                while let (change, prepared) = queue.popFree() {
                    outcomes[change.model] = await rollOut(change, prepared, among: queue.unfinished)
                    queue.finish(change.model)
                }
                if let (change, prepared) = await group.next() {
                    if let next = waiting.popFirst() { add(next, to: &group) }
                    queue.append(change, prepared)
                } else if let (change, prepared) = queue.popHeld() {
                    outcomes[change.model] = await rollOut(change, prepared, among: queue.unfinished)
                    queue.finish(change.model)
                } else {
                    break
                }
            }
        }
        // Removals last: nothing goes before its successor is there.
        for change in changes where change.action == .remove {
            settings.report(began(change))
            outcomes[change.model] = await rollOut(
                change, Prepared(preparation: .ready(nil), spent: .zero), among: queue.unfinished)
        }
        return changes.compactMap { outcomes[$0.model] }
    }

    /// The bytes of a change, or why they are not here, and how long that took.
    private struct Prepared: Sendable {
        let preparation: Preparation
        let spent: Duration
    }

    /// What a release requires and this machine does not have, looked at now: a model whose update has failed a moment ago
    /// holds back those that need the update. Models that wait for each other are let through.
    private func unmetRequirement(of change: Change, among pending: [ModelName: Change]) async throws -> Fault? {
        guard let release = change.release, let needed = release.requires?.models, !needed.isEmpty,
            change.reason != .openTrial, change.reason != .held, change.action != .repair
        else { return nil }
        let observer = Observer(reader: StoreReader(layout: layout))
        var versions: [String: [Version]] = [:]
        for model in desired.values where needed[model.origin.repository] != nil {
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

    private func add(_ change: Change, to group: inout TaskGroup<(Change, Prepared)>) {
        settings.report(began(change))
        group.addTask {
            let start = ContinuousClock.now
            let preparation = await prepare(change)
            return (change, Prepared(preparation: preparation, spent: ContinuousClock.now - start))
        }
    }

    private func began(_ change: Change) -> ProgressEvent {
        .began(
            model: change.model, action: change.action, version: (change.to ?? change.from)?.version,
            downloadBytes: change.bytes.download)
    }

    private func prepare(_ change: Change) async -> Preparation {
        let reader = StoreReader(layout: layout)
        let fetcher = Fetcher(
            reader: reader,
            downloader: Downloader(
                layout: layout, holder: settings.holder, gate: gate, patience: settings.lockPatience),
            sources: sources,
            origin: desired[change.model]?.origin, report: settings.report)
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

    private func rollOut(
        _ change: Change, _ prepared: Prepared, among pending: [ModelName: Change]
    ) async -> Outcome {
        let start = ContinuousClock.now
        let result: Outcome.Result
        var bytes: Int64 = 0
        switch prepared.preparation {
        case .interrupted: result = .interrupted
        case .failed(let fault): result = .failed(fault)
        case .ready(let fetched):
            bytes = fetched?.receivedBytes ?? 0
            result = await rollOut(change, fetched, among: pending)
        }
        let elapsed = (ContinuousClock.now - start + prepared.spent).components
        let outcome = Outcome(
            change: change, result: result,
            milliseconds: elapsed.seconds * 1000 + elapsed.attoseconds / 1_000_000_000_000_000, receivedBytes: bytes)
        settings.report(.ended(outcome))
        return outcome
    }

    private func rollOut(
        _ change: Change, _ fetched: Fetcher.Fetched?, among pending: [ModelName: Change]
    ) async -> Outcome.Result {
        if Task.isCancelled { return .interrupted }
        do {
            let writer = try await StoreWriter.open(layout, holder: settings.holder, patience: settings.lockPatience)
            let observed = try await Observer(reader: writer.reader).observe(change.model).0
            guard recheck(change, observed) != nil else { return .skipped }
            if let fault = try await unmetRequirement(of: change, among: pending) { return .failed(fault) }
            var runner = RolloutRunner(
                change: change, desired: desired[change.model], observed: observed, fetched: fetched, writer: writer,
                hooks: HookRunner(), now: settings.clock(), aside: aside, report: settings.report)
            return await runner.run()
        } catch is CancellationError {
            return .interrupted
        } catch let fault as Fault {
            return .failed(fault.about(change.model))
        } catch {
            return .failed(Fault(.bug(detail: "\(error)"), model: change.model))
        }
    }
}
