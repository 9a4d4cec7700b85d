import ModelFormats
import Testing

private let mebibyte: Int64 = 1 << 20

/// The lengths of the blocks of a file with segments of these lengths.
private func blocks(_ segments: [Int64], pieceBytes: Int64 = mebibyte) -> [Int64] {
    var boundaries: [Int64] = []
    for segment in segments { boundaries.append((boundaries.last ?? 0) + segment) }
    return BlockCutter.lengths(fileSize: boundaries.last ?? 0, boundaries: boundaries, pieceBytes: pieceBytes)
}

@Suite struct `The blocks of a file` {
    @Test func `are cut at every boundary, and counted anew after it`() {
        #expect(blocks([10_000, 2 * mebibyte + 5, mebibyte, 5000]) == [10_000, mebibyte, mebibyte, 5, mebibyte, 5000])
    }

    @Test func `are pieces of one length in a file without boundaries`() {
        #expect(blocks([2 * mebibyte + 1]) == [mebibyte, mebibyte, 1])
        #expect(blocks([]) == [])
    }

    @Test func `make up the file, whatever the boundaries are`() {
        var random = SplitMix64(seed: 1)
        for _ in 0..<500 {
            let size = Int64.random(in: 0...200_000, using: &random)
            let boundaries = (0..<Int.random(in: 0...60, using: &random)).map { _ in
                [.random(in: -10...210_000, using: &random), .min, .max, 0, size].randomElement(using: &random) ?? 0
            }
            let piece = Int64.random(in: -1...100_000, using: &random)
            let lengths = BlockCutter.lengths(fileSize: size, boundaries: boundaries, pieceBytes: max(piece, 50) - 50)
            #expect(lengths.reduce(0, +) == size)
            #expect(lengths.allSatisfy { $0 > 0 })
        }
    }

    @Test func `do not exist without bytes`() {
        #expect(BlockCutter.lengths(fileSize: -5, boundaries: [-7, 3], pieceBytes: mebibyte) == [])
    }

    @Test func `are larger in a file above 20 GB`() {
        #expect(BlockCutter.pieceBytes(fileSize: 20_000_000_000) == mebibyte)
        #expect(BlockCutter.pieceBytes(fileSize: 20_000_000_001) == 4 * mebibyte)
    }
}

@Suite struct `Tiny tensors` {
    @Test func `share a block of at most 64 KiB`() {
        let lengths = blocks([9000] + Array(repeating: 2048, count: 70) + [mebibyte])
        #expect(lengths == [9000, 65_536, 65_536, 6 * 2048, mebibyte])
    }

    @Test func `of one length share a block, whatever the length`() {
        for length in 1..<Int64(4096) { #expect(blocks([9000, length, length, length]) == [9000, 3 * length]) }
    }

    @Test func `are not joined with what is not tiny, nor with the header`() {
        #expect(blocks([100, 200, 4096, 300, 5000, 400]) == [100, 200, 4096, 300, 5000, 400])
    }

    @Test func `are cut the same in another file`() {
        var random = SplitMix64(seed: 3)
        let run = (0..<300).map { _ in Int64.random(in: 1..<4096, using: &random) }
        let here = blocks([9000] + run + [mebibyte])
        let there = blocks([12_345, 3 * mebibyte + 7, 50_000] + run + [8000, 3])
        #expect(here.dropFirst().dropLast() == there.dropFirst(6).dropLast(2))
        #expect(here.count < 60)
    }

    @Test func `keep their blocks when one is put among them, but for a few`() {
        var random = SplitMix64(seed: 4)
        var run = (0..<2000).map { _ in Int64.random(in: 1..<4096, using: &random) }
        let before = blocks([9000] + run)
        run.insert(777, at: 1000)
        let after = blocks([9000] + run)
        let same = zip(before, after).prefix { $0 == $1 }.count
        let sameFromEnd = zip(before.reversed(), after.reversed()).prefix { $0 == $1 }.count
        #expect(before.count > 100)
        #expect(same + sameFromEnd >= before.count - 5)
    }
}

@Suite struct `A new release` {
    private let tensors: [Int64] = [3 * mebibyte + 17, 2048, 2048, 9 * mebibyte, 512, 40_000, 100, 200, 300]

    @Test(arguments: [40, 3000, 4095, 4096, 60_000])
    func `with other metadata has other lengths only in its header`(header: Int64) {
        let (before, after) = (blocks([header] + tensors), blocks([header + 13] + tensors))
        #expect(before.dropFirst() == after.dropFirst())
        #expect(after.first == header + 13)
    }

    @Test func `with one more tensor keeps the blocks of the others`() {
        let added = 2 * mebibyte + 3
        let before = blocks([5000] + tensors)
        let after = blocks([5080] + tensors.prefix(3) + [added] + tensors.dropFirst(3))
        #expect(after.prefix(6).dropFirst() == before.prefix(6).dropFirst())
        #expect(Array(after[6..<9]) == [mebibyte, mebibyte, 3])
        #expect(after.dropFirst(9) == before.dropFirst(6))
    }
}
