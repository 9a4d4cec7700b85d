import ArgumentParser
import ReconcileCore
import ReconcileEngine

/// `reconcile bundle`: what a machine without a network is fed with.
struct BundleCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bundle",
        abstract: "Write the locked releases to one file, for machines without a network.",
        discussion: """
            The file is an OCI image layout, which skopeo and oras read too. On the other machine it is a source: \
            sources: { stick: { bundle: /media/stick/models.tar } }, and from: [hub/acme/vad, stick/acme/vad] with the same \
            lock takes the bytes from it and verifies them as if they had come from the hub.

            EXAMPLES:
              reconcile bundle --out models.tar
              reconcile bundle vad --out layout/
            """)

    @Option(
        help: ArgumentHelp("Where to write it: a tar, or a directory when it ends with a slash.", valueName: "path"))
    var out: String

    @OptionGroup var files: FileOptions
    @OptionGroup var run: RunOptions
    @OptionGroup var output: OutputOptions

    @Argument(help: "Only these models.")
    var models: [ModelName] = []

    func run() async throws {
        try await running {
            let bundle = try await run.with(files) { try await $0.bundle(Set(models), to: out) }
            switch output.output {
            case .json: try Output.json(bundle)
            case .text:
                for item in bundle.releases {
                    let platforms = item.platforms.isEmpty ? "" : "  \(item.platforms.joined(separator: ", "))"
                    Output.data("  + \(item.name)  content \(item.release.contentDigest.short)\(platforms)\n")
                }
                let size = bundle.bytes.map { ", \(Format.bytes($0))" } ?? ""
                let digest = bundle.sha256.map { ", sha256 \($0)" } ?? ""
                Output.data(
                    "Wrote \(bundle.path): \(Wording.count(bundle.releases.count, "release"))\(size)\(digest).\n")
            }
            return .success
        }
    }
}
