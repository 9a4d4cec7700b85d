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
        await withTaskGroup(of: (Change, Preparation, Duration).self) { group in
            let fetching = changes.filter { $0.steps.contains(.fetch) }
            for change in fetching.prefix(Self.width) { add(change, to: &group) }
            var waiting = fetching.dropFirst(Self.width)
            for change in changes where !change.steps.contains(.fetch) {
                settings.report(began(change))
                outcomes[change.model] = await rollOut(change, .ready(nil), since: .now, spent: .zero)
            }
            while let (change, preparation, spent) = await group.next() {
                if let next = waiting.popFirst() { add(next, to: &group) }
                outcomes[change.model] = await rollOut(change, preparation, since: .now, spent: spent)
            }
        }
        return changes.compactMap { outcomes[$0.model] }
    }

    private func add(_ change: Change, to group: inout TaskGroup<(Change, Preparation, Duration)>) {
        settings.report(began(change))
        group.addTask {
            let start = ContinuousClock.now
            let preparation = await prepare(change)
            return (change, preparation, ContinuousClock.now - start)
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
            reader: reader, downloader: Downloader(layout: layout, holder: settings.holder, gate: gate),
            sources: sources,
            report: settings.report)
        do {
            let observed = try await Observer(reader: reader).observe(change.model).0
            var only: Set<ReleasePath>?
            if change.action == .repair, case .damaged(_, let damage) = observed.slot { only = Set(damage.map(\.path)) }
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
        _ change: Change, _ preparation: Preparation, since start: ContinuousClock.Instant, spent: Duration
    ) async -> Outcome {
        let result: Outcome.Result
        var bytes: Int64 = 0
        switch preparation {
        case .interrupted: result = .interrupted
        case .failed(let fault): result = .failed(fault)
        case .ready(let fetched):
            bytes = fetched?.receivedBytes ?? 0
            result = await rollOut(change, fetched)
        }
        let elapsed = (ContinuousClock.now - start + spent).components
        let outcome = Outcome(
            change: change, result: result,
            milliseconds: elapsed.seconds * 1000 + elapsed.attoseconds / 1_000_000_000_000_000, receivedBytes: bytes)
        settings.report(.ended(outcome))
        return outcome
    }

    private func rollOut(_ change: Change, _ fetched: Fetcher.Fetched?) async -> Outcome.Result {
        if Task.isCancelled { return .interrupted }
        do {
            let writer = try await StoreWriter.open(layout, holder: settings.holder, patience: settings.lockPatience)
            let observed = try await Observer(reader: writer.reader).observe(change.model).0
            guard recheck(change, observed) != nil else { return .skipped }
            var runner = RolloutRunner(
                change: change, desired: desired[change.model], observed: observed, fetched: fetched, writer: writer,
                hooks: HookRunner(), now: now, aside: aside, report: settings.report)
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
