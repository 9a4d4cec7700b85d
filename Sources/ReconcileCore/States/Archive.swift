/// Files of a release that come packed together, as some layers of a registry do: known by the archive's own digest until it
/// was unpacked here, or until `reconcile lock --fetch` has unpacked it.
public struct Archive: Codable, Hashable, Sendable {
    /// How the files are packed.
    public enum Format: String, Codable, Hashable, Sendable, CaseIterable {
        /// A tar.
        case tar
        /// A tar, compressed with gzip.
        case tarGzip = "tar+gzip"
        /// A tar, compressed with zstd.
        case tarZstd = "tar+zstd"
    }

    /// The SHA-256 of the archive as it is delivered.
    public let sha256: Digest
    /// Its length in bytes, not negative.
    public let size: Int64
    /// How the files are packed.
    public let format: Format
    /// Those of its files that are included, sorted by path bytes; `nil` until it was unpacked.
    public let files: [ReleaseFile]?

    /// An archive.
    public init(sha256: Digest, size: Int64, format: Format, files: [ReleaseFile]? = nil) {
        (self.sha256, self.size, self.format) = (sha256, size, format)
        self.files = files?.sorted { $0.path < $1.path }
    }

    /// The archive with the files that were found in it.
    public func unpacked(_ files: [ReleaseFile]) -> Archive {
        Archive(sha256: sha256, size: size, format: format, files: files)
    }

    /// The archive as something that is fetched.
    public var asFile: ReleaseFile? {
        ReleasePath("\(sha256.short).\(format.rawValue)").map { ReleaseFile(path: $0, size: size, sha256: sha256) }
    }
}
