import Patches
import Testing

@Suite struct `A zstd stream` {
    @Test(arguments: [0, 1, 1000, 128 << 10, 300_000], [1, 1000, Int.max])
    func `gives back what was compressed, however it is cut`(size: Int, cut: Int) throws {
        var dice = Dice(21)
        let plain = dice.bytes(size / 2) + [UInt8](repeating: 5, count: size - size / 2)
        var seen: [UInt8] = []
        try decompressed(compressed(plain), limit: Int64(size), cut: cut, seen: &seen)
        #expect(seen == plain)
    }

    @Test func `may consist of several frames`() throws {
        var seen: [UInt8] = []
        try decompressed(compressed([1, 2], [], [3]), cut: 1, seen: &seen)
        #expect(seen == [1, 2, 3])
    }

    @Test func `is not finished wherever it is cut off`() throws {
        let bytes = try compressed(Array("one, two, three; one, two, three; one, two, three".utf8))
        for length in 0..<bytes.count {
            var seen: [UInt8] = []
            #expect(throws: PatchFault.damaged(detail: "zstd: the stream ends too early")) {
                try decompressed(Array(bytes.prefix(length)), cut: 3, seen: &seen)
            }
        }
    }

    @Test(arguments: [0, 1, 1000, 9_999_999] as [Int64]) func `hands out no more than the limit`(limit: Int64) throws {
        let bomb = try compressed([UInt8](repeating: 0, count: 10_000_000))
        var seen: [UInt8] = []
        #expect(throws: PatchFault.tooLarge) { try decompressed(bomb, limit: limit, seen: &seen) }
        #expect(seen.count <= limit)
    }

    @Test func `is refused when it wants a window of more than 128 MiB`() {
        var seen: [UInt8] = []
        #expect(throws: PatchFault.tooLarge) {
            try decompressed([0x28, 0xB5, 0x2F, 0xFD, 0x00, 18 << 3, 0, 0, 0], seen: &seen)
        }
    }

    @Test(arguments: [Int32.min, 3, 19, .max]) func `never needs a window of more than 8 MiB`(level: Int32) throws {
        let plain = [UInt8](repeating: 9, count: 20 << 20)
        var seen: [UInt8] = []
        try decompressed(compressed(plain, level: level), windowLog: 23, seen: &seen)
        #expect(seen == plain)
    }

    @Test func `stays refused after a fault`() throws {
        var decoder = try ZstdDecoder(limit: 100)
        let garbage = Array("This is no zstd frame.".utf8)
        let sound = try compressed([1])
        #expect(throws: PatchFault.self) { try garbage.withUnsafeBytes { try decoder.feed($0) { _ in } } }
        #expect(throws: PatchFault.self) { try sound.withUnsafeBytes { try decoder.feed($0) { _ in } } }
        let produced = decoder.produced
        #expect(produced == 0)
    }

    @Test func `does no harm whatever is changed in it`() throws {
        var dice = Dice(22)
        let bytes = try compressed(dice.bytes(200) + [UInt8](repeating: 3, count: 2000))
        for _ in 0..<5000 {
            var broken = bytes
            let place = Int.random(in: 0..<bytes.count, using: &dice)
            broken[place] = UInt8.random(in: 0...255, using: &dice)
            var seen: [UInt8] = []
            try? decompressed(broken, limit: 2500, seen: &seen)
            #expect(seen.count <= 2500)
        }
    }
}
