import ModelFormats
import Testing

@Suite struct `The tensors of a GGUF file` {
    @Test(arguments: [2, 3] as [UInt32])
    func `begin where their offsets say and end where the next begins`(version: UInt32) throws {
        var file = GGUF.sample
        file.version = version
        let start = Int64(file.dataStart)
        #expect(try boundaries(file.bytes) == [start, start + 64, start + 192])
    }

    @Test(arguments: [8, 64, 4096])
    func `are aligned as the metadata says`(alignment: Int) throws {
        var file = GGUF.sample
        file.alignment = alignment
        file.metadata.append(GGUF.key("general.alignment", type: 4, little(UInt32(alignment))))
        file.tensors = [GGUF.tensor("a", at: 0), GGUF.tensor("b", at: UInt64(alignment))]
        file.dataBytes = alignment * 2
        let start = Int64(file.dataStart)
        #expect(try boundaries(file.bytes) == [start, start + Int64(alignment)])
        file.tensors.append(GGUF.tensor("c", at: UInt64(alignment) + 4))
        #expect(try boundaries(file.bytes) == nil)
    }

    @Test func `may begin after a gap`() throws {
        let file = GGUF(tensors: [GGUF.tensor("a", at: 32)], dataBytes: 64)
        let start = Int64(file.dataStart)
        #expect(try boundaries(file.bytes) == [start, start + 32])
    }

    @Test func `may be empty and share an offset, and are apart otherwise`() throws {
        let empty = GGUF.tensor("empty", sizes: [0, 4], at: 32)
        var file = GGUF(tensors: [GGUF.tensor("a", at: 0), empty, GGUF.tensor("b", at: 32)], dataBytes: 64)
        let start = Int64(file.dataStart)
        #expect(try boundaries(file.bytes) == [start, start + 32])
        file.tensors.append(GGUF.tensor("c", at: 32))
        #expect(try boundaries(file.bytes) == nil)
    }

    @Test(arguments: [64, 96, 1 << 40, 0x7FFF_FFFF_FFFF_FFE0, 1 << 63, .max - 31] as [UInt64])
    func `lie inside the file`(offset: UInt64) throws {
        #expect(try boundaries(GGUF(tensors: [GGUF.tensor("a", at: offset)], dataBytes: 64).bytes) == nil)
    }

    @Test func `have names and keys that appear once`() throws {
        let twice = GGUF(tensors: [GGUF.tensor("a", at: 0), GGUF.tensor("a", at: 32)], dataBytes: 64)
        #expect(try boundaries(twice.bytes) == nil)
        let key = GGUF.key("k", type: 0, [0])
        #expect(try boundaries(GGUF(metadata: [key, key], dataBytes: 64).bytes) == nil)
    }
}

@Suite struct `A GGUF file` {
    @Test func `without tensors is nothing but its header, padded or not`() throws {
        let file = GGUF(metadata: [GGUF.key("k", type: 0, [0])])
        #expect(try boundaries(file.header) == [])
        #expect(try boundaries(file.bytes) == [])
        #expect(try boundaries(file.bytes + [0]) == [Int64(file.dataStart)])
    }

    @Test func `with a header of many pieces is read once, from front to back`() throws {
        var file = GGUF(tensors: [GGUF.tensor("a", at: 0)], dataBytes: 32)
        let words = (0..<60_000).flatMap { GGUF.string("word \($0)") }
        file.metadata = [GGUF.key("words", type: 9, GGUF.array(type: 8, count: 60_000, words))]
        let bytes = file.bytes
        var reads: [Int64] = []
        let found = try FileCuts.tensorBoundaries(fileSize: Int64(bytes.count)) { offset, count in
            reads.append(offset)
            return Array(bytes[Int(offset)..<(Int(offset) + count)])
        }
        #expect(found == [Int64(file.dataStart)])
        // The first read is the one that recognises the format.
        #expect(reads.prefix(2) == [0, 0] && reads.count > 4 && reads.count < 9)
        #expect(zip(reads.dropFirst(), reads.dropFirst(2)).allSatisfy { $0 < $1 })
    }

    @Test func `of a hundred thousand tensors is read in well under a second`() throws {
        let count = isOptimised ? 100_000 : 5_000
        let tensors = (0..<count).map { GGUF.tensor("blk.\($0)", at: UInt64($0 * 32)) }
        let file = GGUF(tensors: tensors, dataBytes: count * 32).bytes
        var found: [Int64]?
        let time = try ContinuousClock().measure { found = try boundaries(file) }
        #expect(found?.count == count)
        #expect(time < .seconds(1) || !isOptimised)
    }

    @Test func `that ends early has the tensors that begin in it, or is none`() throws {
        let file = GGUF.sample
        let all = try #require(try boundaries(file.bytes))
        let last = try #require(all.last)
        for size in file.bytes.indices {
            let found = try boundaries(Array(file.bytes.prefix(size)))
            #expect(found == (size > last ? all : nil), "\(size) bytes")
        }
    }
}

@Suite struct `No GGUF file` {
    @Test(arguments: [0, 1, 4, 0x0200_0000, 0x060_0000, .max] as [UInt32])
    func `is one of an unknown version, or big-endian`(version: UInt32) throws {
        var file = GGUF.sample
        file.version = version
        #expect(try boundaries(file.bytes) == nil)
    }

    @Test(arguments: [1000, 1 << 32, (1 << 63) - 1, 1 << 63, .max] as [UInt64])
    func `is one that counts more than it can hold`(count: UInt64) throws {
        let scalars = GGUF.key("k", type: 9, GGUF.array(type: 10, count: count, little(count)))
        let strings = GGUF.key("k", type: 9, GGUF.array(type: 8, count: count, little(count)))
        let arrays = GGUF.key("k", type: 9, GGUF.array(type: 9, count: count, little(count)))
        for metadata in [scalars, strings, arrays, GGUF.key("k", type: 8, little(count)), little(count)] {
            #expect(try boundaries(GGUF(metadata: [metadata], dataBytes: 64).bytes) == nil)
        }
        #expect(try boundaries(GGUF(tensorCount: count, dataBytes: 64).bytes) == nil)
        #expect(try boundaries(GGUF(keyCount: count, dataBytes: 64).bytes) == nil)
        let rank = GGUF.string("a") + little(UInt32(truncatingIfNeeded: count | 0x8000_0000))
        #expect(try boundaries(GGUF(tensors: [rank], dataBytes: 64).bytes) == nil)
    }

    @Test func `is one that nests without end`() throws {
        let nested = (0..<10_000).flatMap { _ in GGUF.array(type: 9, count: 1, []) }
        #expect(try boundaries(GGUF(metadata: [GGUF.key("k", type: 9, nested)], dataBytes: 64).bytes) == nil)
    }

    @Test(arguments: [
        GGUF.key("general.alignment", type: 4, little(UInt32(0))),
        GGUF.key("general.alignment", type: 4, little(UInt32(12))),
        GGUF.key("general.alignment", type: 4, little(UInt32(1) << 31)),
        GGUF.key("general.alignment", type: 10, little(UInt64.max - 7)),
        GGUF.key("general.alignment", type: 8, GGUF.string("32")),
        GGUF.key("k", type: 13, [0]), GGUF.key("k", type: .max, [0]),
        GGUF.key("k", type: 9, GGUF.array(type: 13, count: 0, [])),
        GGUF.key(String(repeating: "k", count: 65_536), type: 0, [0]),
    ])
    func `is one with metadata that makes no sense`(metadata: [UInt8]) throws {
        let file = GGUF(metadata: [metadata], tensors: [GGUF.tensor("a", at: 0)], dataBytes: 4096)
        #expect(try boundaries(file.bytes) == nil)
    }
}
