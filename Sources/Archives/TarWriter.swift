/// Makes what stands around the content in a tar; the content itself is written by the caller.
///
///     header(path, size) · content · padding(after: size)   … for each file
///     end
///
/// The same files in the same order make the same bytes: all times are 1970 and all owners root. The format is ustar of
/// POSIX, with a pax header before the members that need one, so that every program reads it.
package enum TarWriter {
    /// Who may do what with an unpacked file.
    package enum Mode: Int64, Sendable {
        /// Everybody may read, nobody write.
        case readOnly = 0o444
        /// Everybody may read, and the owner write.
        case writable = 0o644
    }

    /// What stands before the content of a file.
    ///
    /// - Parameters:
    ///   - path: Relative, with single slashes, as ``TarMember/path`` has it.
    ///   - size: How many bytes of content follow.
    /// - Throws: ``ArchiveFault/refused(path:_:)`` when it is a path or size that ``TarReader`` would not give back.
    package static func header(
        path: String, size: Int64, mode: Mode = .readOnly
    ) throws(ArchiveFault) -> [UInt8] {
        let bytes = Array(path.utf8)
        guard size >= 0 else { throw .refused(path: MemberPath.shown(bytes), .impossibleSize) }
        let checked = try MemberPath.normalised(bytes, mostBytes: ArchiveLimits().pathBytes)
        guard !checked.path.isEmpty, Array(checked.path.utf8) == bytes else {
            throw .refused(path: MemberPath.shown(bytes), .emptyComponent)
        }
        let place = UstarPath(bytes)
        let records = records(path: place == nil ? bytes : nil, size: size)
        let ownHeader = TarBlock(
            path: place ?? UstarPath(standingInFor: bytes), mode: mode.rawValue,
            size: size <= TarFormat.largestOctalSize ? size : 0, type: UInt8(ascii: "0"))
        return records.isEmpty ? ownHeader.bytes : extended(records) + ownHeader.bytes
    }

    /// The zeros that stand after content of that size.
    package static func padding(after size: Int64) -> [UInt8] {
        [UInt8](repeating: 0, count: TarFormat.paddingBytes(after: size))
    }

    /// What stands at the end of the archive.
    package static let end = [UInt8](repeating: 0, count: 2 * TarFormat.blockBytes)

    /// The records for what the header cannot hold.
    private static func records(path: [UInt8]?, size: Int64) -> [UInt8] {
        let pathRecord = path.map { record("path", $0) } ?? []
        let sizeRecord = size > TarFormat.largestOctalSize ? record("size", Array(String(size).utf8)) : []
        return pathRecord + sizeRecord
    }

    /// One record, whose length counts its own digits.
    private static func record(_ key: String, _ value: [UInt8]) -> [UInt8] {
        let rest = Array(" \(key)=".utf8) + value + [UInt8(ascii: "\n")]
        var length = rest.count
        while length != rest.count + String(length).utf8.count {
            length = rest.count + String(length).utf8.count
        }
        return Array(String(length).utf8) + rest
    }

    /// A pax header with these records.
    private static func extended(_ records: [UInt8]) -> [UInt8] {
        let block = TarBlock(
            path: UstarPath(name: Array("PaxHeaders/member".utf8)), mode: Mode.writable.rawValue,
            size: Int64(records.count), type: UInt8(ascii: "x"))
        return block.bytes + records + padding(after: Int64(records.count))
    }
}
