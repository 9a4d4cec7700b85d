/// Checks those blocks of an index that are longer than the memory they come in, as one connection brings them.
///
/// A wrong one ends what is fetched from there at once. Its first parts are on disk by then, so that it is found again when the
/// whole file is judged, and only then fetched anew.
struct PieceCheck {
    private let index: BlockIndex
    private var piece: BlockIndex.Block?
    private var position: Int64 = 0
    private var hash = StreamingHash()

    /// A check by an index; `nil` when none of its blocks is that long.
    init?(_ index: BlockIndex?) {
        guard let index, index.largest > Int64(Block.bytes) else { return nil }
        self.index = index
    }

    /// Takes the next bytes that came.
    ///
    /// - Parameter isWanted: Whether a block that begins here is to be checked.
    /// - Returns: Whether nothing is wrong with them as far as can be told.
    mutating func take(_ bytes: UnsafeRawBufferPointer, at start: Int64, isWanted: Bool) -> Bool {
        if piece == nil || position != start {
            guard isWanted, let next = index.block(holding: start), next.range.lowerBound == start else {
                piece = nil
                return true
            }
            (piece, hash) = (next, StreamingHash())
        }
        guard let piece else { return true }
        let count = min(bytes.count, Int(piece.range.upperBound - start))
        hash.update(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
        position = start + Int64(count)
        guard position == piece.range.upperBound else { return true }
        // Blocks behind it in the same memory are whole in it, and are checked as such.
        self.piece = nil
        return hash.digest() == piece.digest
    }
}
