/// How a tar looks. Numbers are octal text; text ends at a zero byte or where its field does.
///
///     tar
///     ├── for each member
///     │   ├── header         512 bytes, see ``TarField``
///     │   └── content        padded with zeros to a multiple of 512 bytes
///     └── end                two blocks of 512 zeros, and any number of zeros more
///
/// What a header cannot hold stands before it, as the content of an extended header, which is a member of its own: pax
/// records (type `x`, or `g` for all members that follow), or a path as it is (types `L` and `K`, of GNU tar).
/// Source: <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html> and
/// <https://www.gnu.org/software/tar/manual/html_node/Standard.html>.
enum TarFormat {
    /// Bytes of a block.
    static let blockBytes = 512
    /// The largest size that fits into a header as octal digits, 8 GiB − 1.
    static let largestOctalSize: Int64 = 0o77_777_777_777

    /// Bytes from the end of content of that size to the next block.
    static func paddingBytes(after size: Int64) -> Int {
        let rest = Int(max(size, 0) % Int64(blockBytes))
        return rest == 0 ? 0 : blockBytes - rest
    }
}

/// A field of a header: where it is in the block.
struct TarField: Sendable {
    /// The bytes before it.
    let offset: Int
    /// Its length.
    let count: Int

    static let name = TarField(offset: 0, count: 100)
    static let mode = TarField(offset: 100, count: 8)
    static let owner = TarField(offset: 108, count: 8)
    static let group = TarField(offset: 116, count: 8)
    static let size = TarField(offset: 124, count: 12)
    static let modified = TarField(offset: 136, count: 12)
    static let checksum = TarField(offset: 148, count: 8)
    static let type = TarField(offset: 156, count: 1)
    static let linkName = TarField(offset: 157, count: 100)
    /// `ustar` and a zero in POSIX's format, whose version `00` follows; `ustar`, two spaces and a zero in GNU's old
    /// one.
    static let magic = TarField(offset: 257, count: 8)
    static let deviceMajor = TarField(offset: 329, count: 8)
    static let deviceMinor = TarField(offset: 337, count: 8)
    /// What comes before the name and a slash; in POSIX's format only.
    static let prefix = TarField(offset: 345, count: 155)
}
