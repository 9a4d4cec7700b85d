public import ArgumentParser
public import ReconcileCore
import ReconcileEngine

/// Which files a command reads.
struct FileOptions: ParsableArguments {
    @Option(
        name: [.short, .customLong("file")], parsing: .singleValue,
        help: ArgumentHelp(
            "The desired state; may be given several times, later files are laid over earlier ones.", valueName: "path")
    )
    var files: [String] = FileOptions.standard

    static let standard = ["desired-state.yaml"]

    /// A reconciler that tells nobody what it does.
    func reconciler(isLocked: Bool = false) -> Reconciler {
        Reconciler(files: files, settings: Settings(isLocked: isLocked))
    }
}

/// How a command that changes the store behaves.
struct RunOptions: ParsableArguments {
    @Option(help: "How progress is shown: auto (bars on a terminal, else lines), plain, json or none.")
    var progress: ProgressView.Mode = .auto

    @Option(
        name: .customLong("lock-timeout"),
        help: ArgumentHelp("How long to wait for another process that holds the store.", valueName: "duration"))
    var lockTimeout: Seconds = Seconds(10)

    /// Runs a body with a reconciler whose progress is shown, and comes back when all of it was.
    func with<Value>(
        _ files: FileOptions, isLocked: Bool = false, isService: Bool = false,
        _ body: (Reconciler) async throws -> Value
    ) async throws -> Value {
        let hub = EventHub()
        let view = ProgressView(progress, isService: isService)
        let events = hub.events()
        let showing = Task { for await event in events { view.report(event) } }
        let reconciler = Reconciler(
            files: files.files,
            settings: Settings(lockPatience: .seconds(lockTimeout.count), isLocked: isLocked, events: hub))
        do {
            let value = try await body(reconciler)
            hub.finish()
            await showing.value
            return value
        } catch {
            hub.finish()
            await showing.value
            throw error
        }
    }
}

/// Whether windows count this time.
struct WindowOptions: ParsableArguments {
    @Flag(name: .customLong("override-window"), help: "Activate although no window is open; needs --reason.")
    var overridesWindow = false

    @Option(help: "Why, for the history.")
    var reason: String?

    /// The reason to override windows; `nil` when they count.
    var windowOverride: String? { overridesWindow ? reason : nil }

    func validate() throws {
        let isReasoned = reason.map { !$0.isEmpty } ?? false
        if overridesWindow, !isReasoned { throw ValidationError("--override-window needs --reason TEXT.") }
        if !overridesWindow, reason != nil { throw ValidationError("--reason goes with --override-window.") }
    }
}

/// The form of a reading command's output.
struct OutputOptions: ParsableArguments {
    enum Form: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Option(name: [.short, .customLong("output")], help: "The form of the output.")
    var output: Form = .text
}

/// A share, written `20%`.
struct Percent: ExpressibleByArgument, Sendable, CustomStringConvertible {
    let count: Int64
    init(_ count: Int64) { self.count = count }
    init?(argument: String) {
        let digits = argument.hasSuffix("%") ? String(argument.dropLast()) : argument
        guard let count = Int64(digits), (0...100).contains(count) else { return nil }
        self.count = count
    }
    var description: String { "\(count)%" }
}

/// A moment: a time, or a duration before now.
struct PastMoment: ExpressibleByArgument, Sendable {
    let moment: Timestamp
    init?(argument: String) {
        if let moment = Timestamp(argument) {
            self.moment = moment
        } else if let seconds = Durations.seconds(argument) {
            moment = Settings().clock().advanced(bySeconds: -seconds)
        } else {
            return nil
        }
    }
}

/// A number of seconds, written `30s`, `5m`, `4h` or `3d`.
struct Seconds: ExpressibleByArgument, Sendable, CustomStringConvertible {
    let count: Int64
    init(_ count: Int64) { self.count = count }
    init?(argument: String) {
        guard let count = Durations.seconds(argument) else { return nil }
        self.count = count
    }
    var description: String { "\(count)s" }
}

extension ProgressView.Mode: ExpressibleByArgument {}

extension ModelName: ExpressibleByArgument {
    /// Takes the name of a model from the command line.
    public init?(argument: String) { self.init(argument) }
}

extension Version: ExpressibleByArgument {
    /// Takes a version from the command line.
    public init?(argument: String) { self.init(argument) }
}

extension Timestamp: ExpressibleByArgument {
    /// Takes a time from the command line.
    public init?(argument: String) { self.init(argument) }
}

extension Priority: ExpressibleByArgument {}
