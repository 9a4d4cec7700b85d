import ArgumentParser
import ReconcileCore
import ReconcileEngine

/// `reconcile`: one pass, or its plan.
struct PassCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pass", abstract: "One pass over the desired state; what `reconcile` alone does.",
        discussion: "EXAMPLE: reconcile pass vad --dry-run")

    @Flag(name: .customLong("dry-run"), help: "Show the plan and write nothing.")
    var isDryRun = false

    @Flag(name: .customLong("detailed-exitcode"), help: "With --dry-run, exit 2 when changes are pending.")
    var detailed = false

    @Flag(name: .customLong("locked"), help: "Fail when the lock is missing or does not answer the desired state.")
    var isLocked = false

    @OptionGroup var window: WindowOptions
    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Only these models.")
    var models: [ModelName] = []

    func run() async throws {
        try await running {
            let options = PassOptions(only: Set(models), windowOverride: window.windowOverride)
            if isDryRun {
                let plan = try await files.reconciler(isLocked: isLocked).plan(options)
                try PlanOutput.write(plan, output.output == .json ? .json : .text)
                return ExitStatus(showing: plan, detailed: detailed)
            }
            return try PassOutput.write(
                try await run.with(files, isLocked: isLocked) { try await $0.pass(options) }, output.output)
        }
    }
}

/// Writes what a pass did.
enum PassOutput {
    private struct JSON: Encodable {
        let formatVersion = 1
        let plan: Plan
        let outcomes: [Outcome]
        let exitStatus: Int32
    }

    /// Writes it and returns the status.
    static func write(_ result: Reconciler.PassResult, _ form: OutputOptions.Form) throws -> ExitStatus {
        switch form {
        case .text: Output.data(PassText(result: result, style: .output).text)
        case .json:
            try Output.json(JSON(plan: result.plan, outcomes: result.outcomes, exitStatus: result.status.rawValue))
        }
        return result.status
    }
}

/// Writes a plan in one of its three views.
enum PlanOutput {
    enum Form: String, ExpressibleByArgument, CaseIterable { case text, json, markdown }

    static func write(_ plan: Plan, _ form: Form) throws {
        switch form {
        case .text: Output.data(PlanText(plan: plan, style: .output).text)
        case .json: try Output.json(plan)
        case .markdown: Output.data(PlanMarkdown(plan: plan).text)
        }
    }
}
