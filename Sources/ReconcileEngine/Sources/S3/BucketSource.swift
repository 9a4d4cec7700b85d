import AmazonS3
import ReconcileCore

/// Models in a bucket: a catalog, as `reconcile publish` makes it, or plain objects at `PREFIX/MODEL/VERSION/…`.
///
/// Which of both a repository is, its `index.json` tells. Of plain objects the folders are the versions. What a repository was
/// is remembered, so that the next pass asks once; nothing is taken for granted because of it.
struct BucketSource: ModelSource {
    private let catalog: CatalogSource
    private let objects: BucketObjects
    private let client: BucketClient
    private let cache: SourceCache

    init(name: String, access: BucketAccess, client: WebClient = .shared, cache: SourceCache, reading: ContentReading) {
        self.client = BucketClient(access: access, documents: DocumentClient(client: client, cache: cache))
        catalog = CatalogSource(name: name, transport: BucketTransport(client: self.client))
        objects = BucketObjects(name: name, client: self.client, web: client, cache: cache, reading: reading)
        self.cache = cache
    }

    /// What a repository was found to be.
    private enum Kind: UInt8 {
        /// Plain objects, so many that only their folders are listed.
        case manyObjects = 1
        case catalog = 2
    }

    func list(_ repository: String) async throws -> [Listing] {
        let known = kind(of: repository)
        if known == .catalog {
            do { return try await catalog.list(repository) } catch let fault as Fault {
                guard case .sourceLacks = fault.kind else { throw fault }
            }
        }
        let found: (hasIndex: Bool, folders: [String])
        do { found = try await look(into: repository, asks: known == .manyObjects) } catch let fault as Fault {
            return try await listWithoutLooking(repository, because: fault)
        }
        guard found.hasIndex else {
            if known == .catalog { _ = cache.forget(kindKey(repository)) }
            return try objects.listings(found.folders, of: repository)
        }
        remember(.catalog, repository)
        return try await catalog.list(repository)
    }

    /// Whoever may read objects need not be allowed to list them, and not every endpoint knows how to; a catalog does without.
    private func listWithoutLooking(_ repository: String, because fault: Fault) async throws -> [Listing] {
        // One that does not answer is not asked in two ways.
        if case .sourceUnreachable = fault.kind { throw fault }
        do {
            let listings = try await catalog.list(repository)
            remember(.catalog, repository)
            return listings
        } catch let other as Fault {
            switch other.kind {
            case .sourceLacks, .sourceRefuses, .sourceUnreachable: throw fault
            default: throw other
            }
        }
    }

    /// Lists a repository: all of it if one answer has all, which also serves its releases; else its folders.
    private func look(
        into repository: String, asks onlyFolders: Bool
    ) async throws -> (hasIndex: Bool, folders: [String]) {
        let (root, index) = ("\(repository)/", client.access.key("\(repository)/index.json"))
        if !onlyFolders {
            let page = try await client.page(root)
            if page.continuation == nil {
                return try (page.objects.contains { $0.key == index }, objects.folders(page.objects, of: repository))
            }
            remember(.manyObjects, repository)
        }
        let (found, folders) = try await client.list(root, delimiter: "/")
        return (found.contains { $0.key == index }, folders)
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

    func keepOpened(where isWanted: (Digest) -> Bool) -> Int { objects.keepOpened(where: isWanted) }

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

    private func kind(of repository: String) -> Kind? {
        cache.entry(for: kindKey(repository))?.body.first.flatMap { Kind(rawValue: $0) }
    }

    private func remember(_ kind: Kind, _ repository: String) {
        guard self.kind(of: repository) != kind else { return }
        cache.store(SourceCache.Entry(tag: nil, body: [kind.rawValue]), for: kindKey(repository))
    }

    private func kindKey(_ repository: String) -> String { "s3-kind:\(client.access.shown)\(repository)" }
}
