import ReconcileCore
import ReconcileEngine

/// A plan for people: a line for each change and each thing that waits, and the summary last.
struct PlanText {
    let plan: Plan
    var style = Style.plain

    /// The whole text, with a line break at its end.
    var text: String {
        var lines = plan.changes.map(line) + plan.blocked.map(line) + plan.problems.flatMap(lines)
        lines += plan.notices.map { "  note: \(Wording.words(for: $0))" }
        if let commit = plan.inputs.commit, !lines.isEmpty { lines.append("  commit \(commit.prefix(12))") }
        if !lines.isEmpty { lines.append("") }
        return (lines + [summary]).joined(separator: "\n") + "\n"
    }

    private var width: Int {
        let names = plan.changes.map(\.model) + plan.blocked.map(\.model) + plan.problems.compactMap(\.model)
        return names.map(\.description.count).max() ?? 0
    }

    private func line(_ change: Change) -> String {
        let cost = [bytes(change.bytes), steps(change)].filter { !$0.isEmpty }.joined(separator: "; ")
        let text =
            "\(symbol(change.action)) \(Format.pad(change.model.description, width))  \(versions(change))  \(Self.words(for: change))"
        return "  \(style.paint(text, change.action.colour))" + (cost.isEmpty ? "" : "  (\(cost))")
    }

    private func symbol(_ action: Change.Action) -> String {
        switch action {
        case .install: "+"
        case .replace, .relabel: "~"
        case .repair: "±"
        case .remove: "-"
        }
    }

    private func versions(_ change: Change) -> String {
        switch (change.from?.version, change.to?.version) {
        case (let from?, let to?) where from != to: "\(from) → \(to)"
        case (_, let to?): "\(to)"
        case (let from?, nil): "\(from)"
        case (nil, nil): "-"
        }
    }

    /// Why, in words.
    static func words(for reason: Change.Reason) -> String {
        switch reason {
        case .declared: "install"
        case .newer(_, let priority, true): "hotfix, \(priority.rawValue)"
        case .newer(let size, let priority, false): "\(size.rawValue), \(priority.rawValue)"
        case .notAsDeclared: "as declared"
        case .held: "held there"
        case .openTrial: "finish its trial"
        case .notHandedOver: "hand over"
        case .damaged(let files): "repair \(Wording.count(files, "file"))"
        case .sameContent: "same content, only the version moves"
        case .undeclared: "remove, no longer declared"
        }
    }

    /// Why, in words, with what is peculiar to the change.
    static func words(for change: Change) -> String {
        let group = change.group.map { ", group \($0)" } ?? ""
        return words(for: change.reason) + group + (change.onlyPrepares ? ", prepared only" : "")
    }

    private func bytes(_ bytes: Change.Bytes) -> String {
        switch (bytes.download, bytes.reused) {
        case (0, 0): ""
        case (let download, 0): "\(Format.bytes(download)) to download"
        case (0, let reused): "\(Format.bytes(reused)) reused"
        case (let download, let reused): "\(Format.bytes(download)) to download, \(Format.bytes(reused)) reused"
        }
    }

    private func steps(_ change: Change) -> String { change.steps.map(\.rawValue).joined(separator: " ") }

    private func line(_ blocked: Plan.Blocked) -> String {
        let (why, command) = Wording.words(for: blocked)
        let text = "! \(Format.pad(blocked.model.description, width))  \(blocked.version)  \(why)"
        return "  \(style.paint(text, .yellow))" + (command.map { "  →  \($0)" } ?? "")
    }

    private func lines(_ problem: Fault) -> [String] {
        let message = Wording.message(for: problem)
        let name = Format.pad(problem.model?.description ?? "", width)
        var lines = ["  \(style.paint("! \(name)  \(message.summary)", .red))"]
        if case .sourceRefuses = problem.kind, let state = message.state { lines.append("        \(state)") }
        if let command = message.command { lines.append("        \(command)") }
        return lines
    }

    /// The last line.
    private var summary: String {
        let summary = plan.summary
        let verbs = ["install", "replace", "relabel", "repair", "remove", "prepare"]
        var parts = verbs.compactMap { verb in
            summary.changes[verb].flatMap { $0 > 0 ? "\($0) to \(verb)" : nil }
        }
        if parts.isEmpty { parts.append("Nothing to do") }
        parts.append("\(summary.inSync) in sync")
        if summary.blocked > 0 { parts.append("\(summary.blocked) blocked") }
        if summary.problems > 0 { parts.append(Wording.count(summary.problems, "problem")) }
        var text = parts.joined(separator: ", ") + "."
        if plan.isActionable {
            text += " Download \(Format.bytes(summary.downloadBytes)), reuse \(Format.bytes(summary.reusedBytes)),"
            text += " disk needed \(Format.bytes(summary.diskBytes))."
        }
        return text
    }
}

extension Change.Action {
    /// The colour of a change; its symbol says the same without colour.
    fileprivate var colour: Style.Colour {
        switch self {
        case .install: .green
        case .replace, .relabel, .repair: .blue
        case .remove: .red
        }
    }
}
