import ArgumentParser
import ReconcileCore
import ReconcileEngine

/// `reconcile status`: what runs here.
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show what is active, kept, held and quarantined; asks no source.",
        discussion: "EXAMPLE: reconcile status -o json > status.json")

    @OptionGroup var files: FileOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Only these models.")
    var models: [ModelName] = []

    func run() async throws {
        try await running {
            let status = try await files.reconciler().status(only: Set(models))
            switch output.output {
            case .json: try Output.json(status)
            case .text: Output.data(StatusText(status: status).text)
            }
            return .success
        }
    }
}

/// `reconcile path`: where a model is.
struct PathCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "path", abstract: "Print the real path of a model's active version.",
        discussion: """
            Resolve it once and open everything below it: then a switch in between cannot mix two versions.

            EXAMPLE: python3 serve.py --model "$(reconcile path vad)"
            """)

    @OptionGroup var files: FileOptions

    @Argument(help: "The model.")
    var model: ModelName

    func run() async throws {
        try await running {
            Output.data(try await files.reconciler().path(of: model) + "\n")
            return .success
        }
    }
}

/// `reconcile explain`: why a model is where it is.
struct ExplainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain", abstract: "Tell why a model's version is active, and what was not taken and why.",
        discussion: "EXAMPLE: reconcile explain vad")

    @OptionGroup var files: FileOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "The model.")
    var model: ModelName

    func run() async throws {
        try await running {
            let explanation = try await files.reconciler().explain(model)
            switch output.output {
            case .json: try Output.json(explanation)
            case .text: Output.data(ExplanationText(explanation: explanation).text)
            }
            return .success
        }
    }
}
