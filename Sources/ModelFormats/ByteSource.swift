/// The bytes of a file, read piece by piece.
struct ByteSource {
    /// Bytes in the file.
    let size: Int64
    /// Gives `count` bytes from `offset` on; fewer only at the end of the file.
    let read: (_ offset: Int64, _ count: Int) throws -> [UInt8]

    /// Exactly `count` bytes from `offset` on.
    ///
    /// - Throws: ``Inconsistency`` when the file has no such bytes, or not the size it was said to have; what reading throws.
    func bytes(at offset: Int64, count: Int) throws -> [UInt8] {
        guard offset >= 0, count >= 0, offset <= size, size - offset >= Int64(count) else { throw Inconsistency() }
        let bytes = try read(offset, count)
        guard bytes.count >= count else { throw Inconsistency() }
        return bytes.count == count ? bytes : Array(bytes.prefix(count))
    }
}
