import ReconcileCore
import ReconcileEngine

/// What runs on a machine, for people.
struct StatusText {
    let status: Status

    var text: String {
        guard !status.models.isEmpty else { return "No model is declared or installed.\n" }
        let head = ["model", "active", "range", "source", "digest", "since", "kept", "health", "state"]
        var text = Table(rows: [head] + status.models.map(row)).text
        for (digest, bytes) in status.partials.sorted(by: { $0.key < $1.key }) {
            text += "partial download \(digest.prefix(12)): \(Format.bytes(bytes)) safe\n"
        }
        if let commit = status.commit { text += "commit \(commit.prefix(12))\n" }
        for fault in status.models.compactMap(\.fault) { text += "\(Wording.message(for: fault).text)\n" }
        return text
    }

    private func row(_ model: Status.Model) -> [String] {
        [
            model.model.description, model.active?.description ?? "-", model.range ?? "(undeclared)",
            model.origin?.description ?? "-", model.contentDigest?.short ?? "-", model.since?.date ?? "-",
            model.kept.isEmpty ? "-" : model.kept.map(\.description).joined(separator: ","),
            model.health.rawValue, state(model),
        ]
    }

    private func state(_ model: Status.Model) -> String {
        var states: [String] = []
        if model.fault != nil { states.append("problem") }
        if model.isTrial { states.append(model.halted == nil ? "on trial" : "halted") }
        if model.damagedFiles > 0 { states.append("\(Wording.count(model.damagedFiles, "file")) damaged") }
        if let hold = model.hold { states.append("held at \(hold.release.version) by \(hold.by)") }
        for entry in model.quarantine where !states.contains("\(entry.release.version) quarantined") {
            states.append("\(entry.release.version) quarantined")
        }
        if model.condition(.ready)?.reason == "UpdateWaits" { states.append("an update waits") }
        if states.isEmpty, let ready = model.condition(.ready), !ready.status, model.active != nil {
            states.append(ready.message)
        }
        if states.isEmpty { states.append(model.active == nil ? "not installed" : "ok") }
        return states.joined(separator: ", ")
    }
}

/// Why a model is where it is, for people.
struct ExplanationText {
    let explanation: Explanation

    var text: String {
        var lines = [
            "\(explanation.model) is declared at \(explanation.declaredAt): \(explanation.origin) \(explanation.range)"
        ]
        if let active = explanation.active {
            lines.append(
                "  active    \(active.version)  content \(active.contentDigest.short)  from \(active.origin)  \(active.revision)"
            )
            if let license = active.license { lines.append("  license   \(license.printable)") }
            if let at = explanation.confirmedAt { lines.append("  confirmed \(at.minute)") }
            if let changelog = active.changelog {
                lines += changelog.split(separator: "\n").prefix(5).map { "  changes   \(String($0).printable)" }
            }
        } else {
            lines.append("  active    nothing")
        }
        lines.append(
            "  lock      " + (explanation.locked.map { "\($0)" } ?? "none: the newest release that the policy takes"))
        lines.append("  policy    automatic \(explanation.automatic.rawValue), channel \(explanation.channel)")
        if let change = explanation.change {
            let steps = change.steps.map(\.rawValue).joined(separator: " ")
            lines.append(
                "  next      \(change.to?.version.description ?? "nothing"): \(PlanText.words(for: change.reason)) (\(steps))"
            )
        } else {
            lines.append("  next      nothing to do")
        }
        for blocked in explanation.blocked {
            let (why, command) = Wording.words(for: blocked)
            lines.append("  blocked   \(blocked.version)  \(why)" + (command.map { "  →  \($0)" } ?? ""))
        }
        for problem in explanation.problems { lines.append("  problem   \(Wording.message(for: problem).summary)") }
        for notice in explanation.notices { lines.append("  note      \(Wording.words(for: notice))") }
        return lines.joined(separator: "\n") + "\n"
    }
}
