import ArgumentParser
import ReconcileCore
import ReconcileEngine

/// `reconcile plan`: shows or saves what a pass would do.
struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show or save what a pass would do; writes nothing to the store.",
        discussion: "EXAMPLE: reconcile plan --approve vad --out plan.json && reconcile apply plan.json")

    @Option(name: [.short, .customLong("output")], help: "The form of the output.")
    var output: PlanOutput.Form = .text

    @Option(help: ArgumentHelp("Save the plan for `reconcile apply`.", valueName: "path"))
    var out: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Approve the waiting change of these models within the plan.", valueName: "model"))
    var approve: [ModelName] = []

    @Option(
        help: ArgumentHelp("Plan for another machine, from its `reconcile status -o json`.", valueName: "status.json"))
    var against: String?

    @Flag(name: .customLong("detailed-exitcode"), help: "Exit 2 when changes are pending.")
    var detailed = false

    @Flag(name: .customLong("locked"), help: "Fail when the lock is missing or does not answer the desired state.")
    var isLocked = false

    @OptionGroup var window: WindowOptions
    @OptionGroup var files: FileOptions

    @Argument(help: "Only these models.")
    var models: [ModelName] = []

    func run() async throws {
        try await running {
            let options = PassOptions(only: Set(models), windowOverride: window.windowOverride)
            let status = try against.map { try Reconciler.readStatus($0) }
            let plan = try await files.reconciler(isLocked: isLocked)
                .plan(options, approving: Set(approve), against: status)
            try PlanOutput.write(plan, output)
            if let out {
                try Reconciler.write(plan, to: out)
                Output.message("Saved as \(out). Carry it out with: reconcile apply \(out)\n")
            }
            return ExitStatus(showing: plan, detailed: detailed)
        }
    }
}

/// `reconcile apply`: carries out a saved plan, or makes a pass.
struct ApplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apply", abstract: "Carry out a saved plan; without one, make a pass.",
        discussion: """
            A saved plan is refused (exit 3) when what it starts from has moved, and after it ran to its end once.

            EXAMPLE: reconcile apply plan.json
            """)

    @OptionGroup var window: WindowOptions
    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions
    @OptionGroup var output: OutputOptions

    @Flag(name: .customLong("locked"), help: "Fail when the lock is missing or does not answer the desired state.")
    var isLocked = false

    @Argument(help: "A saved plan (a name that ends in .json), or the models to reconcile.")
    var targets: [String] = []

    func validate() throws {
        guard targets.count > 1 || targets.first?.hasSuffix(".json") != true else { return }
        for target in targets where ModelName(target) == nil || target.hasSuffix(".json") {
            throw ValidationError("“\(target)” is not a model name; give one saved plan, or models.")
        }
    }

    func run() async throws {
        try await running {
            let result = try await run.with(files, isLocked: isLocked) { reconciler in
                if let path = targets.first, path.hasSuffix(".json") {
                    return try await reconciler.apply(
                        try Reconciler.readPlan(path), windowOverride: window.windowOverride)
                }
                let only = Set(targets.compactMap { ModelName($0) })
                return try await reconciler.pass(PassOptions(only: only, windowOverride: window.windowOverride))
            }
            return try PassOutput.write(result, output.output)
        }
    }
}

/// `reconcile show`: a saved plan, for people.
struct ShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a saved plan; always works, stale or not.",
        discussion: "EXAMPLE: reconcile show plan.json -o markdown")

    @Option(name: [.short, .customLong("output")], help: "The form of the output.")
    var output: PlanOutput.Form = .text

    @Argument(help: "The saved plan.")
    var plan: String

    func run() async throws {
        try await running {
            try PlanOutput.write(try Reconciler.readPlan(plan), output)
            return .success
        }
    }
}

/// `reconcile lock`: turns "which version" into a diff that can be reviewed.
struct LockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lock", abstract: "Write desired-state.lock: the exact releases that the ranges mean.",
        discussion: """
            Alone it only fills gaps. With --update every model moves as far as “automatic” allows; named models move as far \
            as their ranges allow, because a person named them. With --fetch it also downloads what has no published digests \
            (files in archives, objects stored without a checksum) and names them.

            EXAMPLE: reconcile lock --update vad && git diff desired-state.lock
            """)

    @Flag(help: "Move to newer releases: all models, or those that are named.")
    var update = false

    @Flag(help: "Download what has no published digests, to compute them.")
    var fetch = false

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions

    @Argument(help: "With --update: the models to move.")
    var models: [ModelName] = []

    func validate() throws {
        if !models.isEmpty, !update { throw ValidationError("Models are named with --update only.") }
    }

    func run() async throws {
        try await running {
            let what: Reconciler.LockUpdate = update ? models.isEmpty ? .all : .named(Set(models)) : .gaps
            let result = try await run.with(files) { try await $0.lock(update: what, fetches: fetch) }
            for moved in result.moved {
                let from = moved.from.map { "\($0.version)" } ?? "nothing"
                let to = moved.to.map { "\($0.version)" } ?? "nothing"
                Output.data("  ~ \(moved.model)  \(from) → \(to)\n")
            }
            for model in result.filled { Output.data("  ± \(model)  the files in its archives are named\n") }
            for blocked in result.blocked where blocked.obstacle.isApprovable {
                let why = Wording.words(for: blocked).why
                Output.data(
                    "  ! \(blocked.model)  \(blocked.version)  \(why)  →  reconcile lock --update \(blocked.model)\n")
            }
            for problem in result.problems { Output.message("Error: \(Wording.message(for: problem).text)\n") }
            Output.data(result.isWritten ? "Wrote \(result.path).\n" : "\(result.path) stays as it is.\n")
            return result.problems.isEmpty ? .success : .problem
        }
    }
}

/// `reconcile outdated`: what is published, beside what is there.
struct OutdatedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "outdated",
        abstract: "Show for each model the newest version within “automatic”, within its range, and at all.",
        discussion: "EXAMPLE: reconcile outdated -o json")

    @OptionGroup var files: FileOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Only these models.")
    var models: [ModelName] = []

    func run() async throws {
        try await running {
            let rows = try await files.reconciler().outdated(only: Set(models))
            switch output.output {
            case .json: try Output.json(rows)
            case .text:
                let table =
                    [["model", "current", "automatic", "in range", "newest", "priority"]]
                    + rows.map { row in
                        [row.model.description]
                            + [row.current, row.withinAutomatic, row.withinRange, row.newest].map {
                                $0?.description ?? "-"
                            }
                            + [row.priority?.rawValue ?? "-"]
                    }
                Output.data(Table(rows: table).text)
                for fault in rows.compactMap(\.fault) { Output.message("\(Wording.message(for: fault).summary)\n") }
            }
            return rows.contains { $0.fault != nil } ? .problem : .success
        }
    }
}
