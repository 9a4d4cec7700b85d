import ReconcileCore
import SystemPackage

// What a pass leaves behind: fresh stamps, protections, and no generations beyond what the policy keeps.
extension Reconciler {
    /// Writes acts into the history; a failure is a warning.
    func record(_ acts: [Act], in layout: StoreLayout) {
        guard !acts.isEmpty else { return }
        if let warning = History(path: layout.history).append(acts) { settings.report(.warning(warning)) }
    }

    /// Tidies the store, if there is anything to tidy: the lock is only taken then.
    func tidy(_ survey: Survey) async throws {
        let desired = survey.declaration.desired.models
        let untidy = survey.observation.state.models.keys.sorted().filter { name in
            guard let model = survey.observation.state.models[name] else { return false }
            return survey.observation.restamps[name] != nil
                || model.isUntidy(desired[name], survey.selectors[name], at: survey.now)
        }
        guard !untidy.isEmpty, !Task.isCancelled else { return }
        do {
            let writer = try await StoreWriter.open(survey.layout, holder: settings.holder, patience: .zero)
            for name in untidy { try await tidy(name, desired[name], survey.selectors[name], writer, at: survey.now) }
            let collector = GarbageCollector(writer: writer, now: survey.now)
            _ = try await collector.collect(keep: desired.mapValues(\.policy.keep))
        } catch let fault as Fault {
            // Nothing of this is urgent: another process is at work, or the disk is full; the next pass tries again.
            if case .busy = fault.kind { return }
            settings.report(.warning("the store could not be tidied: \(Wording.message(for: fault).summary)"))
        }
    }

    /// Tidies one model, as it is now that nobody else changes it.
    private func tidy(
        _ name: ModelName, _ desired: DesiredModel?, _ selector: Digest?, _ writer: StoreWriter, at now: Timestamp
    )
        async throws
    {
        let (model, restamps) = try await Observer(reader: writer.reader).observe(name)
        guard model.isPresent else { return }
        for (directory, record) in restamps { try writer.write(record, of: name, directory) }
        var memory = model.memory
        if let forgotten = model.unrememberedConfirmation { memory.confirm(forgotten, at: now) }
        memory.isProtected = desired?.isProtected ?? memory.isProtected
        // A hold that has ended must not come back when what ended it is undone.
        if memory.hold(at: now, selector: selector) == nil { memory.hold = nil }
        if memory != model.memory { try writer.remember(memory, of: name) }
    }
}

extension ObservedModel {
    /// The active release, when it was confirmed but a crash came before that was written down.
    fileprivate var unrememberedConfirmation: Release? {
        guard let active = slot.generation, active.directory == good else { return nil }
        let isRemembered = memory.confirmed.contains { $0.release == active.release.id } && memory.trial == nil
        return isRemembered ? nil : active.release
    }

    /// Whether something is to be written down or deleted.
    fileprivate func isUntidy(_ desired: DesiredModel?, _ selector: Digest?, at now: Timestamp) -> Bool {
        guard fault == nil else { return false }
        guard isPresent else { return !Retention.expired(self, keep: Policy().keep, now: now).isEmpty }
        return unrememberedConfirmation != nil || desired.map { $0.isProtected != memory.isProtected } ?? false
            || (memory.hold != nil && memory.hold(at: now, selector: selector) == nil)
            || !Retention.expired(self, keep: desired?.policy.keep ?? Policy().keep, now: now).isEmpty
    }
}

extension Fault {
    /// The fault as the history keeps it: JSON, because the words belong to whoever shows it.
    var historyText: String {
        switch kind {
        case .hookFailed(_, let detail), .hookUndecided(_, let detail): detail
        default: String(decoding: ((try? JSONFile.bytes(of: self, pretty: false)) ?? []).dropLast(), as: UTF8.self)
        }
    }
}

extension Outcome {
    /// Whether the change was carried out.
    var isDone: Bool {
        if case .done = result { true } else { false }
    }
}
