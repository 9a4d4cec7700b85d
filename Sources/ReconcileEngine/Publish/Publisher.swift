public import ReconcileCore
import SystemPackage

/// Writes catalogs: a directory that any static web server can serve.
public struct Publisher: Sendable {
    /// What is published with a release.
    public struct Description: Sendable {
        /// The version.
        public var version: Version
        /// The channel; `stable` unless said otherwise.
        public var channel = "stable"
        /// How urgent it is.
        public var priority: Priority?
        /// What changed.
        public var changelog: String?
        /// The licence.
        public var license: String?
        /// Versions that patches lead from, where they pay.
        public var patchFrom: [Version] = []
        /// Whether files are also offered compressed, where that pays.
        public var compresses = false
        /// What it needs.
        public var requires: Requirements?

        /// A release of a version on the stable channel.
        public init(version: Version) { self.version = version }
    }

    private let catalog: FilePath
    let repository: String
    private let disk = Disk()

    /// A publisher for one repository of a catalog.
    ///
    /// - Throws: ``Fault`` of kind `unusable` when the repository's name is not allowed.
    public init(catalog: String, repository: String) throws {
        guard Origin("catalog/\(repository)") != nil else {
            throw Fault(
                .unusable(
                    what: "“\(repository)”",
                    detail: "a repository is made of names of letters, digits, `.`, `_` and `-`"))
        }
        (self.catalog, self.repository) = (FilePath(catalog), repository)
    }

    var directory: FilePath { catalog.pushing(FilePath(repository)) }
    private var indexPath: FilePath { directory.appending("index.json") }

    /// Publishes the files of a directory as a release. Files first, then the release file, then the index: a reader of the
    /// catalog never sees a release that is not complete.
    ///
    /// - Returns: The release, and whether it was there already with the same bytes (then nothing was written).
    /// - Throws: ``Fault`` of kind `alreadyPublished` when the version exists with other bytes, `unusable` or `system`.
    public func publish(_ source: String, _ description: Description, at now: Timestamp) async throws -> (
        release: ContentSummary, isNew: Bool
    ) {
        let lock = try await takeLock()
        defer { withExtendedLifetime(lock) {} }
        try sweep()
        var (prepared, index) = (try await prepare(source, description, at: now), try readIndex())
        guard let release = prepared.release else { return (prepared.summary, false) }
        try await place(FilePath(source), release, prepared.bytes)
        index.releases.append(prepared.entry(of: release))
        try write(&index)
        return (prepared.summary, true)
    }

    /// A release that is ready to be published: its sidecars are in the catalog, its files and the index are not.
    struct Prepared {
        let summary: ContentSummary
        /// `nil` when it is published already, with the same bytes.
        let release: CatalogRelease?
        /// The release file.
        let bytes: [UInt8]

        /// The release as the index names it.
        func entry(of release: CatalogRelease) -> CatalogIndex.Entry {
            CatalogIndex.Entry(
                version: release.version, channel: release.channel, publishedAt: release.publishedAt,
                release: .init(path: "\(release.version)/release.json", sha256: Hashing.digest(of: bytes)), yanked: nil)
        }
    }

    /// Computes all that is published of a directory.
    ///
    /// - Throws: ``Fault`` of kind `alreadyPublished`, `unusable` or `system`.
    func prepare(_ source: String, _ description: Description, at now: Timestamp) async throws -> Prepared {
        let (files, indexes) = try await scan(FilePath(source))
        let digest = Hashing.contentDigest(of: files)
        let summary = ContentSummary(digest: digest, files: files.count, bytes: files.reduce(0) { $0 + $1.size })
        let index = try readIndex()
        if let entry = index.releases.first(where: { $0.version == description.version }) {
            let existing = try readRelease(entry)
            guard Hashing.contentDigest(of: existing.files.map(\.file)) == digest else {
                throw Fault(
                    .alreadyPublished(
                        version: entry.version.description, path: directory.appending(entry.version.description).string)
                )
            }
            return Prepared(summary: summary, release: nil, bytes: [])
        }
        let release = CatalogRelease(
            format: CatalogIndex.currentFormat, repository: repository, version: description.version,
            channel: description.channel, publishedAt: now, priority: description.priority,
            changelog: description.changelog,
            license: description.license, requires: description.requires,
            files: try await described(files, indexes, FilePath(source), description, index))
        return Prepared(summary: summary, release: release, bytes: try JSONFile.bytes(of: release))
    }

    /// What was published, in numbers.
    public struct ContentSummary: Sendable {
        /// The content digest.
        public let digest: Digest
        /// How many files.
        public let files: Int
        /// How many bytes.
        public let bytes: Int64
    }

    /// Withdraws a version: it stays readable for those who hold it, and nobody takes it any more.
    ///
    /// - Returns: Whether it was not yet withdrawn.
    /// - Throws: ``Fault`` of kind `unusable` when the version is not published.
    public func yank(_ version: Version) async throws -> Bool {
        let lock = try await takeLock()
        defer { withExtendedLifetime(lock) {} }
        var index = try readIndex()
        guard let place = index.releases.firstIndex(where: { $0.version == version }) else {
            let known = index.releases.map(\.version.description).joined(separator: ", ")
            throw Fault(
                .unusable(
                    what: "\(repository) \(version)",
                    detail: known.isEmpty ? "nothing is published there" : "published are: \(known)"))
        }
        guard index.releases[place].yanked != true else { return false }
        index.releases[place].yanked = true
        try write(&index)
        return true
    }

    /// Keeps two publishers of one repository apart: each reads the index, adds to it and writes it.
    private func takeLock() async throws -> StoreLock {
        try disk.makeDirectory(directory)
        return try await StoreLock.take(
            directory.appending(".publish-lock"), holder: Settings().holder, patience: .seconds(60))
    }

    /// Deletes what a publisher left that was killed; whoever has the lock is the only one.
    private func sweep() throws {
        for kind in FileAids.Kind.allCases {
            let place = directory.appending(kind.rawValue)
            for name in try DiskReader.names(in: place) where Disk.isTemporary(name) {
                try disk.remove(place.appending(name))
            }
        }
    }

    func readIndex() throws -> CatalogIndex {
        guard let bytes = try DiskReader.contents(of: indexPath, limit: CatalogIndex.limitBytes) else {
            return CatalogIndex(format: CatalogIndex.currentFormat, repository: repository, releases: [])
        }
        let index = try JSONFile.value(CatalogIndex.self, from: bytes, name: indexPath.string)
        guard index.format == CatalogIndex.currentFormat else {
            throw Fault(
                .formatUnknown(path: indexPath.string, found: index.format, supported: CatalogIndex.currentFormat))
        }
        return index
    }

    private func readRelease(_ entry: CatalogIndex.Entry) throws -> CatalogRelease {
        let path = directory.appending(entry.version.description).appending("release.json")
        guard let bytes = try DiskReader.contents(of: path, limit: CatalogRelease.limitBytes) else {
            throw Fault(.fileMissing(path: path.string))
        }
        return try JSONFile.value(CatalogRelease.self, from: bytes, name: path.string)
    }

    func write(_ index: inout CatalogIndex) throws {
        index.releases.sort { $0.version > $1.version }
        try disk.write(JSONFile.bytes(of: index), to: indexPath)
    }

    /// All files of a directory with their digests; hidden ones and links to the outside are refused, not skipped in silence.
    private func scan(_ root: FilePath) async throws -> (files: [ReleaseFile], indexes: [Digest: [UInt8]]) {
        guard DiskReader.realPath(root) != nil else { throw Fault(.fileMissing(path: root.string)) }
        var files: [ReleaseFile] = []
        var indexes: [Digest: [UInt8]] = [:]
        var pending = [""]
        while let prefix = pending.popLast() {
            let place = prefix.isEmpty ? root : root.pushing(FilePath(prefix))
            for name in try DiskReader.names(in: place) where name != ".DS_Store" {
                let text = prefix.isEmpty ? name : "\(prefix)/\(name)"
                guard let path = ReleasePath(text), text != "release.json" else {
                    throw Fault(.unusable(what: "“\(text)”", detail: "a release cannot have a file of this name"))
                }
                switch DiskReader.entry(at: place.appending(name))?.kind {
                case .directory: pending.append(text)
                case .file:
                    let (size, digest, index) = try await BlockIndexer.index(place.appending(name))
                    files.append(ReleaseFile(path: path, size: size, sha256: digest))
                    indexes[digest] = index?.encoded
                case .link, .other, nil:
                    throw Fault(
                        .unusable(what: "“\(text)”", detail: "it is a link or a device; a release has files only"))
                }
            }
        }
        files.sort { $0.path < $1.path }
        do {
            try checkFileList(files)
        } catch {
            throw Fault(.unusable(what: root.string, detail: "\(error)"))
        }
        return (files, indexes)
    }

    /// The files with what helps to fetch them.
    private func described(
        _ files: [ReleaseFile], _ indexes: [Digest: [UInt8]], _ source: FilePath, _ description: Description,
        _ index: CatalogIndex
    ) async throws -> [CatalogFile] {
        var described: [CatalogFile] = []
        for file in files {
            var entry = CatalogFile(file)
            entry.blocks = try indexes[file.sha256].map { try place($0, .blocks) }
            let path = source.pushing(FilePath(file.path.description))
            if file.size > BlockIndexer.smallestFile {
                let patches = try await patches(to: file, at: path, description.patchFrom, index)
                entry.patches = patches.isEmpty ? nil : patches
                if description.compresses {
                    entry.zstd = try await make(.zstd) { try await PatchMaker.compressed(path, output: $0) }
                }
            }
            described.append(entry)
        }
        return described
    }

    private func patches(
        to file: ReleaseFile, at path: FilePath, _ versions: [Version], _ index: CatalogIndex
    ) async throws -> [FileAids.Patch] {
        var patches: [FileAids.Patch] = []
        for version in versions {
            guard let entry = index.releases.first(where: { $0.version == version }) else {
                throw Fault(
                    .unusable(what: "\(repository) \(version)", detail: "it is not published, so nothing leads from it")
                )
            }
            guard let old = try readRelease(entry).files.first(where: { $0.path == file.path }),
                old.sha256 != file.sha256, !patches.contains(where: { $0.from == old.sha256 })
            else { continue }
            let oldPath = directory.appending(entry.version.description).pushing(FilePath(file.path.description))
            let made = try await make(.patches) { try await PatchMaker.patch(from: oldPath, to: path, output: $0) }
            if let made { patches.append(FileAids.Patch(from: old.sha256, sha256: made.sha256, size: made.size)) }
        }
        return patches
    }

    /// Writes a sidecar that is made piece by piece; `nil` when it does not pay.
    private func make(
        _ kind: FileAids.Kind,
        _ body: (@escaping @Sendable (UnsafeRawBufferPointer) throws -> Void) async throws -> Int64?
    ) async throws -> FileAids.Sidecar? {
        let writer = try disk.beginFile(in: directory.appending(kind.rawValue))
        do {
            guard let size = try await body({ try writer.append($0) }) else {
                writer.discard()
                return nil
            }
            let digest = try writer.finish { directory.appending(kind.rawValue).appending($0.description) }
            return FileAids.Sidecar(sha256: digest, size: size)
        } catch {
            writer.discard()
            throw error
        }
    }

    /// Writes a sidecar under the name of its digest; nobody knows of it before the release names it.
    private func place(_ bytes: [UInt8], _ kind: FileAids.Kind) throws -> FileAids.Sidecar {
        let digest = Hashing.digest(of: bytes)
        let path = directory.appending(kind.rawValue).appending(digest.description)
        try disk.makeDirectory(path.removingLastComponent())
        if DiskReader.entry(at: path)?.size != Int64(bytes.count) { try disk.write(bytes, to: path) }
        return FileAids.Sidecar(sha256: digest, size: Int64(bytes.count))
    }

    /// The directories between a file and the root of its release.
    private static func parents(of path: ReleasePath, below root: FilePath) -> [FilePath] {
        var directory = root
        return path.components.dropLast().map { component in
            directory = directory.appending(String(component))
            return directory
        }
    }

    /// Copies the files and the release file beside their final place and renames them in, so that a crash leaves nothing
    /// that looks published.
    private func place(_ source: FilePath, _ release: CatalogRelease, _ bytes: [UInt8]) async throws {
        let final = directory.appending(release.version.description)
        let temporary = directory.appending(".publish-\(release.version)")
        try disk.makeDirectory(directory)
        try disk.removeTree(temporary)
        try disk.makeDirectory(temporary)
        for file in release.files.map(\.file) {
            let target = temporary.pushing(FilePath(file.path.description))
            try disk.makeDirectory(target.removingLastComponent())
            try disk.duplicate(source.pushing(FilePath(file.path.description)), at: target)
            guard try await Hashing.digest(ofFile: target).digest == file.sha256 else {
                throw Fault(.unusable(what: "“\(file.path)”", detail: "it changed while it was published"))
            }
        }
        for directory in Set(release.files.flatMap { Self.parents(of: $0.path, below: temporary) }) {
            try disk.synchroniseDirectory(directory)
        }
        try disk.write(bytes, to: temporary.appending("release.json"))
        // A directory without an index entry is what a crash left: nobody was told of it.
        try disk.removeTree(final)
        try disk.move(temporary, to: final)
    }
}
