import ReconcileCore
import SystemPackage

/// Which parts of a wanted file are copied from this machine, and which are fetched from the unchanged original file.
struct ReusePlan: Sendable, Hashable {
    /// A part that is copied.
    struct Copy: Sendable, Hashable {
        let range: Range<Int64>
        let from: LocalBlocks.Place
    }

    /// In the order of the file, apart.
    let copies: [Copy]

    /// Bytes that are copied.
    var bytes: Int64 { copies.reduce(0) { $0 + Int64($1.range.count) } }

    /// Parts that are copied between parts that are fetched are fetched too when they are not longer: a request costs as much.
    static let smallestCopy: Int64 = 256 << 10
    /// When less than this share of the file can be had here, it is fetched in one plain stream.
    static let smallestShare = 0.02

    /// Plans a file.
    ///
    /// - Parameter present: Ranges that an earlier process has fetched already, ascending and apart.
    init(_ index: BlockIndex, from local: LocalBlocks, present: [Range<Int64>] = []) {
        var copies: [Copy] = []
        var rest = present[...]
        for block in index.blocks {
            while let first = rest.first, first.upperBound <= block.range.lowerBound { rest.removeFirst() }
            // What is partly here is not missing as a whole, and is fetched.
            guard let place = local[block.digest], !(rest.first?.overlaps(block.range) ?? false) else { continue }
            if let last = copies.last, last.range.upperBound == block.range.lowerBound, last.from.path == place.path,
                last.from.offset + Int64(last.range.count) == place.offset
            {
                copies[copies.count - 1] = Copy(range: last.range.lowerBound..<block.range.upperBound, from: last.from)
            } else {
                copies.append(Copy(range: block.range, from: place))
            }
        }
        let kept = Self.withoutCrumbs(copies, size: index.size)
        let sum = kept.reduce(0) { $0 + Double($1.range.count) }
        self.copies = sum >= Double(index.size) * Self.smallestShare ? kept : []
    }

    /// Leaves those out that stand alone between bytes that are fetched and are small.
    private static func withoutCrumbs(_ copies: [Copy], size: Int64) -> [Copy] {
        var kept: [Copy] = []
        var run: [Copy] = []
        func flush() {
            let length = run.reduce(0) { $0 + Int64($1.range.count) }
            let reachesEnd = run.first?.range.lowerBound == 0 || run.last?.range.upperBound == size
            if length > smallestCopy || reachesEnd { kept += run }
            run = []
        }
        for copy in copies {
            if let last = run.last, last.range.upperBound != copy.range.lowerBound { flush() }
            run.append(copy)
        }
        flush()
        return kept
    }
}
