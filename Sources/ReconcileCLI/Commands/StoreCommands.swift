import ArgumentParser
import ReconcileCore
import ReconcileEngine

/// `reconcile verify`: compares what is on disk with what was released.
struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Compare the files on disk with their releases.",
        discussion: "EXAMPLE: reconcile verify --deep --repair")

    @Flag(help: "Hash every file, not only those that look touched.")
    var deep = false

    @Flag(help: "Fetch again what is damaged.")
    var repair = false

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Only these models.")
    var models: [ModelName] = []

    func run() async throws {
        try await running {
            let found = try await run.with(files) { try await $0.verify(only: Set(models), deep: deep, repair: repair) }
            switch output.output {
            case .json: try Output.json(found)
            case .text: for item in found { Output.data(line(item)) }
            }
            let damaged = found.count { !$0.damage.isEmpty }
            if output.output == .text {
                let how = deep ? "hashed" : "looked at"
                Output.data("\(Wording.count(found.count, "version")) \(how), \(damaged) damaged.\n")
            }
            return damaged == 0 ? .success : .failed
        }
    }

    private func line(_ item: Reconciler.Verification) -> String {
        let kept = item.isActive ? "" : " (kept)"
        guard !item.damage.isEmpty else {
            return
                "  = \(item.model)  \(item.version)\(kept)  \(Wording.count(item.files, "file")), \(Format.bytes(item.bytes))\n"
        }
        let files = item.damage.map { "      \($0.kind.rawValue): \($0.path)\n" }.joined()
        let help = repair ? "" : "          reconcile verify \(item.model)\(deep ? " --deep" : "") --repair\n"
        return
            "  ! \(item.model)  \(item.version)\(kept)  \(Wording.count(item.damage.count, "file")) damaged\n\(files)\(help)"
    }
}

/// `reconcile gc`: deletes what nothing needs.
struct GCCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "gc",
        abstract: "Delete versions beyond what “keep” asks for, and content that nothing uses; needs no free space.",
        discussion: "EXAMPLE: reconcile gc --dry-run")

    @Flag(name: .customLong("dry-run"), help: "Only show what would be deleted.")
    var isDryRun = false

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions
    @OptionGroup var output: OutputOptions

    func run() async throws {
        try await running {
            let items = try await run.with(files) { try await $0.collectGarbage(isDryRun: isDryRun) }
            switch output.output {
            case .json: try Output.json(items)
            case .text:
                for item in items {
                    Output.data(
                        "  - \(item.kind) \(item.name)" + (item.bytes > 0 ? "  \(Format.bytes(item.bytes))\n" : "\n"))
                }
                let bytes = items.reduce(Int64(0)) { saturatingSum($0, $1.bytes) }
                Output.data(
                    "\(isDryRun ? "Would delete" : "Deleted") \(Wording.count(items.count, "thing")), \(Format.bytes(bytes)).\n"
                )
            }
            return .success
        }
    }
}

/// `reconcile adopt`: takes over what a person put there by hand.
struct AdoptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "adopt", abstract: "Take over a directory of your own that stands where a model belongs.",
        discussion: """
            Files with the right bytes are used instead of downloaded; your directory moves aside and is not deleted.

            EXAMPLE: reconcile adopt vad
            """)

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions

    @Argument(help: "The model.")
    var model: ModelName

    func run() async throws {
        try await running {
            let adoption = try await run.with(files) { try await $0.adopt(model) }
            switch adoption.outcome.result {
            case .done:
                let version = adoption.outcome.change.to?.version.description ?? ""
                Output.data(
                    "Adopted: \(model) \(version); \(adoption.matched) of \(Wording.count(adoption.files, "file")) had the right bytes.\n"
                        + "Your own files are at \(adoption.aside); delete them when you are sure.\n")
                return .success
            case .failed(let fault): throw fault
            case .interrupted: throw Fault(.interrupted)
            case .skipped, .halted: return .failed
            case .rolledBack(let cause, _, _):
                Output.message("Error: \(cause).\nYour own files are back where they were.\n")
                return .problem
            }
        }
    }
}

/// `reconcile remove`: takes an undeclared model away.
struct RemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Take a model that is no longer declared out of the store; its files stay for a day.",
        discussion: "EXAMPLE: reconcile remove old-vad")

    @Flag(name: .customLong("protected"), help: "Remove it even if it was declared with `protect: true`.")
    var evenProtected = false

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions

    @Argument(help: "The model.")
    var model: ModelName

    func run() async throws {
        try await running {
            try await run.with(files) { try await $0.remove(model, evenProtected: evenProtected) }
            Output.data("Removed “\(model)”. Its files stay for a day, for those that still read them.\n")
            return .success
        }
    }
}
