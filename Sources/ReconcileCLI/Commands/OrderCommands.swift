import ArgumentParser
import ReconcileCore
import ReconcileEngine

/// `reconcile approve`: a person's yes.
struct ApproveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve", abstract: "Say yes to the changes of models that wait for it, and to nothing else.",
        discussion: """
            An approval is bound to the exact change, from one content to another: when something else is published \
            meanwhile, that waits for an approval of its own. Of a group, all that waits is approved. It ends at --until, or when the policy's approvalExpires says.

            EXAMPLE: reconcile approve vad && reconcile vad
            """)

    @Flag(help: "Everything that waits for an approval.")
    var all = false

    @Option(help: "When the approval ends, if it was not used (RFC 3339).")
    var until: Timestamp?

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions

    @Argument(help: "The models.")
    var models: [ModelName] = []

    func validate() throws {
        if all != models.isEmpty { throw ValidationError("Name the models, or give --all.") }
        try checkFuture(until)
    }

    func run() async throws {
        try await running {
            let items = try await run.with(files) { reconciler in
                if all { return try await reconciler.approve(nil, until: until) }
                var items: [Plan.Blocked] = []
                for model in models where !items.contains(where: { $0.model == model }) {
                    items += try await reconciler.approve(model, until: until)
                }
                return items
            }
            for item in items {
                Output.data("Approved: \(item.model) \(item.active?.description ?? "nothing") → \(item.version).\n")
            }
            let names = items.map(\.model.description).joined(separator: " ")
            let when = items.compactMap(\.possibleAt).max().map { " from \($0.weekdayMinute)" } ?? ""
            Output.data("The next pass takes \(items.count == 1 ? "it" : "them")\(when):\n    reconcile \(names)\n")
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
            let result = try await run.with(files) {
                try await $0.rollback(model, to: to, reason: reason, until: until)
            }
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
            let held = try await run.with(files) { try await $0.hold(model, reason: reason, until: until) }
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
            let hold = try await run.with(files) { try await $0.resume(model) }
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
            let freed = try await run.with(files) { try await $0.retry(model) }
            let versions = freed.map { "\($0.model) \($0.release.version)" }.joined(separator: ", ")
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
