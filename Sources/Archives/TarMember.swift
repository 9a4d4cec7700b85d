/// A file in a tar.
///
/// Two laws hold for its path: it is relative and stays below where it is unpacked, whatever the archive said; and no
/// other file of the archive has the same one. Two paths may still differ by case only, or one be the other's parent.
package struct TarMember: Hashable, Sendable {
    /// The components with single slashes between them, without `.` or `..` among them.
    package let path: String
    /// Bytes of content; not negative.
    package let size: Int64
    /// Where the content begins in the uncompressed tar; a multiple of 512.
    package let dataOffset: Int64

    /// Where the next header begins: after the content and its padding.
    var nextOffset: Int64 { dataOffset + size + Int64(TarFormat.paddingBytes(after: size)) }
}
