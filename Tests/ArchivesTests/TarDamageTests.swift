import Archives
import Testing

@Suite struct `A tar that comes in pieces` {
    @Test(arguments: [1, 2, 3, 7, 511, 512, 513, 1000])
    func `reads the same, however it is cut`(length: Int) {
        let reading = Reading(sampleTar, cut: { length })
        #expect(reading.files == sampleFiles && reading.fault == nil && !reading.isIncoherent)
    }

    @Test func `reads the same when it is cut at random`() {
        var dice = Dice(1)
        for _ in 0..<200 {
            let reading = Reading(sampleTar, cut: { Int.random(in: 1...1500, using: &dice) })
            #expect(reading.files == sampleFiles && reading.fault == nil && !reading.isIncoherent)
        }
    }

    @Test func `reads the same when it is cut in two anywhere`() {
        // Comes to each place of a block, though not in each block.
        for first in stride(from: 1, to: sampleTar.count, by: 7) {
            var length = first
            let reading = Reading(
                sampleTar,
                cut: {
                    defer { length = .max }
                    return length
                })
            #expect(reading.files == sampleFiles && reading.fault == nil)
        }
    }
}

@Suite struct `A damaged tar` {
    /// Reads it in one and in many pieces.
    private func expectNoHarm(_ tar: [UInt8], _ dice: inout Dice) {
        let limits = ArchiveLimits(unpackedBytes: 20_000)
        let whole = Reading(tar, limits: limits)
        let cut = Reading(tar, limits: limits, cut: { Int.random(in: 1...800, using: &dice) })
        #expect(whole.isSafe && !whole.isIncoherent && whole.uncompressedBytes <= 20_000)
        #expect(whole.files == cut.files && whole.fault == cut.fault && !cut.isIncoherent)
    }

    @Test func `does no harm whatever is changed in it`() {
        var dice = Dice(2)
        for _ in 0..<5000 { expectNoHarm(dice.damaging(sampleTar), &dice) }
    }

    @Test func `does no harm when its checksums are right again`() {
        var dice = Dice(3)
        for _ in 0..<5000 { expectNoHarm(resummed(dice.damaging(sampleTar)), &dice) }
    }

    @Test func `does no harm when headers and contents are shuffled`() {
        var dice = Dice(4)
        let blocks = stride(from: 0, to: sampleTar.count, by: 512).map { Array(sampleTar[$0..<$0 + 512]) }
        for _ in 0..<3000 { expectNoHarm(blocks.shuffled(using: &dice).flatMap(\.self) + end, &dice) }
    }

    @Test func `stays refused after a fault`() throws {
        var reader = TarReader()
        let garbage = [UInt8](repeating: 1, count: 512)
        #expect(throws: ArchiveFault.damaged(.wrongChecksum, offset: 0)) {
            try garbage.withUnsafeBytes { try reader.feed($0) { _ in } }
        }
        #expect(throws: ArchiveFault.damaged(.failedBefore, offset: 512)) {
            try end.withUnsafeBytes { try reader.feed($0) { _ in } }
        }
        #expect(throws: ArchiveFault.damaged(.failedBefore, offset: 512)) { try reader.finish() }
    }

    @Test func `leaves what the handler throws as it is`() {
        struct Stop: Error {}
        var reader = TarReader()
        #expect(throws: Stop.self) { try sampleTar.withUnsafeBytes { try reader.feed($0) { _ in throw Stop() } } }
        #expect(throws: ArchiveFault.self) { try reader.finish() }
    }
}
