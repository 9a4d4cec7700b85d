package import ReconcileCore
import Synchronization
package import SystemPackage

/// A catalog, in a directory or on a static web server: the same files, reached through a ``CatalogTransport``.
package struct CatalogSource: ModelSource {
    private let name: String
    private let transport: any CatalogTransport
    private let sidecars = Sidecars()

    package init(name: String, transport: any CatalogTransport) { (self.name, self.transport) = (name, transport) }

    package func list(_ repository: String) async throws -> [Listing] {
        let path = "\(repository)/index.json"
        let index = try await read(CatalogIndex.self, path, limit: CatalogIndex.limitBytes, revision: nil)
        guard index.format == CatalogIndex.currentFormat else { throw invalid(path, unknownFormat(index.format)) }
        guard index.repository == repository else {
            throw invalid(path, "it is the index of “\(index.repository.prefix(80))”")
        }
        var seen: [Version: String] = [:]
        return try index.releases.map { entry in
            guard isPlainName(entry.channel, limit: 63) else {
                throw invalid(path, "the channel of \(entry.version) is not a name")
            }
            guard entry.release.path == "\(entry.version)/release.json" else {
                throw invalid(path, "the release file of \(entry.version) must be “\(entry.version)/release.json”")
            }
            if let other = seen.updateValue(entry.version.description, forKey: entry.version) {
                throw invalid(path, "“\(other)” and “\(entry.version)” are the same version")
            }
            return Listing(
                version: entry.version, channel: entry.channel, publishedAt: entry.publishedAt,
                isYanked: entry.yanked ?? false, revision: "sha256:\(entry.release.sha256)")
        }
    }

    package func describe(
        _ listing: Listing, of repository: String, choosing selection: FileSelection, for platform: TargetPlatform
    ) async throws -> Release {
        let path = "\(repository)/\(listing.version)/release.json"
        let release = try await read(
            CatalogRelease.self, path, limit: CatalogRelease.limitBytes, revision: listing.revision)
        guard release.format == CatalogIndex.currentFormat else { throw invalid(path, unknownFormat(release.format)) }
        guard release.repository == repository, release.version == listing.version else {
            throw invalid(path, "it describes \(release.repository.prefix(80)) \(release.version)")
        }
        let files = release.files.map(\.file)
        do {
            try checkFileList(files)
        } catch {
            throw invalid(path, error.words)
        }
        for key in (release.requires?.facts ?? [:]).keys where !isPlainName(key, limit: 63) {
            throw invalid(path, "“\(key.printable)” is not the name of a fact")
        }
        for key in (release.requires?.models ?? [:]).keys where Origin("source/\(key)") == nil {
            throw invalid(path, "“\(key.printable)” is not the name of a repository")
        }
        guard let origin = Origin("\(name)/\(repository)") else { throw invalid(path, "its name is not allowed") }
        return Release(
            version: release.version, origin: origin, revision: listing.revision, channel: listing.channel,
            publishedAt: listing.publishedAt, priority: release.priority, changelog: release.changelog,
            license: release.license,
            requires: release.requires, files: files, contentDigest: Hashing.contentDigest(of: files))
    }

    package func locations(of file: ReleaseFile, in release: Release) throws -> [Location] {
        try transport.locations(of: "\(release.origin.repository)/\(release.version)/\(file.path)")
    }

    package func aids(for release: Release) async throws -> [Digest: FileAids] {
        let repository = release.origin.repository
        let path = "\(repository)/\(release.version)/release.json"
        let document = try await read(
            CatalogRelease.self, path, limit: CatalogRelease.limitBytes, revision: release.revision)
        return Dictionary(
            document.files.lazy.filter { !$0.aids.isEmpty }.map { ($0.sha256, $0.aids) },
            uniquingKeysWith: { first, _ in first })
    }

    package func sidecar(
        _ kind: FileAids.Kind, _ sidecar: FileAids.Sidecar, in repository: String
    ) async throws -> [UInt8] {
        if let bytes = sidecars[sidecar.sha256] { return bytes }
        let bytes = try await transport.small(
            "\(repository)/\(kind.rawValue)/\(sidecar.sha256)", size: sidecar.size, sha256: sidecar.sha256)
        sidecars.keep(bytes, sidecar.sha256)
        return bytes
    }

    package func locations(
        _ kind: FileAids.Kind, _ sha256: Digest, in repository: String
    ) throws -> [Location] { try transport.locations(of: "\(repository)/\(kind.rawValue)/\(sha256)") }

    /// Reads a document. One that cannot be read is asked for once more, whole: a cache may have kept a cut answer.
    private func read<Value: Decodable>(
        _ type: Value.Type, _ path: String, limit: Int, revision: String?
    ) async throws -> Value {
        do {
            let bytes = try await transport.document(path, limit: limit, revision: revision)
            return try JSONFile.published(type, from: bytes, at: transport.shown(path))
        } catch let fault as Fault {
            guard case .sourceInvalid = fault.kind, transport.forget(path) else { throw fault }
            let bytes = try await transport.document(path, limit: limit, revision: revision)
            do {
                return try JSONFile.published(type, from: bytes, at: transport.shown(path))
            } catch {
                _ = transport.forget(path)
                throw error
            }
        }
    }

    private func unknownFormat(_ number: Int) -> String {
        "it has format \(number), and this program knows format \(CatalogIndex.currentFormat)"
    }

    private func invalid(_ path: String, _ detail: String) -> Fault {
        Fault(.sourceInvalid(url: transport.shown(path), detail: detail))
    }
}

/// How the files of a catalog are reached.
package protocol CatalogTransport: Sendable {
    /// The bytes of a small document.
    ///
    /// - Parameters:
    ///   - limit: The most bytes it may have.
    ///   - revision: `sha256:…` when its digest is known; other bytes are then refused.
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceLacks` or `sourceInvalid`.
    func document(_ path: String, limit: Int, revision: String?) async throws -> [UInt8]

    /// A file of known size and digest, whole and not kept.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceLacks` or `sourceInvalid`.
    func small(_ path: String, size: Int64, sha256: Digest) async throws -> [UInt8]

    /// Where the bytes of a file are, in the order to try.
    ///
    /// - Throws: ``Fault`` of kind `secretMissing`.
    func locations(of path: String) throws -> [Location]

    /// Forgets cached answers about a document.
    ///
    /// - Returns: Whether asking again may give another answer.
    func forget(_ path: String) -> Bool

    /// An address of a file, for people.
    func shown(_ path: String) -> String
}

extension CatalogTransport {
    package func forget(_ path: String) -> Bool { false }
}

/// A catalog in a directory.
package struct DirectoryTransport: CatalogTransport {
    private let root: FilePath

    package init(root: FilePath) { self.root = root }

    package func document(_ path: String, limit: Int, revision: String?) async throws -> [UInt8] {
        let place = root.pushing(FilePath(path))
        let bytes: [UInt8]?
        guard DiskReader.entry(at: place)?.kind != .other else {
            throw Fault(.sourceInvalid(url: place.string, detail: "it is not a file"))
        }
        do {
            bytes = try DiskReader.contents(of: place, limit: limit)
        } catch let fault as Fault {
            switch fault.kind {
            case .fileDamaged(_, let detail): throw Fault(.sourceInvalid(url: place.string, detail: detail))
            case .system(_, _, let detail): throw Fault(.sourceUnreachable(url: place.string, detail: detail))
            default: throw fault
            }
        }
        guard let bytes else {
            guard DiskReader.realPath(root) != nil else {
                throw Fault(.sourceUnreachable(url: root.string, detail: "there is no such directory"))
            }
            throw Fault(.sourceLacks(url: place.string))
        }
        if let revision, "sha256:\(Hashing.digest(of: bytes))" != revision {
            throw Fault(.sourceInvalid(url: place.string, detail: "its digest is not the one that the index names"))
        }
        return bytes
    }

    package func small(_ path: String, size: Int64, sha256: Digest) async throws -> [UInt8] {
        try await document(path, limit: Int(clamping: size), revision: "sha256:\(sha256)")
    }

    package func locations(of path: String) -> [Location] { [.file(root.pushing(FilePath(path)))] }

    package func shown(_ path: String) -> String { root.pushing(FilePath(path)).string }
}

/// Sidecars that were read already: the plan needs them, and then the fetch.
private final class Sidecars: Sendable {
    private let known = Mutex<[Digest: [UInt8]]>([:])

    /// Larger ones are read again, and so many are kept.
    private static let (largest, limit) = (8 << 20, 16)

    subscript(digest: Digest) -> [UInt8]? { known.withLock { $0[digest] } }

    func keep(_ bytes: [UInt8], _ digest: Digest) {
        guard bytes.count <= Self.largest else { return }
        known.withLock { known in
            if known.count >= Self.limit, let other = known.keys.first { known[other] = nil }
            known[digest] = bytes
        }
    }
}
