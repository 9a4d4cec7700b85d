package import Foundation

/// A directory of a test with a catalog, a desired state, and the built program to run on them.
package final class Workspace: Sendable {
    /// How a run of the program ended.
    package struct Run: Sendable {
        /// Its exit status.
        package let status: Int32
        /// What it wrote to standard output.
        package let output: String
        /// What it wrote to standard error.
        package let errors: String
    }

    /// The directory; deleted with the workspace.
    package let directory: URL

    /// Makes an empty directory.
    ///
    /// - Throws: When it cannot be made.
    package init() throws {
        let base = FileManager.default.temporaryDirectory.appending(path: "reconcile-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: base, withIntermediateDirectories: true)
        directory = base.resolvingSymlinksInPath()
    }

    deinit { try? FileManager.default.removeItem(at: directory) }

    /// The program that was built with the tests: it lies beside their bundle.
    package static var program: URL {
        if let path = ProcessInfo.processInfo.environment["RECONCILE"] { return URL(filePath: path) }
        let bundle = URL(filePath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        var place = bundle.deletingLastPathComponent()
        while place.path() != "/",
            !FileManager.default.isExecutableFile(atPath: place.appending(path: "reconcile").path())
        {
            place = place.deletingLastPathComponent()
        }
        return place.appending(path: "reconcile")
    }

    /// A path below the directory.
    package func url(_ path: String) -> URL { directory.appending(path: path) }

    /// Writes a file, making the directories above it.
    ///
    /// - Throws: When it cannot be written.
    package func write(_ text: String, to path: String) throws {
        try FileManager.default.createDirectory(
            at: url(path).deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: url(path))
    }

    /// The text of a file; `nil` when it is not there.
    package func read(_ path: String) -> String? {
        (try? Data(contentsOf: url(path))).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether a path is there, without following a link at its end.
    package func exists(_ path: String) -> Bool {
        (try? FileManager.default.attributesOfItem(atPath: url(path).path())) != nil
    }

    /// Where a link points; `nil` when it is none.
    package func destination(_ path: String) -> String? {
        try? FileManager.default.destinationOfSymbolicLink(atPath: url(path).path())
    }

    /// Makes a link lead elsewhere.
    ///
    /// - Throws: When it cannot be made.
    package func link(_ path: String, to destination: String) throws {
        try FileManager.default.removeItem(at: url(path))
        try FileManager.default.createSymbolicLink(atPath: url(path).path(), withDestinationPath: destination)
    }

    /// Every path below a directory with its size, sorted: what must not have changed.
    package func listing(_ path: String) -> [String] {
        let base = url(path)
        let names = (FileManager.default.enumerator(atPath: base.path())?.allObjects as? [String]) ?? []
        return names.sorted().map { name in
            let attributes = try? FileManager.default.attributesOfItem(atPath: base.appending(path: name).path())
            return "\(name) \(attributes?[.size] as? Int ?? -1)"
        }
    }

    /// Runs the program in the directory, as a user would.
    ///
    /// - Parameter wrapper: A program with arguments that runs it: `["strace", …]`.
    package func run(
        _ arguments: String..., environment: [String: String] = [:], wrapper: [String] = []
    ) throws -> Run {
        try run(arguments, environment: environment, wrapper: wrapper)
    }

    /// Runs the program in the directory, as a user would.
    package func run(
        _ arguments: [String], environment: [String: String] = [:], wrapper: [String] = []
    ) throws -> Run {
        let process = Process()
        let words = wrapper + [Self.program.path()] + arguments
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = words
        process.currentDirectoryURL = directory
        process.environment = ProcessInfo.processInfo.environment
            .merging(["TERM": "dumb", "NO_COLOR": "1"]) { $1 }.merging(environment) { $1 }
        // Files, not pipes: a pipe that nobody reads while the program waits would hang it.
        let (output, errors) = (url(".stdout-\(UUID().uuidString)"), url(".stderr-\(UUID().uuidString)"))
        for file in [output, errors] { try Data().write(to: file) }
        defer { for file in [output, errors] { try? FileManager.default.removeItem(at: file) } }
        process.standardOutput = try FileHandle(forWritingTo: output)
        process.standardError = try FileHandle(forWritingTo: errors)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        let status = process.terminationReason == .exit ? process.terminationStatus : 128 + process.terminationStatus
        return Run(
            status: status, output: String(decoding: try Data(contentsOf: output), as: UTF8.self),
            errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
    }

    /// Publishes a release of `name` with these files into `catalog`.
    ///
    /// - Throws: When it cannot be published.
    @discardableResult
    package func publish(_ name: String, _ version: String, _ files: [String: String], _ more: String...) throws -> Run
    {
        let source = "publish-\(name)-\(version)"
        for (path, text) in files { try write(text, to: "\(source)/\(path)") }
        return try run(["publish", source, "--to", "catalog", "--model", name, "--version", version] + more)
    }

    /// Writes a desired state for the models of `catalog`.
    ///
    /// - Parameters:
    ///   - models: The lines below `models:`, indented by two spaces each.
    ///   - head: Lines before them.
    package func declare(_ models: String, head: String = "") throws {
        let lines = models.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n")
        try write(
            "apiVersion: reconcile/v1\nsources: { zoo: { directory: catalog } }\n\(head)\nmodels:\n\(lines)\n",
            to: "desired-state.yaml")
    }

    /// A text without what differs from run to run: paths, times, users, durations.
    package func normalised(_ text: String) -> String {
        var text = text.replacing(directory.path(), with: "WORK/").replacing(
            directory.path(percentEncoded: false).dropLast(), with: "WORK")
        text = text.replacing(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/, with: "TIME").replacing(
            /\d{4}-\d\d-\d\d \d\d:\d\d UTC/, with: "TIME")
        text = text.replacing(/\d{4}-\d\d-\d\d/, with: "DATE").replacing(/\d+\.\d s\b/, with: "0.0 s")
        text = text.replacing(/\b[a-z_][a-z0-9_-]*@[A-Za-z0-9._-]+/, with: "USER").replacing(
            /process \d+/, with: "process N")
        text = text.replacing(/sha256:[0-9a-f]{64}/, with: "sha256:DIGEST")
        return text
    }
}
