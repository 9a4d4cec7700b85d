/// Where each byte of NEW comes from: which stretches are stored as their difference to OLD, and which as they are.
///
/// Whatever pairs it is made of, three laws hold: the segments cover NEW from 0 to its size, in order and without
/// overlap; they read OLD only within its size; and there are at most ``PatchFormat/mostSegments`` of them.
package struct PatchPlan: Hashable, Sendable {
    /// A stretch of NEW.
    package enum Segment: Hashable, Sendable {
        /// `newLength` bytes, stored as their difference to as many bytes of OLD from `oldOffset` on.
        ///
        /// `elementBytes` is 1, 2 or 4 and divides `newLength`.
        case xor(newLength: Int64, oldOffset: Int64, elementBytes: Int)
        /// `newLength` bytes that have nothing to be compared with.
        case fresh(newLength: Int64)

        /// How many bytes of NEW the segment is.
        package var newLength: Int64 {
            switch self {
            case .xor(let newLength, _, _), .fresh(let newLength): newLength
            }
        }
    }

    /// Two tensors of the same name and size: where they begin in their files, their bytes, and the bytes of an element.
    package typealias Pair = (newOffset: Int64, oldOffset: Int64, length: Int64, elementBytes: Int)

    /// How many bytes OLD has.
    package let oldSize: Int64
    /// How many bytes NEW has.
    package let newSize: Int64
    /// The stretches of NEW, in order.
    package private(set) var segments: [Segment] = []

    /// Makes a plan of the tensors that both files have.
    ///
    /// Offsets and lengths come out of the files' own headers, so nothing is expected of them: a pair that lies
    /// outside of its files, or overlaps an earlier one in NEW, is left out. What no pair covers is fresh. Pairs that
    /// continue each other in both files become one segment. Elements of other sizes than 1, 2 and 4 bytes count as
    /// the largest of these that divides theirs. A negative size counts as 0.
    package init(oldSize: Int64, newSize: Int64, pairs: [Pair]) {
        self.oldSize = max(oldSize, 0)
        self.newSize = max(newSize, 0)
        var covered: Int64 = 0
        // A pair adds two segments at most, itself and the gap before it; the rest of NEW needs one more.
        let most = PatchFormat.mostSegments - 3
        for pair in pairs.sorted(by: { $0.newOffset < $1.newOffset }) where segments.count <= most {
            guard fits(pair), pair.newOffset >= covered else { continue }
            appendFresh(pair.newOffset - covered)
            append(pair)
            covered = pair.newOffset + pair.length
        }
        appendFresh(self.newSize - covered)
    }

    /// Whether the pair has bytes, and all of them lie within both files.
    private func fits(_ pair: Pair) -> Bool {
        pair.length > 0 && pair.newOffset >= 0 && pair.oldOffset >= 0
            && pair.length <= newSize && pair.newOffset <= newSize - pair.length
            && pair.length <= oldSize && pair.oldOffset <= oldSize - pair.length
    }

    /// Adds a fresh segment, unless it would be empty.
    private mutating func appendFresh(_ length: Int64) {
        if length > 0 { segments.append(.fresh(newLength: length)) }
    }

    /// Adds a pair that fits, to the last segment if it continues that one.
    private mutating func append(_ pair: Pair) {
        let wide = [4, 2].first { pair.elementBytes % $0 == 0 && pair.length % Int64($0) == 0 }
        let elementBytes = pair.elementBytes > 0 ? wide ?? 1 : 1
        if case .xor(let length, let oldOffset, elementBytes)? = segments.last, oldOffset + length == pair.oldOffset {
            segments.removeLast()
            segments.append(.xor(newLength: length + pair.length, oldOffset: oldOffset, elementBytes: elementBytes))
        } else {
            segments.append(.xor(newLength: pair.length, oldOffset: pair.oldOffset, elementBytes: elementBytes))
        }
    }
}
