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
        /// The branch, tag or address that was answered, when that is what is declared.
        package let declaredRevision: String?
        /// The globs that chose the files.
        package let include: [String]
        package let version: Version
        package let source: Origin
        package let channel: String
        package let revision: String
        package let contentDigest: Digest
        package let files: [ReleaseFile]
        /// What comes packed; its files are named once `lock --fetch` has unpacked it.
        package var archives: [Archive]?
        package let priority: Priority?
        package let license: String?
        package let requires: Requirements?
        /// What is delivered to each kind of machine, when that differs; then it counts, and not what stands above.
        package var platforms: [String: Variant]?

        /// What is delivered to one kind of machine.
        package struct Variant: Codable, Sendable, Hashable {
            package let contentDigest: Digest
            package let files: [ReleaseFile]
            package var archives: [Archive]?

            package init(_ release: Release) {
                contentDigest = release.contentDigest
                (files, archives) = (release.looseFiles, release.archives)
            }
        }

        /// An entry for a release, as an answer to what is declared.
        package init(_ release: Release, for model: DesiredModel) {
            range = model.range
            declaredRevision = model.revision
            include = release.include
            version = release.version
            source = release.origin
            channel = release.channel
            revision = release.revision
            contentDigest = release.contentDigest
            files = release.looseFiles
            archives = release.archives
            priority = release.priority
            license = release.license
            requires = release.requires
        }

        /// The release that is locked; `nil` when there is none for this kind of machine.
        package func release(for platform: TargetPlatform = Platform.target) -> Release? {
            guard let platforms else { return release(contentDigest, files, archives) }
            let variant = platforms[platform.description] ?? platforms[TargetPlatform.any.description]
            return variant.map { release($0.contentDigest, $0.files, $0.archives) }
        }

        private func release(_ digest: Digest, _ files: [ReleaseFile], _ archives: [Archive]?) -> Release {
            Release(
                version: version, origin: source, revision: revision, channel: channel, priority: priority,
                license: license, requires: requires, include: include, files: files, archives: archives ?? [],
                contentDigest: digest)
        }

        /// Who the release is, told by what all machines get, or the first kind of them.
        var id: ReleaseID { ReleaseID(version: version, contentDigest: contentDigest) }

        /// The entry with what is known of the files in archives.
        func keeping(_ other: Entry) -> Entry {
            var entry = self
            if contentDigest == other.contentDigest { entry.archives = other.archives }
            entry.platforms = other.platforms
            return entry
        }

        /// What it delivers to each kind of machine, or to all.
        var deliveries: [Release] {
            guard let platforms else { return [release(contentDigest, files, archives)] }
            return platforms.sorted { $0.key < $1.key }.map { release($1.contentDigest, $1.files, $1.archives) }
        }

        /// Whether this still is an answer to what is declared.
        package func answers(_ model: DesiredModel) -> Bool {
            model.origins.contains(source) && include == model.selection.texts && declaredRevision == model.revision
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
            for release in entry.deliveries { try check(release, of: name, path) }
        }
        return (lock, Hashing.digest(of: bytes))
    }

    private static func check(_ release: Release, of name: ModelName, _ path: FilePath) throws {
        do {
            if !release.isPacked || !release.files.isEmpty { try checkFileList(release.files) }
        } catch {
            throw Fault(
                .fileDamaged(path: path.string, detail: "the files of “\(name)” cannot be a release"), model: name)
        }
        guard Hashing.digest(of: release.contentText) == release.contentDigest else {
            throw Fault(.fileDamaged(path: path.string, detail: "the digests of “\(name)” do not agree"), model: name)
        }
    }

    /// Writes the lock, in one step.
    ///
    /// - Throws: ``Fault`` of kind `system`; the old lock is then still there.
    package func write(to path: FilePath) throws { try Disk().save(Array(try text().utf8), to: path) }

    /// The lock's text: keys sorted, a file a line.
    func text() throws -> String {
        var blocks: [String] = []
        for (name, entry) in models.sorted(by: { $0.key < $1.key }) {
            let lines = try members(of: entry).sorted { $0.0 < $1.0 }.map { "      \"\($0)\": \($1)" }
            blocks.append("    \(try json(name)): {\n\(lines.joined(separator: ",\n"))\n    }")
        }
        let models = blocks.isEmpty ? "{}" : "{\n\(blocks.joined(separator: ",\n"))\n  }"
        return "{\n  \"lockVersion\": \(lockVersion),\n  \"models\": \(models)\n}\n"
    }

    private func members(of entry: Entry) throws -> [(String, String)] {
        var members: [(String, String)] = [
            ("channel", try json(entry.channel)), ("contentDigest", try json(entry.contentDigest)),
            ("files", try list(entry.files)), ("include", try json(entry.include)), ("range", try json(entry.range)),
            ("revision", try json(entry.revision)), ("source", try json(entry.source)),
            ("version", try json(entry.version)),
        ]
        if let license = entry.license { members.append(("license", try json(license))) }
        if let priority = entry.priority { members.append(("priority", try json(priority))) }
        if let requires = entry.requires, !requires.isEmpty { members.append(("requires", try json(requires))) }
        if let revision = entry.declaredRevision { members.append(("declaredRevision", try json(revision))) }
        if let archives = entry.archives { members.append(("archives", try list(archives))) }
        if let platforms = entry.platforms {
            let variants = try platforms.sorted { $0.key < $1.key }.map { "        \(try json($0)): \(try json($1))" }
            members.append(("platforms", "{\n\(variants.joined(separator: ",\n"))\n      }"))
        }
        return members
    }

    /// A list, one element a line.
    private func list(_ elements: [some Encodable]) throws -> String {
        guard !elements.isEmpty else { return "[]" }
        return "[\n\(try elements.map { "        \(try json($0))" }.joined(separator: ",\n"))\n      ]"
    }

    private func json(_ value: some Encodable) throws -> String {
        String(decoding: try JSONFile.bytes(of: value, pretty: false).dropLast(), as: UTF8.self)
    }
}
