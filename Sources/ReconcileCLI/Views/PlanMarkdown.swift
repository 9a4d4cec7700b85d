import ReconcileCore
import ReconcileEngine

/// A plan for pull requests: the summary first, then tables, cut by whole rows below the size that comments may have.
struct PlanMarkdown {
    let plan: Plan

    /// Comments may have 65,536 characters; this stays below it in bytes.
    static let limitBytes = 65_000

    var text: String {
        let summary = PlanText(plan: plan).text.split(separator: "\n").last.map(String.init) ?? ""
        var text = "### reconcile plan\n\n**\(summary)**\n"
        text += "\nPlan `\(plan.planDigest.short)`, made \(plan.createdAt.minute) by reconcile \(plan.toolVersion)"
        text += plan.inputs.commit.map { ", from commit `\($0.prefix(12))`.\n" } ?? ".\n"
        let room = Self.limitBytes - text.utf8.count - 1200
        var used = 0
        for table in [changes, waiting, problems, notices] where !table.rows.isEmpty {
            var shown: [String] = []
            for row in table.rows where used + row.utf8.count < room {
                used += row.utf8.count + 1
                shown.append(row)
            }
            text += "\n\(table.head)\n" + shown.map { "\($0)\n" }.joined()
            if shown.count < table.rows.count { text += "\n… and \(table.rows.count - shown.count) more.\n" }
        }
        return text
    }

    private typealias Table = (head: String, rows: [String])

    private var changes: Table {
        (
            "| | model | from | to | why | download | reused |\n| --- | --- | --- | --- | --- | ---: | ---: |",
            plan.changes.map { change in
                let from = change.from?.version.description ?? ""
                let to = change.to?.version.description ?? ""
                return "| \(change.action.rawValue) | \(cell(change.model)) | \(cell(from)) | \(cell(to)) "
                    + "| \(cell(PlanText.words(for: change))) | \(Format.bytes(change.bytes.download)) "
                    + "| \(Format.bytes(change.bytes.reused)) |"
            }
        )
    }

    private var waiting: Table {
        (
            "| blocked | version | why | released by |\n| --- | --- | --- | --- |",
            plan.blocked.map { blocked in
                let (why, command) = Wording.words(for: blocked)
                return
                    "| \(cell(blocked.model)) | \(cell(blocked.version)) | \(cell(why)) | \(command.map { "`\($0)`" } ?? "") |"
            }
        )
    }

    private var problems: Table {
        (
            "| model | problem |\n| --- | --- |",
            plan.problems.map { "| \(cell($0.model?.description ?? "")) | \(cell(Wording.message(for: $0).summary)) |" }
        )
    }

    private var notices: Table { ("| note |\n| --- |", plan.notices.map { "| \(cell(Wording.words(for: $0))) |" }) }

    /// Text that cannot break out of its cell.
    private func cell(_ value: some CustomStringConvertible) -> String {
        String(value.description.prefix(2000)).replacing("|", with: "\\|").replacing("\n", with: " ").replacing(
            "<", with: "&lt;")
    }
}
