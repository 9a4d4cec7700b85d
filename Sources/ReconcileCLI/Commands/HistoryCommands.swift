import ArgumentParser
import ReconcileCore
import ReconcileEngine

/// `reconcile history`: what happened.
struct HistoryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "Show what happened, newest first.",
        discussion: """
            Every act is chained to the one before it by its SHA-256. --verify walks along the chain and prints the hash of \
            its head: an act that was changed or taken out of the middle shows. A tail that was cut off, or a chain that was \
            computed anew, shows only against a head that was kept elsewhere; every notification carries one.

            EXAMPLE: reconcile history vad --since 7d
            """)

    @Option(help: "How many acts at most.")
    var limit = 50

    @Option(help: ArgumentHelp("Only since then: a duration before now, or a time (RFC 3339).", valueName: "when"))
    var since: PastMoment?

    @Flag(help: "Check the chain and print the hash of its head.")
    var verify = false

    @OptionGroup var files: FileOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Only this model.")
    var model: ModelName?

    func validate() throws {
        if !(1...1_000_000).contains(limit) { throw ValidationError("--limit takes a number from 1 to 1000000.") }
        if verify, model != nil || since != nil { throw ValidationError("--verify checks the whole history.") }
    }

    func run() async throws {
        try await running {
            if verify { return try showVerification() }
            let acts = try files.reconciler().history(of: model, since: since?.moment, limit: limit)
            switch output.output {
            case .json: try Output.json(acts)
            case .text:
                for act in acts { Output.data(line(act)) }
                if acts.isEmpty { Output.message("Nothing has happened yet.\n") }
            }
            return .success
        }
    }

    private func showVerification() throws -> ExitStatus {
        let found = try files.reconciler().verifyHistory()
        switch output.output {
        case .json: try Output.json(found)
        case .text:
            if let number = found.brokenAt {
                Output.data(
                    "The history was changed: act \(number) of \(found.acts) does not fit to the one before it.\n")
            } else {
                Output.data(
                    "\(Wording.count(found.acts, "act")), each fits to the one before it. Head:\n    \(found.head)\n")
            }
        }
        return found.brokenAt == nil ? .success : .failed
    }

    private func line(_ act: Act) -> String {
        let move = [act.from, act.to].compactMap(\.self).joined(separator: " → ")
        let commit = act.commit.map { "  commit \($0.prefix(12))" } ?? ""
        let detail = act.detail.map { "  \(words(for: $0))" } ?? ""
        let model = act.model.isEmpty ? "-" : act.model
        let line =
            "\(act.at.minute)  \(model)  \(act.kind)  \(move.isEmpty ? "" : "\(move)  ")by \(act.who)\(commit)\(detail)"
        return line.printable + "\n"
    }

    /// A fault is kept as JSON; everything else is words already.
    private func words(for detail: String) -> String {
        guard detail.hasPrefix("{"),
            let fault = try? JSONFile.value(Fault.self, from: Array(detail.utf8), name: "history")
        else { return detail }
        return Wording.message(for: fault).summary
    }
}

/// `reconcile stats`: figures over time.
struct StatsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "Count updates, failures and rollbacks, and tell how long updates took.",
        discussion: """
            The time to an update runs from the pass that saw it first to its confirmation; the median is shown.

            EXAMPLE: reconcile stats --since 30d
            """)

    @Option(help: ArgumentHelp("Only since then: a duration before now, or a time (RFC 3339).", valueName: "when"))
    var since: PastMoment?

    @OptionGroup var files: FileOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await running {
            let statistics = try files.reconciler().statistics(since: since?.moment)
            switch output.output {
            case .json: try Output.json(statistics)
            case .text:
                let head = [
                    "model", "installs", "updates", "failures", "rollbacks", "ordered", "repairs", "received", "saved",
                    "time to update",
                ]
                Output.data(Table(rows: [head] + (statistics.models + [statistics.total]).map(row)).text)
            }
            return .success
        }
    }

    private func row(_ row: Statistics.Row) -> [String] {
        [row.model ?? "in all"]
            + [row.installs, row.updates, row.failures, row.rollbacks, row.ordered, row.repairs].map(\.description)
            + [
                Format.bytes(row.receivedBytes), Format.bytes(row.savedBytes),
                row.secondsToUpdate.map { Format.duration(milliseconds: $0 * 1000) } ?? "-",
            ]
    }
}
