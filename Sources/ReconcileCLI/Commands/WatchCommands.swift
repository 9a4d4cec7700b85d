import ArgumentParser
import Logging
import ReconcileCore
import ReconcileEngine
import ServiceLifecycle
import SystemPackage

/// `reconcile watch`: passes for as long as it runs.
struct WatchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "watch", abstract: "Make passes for as long as it runs: the service for machines nobody looks at.",
        discussion: """
            A pass follows the interval, a change of the desired-state files or the lock, SIGHUP, and every moment that \
            something waits for: a window, notBefore, the end of a hold or a quarantine. What fails is tried again with \
            growing pauses. A desired state that cannot be used is told, and the last good one stays in force. SIGTERM ends \
            it within 10 s; downloads are kept. Under systemd it tells when it is ready and alive (Type=notify).

            With --git it follows a branch: the newest commit is the desired state, a force-push or a revert too. When the \
            remote does not answer, the last commit stays in force. With --require-signed, a commit counts only with an SSH \
            signature by a key of that file of allowed signers (see ssh-keygen(1)).

            EXAMPLES:
              reconcile watch --interval 1m
              reconcile watch --git https://git.example.com/models.git --branch main --path gpu1/desired-state.yaml
              reconcile watch --once                   one pass, for cron
            """)

    @Option(help: ArgumentHelp("The time between passes when nothing else asks for one.", valueName: "duration"))
    var interval: Seconds = Seconds(300)

    @Option(help: ArgumentHelp("The most by which it is lengthened or shortened at random.", valueName: "percent"))
    var jitter: Percent = Percent(20)

    @Flag(help: "Make one pass and end with its status.")
    var once = false

    @Option(help: ArgumentHelp("Follow a branch of this repository instead of files.", valueName: "url"))
    var git: String?

    @Option(help: ArgumentHelp("With --git: the branch.", valueName: "name"))
    var branch: String?

    @Option(help: ArgumentHelp("With --git: the desired state in the repository.", valueName: "path"))
    var path: String?

    @Option(
        name: .customLong("require-signed"),
        help: ArgumentHelp("With --git: take only commits signed by a key of this file.", valueName: "allowed-signers"))
    var signers: String?

    @Option(
        help: ArgumentHelp(
            "With --git: where the clone is kept, else below the user's or service's state directory.",
            valueName: "directory"))
    var clone: String?

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions

    func validate() throws {
        if interval.count < 1 { throw ValidationError("--interval must be at least 1s.") }
        if git == nil, branch != nil || path != nil || signers != nil || clone != nil {
            throw ValidationError("--branch, --path, --require-signed and --clone go with --git.")
        }
        if git != nil, files.files != FileOptions.standard { throw ValidationError("Give --git or -f, not both.") }
    }

    func run() async throws {
        try await running {
            try await run.with(files, isService: !once) { reconciler in
                let watcher = Watcher(
                    reconciler, origin: try await origin(reconciler),
                    options: Watcher.Options(intervalSeconds: interval.count, jitterPercent: jitter.count))
                if once { return try PassOutput.write(try await watcher.once(), .text) }
                Signals.onHangup { watcher.wake() }
                try await serve(watcher)
                return .success
            }
        }
    }

    private func origin(_ reconciler: Reconciler) async throws -> any DesiredStateOrigin {
        guard let git else { return FileOrigin(paths: files.files.map { FilePath($0) }) }
        let branch = branch ?? "main"
        let origin = try await GitOrigin(
            GitOrigin.Options(
                url: git, branch: branch, path: path ?? "desired-state.yaml", signers: signers.map(absolute),
                clone: clone.map(absolute) ?? StateDirectory.path.pushing(FilePath("git/\(name(git, branch))"))))
        if run.progress != .json {
            Output.message("Following \(branch); status and orders: reconcile status -f \(origin.file)\n")
        }
        return origin
    }

    private func name(_ url: String, _ branch: String) -> String { Hashing.digest(of: "\(url) \(branch)").short }

    private func absolute(_ path: String) -> FilePath { StateDirectory.absolute(path) }

    /// Runs the service until a signal asks it to end.
    private func serve(_ watcher: Watcher) async throws {
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [watcher], logger: Logger(label: "reconcile") { _ in SwiftLogNoOpLogHandler() }))
        let service = Task { try await group.run() }
        try await withTaskCancellationHandler {
            try await service.value
        } onCancel: {
            Task { await group.triggerGracefulShutdown() }
        }
    }
}

/// `reconcile wait`: for scripts that go on when a model is as they need it.
struct WaitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "wait", abstract: "Wait until models have a condition: for scripts, beside `reconcile watch`.",
        discussion: """
            Conditions are Ready, Progressing, Degraded, Held and Drifted; “Ready=False” waits for the opposite. They count \
            for the desired state as it is now: what a pass found about an older one is not enough.

            EXAMPLE: reconcile wait vad --for Ready --timeout 5m && systemctl start serving
            """)

    @Option(name: .customLong("for"), help: ArgumentHelp("The condition.", valueName: "condition"))
    var expectation: Expectation = Expectation(type: .ready, status: true)

    @Option(help: ArgumentHelp("How long to wait at most.", valueName: "duration"))
    var timeout: Seconds = Seconds(300)

    @OptionGroup var files: FileOptions

    @Argument(help: "The models; all that are declared without it.")
    var models: [ModelName] = []

    func run() async throws {
        try await running {
            let met = try await files.reconciler().wait(
                for: expectation.type, status: expectation.status, of: Set(models), seconds: timeout.count)
            for model in met { Output.data("\(model)  \(expectation)\n") }
            return .success
        }
    }

    /// A condition with its status, written `Ready` or `Ready=False`.
    struct Expectation: ExpressibleByArgument, CustomStringConvertible {
        let type: Condition.Kind
        let status: Bool

        init(type: Condition.Kind, status: Bool) { (self.type, self.status) = (type, status) }

        init?(argument: String) {
            let parts = argument.split(separator: "=", maxSplits: 1).map { $0.lowercased() }
            let type = Condition.Kind.allCases.first { $0.rawValue.lowercased() == parts.first }
            guard let type, parts.count == 1 || ["true", "false"].contains(parts[1]) else { return nil }
            self.init(type: type, status: parts.count == 1 || parts[1] == "true")
        }

        var description: String { status ? type.rawValue : "\(type.rawValue)=False" }
        static var allValueStrings: [String] { Condition.Kind.allCases.map(\.rawValue) }
    }
}
