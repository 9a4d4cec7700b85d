package import ReconcileCore
import ReconcileEngine

// Small values for tests of pure functions.

extension Digest {
    /// The digest of a text.
    package static func of(_ text: String) -> Digest { Hashing.digest(of: text) }
}

extension Release {
    /// A release with one file whose content is `content`, the version itself unless said otherwise.
    package static func sample(
        _ version: String, content: String? = nil, origin: String = "zoo/vad", requires: Requirements? = nil,
        priority: Priority? = nil
    ) throws -> Release {
        let text = content ?? version
        let file = ReleaseFile(
            path: try Sample.unwrap(ReleasePath("model.bin")), size: Int64(text.utf8.count), sha256: .of(text))
        return Release(
            version: try Sample.unwrap(Version(version)), origin: try Sample.unwrap(Origin(origin)),
            revision: "r-\(text)",
            channel: "stable", priority: priority, requires: requires, files: [file],
            contentDigest: Hashing.contentDigest(of: [file]))
    }
}

extension Generation {
    /// The generation of a release.
    package static func sample(_ release: Release, usedAt: Int64 = 0) -> Generation {
        Generation(
            directory: "\(release.version)-\(release.contentDigest.short)", release: release,
            usedAt: Timestamp(seconds: usedAt))
    }
}

extension DesiredModel {
    /// A declared model.
    package static func sample(
        _ name: String = "vad", range: String = "^1.0", policy: Policy = Policy(), notBefore: Timestamp? = nil,
        hasProbe: Bool = false, hasCheck: Bool = false, origin: String = "zoo/vad", group: String? = nil,
        dependsOn: [String] = [], revision: String? = nil, alternatives: [String] = [], handOver: HandOver? = nil
    ) throws -> DesiredModel {
        let hook = Hook(call: .exec(command: ["true"], directory: "."), timeoutSeconds: 1, attempts: 1)
        return DesiredModel(
            name: try Sample.unwrap(ModelName(name)), origin: try Sample.unwrap(Origin(origin)),
            alternatives: try alternatives.map { try Sample.unwrap(Origin($0)) },
            range: try VersionRange(revision == nil ? range : "*"), revision: revision,
            selection: FileSelection(), policy: policy, notBefore: notBefore, check: hasCheck ? hook : nil, reload: nil,
            probe: hasProbe ? hook : nil, handOver: handOver, group: group,
            dependsOn: try dependsOn.map { try Sample.unwrap(ModelName($0)) },
            isProtected: false, place: "desired-state.yaml:1:1", trialInputs: .of("hooks"), selector: .of("selector"))
    }
}

/// Values that tests write down and that must be right.
package enum Sample {
    /// The sample was written wrongly.
    package struct Wrong: Error {
        /// Says so.
        package init() {}
    }

    /// The value, or an error that fails the test.
    package static func unwrap<Value>(_ value: Value?) throws -> Value {
        guard let value else { throw Wrong() }
        return value
    }
}
