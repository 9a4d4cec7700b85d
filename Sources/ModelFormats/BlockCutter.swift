/// Turns the boundaries of a file's tensors into the lengths of the blocks that it is compared and sent in.
///
/// The same tensors are cut the same in every file, wherever they lie in it:
///
/// - The first segment, which is the header, is a matter of its own, because every edit of metadata changes its length.
/// - A long segment is cut every `pieceBytes`, counted from its own beginning.
/// - Where segments are tiny, several are joined. Which ones depends on the lengths of the tiny segments around them alone:
///   a run of them ends at a longer segment or at a seam (see ``isSeam(_:_:)``), and counting begins anew after it.
///
/// The rules are part of what a release records of its files: with others, blocks of old and new releases do not match.
package struct BlockCutter {
    /// Bytes below which a segment is tiny.
    private static let tinyBytes: Int64 = 4 << 10
    /// The most bytes of tiny segments in a block.
    private static let joinedBytes: Int64 = 64 << 10

    /// Bytes of the blocks that long segments are cut into: 1 MiB; 4 MiB in a file above 20 GB, whose list of blocks would
    /// become long.
    package static func pieceBytes(fileSize: Int64) -> Int64 { fileSize > 20_000_000_000 ? 4 << 20 : 1 << 20 }

    /// The lengths of all blocks of a file, from its beginning to its end.
    ///
    /// - Parameters:
    ///   - fileSize: Bytes in the file, of a file that is there: the list is as long as this demands.
    ///   - boundaries: Offsets between segments, in any order; those that are not inside the file do not count.
    ///   - pieceBytes: The most bytes of a block; no limit when it is not above 0.
    /// - Returns: Lengths above 0 whose sum is `fileSize`; none for an empty file.
    package static func lengths(fileSize: Int64, boundaries: [Int64], pieceBytes: Int64) -> [Int64] {
        guard fileSize > 0 else { return [] }
        let limit = pieceBytes > 0 ? pieceBytes : fileSize
        var lengths: [Int64] = []
        for segment in joined(segments(fileSize: fileSize, boundaries: boundaries)) {
            let (pieces, rest) = segment.quotientAndRemainder(dividingBy: limit)
            lengths += repeatElement(limit, count: Int(pieces))
            if rest > 0 { lengths.append(rest) }
        }
        return lengths
    }

    /// The distances between boundaries, from the beginning of the file to its end; none is 0.
    private static func segments(fileSize: Int64, boundaries: [Int64]) -> [Int64] {
        var segments: [Int64] = []
        var start: Int64 = 0
        for offset in boundaries.filter({ $0 < fileSize }).sorted() + [fileSize] where offset > start {
            segments.append(offset - start)
            start = offset
        }
        return segments
    }

    /// The segments, the tiny ones among them joined.
    private static func joined(_ segments: [Int64]) -> [Int64] {
        guard let header = segments.first else { return [] }
        var blocks = [header]
        var last: Int64?
        for segment in segments.dropFirst() {
            if let left = last, let block = blocks.last, left < tinyBytes, segment < tinyBytes,
                block + segment <= joinedBytes, !isSeam(left, segment)
            {
                blocks[blocks.count - 1] = block + segment
            } else {
                blocks.append(segment)
            }
            last = segment
        }
        return blocks
    }

    /// Whether two tiny neighbours are never joined: one in sixteen pairs of lengths, chosen by a hash of both.
    ///
    /// Without seams, a tensor put into a run of thousands would move every cut after it. Equal lengths are no seam,
    /// because in a run of nothing else each pair would be one; there, cuts do move up to the end of that run.
    private static func isSeam(_ left: Int64, _ right: Int64) -> Bool {
        // Both are below 2¹², so that no two pairs have the same seed.
        var hash = SplitMix64(seed: UInt64(bitPattern: left << 12 | right))
        return left != right && hash.next().isMultiple(of: 16)
    }
}
