import ArgumentParser
import ReconcileCore
import ReconcileEngine

/// `reconcile approve`: a person's yes.
struct ApproveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Say yes to the change of a model that waits for it, and to nothing else.",
        discussion: "EXAMPLE: reconcile approve vad && reconcile vad")

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions

    @Argument(help: "The model.")
    var model: ModelName

    func run() async throws {
        try await running {
            let item = try await run.reconciler(files).approve(model)
            let from = item.active?.description ?? "nothing"
            Output.data(
                "Approved: \(model) \(from) → \(item.version). The next pass takes it:\n    reconcile \(model)\n")
            return .success
        }
    }
}

/// `reconcile rollback`: back to a kept version, and stay there.
struct RollbackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollback", abstract: "Activate a kept version at once, and hold the model there.",
        discussion: """
            The hold ends by `reconcile resume`, at --until, or when the model's own declaration or lock entry changes.

            EXAMPLE: reconcile rollback vad --to 6.0.0 --reason "false alarms at night"
            """)

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions
    @OptionGroup var output: OutputOptions

    @Option(help: "The version to go back to; without it the one that worked before.")
    var to: Version?

    @Option(help: "Why, for those who come later.")
    var reason: String?

    @Option(help: "When the hold ends by itself (RFC 3339).")
    var until: Timestamp?

    @Argument(help: "The model.")
    var model: ModelName

    func validate() throws { try checkFuture(until) }

    func run() async throws {
        try await running {
            let result = try await run.reconciler(files).rollback(model, to: to, reason: reason, until: until)
            let status = try PassOutput.write(result, output.output)
            if status == .success { Output.message("“\(model)” is held there until:\n    reconcile resume \(model)\n") }
            return status
        }
    }
}

/// `reconcile hold`: stay at what is active.
struct HoldCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "hold", abstract: "Keep a model at the version that is active, whatever is published or declared.",
        discussion: "EXAMPLE: reconcile hold vad --reason \"demo on Friday\" --until 2026-12-04T18:00:00Z")

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions

    @Option(help: "Why, for those who come later.")
    var reason: String?

    @Option(help: "When the hold ends by itself (RFC 3339).")
    var until: Timestamp?

    @Argument(help: "The model.")
    var model: ModelName

    func validate() throws { try checkFuture(until) }

    func run() async throws {
        try await running {
            let held = try await run.reconciler(files).hold(model, reason: reason, until: until)
            Output.data("“\(model)” is held at \(held.version) until:\n    reconcile resume \(model)\n")
            return .success
        }
    }
}

/// `reconcile resume`: end a hold.
struct ResumeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "End the hold of a model.",
        discussion: "EXAMPLE: reconcile resume vad && reconcile vad")

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions

    @Argument(help: "The model.")
    var model: ModelName

    func run() async throws {
        try await running {
            let hold = try await run.reconciler(files).resume(model)
            Output.data(
                hold.map { "“\(model)” is no longer held at \($0.release.version).\n" } ?? "“\(model)” was not held.\n")
            return .success
        }
    }
}

/// `reconcile retry`: try again what did not work.
struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry",
        abstract: "Lift a model's quarantine, so that the next pass tries again what did not work.",
        discussion: "EXAMPLE: reconcile retry vad && reconcile vad")

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions

    @Argument(help: "The model.")
    var model: ModelName

    func run() async throws {
        try await running {
            let freed = try await run.reconciler(files).retry(model)
            let versions = freed.map(\.version.description).joined(separator: ", ")
            Output.data(
                freed.isEmpty
                    ? "Nothing of “\(model)” is quarantined.\n"
                    : "The next pass tries \(versions) again:\n    reconcile \(model)\n")
            return .success
        }
    }
}

/// A hold that has ended already is a mistake.
private func checkFuture(_ until: Timestamp?) throws {
    guard let until, until <= Settings().clock() else { return }
    throw ValidationError("--until must be in the future; \(until) is past.")
}
