import ReconcileCore
import SystemPackage

// What a pass leaves behind: history, fresh stamps, protections, and no generations beyond what the policy keeps.
extension Reconciler {
    /// Writes outcomes into the history; a failure is a warning.
    func record(_ outcomes: [Outcome], in layout: StoreLayout, planDigest: Digest?) {
        let now = settings.clock()
        let events = outcomes.compactMap { $0.event(at: now, who: settings.user, planDigest: planDigest) }
        record(events, in: layout)
    }

    /// Writes events into the history; a failure is a warning.
    func record(_ events: [History.Event], in layout: StoreLayout) {
        guard !events.isEmpty else { return }
        if let warning = History(path: layout.history).append(events) { settings.report(.warning(warning)) }
    }

    /// Tidies the store, if there is anything to tidy: the lock is only taken then.
    func tidy(_ survey: Survey, after outcomes: [Outcome]) async throws {
        let state = survey.observation.state
        let desired = survey.declaration.desired.models
        var protections: [ModelName: Bool] = [:]
        var expired: [(ModelName, Generation)] = []
        for (name, model) in state.models where model.fault == nil {
            guard model.isPresent else { continue }
            if let wanted = desired[name]?.isProtected, wanted != model.memory.isProtected {
                protections[name] = wanted
            }
            let keep = desired[name]?.policy.keep ?? Policy().keep
            expired += Retention.expired(model, keep: keep, now: survey.now).map { (name, $0) }
        }
        guard !protections.isEmpty || !expired.isEmpty || !survey.observation.restamps.isEmpty, !Task.isCancelled else {
            return
        }
        do {
            let writer = try await StoreWriter.open(survey.layout, holder: settings.holder, patience: .zero)
            for (name, isProtected) in protections.sorted(by: { $0.key < $1.key }) {
                var memory = try writer.reader.memory(of: name)
                memory.isProtected = isProtected
                try writer.remember(memory, of: name)
            }
            for (name, records) in survey.observation.restamps {
                for (directory, record) in records { try writer.write(record, of: name, directory) }
            }
            if !expired.isEmpty {
                _ = try await GarbageCollector(writer: writer, now: survey.now).collect(
                    keep: desired.mapValues(\.policy.keep))
            }
        } catch let fault as Fault {
            // Nothing of this is urgent: another process is at work, or the disk is full; the next pass tries again.
            if case .busy = fault.kind { return }
            settings.report(.warning("the store could not be tidied: \(fault.kind)"))
        }
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

    /// The history's words for what happened; `nil` when nothing did.
    func event(at now: Timestamp, who: String, planDigest: Digest?) -> History.Event? {
        let kind: String
        var detail: String?
        switch result {
        case .skipped, .interrupted: return nil
        case .done(let warning):
            detail = warning
            kind = change.action == .remove ? "removed" : change.action == .repair ? "repaired" : "confirmed"
        case .failed(let fault): (kind, detail) = ("failed", fault.historyText)
        case .rolledBack(let cause, _, _): (kind, detail) = ("rolledBack", cause)
        case .halted(let cause): (kind, detail) = ("halted", cause)
        }
        return History.Event(
            at: now, kind: kind, model: change.model.description, who: who,
            from: change.from.map { "\($0.version) \($0.contentDigest.short)" },
            to: change.to.map { "\($0.version) \($0.contentDigest.short)" }, detail: detail,
            planDigest: planDigest?.description, milliseconds: milliseconds, bytes: receivedBytes)
    }
}
