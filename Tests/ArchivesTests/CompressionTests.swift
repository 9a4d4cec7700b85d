import Archives
import Testing

@Suite struct `A compressed stream` {
    @Test(arguments: Compression.allCases, [0, 1, 1000, 256 << 10, 600_000])
    func `gives back what was compressed`(compression: Compression, size: Int) throws {
        var dice = Dice(5)
        let plain = (0..<size).map { $0 < size / 2 ? UInt8.random(in: 0...255, using: &dice) : 5 }
        #expect(try decompressed(compressed(plain, compression), compression) == plain)
        #expect(try decompressed(compressed(plain, compression), compression, cut: { 1000 }) == plain)
    }

    @Test(arguments: [.gzip, .zstd] as [Compression])
    func `may consist of several parts, however it is cut`(compression: Compression) throws {
        let parts = try [[1, 2], [], [3]].map { try compressed($0, compression) }
        for length in 1...parts.joined().count {
            #expect(try decompressed(Array(parts.joined()), compression, cut: { length }) == [1, 2, 3])
        }
    }

    @Test(arguments: [.gzip, .zstd] as [Compression])
    func `is not finished wherever it is cut off`(compression: Compression) throws {
        let first = try compressed(Array("one, two, three; one, two, three".utf8), compression)
        let bytes = first + (try compressed([1], compression))
        for length in 0..<bytes.count where length != first.count {
            #expect(throws: ArchiveFault.undecodable(compression, reason: "it ends too early")) {
                try decompressed(Array(bytes.prefix(length)), compression)
            }
        }
    }

    @Test(arguments: [.gzip, .zstd] as [Compression], ["x", "\u{0}x", "\u{1F}", "garbage"])
    func `is refused when something else follows its end`(compression: Compression, text: String) throws {
        let bytes = try compressed([1], compression) + Array(text.utf8)
        #expect(throws: ArchiveFault.self) { try decompressed(bytes, compression) }
        #expect(throws: ArchiveFault.self) { try decompressed(bytes, compression, cut: { 1 }) }
    }

    @Test(arguments: [1, 511, 300_000]) func `may have zeros after its end as gzip`(count: Int) throws {
        let bytes = try compressed([1], .gzip) + [UInt8](repeating: 0, count: count)
        #expect(try decompressed(bytes, .gzip) == [1])
        #expect(throws: ArchiveFault.self) { try decompressed(bytes + compressed([2], .gzip), .gzip) }
    }

    @Test(arguments: [.gzip, .zstd] as [Compression])
    func `is refused when its checksum is wrong`(compression: Compression) throws {
        var bytes = try compressed([UInt8](repeating: 5, count: 100), compression)
        bytes[bytes.count - (compression == .gzip ? 5 : 1)] ^= 1
        #expect(throws: ArchiveFault.self) { try decompressed(bytes, compression) }
    }

    @Test(arguments: [.gzip, .zstd] as [Compression])
    func `is refused when it is something else`(compression: Compression) {
        #expect(throws: ArchiveFault.self) { try decompressed(Array("This is neither.".utf8), compression) }
    }

    @Test func `is refused when zstd wants a window of more than 128 MiB`() {
        // The magic number, a descriptor without options, and the window's exponent minus ten in its upper five bits.
        #expect(throws: ArchiveFault.exceeded(.windowBytes(1 << 27))) {
            try decompressed([0x28, 0xB5, 0x2F, 0xFD, 0x00, 18 << 3, 0, 0, 0], .zstd)
        }
    }

    @Test(arguments: [.gzip, .zstd] as [Compression])
    func `stays refused after a fault`(compression: Compression) throws {
        var decompressor = try Decompressor(compression)
        let sound = try compressed([1], compression)
        for bytes in [Array("This is neither.".utf8), sound] {
            #expect(throws: ArchiveFault.self) { try bytes.withUnsafeBytes { try decompressor.feed($0) { _ in } } }
        }
        #expect(throws: ArchiveFault.damaged(.failedBefore, offset: 0)) { try decompressor.finish() }
    }
}

@Suite struct `A compressed tar` {
    @Test(arguments: [.gzip, .zstd] as [Compression], [1, 13, 100_000])
    func `reads like one that is not compressed`(compression: Compression, cut: Int) throws {
        let bytes = try compressed(sampleTar, compression)
        let reading = Reading(bytes, compression, cut: { cut })
        #expect(reading.files == sampleFiles && reading.fault == nil && !reading.isIncoherent)
        #expect(reading.compressedBytes == Int64(bytes.count))
        #expect(reading.uncompressedBytes == Int64(sampleTar.count))
    }

    @Test(arguments: Compression.allCases) func `shows its uncompressed bytes to who asks`(compression: Compression)
        throws
    {
        var reader = try ArchiveReader(compression: compression)
        var seen: [UInt8] = []
        try compressed(sampleTar, compression).withUnsafeBytes { try reader.feed($0, observe: { seen += $0 }) { _ in } }
        #expect(seen == sampleTar)
    }

    @Test(arguments: [.gzip, .zstd] as [Compression])
    func `is stopped promptly when it is a bomb`(compression: Compression) throws {
        let bomb = end + [UInt8](repeating: 0, count: 64 << 20)
        let bytes = try compressed(bomb, compression)
        let reading = Reading(bytes, compression, limits: ArchiveLimits(unpackedBytes: 1 << 20))
        #expect(reading.fault == .exceeded(.unpackedBytes(1 << 20)) && reading.uncompressedBytes == 1 << 20)
        #expect(bytes.count < 100_000)
    }

    @Test(arguments: [.gzip, .zstd] as [Compression])
    func `is refused when only the tar in it is whole`(compression: Compression) throws {
        let bytes = try compressed(sampleTar, compression)
        #expect(Reading(bytes.dropLast(), compression).fault == .undecodable(compression, reason: "it ends too early"))
    }

    @Test(arguments: [.gzip, .zstd] as [Compression])
    func `is refused when only the compressed stream is whole`(compression: Compression) throws {
        let bytes = try compressed(sampleTar.dropLast(1024), compression)
        #expect(Reading(bytes, compression).damage == .endsEarly)
    }

    @Test(arguments: [.gzip, .zstd] as [Compression])
    func `does no harm whatever is changed in it`(compression: Compression) throws {
        var dice = Dice(6)
        let bytes = try compressed(sampleTar, compression)
        for _ in 0..<5000 {
            let reading = Reading(
                dice.damaging(bytes), compression, limits: ArchiveLimits(unpackedBytes: 20_000),
                cut: { Int.random(in: 1...300, using: &dice) })
            #expect(reading.isSafe && !reading.isIncoherent && reading.uncompressedBytes <= 20_000)
            #expect(reading.fault != nil || reading.files == sampleFiles)
        }
    }
}
