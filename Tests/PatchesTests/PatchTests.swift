import Patches
import Testing

/// A small pair of files with all kinds of segments.
private let small: (files: Files, pairs: [PatchPlan.Pair]) = {
    var dice = Dice(1)
    let old = dice.bytes(1200)
    let new = old[600..<1000] + dice.flipping(Array(old[0..<400]), oneIn: 20) + dice.bytes(100) + old[1000..<1101]
    return (Files(old: old, new: Array(new)), [(0, 600, 400, 4), (400, 0, 400, 2), (900, 1000, 101, 2)])
}()

@Suite struct `A patch` {
    @Test(arguments: [1, 2, 4], [0, 1, 7, 8, 262_143, 262_144, 262_145, 600_000])
    func `turns the old file into the new one`(elementBytes: Int, size: Int) throws {
        var dice = Dice(2)
        let old = dice.bytes(size)
        let files = Files(old: old, new: dice.flipping(old, oneIn: 50))
        #expect(try files.roundTrips(files.whole(elementBytes)))
    }

    @Test(arguments: [1, 2, 4]) func `turns a file into one that has nothing in common`(elementBytes: Int) throws {
        var dice = Dice(3)
        let files = Files(old: dice.bytes(300_000), new: dice.bytes(300_000))
        #expect(try files.roundTrips(files.whole(elementBytes)))
    }

    @Test func `costs next to nothing for identical files`() throws {
        var dice = Dice(4)
        let old = dice.bytes(16 << 20)
        let files = Files(old: old, new: old)
        let patch = try #require(try files.patch(files.whole(2)))
        #expect(patch.count < 100)
        #expect(try files.apply(patch, cut: 7).output == old)
    }

    @Test func `costs next to nothing for fresh zeros`() throws {
        let files = Files(old: [], new: [UInt8](repeating: 0, count: 16 << 20))
        let patch = try #require(try files.patch([]))
        #expect(patch.count < 100)
        #expect(try files.apply(patch).output == files.new)
    }

    @Test func `takes half a percent when one weight in a thousand has one bit changed`() throws {
        var dice = Dice(5)
        let old = dice.bytes(16 << 20)
        let files = Files(old: old, new: dice.flipping(old, oneIn: 1000))
        let patch = try #require(try files.patch(files.whole(2)))
        #expect(patch.count * 200 < files.new.count)
        #expect(try files.apply(patch, cut: 65536).output == files.new)
    }

    @Test func `takes a third when all weights have one percent of noise`() throws {
        var dice = Dice(6)
        let weights = (0..<1 << 19).map { _ in dice.normal() * 0.02 }
        let noisy = weights.map { $0 * (1 + 0.01 * dice.normal()) }
        let files = Files(old: halves(of: weights), new: halves(of: noisy))
        let patch = try #require(try files.patch(files.whole(2)))
        #expect(patch.count * 3 < files.new.count)
        #expect(try files.apply(patch).output == files.new)
    }

    @Test func `follows tensors that have changed places`() throws {
        var dice = Dice(7)
        let (left, right) = (dice.bytes(400_000), dice.bytes(300_000))
        let files = Files(old: left + right, new: right + left)
        let patch = try #require(try files.patch([(0, 400_000, 300_000, 2), (300_000, 0, 400_000, 2)]))
        #expect(patch.count < 200)
        #expect(try files.apply(patch).output == files.new)
    }

    @Test func `turns a file into a longer and a shorter one`() throws {
        var dice = Dice(8)
        let (short, more) = (dice.bytes(300_000), dice.bytes(90_001))
        let (grown, shrunk) = (Files(old: short, new: short + more), Files(old: short + more, new: short))
        #expect(try grown.roundTrips(grown.whole(2)))
        #expect(try shrunk.roundTrips(shrunk.whole(2)))
    }

    @Test func `turns something into nothing and nothing into something`() throws {
        let (nothing, something) = ([UInt8](), Array("something".utf8))
        for (old, new) in [(nothing, nothing), (nothing, something), (something, nothing)] {
            #expect(try Files(old: old, new: new).roundTrips([(0, 0, Int64(new.count), 1)]))
        }
    }

    @Test(arguments: [1, 2, 3, 17, 28, 29, 1000]) func `can be fed in any cuts`(cut: Int) throws {
        #expect(try small.files.roundTrips(small.pairs, cut: cut))
    }

    @Test(arguments: [-5, 3, 9, 19, 100] as [Int32]) func `can be written at any level`(level: Int32) throws {
        let patch = try #require(try small.files.patch(small.pairs, level: level))
        #expect(try small.files.apply(patch).output == small.files.new)
    }

    @Test func `is the same for the same files`() throws {
        #expect(try small.files.patch(small.pairs) == small.files.patch(small.pairs))
    }

    @Test func `may be as large as the limit and no larger`() throws {
        let size = try #require(try small.files.patch(small.pairs)).count
        #expect(try small.files.patch(small.pairs, limit: Int64(size))?.count == size)
        for limit in [Int64(size) - 1, 30, 28, 27, 0, -1, .min] {
            #expect(try small.files.patch(small.pairs, limit: limit) == nil)
        }
    }

    @Test func `stops early when it gets too large`() throws {
        var dice = Dice(9)
        var (lastRead, written): (Int64, Int64) = (0, 0)
        let size = try PatchWriter.write(
            PatchPlan(oldSize: 0, newSize: 1 << 40, pairs: []), readOld: { _, _ in },
            readNew: {
                lastRead = $0
                $1.copyBytes(from: dice.bytes($1.count))
            },
            output: { written += Int64($0.count) }, stopAbove: 1 << 19)
        #expect(size == nil && written <= 1 << 19 && lastRead < 2 << 20)
    }

    @Test func `passes on what the caller's closures throw`() throws {
        let plan = small.files.plan(small.pairs)
        let patch = try #require(try small.files.patch(small.pairs))
        #expect(throws: Files.Stray.self) {
            try PatchWriter.write(
                plan, readOld: { _, _ in throw Files.Stray() }, readNew: { _, _ in }, output: { _ in },
                stopAbove: .max)
        }
        #expect(throws: Files.Stray.self) {
            var reader = try PatchReader(oldSize: plan.oldSize, newSize: plan.newSize)
            try patch.withUnsafeBytes {
                try reader.feed($0, readOld: { _, _ in }, output: { _ in throw Files.Stray() })
            }
        }
    }
}

/// The numbers as bf16: the upper halves of their bits.
private func halves(of numbers: [Float]) -> [UInt8] {
    numbers.flatMap {
        [UInt8(truncatingIfNeeded: $0.bitPattern >> 16), UInt8(truncatingIfNeeded: $0.bitPattern >> 24)]
    }
}
