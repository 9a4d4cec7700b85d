public import ReconcileCore
import SystemPackage

// `reconcile bundle`: the locked releases in one file, for machines without a network.
extension Reconciler {
    /// What was bundled.
    public struct Bundle: Codable, Sendable {
        /// One release in it.
        public struct Item: Codable, Sendable {
            /// The repository and the version, as the layout names them.
            public let name: String
            /// Who it is.
            public let release: ReleaseID
            /// The kinds of machines that it is for; empty when it is for all.
            public let platforms: [String]
        }

        /// Where it is.
        public let path: String
        /// The SHA-256 of the file; `nil` for a directory.
        public let sha256: Digest?
        /// The length of the file; `nil` for a directory.
        public let bytes: Int64?
        /// The releases.
        public let releases: [Item]
    }

    /// Writes locked releases as an OCI image layout. What this machine has is taken from here, the rest is fetched.
    ///
    /// - Parameters:
    ///   - only: The models whose releases are bundled; all when empty.
    ///   - out: A tar, or a directory when it is one or ends with a slash.
    /// - Throws: ``Fault`` of kind `lockMissing` or `lockStale`, of a source, or of the disk; then nothing is there that was not
    ///   before, except what was fetched: it is kept beside, and used the next time.
    public func bundle(_ only: Set<ModelName> = [], to out: String) async throws -> Bundle {
        let declaration = try load()
        try checkNames(only, declaration)
        guard let lock = try declaration.readLock()?.lock else {
            throw Fault(.lockMissing(path: declaration.lockPath.string))
        }
        let entries = try declaration.desired.models.values.sorted { $0.name < $1.name }
            .filter { only.isEmpty || only.contains($0.name) }.map { model in
                guard let entry = lock.models[model.name], entry.answers(model) else {
                    throw Fault(.lockStale(path: declaration.lockPath.string), model: model.name)
                }
                return (model, entry)
            }
        guard !entries.isEmpty else { throw Fault(.unusable(what: out, detail: "no model is declared to put in it")) }
        let isDirectory = out.hasSuffix("/") || DiskReader.entry(at: FilePath(out))?.kind == .directory
        let path = FilePath(out)
        let place = StoreLayout(
            root: path.removingLastComponent().appending(".\(path.lastComponent?.string ?? "bundle").partial"))
        let groups = try await bring(entries, to: place, declaration)
        var (digest, bytes): (Digest?, Int64?) = (nil, nil)
        if isDirectory {
            try await BundleWriter(layout: place).write(groups, toDirectory: path)
        } else {
            (digest, bytes) = try await BundleWriter(layout: place).write(groups, toTar: path)
        }
        try Disk().removeTree(place.root)
        return Bundle(
            path: out, sha256: digest, bytes: bytes,
            releases: groups.compactMap { group in
                group.first.map { first in
                    Bundle.Item(
                        name: "\(first.release.origin.repository):\(first.release.version)", release: first.release.id,
                        platforms: group.compactMap { $0.platform?.description })
                }
            })
    }

    /// Brings the content of releases to a place of its own; releases that several models share once.
    private func bring(
        _ entries: [(DesiredModel, Lockfile.Entry)], to place: StoreLayout, _ declaration: Declaration
    ) async throws -> [[BundleWriter.Item]] {
        let collector = ContentCollector(
            declaration: declaration, place: place,
            sources: declaration.makeSources(
                cache: SourceCache(path: StoreLayout(root: declaration.store).history, canWrite: false)),
            settings: settings)
        var seen: Set<String> = []
        var groups: [[BundleWriter.Item]] = []
        for (model, entry) in entries {
            let items = entry.items
            for item in items { try await collector.bring(item.release, for: model) }
            guard seen.insert("\(entry.source.repository) \(entry.version) \(entry.contentDigest)").inserted else {
                continue
            }
            groups.append(items)
        }
        return groups
    }
}

extension Lockfile.Entry {
    /// What is bundled of an entry: one release for all, or one for each kind of machine.
    fileprivate var items: [BundleWriter.Item] {
        guard let platforms else { return deliveries.map { BundleWriter.Item(release: $0, platform: nil) } }
        return platforms.keys.sorted().compactMap { name in
            TargetPlatform(name).flatMap { platform in
                release(for: platform).map { BundleWriter.Item(release: $0, platform: platform) }
            }
        }
    }
}
