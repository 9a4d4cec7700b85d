import ArgumentParser
import ReconcileCore
import ReconcileEngine
import YAML

/// The whole command line.
struct ReconcileCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reconcile",
        abstract: "Keeps the AI models on a machine at the versions that a file in git declares.",
        usage: """
            reconcile [--dry-run] [MODEL ...] [options]
            reconcile COMMAND [options]
            """,
        discussion: """
            Without a command it makes one pass over ./desired-state.yaml: it looks at what is wanted and what is there, and \
            downloads, verifies, checks, activates and probes what differs. When a new version does not work, the old one is \
            put back. Run it as often as you like: when everything is as declared it does nothing.

            EXAMPLES:
              reconcile --dry-run            show what a pass would do; writes nothing
              reconcile                      do it
              reconcile rollback vad         go back to what worked, and stay there

            EXIT STATUS: 0 done, in sync or waiting · 1 invalid input or a model failed · 2 changes pending (with \
            --detailed-exitcode) · 3 stale plan · 4 rolled back or blocked by a problem · 64 usage · 75 store is busy · \
            130, 143 interrupted
            """,
        version: ToolVersion.current,
        subcommands: [PassCommand.self],
        groupedSubcommands: [
            CommandGroup(
                name: "Plan and apply",
                subcommands: [
                    PlanCommand.self, ApplyCommand.self, ShowCommand.self, LockCommand.self, OutdatedCommand.self,
                ]),
            CommandGroup(
                name: "Look",
                subcommands: [
                    StatusCommand.self, PathCommand.self, ExplainCommand.self, HistoryCommand.self, StatsCommand.self,
                ]),
            CommandGroup(name: "Run as a service", subcommands: [WatchCommand.self, WaitCommand.self]),
            CommandGroup(
                name: "Order",
                subcommands: [
                    ApproveCommand.self, RollbackCommand.self, HoldCommand.self, ResumeCommand.self, RetryCommand.self,
                ]),
            CommandGroup(
                name: "Care for the store",
                subcommands: [VerifyCommand.self, GCCommand.self, AdoptCommand.self, RemoveCommand.self]),
            CommandGroup(
                name: "Write and publish",
                subcommands: [
                    InitCommand.self, ValidateCommand.self, SchemaCommand.self, PublishCommand.self, BundleCommand.self,
                ]),
        ],
        defaultSubcommand: PassCommand.self)

    /// The names of all commands.
    static var names: [String] {
        configuration.groupedSubcommands.flatMap(\.subcommands).compactMap { $0.configuration.commandName }
    }
}

/// Runs the body of a command and turns what it throws into a message on standard error and an exit status.
func running(_ body: () async throws -> ExitStatus) async throws {
    let status: ExitStatus
    do {
        status = try await body()
    } catch let problems as Problems {
        let number = problems.list.count
        Output.message("\(problems.description)\n\(Wording.count(number, "problem")). Nothing was changed.\n")
        status = .failed
    } catch let fault as Fault {
        Output.message("Error: \(Wording.message(for: fault, commands: ReconcileCommand.names).text)\n")
        status = ExitStatus(fault)
    } catch is CancellationError {
        Output.message("\(Wording.message(for: Fault(.interrupted)).text)\n")
        status = .interrupted
    }
    if Output.hasFailed, status == .success || status == .pending {
        Output.message("Error: the output could not be written.\n")
        throw ExitCode(ExitStatus.failed.rawValue)
    }
    if status != .success { throw ExitCode(status.rawValue) }
}
