/// Checks those blocks of an index that are longer than the memory they come in, as one connection brings them.
///
/// A wrong one ends what is fetched from there at once. Its first parts are on disk by then, so that it is found again when the
/// whole file is judged, and only then fetched anew.
struct PieceCheck {
    private var piece: BlockIndex.Block?
    private var position: Int64 = 0
    private var hash = StreamingHash()

    /// Takes the next bytes that came.
    ///
    /// - Parameter index: What says how a block must be that begins here, if that is to be checked.
    /// - Returns: Whether nothing is wrong with them as far as can be told.
    mutating func take(_ bytes: UnsafeRawBufferPointer, at start: Int64, index: BlockIndex?) -> Bool {
        if piece == nil || position != start {
            guard let index, index.largest > Int64(Block.bytes), let next = index.block(holding: start),
                next.range.lowerBound == start
            else {
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
