import AmazonS3
import Foundation
public import ReconcileCore
import SystemPackage

/// Publishes to a catalog in a bucket. What is computed is put together beside, and sent in the order of the catalog's law: files
/// and sidecars, the release file, and last the index, on the condition that nobody else has changed it meanwhile.
public struct BucketPublisher: Sendable {
    private let access: BucketAccess
    private let client: BucketClient
    private let uploader: BucketUploader
    private let repository: String

    /// A publisher for one repository of a catalog.
    ///
    /// - Parameters:
    ///   - address: `s3://bucket/prefix`.
    ///   - endpoint: Who serves the bucket, when that is not Amazon.
    /// - Throws: ``Fault`` of kind `unusable`.
    public init(to address: String, endpoint: String?, repository: String) throws {
        let declared = BucketDeclaration(
            address: address, region: nil, endpoint: endpoint.map(SecretText.literal), profile: nil, isAnonymous: false,
            addressing: .auto)
        if let endpoint, !WebAddress.isAllowed(endpoint, allowsInsecure: false) {
            throw Fault(.insecureAddress(url: WebAddress.shown(endpoint)))
        }
        access = try BucketAccess(declared, allowsInsecure: false)
        let cache = SourceCache(path: FilePath("/nonexistent"), canWrite: false)
        client = BucketClient(access: access, documents: DocumentClient(client: .shared, cache: cache))
        uploader = BucketUploader(access: access, documents: client.documents)
        self.repository = repository
    }

    /// Publishes the files of a directory as a release.
    ///
    /// - Returns: The release, and whether it was there already with the same bytes (then nothing was sent).
    /// - Throws: ``Fault`` of kind `alreadyPublished`, `unusable`, of the bucket, or `system`; nobody sees the release then.
    public func publish(
        _ source: String, _ description: Publisher.Description, at now: Timestamp
    ) async throws -> (release: Publisher.ContentSummary, isNew: Bool) {
        guard description.patchFrom.isEmpty else {
            throw Fault(
                .unusable(
                    what: "--patch-from",
                    detail: "patches are made from a catalog in a directory; publish there and copy it"))
        }
        return try await beside { place in
            let publisher = try Publisher(catalog: place.string, repository: repository)
            let tag = try await catalogTag(publisher, with: description.version)
            let prepared = try await prepare(publisher, source, description, at: now)
            guard let release = prepared.release else { return (prepared.summary, false) }
            for file in release.files {
                let path = "\(repository)/\(release.version)/\(file.path)"
                try await uploader.send(FilePath(source).pushing(FilePath(file.path.description)), file.file, to: path)
            }
            for (path, name) in try sidecars(publisher) {
                let (size, digest) = try await Hashing.digest(ofFile: path)
                guard let asFile = ReleasePath("sidecar").map({ ReleaseFile(path: $0, size: size, sha256: digest) })
                else {
                    continue
                }
                try await uploader.send(path, asFile, to: "\(repository)/\(name)")
            }
            try await uploader.send(prepared.bytes, to: "\(repository)/\(release.version)/release.json")
            var index = try publisher.readIndex()
            index.releases.append(prepared.entry(of: release))
            try await send(&index, publisher, unless: tag)
            return (prepared.summary, true)
        }
    }

    /// Withdraws a version.
    ///
    /// - Returns: Whether it was not yet withdrawn.
    /// - Throws: ``Fault`` of kind `unusable` when the version is not published, or of the bucket.
    public func yank(_ version: Version) async throws -> Bool {
        try await beside { place in
            let publisher = try Publisher(catalog: place.string, repository: repository)
            let tag = try await fetchIndex(publisher, with: nil)
            guard try await publisher.yank(version) else { return false }
            var index = try publisher.readIndex()
            try await send(&index, publisher, unless: tag)
            return true
        }
    }

    // MARK: Details

    /// Computes what is published; what is there already is named by where it is in the bucket.
    private func prepare(
        _ publisher: Publisher, _ source: String, _ description: Publisher.Description, at now: Timestamp
    ) async throws -> Publisher.Prepared {
        do {
            return try await publisher.prepare(source, description, at: now)
        } catch let fault as Fault {
            guard case .alreadyPublished(let version, _) = fault.kind else { throw fault }
            throw Fault(.alreadyPublished(version: version, path: "\(access.shown)\(repository)/\(version)"))
        }
    }

    /// Runs a body with a directory of its own, which goes afterwards.
    private func beside<Value>(_ body: (FilePath) async throws -> Value) async throws -> Value {
        let place = FilePath(NSTemporaryDirectory()).appending("reconcile-publish-\(UInt64.random(in: 0...UInt64.max))")
        try Disk().makeDirectory(place)
        defer { try? Disk().removeTree(place) }
        return try await body(place)
    }

    /// The entity tag of the index; a catalog without one gets an empty one first, so that what is half sent is no release.
    private func catalogTag(_ publisher: Publisher, with version: Version) async throws -> String? {
        if let tag = try await fetchIndex(publisher, with: version) { return tag }
        var empty = try publisher.readIndex()
        try await send(&empty, publisher, unless: nil)
        return try await fetchIndex(publisher, with: version)
    }

    /// Brings the index, and the release file of a version that is there already.
    ///
    /// - Returns: The index's entity tag; `nil` when there is no index yet.
    private func fetchIndex(_ publisher: Publisher, with version: Version?) async throws -> String? {
        let disk = Disk()
        try disk.makeDirectory(publisher.directory)
        let name = "\(repository)/index.json"
        let answer: DocumentClient.Answer
        do {
            answer = try await client.answer(name, limit: CatalogIndex.limitBytes) { try $0.get(access.key(name)) }
        } catch let fault as Fault {
            guard case .sourceLacks = fault.kind else { throw fault }
            return nil
        }
        try disk.write(answer.body, to: publisher.directory.appending("index.json"))
        guard let tag = answer["ETag"] else {
            throw Fault(
                .sourceInvalid(
                    url: access.shown + name, detail: "it has no ETag, so that two publishers could not be told apart"))
        }
        if let version, let entry = try publisher.readIndex().releases.first(where: { $0.version == version }) {
            let path = "\(repository)/\(entry.version)/release.json"
            let release = try await client.answer(path, limit: CatalogRelease.limitBytes) {
                try $0.get(access.key(path))
            }
            try disk.makeDirectory(publisher.directory.appending(entry.version.description))
            try disk.write(
                release.body, to: publisher.directory.appending(entry.version.description).appending("release.json"))
        }
        return tag
    }

    /// The sidecars that were made, with their names below the repository.
    private func sidecars(_ publisher: Publisher) throws -> [(FilePath, name: String)] {
        try FileAids.Kind.allCases.flatMap { kind in
            let folder = publisher.directory.appending(kind.rawValue)
            return try DiskReader.names(in: folder).filter { Digest($0) != nil }.sorted().map {
                (folder.appending($0), "\(kind.rawValue)/\($0)")
            }
        }
    }

    private func send(_ index: inout CatalogIndex, _ publisher: Publisher, unless tag: String?) async throws {
        try publisher.write(&index)
        guard
            let bytes = try DiskReader.contents(
                of: publisher.directory.appending("index.json"), limit: CatalogIndex.limitBytes)
        else { throw Fault(.bug(detail: "the index was not written")) }
        try await uploader.send(
            bytes, to: "\(repository)/index.json", on: tag.map { .unchanged(entityTag: $0) } ?? .absent)
    }
}
