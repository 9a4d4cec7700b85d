import Archives
import Testing

/// The index of a tar in memory.
private func index(
    _ tar: [UInt8], limits: ArchiveLimits = ArchiveLimits(), reads: (Int64, Int) -> Void = { _, _ in }
) throws -> TarIndex {
    try TarIndex(limits: limits) { offset, buffer in
        reads(offset, buffer.count)
        let piece = tar.dropFirst(Int(clamping: offset)).prefix(buffer.count)
        buffer.copyBytes(from: piece)
        return piece.count
    }
}

@Suite struct `The index of a tar` {
    @Test func `has the files that reading gives`() throws {
        let index = try index(sampleTar)
        let files = Reading(sampleTar).files
        #expect(index.members.map(\.path) == files.map(\.path))
        #expect(index.members.map(\.dataOffset) == files.map(\.dataOffset))
        #expect(index.members.map(\.size) == files.map { Int64($0.content.count) })
    }

    @Test func `finds a file by its path`() throws {
        let index = try index(sampleTar)
        #expect(index[path: "config.json"]?.size == 2)
        #expect(index[path: "docs"] == nil && index[path: "./config.json"] == nil)
    }

    @Test func `is made without reading content`() throws {
        let tar = member("a", String(repeating: "x", count: 100_000)) + member("b") + end
        var reads: [Int64] = []
        _ = try index(tar) { offset, _ in reads.append(offset) }
        #expect(reads == [0, 512 + 100_352, 1024 + 100_352])
    }

    @Test func `is refused for what reading refuses`() {
        for tar in [
            member("../a"), member("a", type: "2"), member("a") + member("a"), longName("a"), pax([("size", "")]),
        ] {
            let fault = Reading(tar + end).fault
            #expect(fault != nil)
            #expect(throws: fault ?? .noMemory) { try index(tar + end) }
        }
    }

    @Test func `is refused where the tar is cut off`() throws {
        for length in 0..<sampleTar.count - 512 {
            #expect(throws: ArchiveFault.self) { try index(Array(sampleTar.prefix(length))) }
        }
        #expect(try index(sampleTar.dropLast(512)).members.count == 4)
    }

    @Test func `keeps the limits`() {
        #expect(throws: ArchiveFault.exceeded(.members(6))) { try index(sampleTar, limits: ArchiveLimits(members: 6)) }
        #expect(throws: ArchiveFault.exceeded(.unpackedBytes(4000))) {
            try index(sampleTar, limits: ArchiveLimits(unpackedBytes: 4000))
        }
        #expect(throws: ArchiveFault.exceeded(.unpackedBytes(1 << 62))) {
            try index(pax([("size", "\(Int64.max)")]) + member("a"), limits: ArchiveLimits(unpackedBytes: .max))
        }
    }

    @Test func `does no harm whatever is changed in the tar`() {
        var dice = Dice(8)
        for _ in 0..<5000 {
            let tar = resummed(dice.damaging(sampleTar))
            let reading = Reading(tar)
            let made = try? index(tar)
            // Reading sees more than the headers, so that it may refuse what the index lets pass; never the other way.
            #expect(reading.fault != nil || made?.members.map(\.path) == reading.paths)
        }
    }

    @Test func `passes on what the file throws, and no more bytes than there is room for`() throws {
        struct Unreadable: Error {}
        #expect(throws: Unreadable.self) { try TarIndex { _, _ in throw Unreadable() } }
        #expect(try TarIndex { _, buffer in buffer.count + 1000 }.members.isEmpty)
        #expect(throws: ArchiveFault.self) { try TarIndex { _, _ in -1 } }
    }

    @Test func `wants nothing more after a fault`() throws {
        var walker = TarWalker()
        #expect(throws: ArchiveFault.damaged(.wrongChecksum, offset: 0)) {
            try walker.take([UInt8](repeating: 1, count: 512))
        }
        #expect(walker.wanted == nil)
        #expect(throws: ArchiveFault.self) { try walker.take(end) }
    }
}
