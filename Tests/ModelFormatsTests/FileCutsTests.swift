import ModelFormats
import Testing

private struct Unreadable: Error {}

@Suite struct `A file of any contents` {
    @Test(arguments: ["", "G", "GGU", "GGUF", "GGUF\u{3}", "PK\u{3}\u{4}", "a text that is no model", "12345678{"])
    func `is not taken for a model`(text: String) throws { #expect(try boundaries(Array(text.utf8)) == nil) }

    @Test(arguments: [0, -1, Int64.min])
    func `has nothing to cut when it has no bytes`(size: Int64) throws {
        #expect(try FileCuts.tensorBoundaries(fileSize: size) { _, _ in [] } == nil)
    }

    @Test(arguments: [safetensors(header([0..<16]), dataBytes: 32), GGUF.sample.bytes])
    func `that is shorter than it was said to be is none`(file: [UInt8]) throws {
        #expect(try boundaries(file, size: file.count) != nil)
        let header = try #require(try boundaries(file)?.first)
        #expect(try boundaries(Array(file.prefix(Int(header) - 33)), size: file.count) == nil)
    }

    @Test(arguments: [safetensors(header([0..<16]), dataBytes: 32), GGUF.sample.bytes])
    func `that cannot be read is an error`(file: [UInt8]) throws {
        for failing in 0..<2 {
            var reads = 0
            #expect(throws: Unreadable.self) {
                try FileCuts.tensorBoundaries(fileSize: Int64(file.count)) { offset, count in
                    defer { reads += 1 }
                    guard reads < failing else { throw Unreadable() }
                    return Array(file[Int(offset)..<(Int(offset) + count)])
                }
            }
        }
    }

    @Test(arguments: [
        safetensors(header([0..<16, 16..<20, 20..<64]), dataBytes: 64),
        safetensors(#"{"__metadata__":{"a\n":[1.5e3,true]},"é\u00e9":{"data_offsets":[0,4]}}  "#, dataBytes: 4),
        GGUF.sample.bytes,
    ])
    func `gives offsets inside it or nothing, whatever is changed in it`(file: [UInt8]) throws {
        var random = SplitMix64(seed: 2026)
        var recognised = 0
        for round in 0..<3000 {
            var changed = file
            for _ in 0..<Int.random(in: 1...4, using: &random) { mutate(&changed, &random) }
            let found = try boundaries(changed)
            #expect(isLawful(found, size: changed.count), "round \(round)")
            if found != nil { recognised += 1 }
        }
        // A change that only makes nonsense would test nothing but the first check.
        #expect(recognised > 50 && recognised < 2950)
    }

    private func mutate(_ bytes: inout [UInt8], _ random: inout SplitMix64) {
        let index = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<6, using: &random) {
        case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2: bytes[index] = Array("0123456789{}[]\",:\\u-.eE tfn".utf8).randomElement(using: &random) ?? 0
        case 3: bytes[index] = [0, 0x7F, 0x80, 0xFF].randomElement(using: &random) ?? 0
        case 4: bytes.insert(bytes[index], at: index)
        default: bytes.remove(at: index)
        }
    }
}
