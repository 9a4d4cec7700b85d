package import ReconcileCore

/// `REPOSITORY/index.json` of a catalog: what is published.
package struct CatalogIndex: Codable, Sendable {
    /// The format this program reads and writes.
    package static let currentFormat = 1
    /// An index lists versions, not files: it stays far below this.
    package static let limitBytes = 64 << 20

    /// One published version.
    package struct Entry: Codable, Sendable {
        /// The release file, by path below the repository and digest.
        package struct ReleaseAddress: Codable, Sendable {
            package let path: String
            package let sha256: Digest
        }
        package let version: Version
        package let channel: String
        package let publishedAt: Timestamp?
        package let release: ReleaseAddress
        package var yanked: Bool?
    }

    package var format: Int
    package let repository: String
    package var releases: [Entry]
}

/// `REPOSITORY/VERSION/release.json` of a catalog: what one release consists of and what its publisher says.
package struct CatalogRelease: Codable, Sendable {
    /// A release file names every file: large for a million files, but not without bound.
    package static let limitBytes = 64 << 20

    package let format: Int
    package let repository: String
    package let version: Version
    package let channel: String
    package let publishedAt: Timestamp?
    package let priority: Priority?
    package let changelog: String?
    package let license: String?
    package let requires: Requirements?
    package let files: [CatalogFile]
}

/// One file of a release in a catalog, with what helps to fetch it. The sidecars are beside the versions, named by their own
/// digest: `REPOSITORY/blocks/`, `REPOSITORY/zstd/` and `REPOSITORY/patches/`.
package struct CatalogFile: Codable, Sendable {
    package let path: ReleasePath
    package let size: Int64
    package let sha256: Digest
    /// The block index.
    package var blocks: FileAids.Sidecar?
    /// The file, compressed with zstd.
    package var zstd: FileAids.Sidecar?
    /// Patches from files of other versions.
    package var patches: [FileAids.Patch]?

    package init(_ file: ReleaseFile) { (path, size, sha256) = (file.path, file.size, file.sha256) }

    /// The file itself.
    package var file: ReleaseFile { ReleaseFile(path: path, size: size, sha256: sha256) }

    /// What helps to fetch it.
    package var aids: FileAids {
        var aids = FileAids()
        (aids.blocks, aids.zstd, aids.patches) = (blocks, zstd, patches ?? [])
        return aids
    }
}
