package import ReconcileCore
package import SystemPackage

/// Where a file's bytes are.
package enum Location: Sendable, Hashable {
    /// In a file of this machine.
    case file(FilePath)
    /// On a server, which is given the token of its source.
    case web(url: String, shown: String, token: SecretText?, allowsInsecure: Bool)

    /// The location for people, without what may be secret.
    package var shown: String {
        switch self {
        case .file(let path): path.string
        case .web(_, let shown, _, _): shown
        }
    }
}

/// One version of a repository as its source lists it, before its files are known.
package struct Listing: Sendable, Hashable {
    package let version: Version
    package let channel: String
    package let publishedAt: Timestamp?
    package let isYanked: Bool
    /// The source's own immutable address of the release.
    package let revision: String
}

/// A place that publishes models. It knows no store: it lists, describes and locates.
package protocol ModelSource: Sendable {
    /// The releases of a repository, in any order.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceLacks` or `sourceInvalid`.
    func list(_ repository: String) async throws -> [Listing]

    /// All that is published of one release, with all its files.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceLacks` or `sourceInvalid`.
    func describe(_ listing: Listing, of repository: String) async throws -> Release

    /// What the publisher offers beside the files of a release, by their digests.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceLacks` or `sourceInvalid`.
    func aids(for release: Release) async throws -> [Digest: FileAids]

    /// A sidecar, whole, with the right digest.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceLacks` or `sourceInvalid`.
    func sidecar(_ kind: FileAids.Kind, _ sidecar: FileAids.Sidecar, in repository: String) async throws -> [UInt8]

    /// Where a sidecar's bytes are.
    ///
    /// - Throws: ``Fault`` of kind `secretMissing`.
    func locations(_ kind: FileAids.Kind, _ sha256: Digest, in repository: String) throws -> [Location]

    /// Where a file's bytes are: the places to try, in order.
    ///
    /// - Throws: ``Fault`` of kind `secretMissing` when an address cannot be read.
    func locations(of file: ReleaseFile, version: Version, in repository: String) throws -> [Location]
}

extension ModelSource {
    package func aids(for release: Release) async throws -> [Digest: FileAids] { [:] }

    package func sidecar(
        _ kind: FileAids.Kind, _ sidecar: FileAids.Sidecar, in repository: String
    ) async throws -> [UInt8] { throw Fault(.sourceLacks(url: "\(repository)/\(kind.rawValue)/\(sidecar.sha256)")) }

    package func locations(
        _ kind: FileAids.Kind, _ sha256: Digest, in repository: String
    ) throws -> [Location] { [] }
}
