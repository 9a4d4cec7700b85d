import ModelFormats
import Testing

/// Bytes that look random, the same for the same seed.
private func noise(_ count: Int, seed: UInt64) -> [UInt8] {
    var random = SplitMix64(seed: seed)
    return (0..<count / 8).flatMap { _ in little(random.next()) }
}

/// The ends of all chunks, when the bytes come in updates of the lengths that `step` gives.
private func ends(_ bytes: [UInt8], step: () -> Int = { .max }) -> [Int64] {
    var chunker = ContentDefinedChunker()
    var ends: [Int64] = []
    var rest = bytes[...]
    while !rest.isEmpty {
        let update = rest.prefix(step())
        update.withUnsafeBytes { chunker.update($0) { ends.append($0) } }
        rest = rest.dropFirst(update.count)
    }
    chunker.finish { ends.append($0) }
    return ends
}

private func lengths(_ ends: [Int64]) -> [Int64] { zip(ends, [0] + ends).map { $0 - $1 } }

@Suite struct `The chunks of a stream` {
    @Test(arguments: [1 as UInt64, 2, 3])
    func `do not depend on how it is divided into updates`(seed: UInt64) {
        let bytes = noise(1 << 20, seed: seed) + [UInt8](repeating: 7, count: 600_000) + noise(1 << 19, seed: seed + 9)
        let whole = ends(bytes)
        var random = SplitMix64(seed: seed)
        #expect(ends(bytes) { Int.random(in: 1...40_000, using: &random) } == whole)
        #expect(ends(bytes) { [1, 2, 16 << 10, (16 << 10) + 1].randomElement(using: &random) ?? 1 } == whole)
        #expect(ends(bytes) { 52 << 10 } == whole)
    }

    @Test func `are the same when every byte comes alone`() {
        let bytes = noise(300_000, seed: 8)
        #expect(ends(bytes) { 1 } == ends(bytes))
    }

    @Test func `keep their limits, and are of 64 KiB on average`() throws {
        let bytes = noise(8 << 20, seed: 5)
        let all = lengths(ends(bytes))
        #expect(all.dropLast().allSatisfy { $0 > 16 << 10 && $0 <= 256 << 10 })
        #expect(all.reduce(0, +) == bytes.count)
        #expect((60 << 10...70 << 10).contains(bytes.count / all.count))
    }

    @Test func `are of the greatest length where nothing says where to cut`() {
        #expect(lengths(ends([UInt8](repeating: 0, count: 600_000))) == [262_144, 262_144, 75_712])
    }

    @Test(arguments: [1, 100, 50_000])
    func `stay the same but for a few when bytes are inserted`(count: Int) {
        let bytes = noise(4 << 20, seed: 6)
        let middle = bytes.count / 2 + 11
        let before = ends(bytes)
        let after = ends(Array(bytes[..<middle]) + noise(50_000, seed: 7)[..<count] + bytes[middle...])
        let shifted = Set(before.map { $0 < middle ? $0 : $0 + Int64(count) })
        #expect(before.count > 50)
        #expect(Set(after).subtracting(shifted).count <= 5)
        #expect(shifted.subtracting(after).count <= 5)
    }

    @Test func `are none without bytes`() {
        #expect(ends([]) == [])
        var chunker = ContentDefinedChunker()
        chunker.update(UnsafeRawBufferPointer(start: nil, count: 0)) { _ in Issue.record("a chunk of nothing") }
        chunker.finish { _ in Issue.record("a chunk of nothing") }
    }

    @Test(arguments: [1, 16 << 10, (16 << 10) + 1])
    func `may be a single short one`(count: Int) {
        #expect(ends([UInt8](repeating: 1, count: count)) == [Int64(count)])
    }

    @Test func `are the ones that releases were recorded with`() {
        // Computed by another program, written from the description of the algorithm alone.
        let recorded: [Int64] = [54_829, 154_715, 220_209, 291_662, 363_938, 380_628, 444_429, 521_356, 524_288]
        #expect(ends(noise(512 << 10, seed: 1)) == recorded)
    }
}

@Suite struct `The generator SplitMix64` {
    @Test func `gives the numbers of the reference implementation`() {
        var random = SplitMix64(seed: 1_234_567)
        let numbers = (0..<3).map { _ in random.next() }
        #expect(numbers == [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423])
    }
}
