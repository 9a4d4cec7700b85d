import ReconcileCore
import YAML

// The grammars of the scalars in `desired-state.yaml`.
extension DesiredStateShape {
    static let words = Shape.Text("a text", example: "text")

    static let path = Shape.Text("a path, relative to this file", pattern: ".", example: "./models") {
        $0.isEmpty ? "a path must not be empty" : nil
    }

    static let name = Shape.Text(
        "a name of letters, digits, `.`, `_` and `-`", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", example: "zoo"
    ) { isPlainName($0, limit: 63) ? nil : "“\($0.prefix(80))” is not a name" }

    static let modelName = Shape.Text(
        "a model name of letters, digits, `.`, `_` and `-`, at most 63", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$",
        example: "vad"
    ) { ModelName($0) == nil ? "“\($0.prefix(80))” is not a model name" : nil }

    static let channel = Shape.Text("a channel", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", example: "stable") {
        isPlainName($0, limit: 63) ? nil : "“\($0.prefix(80))” is not a channel"
    }

    static let origin = Shape.Text(
        "a source and a repository", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)+$",
        example: "zoo/silero-vad"
    ) { Origin($0) == nil ? "“\($0.prefix(80))” is not of the form source/repository" : nil }

    static let repository = Shape.Text(
        "the name of a repository", pattern: "^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*$",
        example: "acme/silero-vad"
    ) { Origin("source/\($0)") == nil ? "“\($0.prefix(80))” is not the name of a repository" : nil }

    static let registry = Shape.Text(
        "the host of a registry and a path", pattern: "^(oci://)?[^/ ]+(/[a-z0-9][a-z0-9._-]*)*$",
        example: "ghcr.io/acme"
    ) {
        RegistryAddress($0, allowsInsecure: false) == nil
            ? "“\($0.prefix(80))” is not the host of a registry with a lower-case path" : nil
    }

    static let bucket = Shape.Text(
        "a bucket and a prefix", pattern: "^s3://[^/ ]+(/.*)?$", example: "s3://acme-models/prod"
    ) { $0.hasPrefix("s3://") && $0.utf8.count > 5 ? nil : "“\($0.prefix(80))” is not of the form s3://bucket/prefix" }

    static let revision = Shape.Text("a branch, tag, commit or digest", pattern: "^[^\\s]+$", example: "main") { text in
        let isPlain = text.utf8.count <= 256 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F } && !text.hasPrefix("-")
        return isPlain && !text.isEmpty && !text.contains("..") ? nil : "“\(text.prefix(80))” is not a revision"
    }

    static let duration = Shape.Text("a duration", pattern: "^(0|[0-9]+[smhd])$", example: "5m") {
        Durations.seconds($0) == nil ? "“\($0.prefix(40))” is not a duration" : nil
    }

    static let size = Shape.Text("a size", pattern: "^[0-9]+([KMGT]iB|[kKMGT]?B)$", example: "64MiB") { text in
        guard let bytes = Sizes.bytes(text) else { return "“\(text.prefix(40))” is not a size" }
        return bytes < 8 << 20 || bytes > 4 << 30 ? "“\(text.prefix(40))” is not from 8MiB to 4GiB" : nil
    }

    static let rate = Shape.Text("a rate", pattern: "^[0-9]+([KMGT]iB|[kKMGT]?B)/s$", example: "50MiB/s") {
        Sizes.rate($0) == nil ? "“\($0.prefix(40))” is not a rate" : nil
    }

    static let cron = Shape.Text(
        "a cron expression", pattern: "^(@[A-Za-z]+|\\S+\\s+\\S+\\s+\\S+\\s+\\S+\\s+\\S+)$", example: "0 2 * * 6"
    ) { text in
        do throws(CronExpression.SyntaxError) {
            _ = try CronExpression(text)
            return nil
        } catch {
            return error.part.isEmpty ? error.reason : "“\(error.part.prefix(80))”: \(error.reason)"
        }
    }

    static let timeZone = Shape.Text(
        "an IANA time zone", pattern: "^[A-Za-z]", example: "Europe/Berlin"
    ) { TimeZones.rules(of: $0) == nil ? "“\($0.prefix(80))” is not a time zone" : nil }

    static let time = Shape.Text(
        "an RFC 3339 time", pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]", example: "2026-12-01T02:00:00Z"
    ) {
        Timestamp($0) == nil ? "“\($0.prefix(40))” is not a time" : nil
    }

    static let glob = Shape.Text("a glob", pattern: "^[^/]", example: "*.onnx") {
        Glob($0) == nil ? "“\($0.prefix(80))” is not a glob" : nil
    }

    static let range = Shape.Text("a version range", pattern: ".", example: "^6.0") { text in
        do throws(VersionRangeSyntaxError) {
            _ = try VersionRange(text)
            return nil
        } catch {
            return error.part.isEmpty ? error.reason : "“\(error.part.prefix(80))”: \(error.reason)"
        }
    }

    static let url = Shape.Text(
        "an http or https address", pattern: "^https?://", example: "https://models.example.com/"
    ) {
        let isWeb = $0.hasPrefix("https://") || $0.hasPrefix("http://")
        return isWeb && !$0.contains(" ") ? nil : "“\($0.prefix(80))” is not an address"
    }

    /// A text that may be kept out of the file.
    static func secret(_ text: Shape.Text) -> Shape.Kind {
        .either([
            .text(text),
            .object(
                Shape(
                    "a secret", exactlyOne: ["env", "file"],
                    keys: [
                        Shape.Key("env", .text(words), "The environment variable that holds it."),
                        Shape.Key("file", .text(path), "The file that holds it."),
                    ])),
        ])
    }
}
