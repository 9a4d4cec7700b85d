/// Reads a header of unknown length from front to back, in pieces that grow, and never past a limit.
struct HeaderCursor {
    /// The most bytes a header may have: far more than the largest vocabularies take.
    static let mostBytes: Int64 = 256 << 20
    /// Bytes of the first piece; most headers of small models end in it.
    private static let firstPieceBytes = 64 << 10
    /// Bytes after which pieces no longer grow.
    private static let largestPieceBytes = 4 << 20

    private let file: ByteSource
    private let end: Int64
    private var piece: [UInt8] = []
    private var pieceStart: Int64 = 0
    private var nextPieceBytes = firstPieceBytes

    /// The offset in the file of the next byte.
    private(set) var position: Int64 = 0

    /// Stands at the beginning of the file.
    init(_ file: ByteSource) {
        self.file = file
        end = min(file.size, Self.mostBytes)
    }

    /// Bytes that may still be read.
    var remaining: UInt64 { UInt64(max(0, end - position)) }

    /// Reads a little-endian number.
    ///
    /// - Throws: ``Inconsistency`` when it would lie past the end; what reading throws.
    mutating func number<Number: FixedWidthInteger & UnsignedInteger>(_: Number.Type) throws -> Number {
        let bytes = Number.bitWidth / 8
        let start = try require(bytes)
        var number: Number = 0
        for byte in piece[start..<(start + bytes)].reversed() { number = number << 8 | Number(byte) }
        position += Int64(bytes)
        return number
    }

    /// Reads `count` bytes.
    ///
    /// - Throws: ``Inconsistency`` when they would lie past the end; what reading throws.
    mutating func bytes(_ count: Int) throws -> [UInt8] {
        let start = try require(count)
        position += Int64(count)
        return Array(piece[start..<(start + count)])
    }

    /// Goes past `count` elements of `width` bytes without reading them.
    ///
    /// - Throws: ``Inconsistency`` when they would lie past the end.
    mutating func skip(_ count: UInt64, width: UInt64 = 1) throws(Inconsistency) {
        let (bytes, overflows) = count.multipliedReportingOverflow(by: width)
        guard !overflows, bytes <= remaining else { throw Inconsistency() }
        position += Int64(bytes)
    }

    /// Makes sure that the piece has the next `count` bytes, and gives the index in it at which they begin.
    private mutating func require(_ count: Int) throws -> Int {
        guard count >= 0, UInt64(count) <= remaining else { throw Inconsistency() }
        if position < pieceStart || position + Int64(count) > pieceStart + Int64(piece.count) {
            let wanted = max(count, min(nextPieceBytes, Int(remaining)))
            piece = try file.bytes(at: position, count: wanted)
            pieceStart = position
            nextPieceBytes = min(nextPieceBytes * 2, Self.largestPieceBytes)
        }
        return Int(position - pieceStart)
    }
}
