import ArgumentParser
import ReconcileCore
import ReconcileEngine
import SystemPackage

/// `reconcile init`: a first desired state.
struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Write a first desired-state.yaml; never over an existing one.",
        discussion: """
            With --from it looks at what is published there, and declares it with the range of its newest version.

            EXAMPLES:
              reconcile init
              reconcile init --from hub/silero/silero-vad
              reconcile init --from oci://ghcr.io/acme/vad --from s3://acme-models/prod/umt5-xxl
            """)

    @Option(
        parsing: .singleValue,
        help: ArgumentHelp(
            "A repository to declare: hub/ORG/NAME (Hugging Face), oci://HOST/REPOSITORY, s3://BUCKET/PREFIX/MODEL, https://HOST/REPOSITORY or CATALOG/REPOSITORY; may be given several times.",
            valueName: "repository"))
    var from: [String] = []

    @Argument(help: "Where to write it.")
    var path = "desired-state.yaml"

    func run() async throws {
        try await running {
            let target = FilePath(path)
            guard DiskReader.entry(at: target) == nil else {
                throw Fault(.unusable(what: path, detail: "it is there already"))
            }
            var findings: [Discovery.Finding] = []
            for text in from { findings.append(try await Discovery(text, writtenTo: path).find()) }
            let text = findings.isEmpty ? Self.template : Self.declaration(of: findings)
            try Disk().write(Array(text.utf8), to: target)
            for finding in findings { Output.data("  + \(Self.words(for: finding))\n") }
            Output.data("Wrote \(path). Next:\n    reconcile validate\n    reconcile --dry-run\n")
            return .success
        }
    }

    private static func words(for finding: Discovery.Finding) -> String {
        let version =
            finding.newest.map { "\($0), the newest of \(Wording.count(finding.versions, "version"))" }
            ?? "no versions, so “\(finding.revision ?? "main")” is followed"
        let license = finding.license.map { ", \($0.printable)" } ?? ""
        return
            "\(finding.repository)  \(version); \(Wording.count(finding.files, "file")), \(Format.bytes(finding.bytes))\(license)"
    }

    /// The desired state for what was found.
    private static func declaration(of findings: [Discovery.Finding]) -> String {
        var sources: [(name: String, address: String)] = []
        var models: [String] = []
        var names: Set<String> = []
        for finding in findings {
            var source = finding.source
            var number = 2
            while let other = sources.first(where: { $0.name == source }), other.address != finding.address {
                (source, number) = ("\(finding.source)\(number)", number + 1)
            }
            if !sources.contains(where: { $0.name == source }) { sources.append((source, finding.address)) }
            var model = finding.model
            number = 2
            while !names.insert(model.lowercased()).inserted {
                (model, number) = ("\(finding.model)-\(number)", number + 1)
            }
            models.append("  \(model):\n    from: \(source)/\(finding.repository)\n    \(finding.selection)\n")
        }
        return """
            # What the models on this machine should be. Commit this file; `reconcile` makes it so.
            apiVersion: reconcile/v1
            store: ./models

            sources:
            \(sources.map { "  \($0.name): \($0.address)" }.joined(separator: "\n"))

            policy:
              automatic: minor                     # larger steps wait for `reconcile approve MODEL`

            models:
            \(models.joined())
            """
    }

    static let template = """
        # What the models on this machine should be. Commit this file; `reconcile` makes it so.
        apiVersion: reconcile/v1
        store: ./models

        sources:
          zoo: { directory: ./catalog }        # or { http: https://models.example.com/ }

        policy:
          automatic: minor                     # larger steps wait for `reconcile approve MODEL`

        models: {}
        #  vad:
        #    from: zoo/silero-vad
        #    version: ^6.0
        #    check: { exec: [./checks/vad, "{path}"], timeout: 60s }

        """
}
