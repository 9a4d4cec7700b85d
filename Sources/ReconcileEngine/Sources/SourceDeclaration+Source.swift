import ReconcileCore
import SystemPackage

/// What is done to learn the digest of content whose publisher names none.
enum ContentReading: Sendable {
    /// The source is asked.
    case asked
    /// The same, in such a way that so many answers at most serve the fetch that follows in the same pass.
    case opened(atMost: Int)
    /// It is read from its beginning to its end, if nothing else helps, however long that takes.
    case whole

    /// What a pass does that fetches next: it opens no more than it fetches at once. A limit of bandwidth would not hold for what
    /// a server sends into an open connection.
    static func beforeFetch(_ policy: DownloadPolicy, at now: Timestamp) -> ContentReading {
        guard policy.bandwidth(at: now) == nil else { return .asked }
        return .opened(atMost: min(policy.connections, policy.connectionsPerHost, DownloadEngine.largeFiles))
    }
}

extension SourceDeclaration {
    /// The source as it can be asked.
    func makeSource(cache: SourceCache, reading: ContentReading = .asked) -> any ModelSource {
        switch address {
        case .directory(let path): return CatalogSource(name: name, transport: DirectoryTransport(root: path))
        case .http(let addresses):
            return CatalogSource(
                name: name,
                transport: WebTransport(
                    addresses: addresses, token: token, allowsInsecure: allowsInsecure, cache: cache))
        case .huggingface(let hub):
            let access = HubAccess(address: hub, token: token, allowsInsecure: allowsInsecure)
            return HubSource(name: name, access: access, cache: cache)
        case .oci(let text):
            guard let registry = RegistryAddress(text, allowsInsecure: allowsInsecure) else {
                return BrokenSource(fault: Fault(.sourceInvalid(url: text, detail: "it is not the host of a registry")))
            }
            let transport = RegistryTransport(address: registry, logins: RegistryLogins(token: token), cache: cache)
            return OCISource(name: name, transport: transport, cache: cache)
        case .bundle(let path):
            return OCISource(name: name, transport: ImageLayoutTransport(path: path), cache: cache)
        case .s3(let bucket):
            do {
                let access = try BucketAccess(bucket, allowsInsecure: allowsInsecure)
                return BucketSource(name: name, access: access, cache: cache, reading: reading)
            } catch {
                return BrokenSource(fault: error as? Fault ?? Fault(.bug(detail: "\(error)")))
            }
        }
    }
}

/// A source whose address cannot be used: it says so to whoever asks.
struct BrokenSource: ModelSource {
    let fault: Fault

    func list(_ repository: String) async throws -> [Listing] { throw fault }
    func listing(of revision: String, in repository: String) async throws -> Listing { throw fault }
    func describe(
        _ listing: Listing, of repository: String, choosing selection: FileSelection, for platform: TargetPlatform
    ) async throws -> Release { throw fault }
    func locations(of file: ReleaseFile, in release: Release) throws -> [Location] { throw fault }
}
