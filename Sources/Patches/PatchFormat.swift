/// How a patch looks on disk. All numbers are little endian and have no sign.
///
///     patch
///     ├── head, 28 bytes
///     │   ├── "RCPATCH1"              8 bytes
///     │   ├── size of OLD             8 bytes
///     │   ├── size of NEW             8 bytes
///     │   └── number of segments      4 bytes, at most 262 144
///     └── one zstd frame, its window at most 8 MiB, of
///         ├── a record per segment, 17 bytes
///         │   ├── length in NEW       8 bytes, at least 1
///         │   ├── offset in OLD       8 bytes, 0 for a fresh segment
///         │   └── bytes per element   1 byte: 1, 2 or 4, dividing the length; 0 for a fresh segment
///         └── the pieces of each segment, 256 KiB of NEW each, the last one shorter
///             ├── mask                1 byte: which planes follow; the others are all zeros
///             └── planes              lowest bytes first, each the piece's length / bytes per element
///
/// A piece of a fresh segment has one plane: its bytes. A piece that is the same in both files is one zero byte, and
/// the compressor makes nearly nothing of a row of them. There is no checksum: the caller knows the digest of NEW.
enum PatchFormat {
    /// The first bytes of every patch; the last one is the version.
    static let magic: [UInt8] = Array("RCPATCH1".utf8)
    /// Bytes before the zstd frame.
    static let headBytes = 28
    /// Bytes of a segment's record.
    static let recordBytes = 17
    /// The most segments a patch may have: a table of 8 MiB in memory, and three times what the largest models need.
    static let mostSegments = 262_144
    /// How much of NEW is worked on at a time; a multiple of every element's size.
    static let pieceBytes = 256 << 10
    /// The largest window of the zstd frame, as a power of two.
    static let windowLog: Int32 = 23

    /// The head of the patch for `plan`.
    static func head(of plan: PatchPlan) -> [UInt8] {
        magic + bytes(UInt64(clamping: plan.oldSize)) + bytes(UInt64(clamping: plan.newSize))
            + bytes(UInt32(clamping: plan.segments.count))
    }

    /// Reads a head.
    ///
    /// - Returns: How many segments the patch has.
    /// - Throws: `damaged` when this is no patch, or not one between files of these sizes; `tooLarge` when it has more
    ///   segments than allowed.
    static func segmentCount(
        inHead head: UnsafeRawBufferPointer, oldSize: Int64, newSize: Int64
    ) throws(PatchFault) -> Int {
        guard head.count == headBytes, head.prefix(magic.count).elementsEqual(magic) else {
            throw .damaged(detail: "it does not begin like a patch")
        }
        guard number(head, at: 8) == UInt64(clamping: oldSize), number(head, at: 16) == UInt64(clamping: newSize) else {
            throw .damaged(detail: "it is a patch between files of other sizes")
        }
        let count = UInt32(littleEndian: head.loadUnaligned(fromByteOffset: 24, as: UInt32.self))
        guard count <= mostSegments else { throw .tooLarge }
        return Int(count)
    }

    /// The record of a segment.
    static func record(of segment: PatchPlan.Segment) -> [UInt8] {
        switch segment {
        case .xor(let newLength, let oldOffset, let elementBytes):
            bytes(UInt64(clamping: newLength)) + bytes(UInt64(clamping: oldOffset)) + [UInt8(clamping: elementBytes)]
        case .fresh(let newLength):
            bytes(UInt64(clamping: newLength)) + bytes(UInt64(0)) + [0]
        }
    }

    /// Reads a segment's record.
    ///
    /// - Parameter remaining: How many bytes of NEW the segments before it leave.
    /// - Throws: `damaged` when the segment does not lie within both files, or its elements have no possible size.
    static func segment(
        inRecord record: UnsafeRawBufferPointer, remaining: Int64, oldSize: Int64
    ) throws(PatchFault) -> PatchPlan.Segment {
        guard record.count == recordBytes, let width = record.last,
            let length = Int64(exactly: number(record, at: 0)), length > 0, length <= remaining
        else { throw .damaged(detail: "a segment is longer than the new file") }
        guard let offset = Int64(exactly: number(record, at: 8)) else {
            throw .damaged(detail: "a segment lies outside of the old file")
        }
        switch width {
        case 0 where offset == 0:
            return .fresh(newLength: length)
        case 1, 2, 4:
            guard length <= oldSize, offset <= oldSize - length else {
                throw .damaged(detail: "a segment lies outside of the old file")
            }
            guard length % Int64(width) == 0 else {
                throw .damaged(detail: "a segment does not consist of whole elements")
            }
            return .xor(newLength: length, oldOffset: offset, elementBytes: Int(width))
        default:
            throw .damaged(detail: "a segment is of no known kind")
        }
    }

    /// The eight bytes at `offset`; the caller has checked that they are there.
    private static func number(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> UInt64 {
        UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }

    /// The number's bytes, lowest first.
    private static func bytes(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
}
