import AmazonS3
import ReconcileCore

/// Models in a bucket: a catalog, as `reconcile publish` makes it, or plain objects at `PREFIX/MODEL/VERSION/…`.
///
/// Which of both a repository is, its `index.json` tells. Of plain objects the folders are the versions.
struct BucketSource: ModelSource {
    private let catalog: CatalogSource
    private let objects: BucketObjects
    private let client: BucketClient
    private let cache: SourceCache

    /// - Parameter readsAll: Whether objects without a SHA-256 are read to compute it, however large they are.
    init(name: String, access: BucketAccess, client: WebClient = .shared, cache: SourceCache, readsAll: Bool) {
        self.client = BucketClient(access: access, documents: DocumentClient(client: client, cache: cache))
        catalog = CatalogSource(name: name, transport: BucketTransport(client: self.client))
        objects = BucketObjects(name: name, client: self.client, web: client, cache: cache, readsAll: readsAll)
        self.cache = cache
    }

    func list(_ repository: String) async throws -> [Listing] {
        if cache.entry(for: plainKey(repository)) != nil {
            let (found, folders) = try await client.list("\(repository)/", delimiter: "/")
            if !found.contains(where: { $0.key == client.access.key("\(repository)/index.json") }) {
                return try objects.listings(folders, of: repository)
            }
            _ = cache.forget(plainKey(repository))
        }
        do {
            return try await catalog.list(repository)
        } catch let fault as Fault {
            guard case .sourceLacks = fault.kind else { throw fault }
        }
        let listings = try objects.listings(
            try await client.list("\(repository)/", delimiter: "/").folders, of: repository)
        // The next pass asks only once.
        cache.store(SourceCache.Entry(tag: nil, body: [1]), for: plainKey(repository))
        return listings
    }

    func describe(
        _ listing: Listing, of repository: String, choosing selection: FileSelection, for platform: TargetPlatform
    ) async throws -> Release {
        guard BucketObjects.owns(listing.revision) else {
            return try await catalog.describe(listing, of: repository, choosing: selection, for: platform)
        }
        return try await objects.describe(listing, of: repository, choosing: selection)
    }

    func settle() async throws { try await client.settle() }

    func aids(for release: Release) async throws -> [Digest: FileAids] {
        BucketObjects.owns(release.revision) ? [:] : try await catalog.aids(for: release)
    }

    func sidecar(_ kind: FileAids.Kind, _ sidecar: FileAids.Sidecar, in repository: String) async throws -> [UInt8] {
        try await catalog.sidecar(kind, sidecar, in: repository)
    }

    func locations(_ kind: FileAids.Kind, _ sha256: Digest, in repository: String) throws -> [Location] {
        try catalog.locations(kind, sha256, in: repository)
    }

    func locations(of file: ReleaseFile, in release: Release) throws -> [Location] {
        guard BucketObjects.owns(release.revision) else { return try catalog.locations(of: file, in: release) }
        return try objects.locations(of: file, in: release)
    }

    private func plainKey(_ repository: String) -> String { "s3-objects:\(client.access.shown)\(repository)" }
}
