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
    package let files: [ReleaseFile]
}
