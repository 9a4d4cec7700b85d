import Patches
import Testing

/// The segments of a plan from 100 bytes to 100 bytes.
private func segments(_ pairs: PatchPlan.Pair...) -> [PatchPlan.Segment] {
    PatchPlan(oldSize: 100, newSize: 100, pairs: pairs).segments
}

@Suite struct `A patch plan` {
    @Test func `has fresh segments where no pair covers the new file`() {
        #expect(
            segments((10, 20, 30, 2), (50, 50, 8, 4)) == [
                .fresh(newLength: 10), .xor(newLength: 30, oldOffset: 20, elementBytes: 2), .fresh(newLength: 10),
                .xor(newLength: 8, oldOffset: 50, elementBytes: 4), .fresh(newLength: 42),
            ])
    }

    @Test func `is fresh as a whole without pairs`() {
        #expect(segments() == [.fresh(newLength: 100)])
    }

    @Test func `has no segments for an empty file`() {
        #expect(PatchPlan(oldSize: 100, newSize: 0, pairs: [(0, 0, 0, 2)]).segments.isEmpty)
    }

    @Test func `counts a negative size as nothing`() {
        let plan = PatchPlan(oldSize: -1, newSize: .min, pairs: [(0, 0, 1, 1)])
        #expect(plan.oldSize == 0 && plan.newSize == 0 && plan.segments.isEmpty)
    }

    @Test func `takes pairs in any order`() {
        #expect(
            segments((50, 0, 50, 2), (0, 50, 50, 2)) == [
                .xor(newLength: 50, oldOffset: 50, elementBytes: 2), .xor(newLength: 50, oldOffset: 0, elementBytes: 2),
            ])
    }

    @Test func `makes one segment of pairs that continue each other`() {
        #expect(
            segments((0, 0, 40, 2), (40, 40, 60, 2)) == [.xor(newLength: 100, oldOffset: 0, elementBytes: 2)])
        #expect(segments((0, 0, 40, 2), (40, 40, 60, 4)).count == 2)
    }

    @Test(arguments: [
        (0, 0, 0, 2), (0, 0, -4, 2), (-1, 0, 10, 2), (0, -1, 10, 2), (91, 0, 10, 1), (0, 91, 10, 1), (0, 0, 101, 1),
        (.max, 0, 1, 1), (0, .max, 1, 1), (0, 0, .max, 1), (.max, .max, .max, 1), (.min, .min, .min, .min),
    ])
    func `leaves out a pair that does not lie within both files`(pair: PatchPlan.Pair) {
        #expect(segments(pair) == [.fresh(newLength: 100)])
    }

    @Test func `leaves out a pair that overlaps an earlier one in the new file only`() {
        #expect(
            segments((0, 0, 60, 2), (50, 0, 50, 2)) == [
                .xor(newLength: 60, oldOffset: 0, elementBytes: 2), .fresh(newLength: 40),
            ])
        #expect(segments((0, 0, 60, 2), (60, 0, 40, 2)).count == 2)
    }

    @Test(arguments: [
        (12, 8, 4), (12, 4, 4), (12, 2, 2), (12, 6, 2), (12, 1, 1), (12, 3, 1), (14, 4, 2), (13, 4, 1), (12, 0, 1),
        (12, -4, 1), (12, Int.min, 1),
    ])
    func `splits by the largest possible element`(length: Int64, elementBytes: Int, expected: Int) {
        let expected = PatchPlan.Segment.xor(newLength: length, oldOffset: 0, elementBytes: expected)
        #expect(segments((0, 0, length, elementBytes)).first == expected)
    }

    @Test func `covers the new file even with more pairs than a patch can hold`() {
        let pairs: [PatchPlan.Pair] = (0..<150_000).map { ($0 * 2 + 1, $0 * 2, 1, 1) }
        let plan = PatchPlan(oldSize: 300_000, newSize: 300_001, pairs: pairs)
        #expect(plan.segments.count <= 262_144)
        #expect(plan.segments.reduce(0) { $0 + $1.newLength } == 300_001)
    }
}
