import ArgumentParser
import Foundation
import ReconcileCore
import ReconcileEngine
import SystemPackage
import YAML

/// `reconcile validate`: checks the desired state.
struct ValidateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "validate",
        abstract: "Check the desired state and report every problem at once; asks nobody and writes nothing.",
        discussion: "EXAMPLE: reconcile validate -f desired-state.yaml -f this-host.yaml")

    @OptionGroup var files: FileOptions

    func run() async throws {
        try await running {
            let declaration = try DesiredStateLoader(paths: files.files.map { FilePath($0) }).load()
            for warning in declaration.warnings(at: Settings().clock()) { Output.message("\(warning.warning)\n") }
            Output.data(
                "Valid: \(Wording.count(declaration.desired.models.count, "model")), \(Wording.count(declaration.sources.count, "source")).\n"
            )
            return .success
        }
    }
}

/// `reconcile schema`: for editors.
struct SchemaCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "schema", abstract: "Print the JSON Schema of the desired state, for editors.",
        discussion: "EXAMPLE: reconcile schema > desired-state.schema.json")

    func run() async throws {
        Output.data(
            DesiredStateShape.root.jsonSchema(id: "https://reconcile.example/schema/v1/desired-state.json") + "\n")
    }
}

/// `reconcile publish`: writes a catalog.
struct PublishCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "publish",
        abstract: "Publish the files of a directory as a release in a catalog, or withdraw one.",
        discussion: """
            A catalog is a directory that any static web server can serve, or a bucket. A version never changes: other bytes \
            under a version that exists are refused. Buckets are asked with the keys and the region that the AWS tools use.

            EXAMPLES:
              reconcile publish build/ --to catalog --model vad --version 1.2.0 --changelog CHANGES.md
              reconcile publish build/ --to s3://acme-models/prod --model vad --version 1.2.0
              reconcile publish --to catalog --model vad --yank 1.2.0
            """)

    @Option(help: ArgumentHelp("The catalog: a directory, or s3://BUCKET/PREFIX.", valueName: "catalog"))
    var to: String

    @Option(
        help: ArgumentHelp(
            "Who serves the bucket, when that is not Amazon; else AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL.",
            valueName: "url"))
    var endpoint: String?

    @Option(help: ArgumentHelp("The repository in the catalog.", valueName: "name"))
    var model: String

    @Option(help: "The version to publish.")
    var version: Version?

    @Option(help: "The channel.")
    var channel = "stable"

    @Option(help: "How urgent it is: critical, high, medium or low. A critical patch is a hotfix.")
    var priority: Priority?

    @Option(help: ArgumentHelp("A file that says what changed.", valueName: "path"))
    var changelog: String?

    @Option(help: "The licence, as an SPDX expression.")
    var license: String?

    @Option(
        help: ArgumentHelp(
            "What it needs: fact:NAME=RANGE or model:REPOSITORY=RANGE; may be given several times.",
            valueName: "requirement"))
    var requires: [String] = []

    @Option(
        help: ArgumentHelp(
            "Also offer patches from this version, for files of which a patch has at most half the bytes; may be given several times.",
            valueName: "version"))
    var patchFrom: [Version] = []

    @Flag(help: "Also offer files compressed with zstd, where that saves at least a tenth.")
    var compress = false

    @Option(help: ArgumentHelp("Withdraw this version: nobody takes it any more.", valueName: "version"))
    var yank: Version?

    @Argument(help: "The directory to publish.")
    var directory: String?

    func validate() throws {
        if yank != nil, version != nil || directory != nil {
            throw ValidationError("--yank goes without a directory and --version.")
        }
        if yank == nil, version == nil || directory == nil {
            throw ValidationError("Give a directory and --version, or --yank.")
        }
        if !isPlainName(channel, limit: 63) { throw ValidationError("“\(channel)” is not a channel.") }
        _ = try requirements()
    }

    private func requirements() throws -> Requirements {
        var requirements = Requirements()
        for text in requires {
            let parts = text.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, let range = try? VersionRange(parts[1]) else {
                throw ValidationError(
                    "“\(text)” is not a requirement; write fact:engine=\">=2.1\" or model:umt5-xxl=\">=1\".")
            }
            if parts[0].hasPrefix("fact:") {
                requirements.facts[String(parts[0].dropFirst(5))] = range
            } else if parts[0].hasPrefix("model:") {
                requirements.models[String(parts[0].dropFirst(6))] = range
            } else {
                throw ValidationError("“\(text)” must begin with fact: or model:.")
            }
        }
        return requirements
    }

    func run() async throws {
        try await running {
            if let yank {
                Output.data(
                    try await withdraw(yank)
                        ? "Withdrawn: \(model) \(yank).\n" : "\(model) \(yank) was withdrawn already.\n")
                return .success
            }
            guard let version, let directory else { return .usage }
            var description = Publisher.Description(version: version)
            (description.channel, description.priority, description.license) = (channel, priority, license)
            description.changelog = try changelog.map(readText)
            let requirements = try requirements()
            (description.patchFrom, description.compresses) = (patchFrom, compress)
            description.requires = requirements.isEmpty ? nil : requirements
            let now = Timestamp(seconds: Int64(Date().timeIntervalSince1970))
            let (summary, isNew) = try await publish(directory, description, at: now)
            let what =
                "\(model) \(version), \(Wording.count(summary.files, "file")), \(Format.bytes(summary.bytes)), content \(summary.digest.short)"
            Output.data(isNew ? "Published: \(what).\n" : "Published already, with the same bytes: \(what).\n")
            return .success
        }
    }

    private var isBucket: Bool { to.hasPrefix("s3://") }

    private func bucket() throws -> BucketPublisher {
        try BucketPublisher(to: to, endpoint: endpoint, repository: model)
    }

    private func publish(
        _ directory: String, _ description: Publisher.Description, at now: Timestamp
    ) async throws -> (release: Publisher.ContentSummary, isNew: Bool) {
        guard !isBucket else { return try await bucket().publish(directory, description, at: now) }
        return try await Publisher(catalog: to, repository: model).publish(directory, description, at: now)
    }

    private func withdraw(_ version: Version) async throws -> Bool {
        guard !isBucket else { return try await bucket().yank(version) }
        return try await Publisher(catalog: to, repository: model).yank(version)
    }

    private func readText(_ path: String) throws -> String {
        guard let bytes = try DiskReader.contents(of: FilePath(path), limit: 1 << 20) else {
            throw Fault(.fileMissing(path: path))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
