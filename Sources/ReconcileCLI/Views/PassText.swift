import ReconcileCore
import ReconcileEngine

/// What a pass did, for people: a line for each outcome, what waits, and the summary last.
struct PassText {
    let result: Reconciler.PassResult
    var style = Style.plain

    var text: String {
        let rest = Plan.waiting(result.plan)
        var lines = result.outcomes.map(line)
        lines += PlanText(plan: rest, style: style).text.split(separator: "\n").dropLast().map(String.init).filter {
            !$0.isEmpty
        }
        if !lines.isEmpty { lines.append("") }
        return (lines + [summary]).joined(separator: "\n") + "\n"
    }

    private func line(_ outcome: Outcome) -> String {
        let change = outcome.change
        let name = change.model.description
        let to = change.to?.version.description ?? ""
        let from = change.from?.version.description ?? "nothing"
        switch outcome.result {
        case .done(let warning):
            let text = "  " + style.paint(done(change), .green) + cost(outcome)
            return warning.map { "\(text)\n    warning: \($0)" } ?? text
        case .skipped: return "  = \(name)  \(to)  no longer needed"
        case .failed(let fault):
            let message = Wording.message(for: fault)
            var text = "  " + style.paint("! \(name)  \(to)  failed: \(message.summary)", .red)
            if let state = message.state { text += "\n      \(state)" }
            if let command = message.command { text += "\n          \(command)" }
            return text
        case .rolledBack(let cause, let isQuarantined, let active):
            let now = active.map { "\($0) is active again" } ?? "nothing is active"
            let memory = isQuarantined ? "quarantined" : "undecided, tried again later"
            return "  " + style.paint("! \(name)  \(from) → \(to)  rolled back: \(cause)", .red)
                + "\n      \(now); \(to) is \(memory).\n          reconcile retry \(name)"
        case .halted(let cause):
            return "  " + style.paint("! \(name)  \(to)  halted: \(cause)", .red)
                + "\n      It is active and unconfirmed.\n          reconcile rollback \(name)    or    reconcile retry \(name)"
        case .interrupted: return "  ! \(name)  \(to)  interrupted; \(from) is active"
        }
    }

    private func done(_ change: Change) -> String {
        let name = change.model.description
        let to = change.to?.version.description ?? ""
        let from = change.from?.version.description ?? ""
        if change.onlyPrepares {
            let move = from.isEmpty ? to : "\(from) → \(to)"
            return "~ \(name)  \(move)  prepared, to be activated later"
        }
        switch change.action {
        case .install: return "+ \(name)  \(to)  installed"
        case .replace: return "~ \(name)  \(from) → \(to)  replaced"
        case .relabel: return "~ \(name)  \(from) → \(to)  relabelled, same content"
        case .repair where change.reason == .notHandedOver: return "± \(name)  \(to)  handed over as declared"
        case .repair: return "± \(name)  \(to)  repaired"
        case .remove: return "- \(name)  \(from)  removed"
        }
    }

    private func cost(_ outcome: Outcome) -> String {
        let time = Format.duration(milliseconds: outcome.milliseconds)
        return outcome.receivedBytes > 0 ? "  (\(Format.bytes(outcome.receivedBytes)) in \(time))" : "  (\(time))"
    }

    private var summary: String {
        var done = 0
        var failed = 0
        for outcome in result.outcomes {
            switch outcome.result {
            case .done: done += 1
            case .skipped: break
            case .failed, .rolledBack, .halted, .interrupted: failed += 1
            }
        }
        let summary = result.plan.summary
        var parts = result.outcomes.isEmpty ? ["Nothing to do"] : ["\(done) done"]
        if failed > 0 { parts.append("\(failed) failed") }
        if summary.inSync > 0 || result.outcomes.isEmpty { parts.append("\(summary.inSync) in sync") }
        if summary.blocked > 0 { parts.append("\(summary.blocked) blocked") }
        if summary.problems > 0 { parts.append(Wording.count(summary.problems, "problem")) }
        return parts.joined(separator: ", ") + "."
    }
}

extension Plan {
    /// The plan without its changes: what waits and what is broken.
    fileprivate static func waiting(_ plan: Plan) -> Plan {
        var rest = plan
        rest.changes = []
        return rest
    }
}
