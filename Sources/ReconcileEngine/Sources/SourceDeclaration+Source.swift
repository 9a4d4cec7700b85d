import ReconcileCore
import SystemPackage

extension SourceDeclaration {
    /// The source as it can be asked.
    ///
    /// - Parameter readsAll: Whether content without a published digest is read to compute it, however long that takes.
    func makeSource(cache: SourceCache, readsAll: Bool = false) -> any ModelSource {
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
                return BucketSource(name: name, access: access, cache: cache, readsAll: readsAll)
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
