package import ReconcileCore

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

    /// What a branch, a tag, or the source's own address stands for now.
    ///
    /// - Throws: ``Fault`` as ``list(_:)``.
    func listing(of revision: String, in repository: String) async throws -> Listing

    /// The kinds of machines that a release is made for; empty when it is the same for all.
    ///
    /// - Throws: ``Fault`` as ``list(_:)``.
    func platforms(of listing: Listing, in repository: String) async throws -> [TargetPlatform]

    /// All that is published of one release, with all its files or at least those that are chosen.
    ///
    /// - Parameters:
    ///   - selection: Whoever chooses need not be told of other files.
    ///   - platform: For which kind of machine, where that makes a difference.
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceLacks`, `sourceRefuses` or `sourceInvalid`.
    func describe(
        _ listing: Listing, of repository: String, choosing selection: FileSelection, for platform: TargetPlatform
    ) async throws -> Release

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

    /// Does what must be known before ``locations(of:in:)`` is asked: where the source itself is, for one that may move.
    ///
    /// - Throws: ``Fault`` as ``list(_:)``.
    func settle() async throws

    /// Lets go of the answers that it keeps open and that are not fetched next, before ``locations(of:in:)`` is asked for.
    ///
    /// - Returns: How many it keeps open.
    func keepOpened(where isWanted: (Digest) -> Bool) -> Int

    /// Where a file's bytes, or those of an archive, are: the places to try, in order.
    ///
    /// - Throws: ``Fault`` of kind `secretMissing` when an address cannot be read.
    func locations(of file: ReleaseFile, in release: Release) throws -> [Location]
}

extension ModelSource {
    package func listing(of revision: String, in repository: String) async throws -> Listing {
        throw Fault(
            .sourceInvalid(url: repository, detail: "a catalog has versions, and no revision “\(revision.printable)”"))
    }

    package func settle() async throws {}

    package func keepOpened(where isWanted: (Digest) -> Bool) -> Int { 0 }

    package func platforms(of listing: Listing, in repository: String) async throws -> [TargetPlatform] { [] }

    package func aids(for release: Release) async throws -> [Digest: FileAids] { [:] }

    package func sidecar(
        _ kind: FileAids.Kind, _ sidecar: FileAids.Sidecar, in repository: String
    ) async throws -> [UInt8] { throw Fault(.sourceLacks(url: "\(repository)/\(kind.rawValue)/\(sidecar.sha256)")) }

    package func locations(
        _ kind: FileAids.Kind, _ sha256: Digest, in repository: String
    ) throws -> [Location] { [] }
}
