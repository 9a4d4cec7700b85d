import ReconcileCore

/// The pieces of a file that are on disk and wait for the hash of the whole file to reach them, in their order.
struct HashLine {
    /// A piece.
    struct Piece {
        let end: Int64
        /// Its bytes, while memory lasts.
        var block: Block?
        /// Told when the journal vouches for it; `nil` when it does already.
        var done: Assembly.Completion?

        /// Whether the journal vouches for it.
        var isClaimed: Bool { done == nil }
    }

    private var pieces: [Int64: Piece] = [:]
    private var starts: [Int64] = []

    /// The start of the first one.
    var first: Int64? { starts.first }

    /// Whether any of them has bytes of a range.
    func overlaps(_ range: Range<Int64>) -> Bool {
        let next = starts.firstPlace { $0 > range.lowerBound }
        if next < starts.count, starts[next] < range.upperBound { return true }
        return next > 0 && pieces[starts[next - 1]].map { $0.end > range.lowerBound } ?? false
    }

    /// The piece that begins at an offset; setting it puts it in line, takes it out, or changes it.
    subscript(start: Int64) -> Piece? {
        get { pieces[start] }
        set {
            let place = starts.firstPlace { $0 >= start }
            let isThere = place < starts.count && starts[place] == start
            if newValue != nil, !isThere { starts.insert(start, at: place) }
            if newValue == nil, isThere { starts.remove(at: place) }
            pieces[start] = newValue
        }
    }

    /// The pieces that fit, with their starts.
    func filter(_ fits: (Int64, Piece) -> Bool) -> [(start: Int64, piece: Piece)] {
        starts.compactMap { start in
            guard let piece = pieces[start], fits(start, piece) else { return nil }
            return (start, piece)
        }
    }
}
