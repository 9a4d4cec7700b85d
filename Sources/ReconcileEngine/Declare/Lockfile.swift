package import ReconcileCore
package import SystemPackage

/// `desired-state.lock`: the exact releases that the ranges were resolved to, committed beside the YAML.
///
/// JSON, sorted, one file a line, so that a change of version is a diff that can be reviewed. Written by `reconcile lock` alone.
package struct Lockfile: Codable, Sendable {
    /// The format this program reads and writes.
    package static let currentVersion = 1
    private static let limitBytes = 512 << 20

    /// What a model's range was resolved to.
    package struct Entry: Codable, Sendable, Hashable {
        /// The range that was answered.
        package let range: VersionRange
        /// The globs that chose the files.
        package let include: [String]
        package let version: Version
        package let source: Origin
        package let channel: String
        package let revision: String
        package let contentDigest: Digest
        package let files: [ReleaseFile]
        package let priority: Priority?
        package let license: String?
        package let requires: Requirements?

        package init(_ release: Release, range: VersionRange) {
            self.range = range
            include = release.include
            version = release.version
            source = release.origin
            channel = release.channel
            revision = release.revision
            contentDigest = release.contentDigest
            files = release.files
            priority = release.priority
            license = release.license
            requires = release.requires
        }

        /// The release that is locked.
        package var release: Release {
            Release(
                version: version, origin: source, revision: revision, channel: channel, priority: priority,
                license: license,
                requires: requires, include: include, files: files, contentDigest: contentDigest)
        }

        /// Whether this still is an answer to what is declared.
        package func answers(_ model: DesiredModel) -> Bool {
            source == model.origin && include == model.include.map(\.description)
                && model.range.contains(version, admittingPrereleases: true)
        }

        /// What ends a rollback's hold when it changes.
        var identity: String { "\(version) \(contentDigest)" }
    }

    package var lockVersion = Lockfile.currentVersion
    package var models: [ModelName: Entry]

    package init(models: [ModelName: Entry] = [:]) { self.models = models }

    /// Reads a lock; `nil` when there is none.
    ///
    /// - Returns: The lock and the digest of its bytes.
    /// - Throws: ``Fault`` of kind `fileDamaged`, `formatUnknown` or `system`.
    package static func read(_ path: FilePath) throws -> (lock: Lockfile, digest: Digest)? {
        guard let bytes = try DiskReader.contents(of: path, limit: limitBytes) else { return nil }
        let lock = try JSONFile.value(Lockfile.self, from: bytes, name: path.string, format: currentVersion)
        for (name, entry) in lock.models {
            do {
                try checkFileList(entry.files)
            } catch {
                throw Fault(
                    .fileDamaged(path: path.string, detail: "the files of “\(name)” cannot be a release"), model: name)
            }
            guard Hashing.contentDigest(of: entry.files) == entry.contentDigest else {
                throw Fault(
                    .fileDamaged(path: path.string, detail: "the digests of “\(name)” do not agree"), model: name)
            }
        }
        return (lock, Hashing.digest(of: bytes))
    }

    /// Writes the lock, in one step.
    ///
    /// - Throws: ``Fault`` of kind `system`; the old lock is then still there.
    package func write(to path: FilePath) throws { try Disk().save(Array(try text().utf8), to: path) }

    /// The lock's text: keys sorted, a file a line.
    func text() throws -> String {
        var blocks: [String] = []
        for (name, entry) in models.sorted(by: { $0.key < $1.key }) {
            var members: [(String, String)] = [
                ("channel", try json(entry.channel)), ("contentDigest", try json(entry.contentDigest)),
            ]
            let files = try entry.files.map { "        \(try json($0))" }.joined(separator: ",\n")
            members.append(("files", "[\n\(files)\n      ]"))
            members.append(("include", try json(entry.include)))
            if let license = entry.license { members.append(("license", try json(license))) }
            if let priority = entry.priority { members.append(("priority", try json(priority))) }
            members.append(("range", try json(entry.range)))
            if let requires = entry.requires, !requires.isEmpty { members.append(("requires", try json(requires))) }
            members.append(("revision", try json(entry.revision)))
            members.append(("source", try json(entry.source)))
            members.append(("version", try json(entry.version)))
            let lines = members.map { "      \"\($0)\": \($1)" }.joined(separator: ",\n")
            blocks.append("    \(try json(name)): {\n\(lines)\n    }")
        }
        let models = blocks.isEmpty ? "{}" : "{\n\(blocks.joined(separator: ",\n"))\n  }"
        return "{\n  \"lockVersion\": \(lockVersion),\n  \"models\": \(models)\n}\n"
    }

    private func json(_ value: some Encodable) throws -> String {
        String(decoding: try JSONFile.bytes(of: value, pretty: false).dropLast(), as: UTF8.self)
    }
}
