/// What an archive of unknown origin may ask for.
///
/// Memory is bounded by these too: the paths of the files that have come are kept, to notice one that comes twice.
package struct ArchiveLimits: Hashable, Sendable {
    /// The most files, directories and global headers.
    package let members: Int
    /// The most bytes of the uncompressed tar: content, headers and padding. This is what stops a decompression bomb.
    package let unpackedBytes: Int64
    /// The most bytes of a path: Linux has room for 4096 and macOS for 1024.
    package let pathBytes: Int
    /// The most bytes of a pax header or of a long name.
    package let extendedHeaderBytes: Int

    /// Sets the limits; negative ones count as 0, and `unpackedBytes` is brought below 2⁶², so that sums fit.
    package init(
        members: Int = 65_536, unpackedBytes: Int64 = 4 << 40, pathBytes: Int = 1024,
        extendedHeaderBytes: Int = 64 << 10
    ) {
        self.members = max(members, 0)
        self.unpackedBytes = min(max(unpackedBytes, 0), 1 << 62)
        self.pathBytes = max(pathBytes, 0)
        self.extendedHeaderBytes = min(max(extendedHeaderBytes, 0), 1 << 30)
    }
}
