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
    var files: [String] = ["desired-state.yaml"]

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

    func reconciler(_ files: FileOptions, isLocked: Bool = false) -> Reconciler {
        let view = ProgressView(progress)
        return Reconciler(
            files: files.files,
            settings: Settings(lockPatience: .seconds(lockTimeout.count), isLocked: isLocked) { view.report($0) })
    }
}

/// The form of a reading command's output.
struct OutputOptions: ParsableArguments {
    enum Form: String, ExpressibleByArgument, CaseIterable { case text, json }

    @Option(name: [.short, .customLong("output")], help: "The form of the output.")
    var output: Form = .text
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
