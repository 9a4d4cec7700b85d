import Patches
import Testing

/// A small pair of files with all kinds of segments, and the patch between them.
private struct Sample {
    let files: Files
    let patch: [UInt8]
    /// What the patch's zstd frame holds.
    let content: [UInt8]

    init() throws {
        var dice = Dice(11)
        let old = dice.bytes(600)
        let new = dice.flipping(Array(old[200..<600]), oneIn: 20) + dice.bytes(50) + old[0..<200]
        files = Files(old: old, new: new)
        patch = try #require(try files.patch([(0, 200, 400, 2), (450, 0, 200, 4)]))
        var content: [UInt8] = []
        try decompressed(Array(patch.dropFirst(28)), seen: &content)
        self.content = content
    }
}

/// A patch made by hand.
private func forged(
    old: UInt64 = 100, new: UInt64 = 100, count: UInt32? = nil, _ records: [(UInt64, UInt64, UInt8)],
    then pieces: [UInt8] = []
) throws -> [UInt8] {
    func bytes(_ number: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
    let table = records.flatMap { bytes($0.0) + bytes($0.1) + [$0.2] }
    return Array("RCPATCH1".utf8) + bytes(old) + bytes(new) + bytes(count ?? UInt32(records.count))
        + (try compressed(table + pieces))
}

/// Files of 100 bytes that a forged patch is applied to.
private let hundred = Files(old: [UInt8](repeating: 7, count: 100), new: [UInt8](repeating: 7, count: 100))

extension Dice {
    /// The bytes with one to three of them changed, put in, taken out or cut off.
    fileprivate mutating func damaging(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...3, using: &self) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &self)
            switch Int.random(in: 0..<8, using: &self) {
            case 0: bytes.remove(at: place)
            case 1: bytes.insert(UInt8.random(in: 0...255, using: &self), at: place)
            case 2: bytes.removeSubrange(place...)
            case 3: bytes[place] = [0, 1, 0x7F, 0x80, 0xFF].randomElement(using: &self) ?? 0
            default: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &self)
            }
        }
        return bytes
    }
}

@Suite struct `A damaged patch` {
    @Test func `is not complete wherever it is cut off`() throws {
        let sample = try Sample()
        for length in 0..<sample.patch.count {
            let applied = try sample.files.apply(Array(sample.patch.prefix(length)))
            #expect(!applied.isComplete && applied.fault == nil && !applied.hasStrayed)
            #expect(sample.files.new.starts(with: applied.output))
        }
    }

    @Test func `is refused when bytes follow its end`() throws {
        let sample = try Sample()
        let applied = try sample.files.apply(sample.patch + [0])
        #expect(applied.fault == .damaged(detail: "it goes on after its end") && !applied.isComplete)
    }

    @Test func `does no harm whatever is changed in it`() throws {
        let sample = try Sample()
        var dice = Dice(12)
        for _ in 0..<5000 {
            let applied = try sample.files.apply(
                dice.damaging(sample.patch), cut: Int.random(in: 1...200, using: &dice))
            #expect(applied.output.count <= sample.files.new.count && !applied.hasStrayed)
            #expect(!applied.isComplete || applied.output.count == sample.files.new.count)
        }
    }

    @Test func `does no harm whatever is changed in what it holds`() throws {
        let sample = try Sample()
        var dice = Dice(13)
        for _ in 0..<5000 {
            let applied = try sample.files.apply(sample.patch.prefix(28) + compressed(dice.damaging(sample.content)))
            #expect(applied.output.count <= sample.files.new.count && !applied.hasStrayed)
            #expect(!applied.isComplete || applied.output.count == sample.files.new.count)
        }
    }

    @Test func `stays refused after a fault`() throws {
        var reader = try PatchReader(oldSize: 100, newSize: 100)
        let broken = [UInt8](repeating: 0, count: 28)
        for detail in ["it does not begin like a patch", "it has failed before", "it has failed before"] {
            #expect(throws: PatchFault.damaged(detail: detail)) {
                try broken.withUnsafeBytes { try reader.feed($0, readOld: { _, _ in }, output: { _ in }) }
            }
        }
    }
}

@Suite struct `A hostile patch` {
    @Test(
        arguments: [
            (1 << 63, 100), (100, 1 << 63), (.max, .max), (0, 100), (100, 0), (101, 100), (100, 99),
        ] as [(UInt64, UInt64)])
    func `is refused when it is for files of other sizes`(old: UInt64, new: UInt64) throws {
        let applied = try hundred.apply(forged(old: old, new: new, [(100, 0, 1)], then: [0]))
        #expect(applied.fault == .damaged(detail: "it is a patch between files of other sizes"))
        #expect(applied.output.isEmpty)
    }

    @Test(
        arguments: [
            ([(101, 0, 0)], "a segment is longer than the new file"),
            ([(1 << 63, 0, 0)], "a segment is longer than the new file"),
            ([(.max, 0, 1)], "a segment is longer than the new file"),
            ([(0, 0, 1)], "a segment is longer than the new file"),
            ([(60, 0, 0), (41, 0, 0)], "a segment is longer than the new file"),
            ([(100, 1, 1)], "a segment lies outside of the old file"),
            ([(50, 51, 1)], "a segment lies outside of the old file"),
            ([(1, 100, 1)], "a segment lies outside of the old file"),
            ([(50, 1 << 63, 1)], "a segment lies outside of the old file"),
            ([(50, .max, 1)], "a segment lies outside of the old file"),
            ([(50, (1 << 63) - 1, 1)], "a segment lies outside of the old file"),
            ([(50, 1, 0)], "a segment is of no known kind"),
            ([(50, 0, 3)], "a segment is of no known kind"),
            ([(50, 0, 255)], "a segment is of no known kind"),
            ([(50, 0, 4)], "a segment does not consist of whole elements"),
            ([(60, 0, 0), (39, 0, 1)], "it does not cover the new file"),
            ([], "it does not cover the new file"),
        ] as [([(UInt64, UInt64, UInt8)], String)])
    func `is refused before any output when a segment is impossible`(
        records: [(UInt64, UInt64, UInt8)], reason: String
    ) throws {
        let applied = try hundred.apply(forged(records, then: [UInt8](repeating: 0, count: 1000)))
        #expect(applied.fault == .damaged(detail: reason))
        #expect(applied.output.isEmpty && !applied.hasStrayed)
    }

    @Test func `is refused when it has more segments than any model needs`() throws {
        #expect(try hundred.apply(forged(count: 262_145, [])).fault == .tooLarge)
        #expect(try hundred.apply(forged(count: .max, [])).fault == .tooLarge)
    }

    @Test func `is refused when it wants a window of more than 8 MiB`() throws {
        let head = try forged([(100, 0, 1)]).prefix(28)
        // The magic number, a descriptor without options, and the window's exponent minus ten in its upper five bits.
        let frame: [UInt8] = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 14 << 3]
        #expect(try hundred.apply(head + frame + [0, 0, 0]).fault == .tooLarge)
    }

    @Test func `cannot make more output than the new file`() throws {
        let applied = try hundred.apply(forged([(100, 0, 1)], then: [UInt8](repeating: 0, count: 1 << 20)))
        #expect(applied.fault == .damaged(detail: "it holds more than the new file"))
        #expect(applied.output == hundred.new && !applied.isComplete)
    }

    @Test(arguments: [1, 2, 4] as [UInt8]) func `is refused when a piece has unknown planes`(width: UInt8) throws {
        let applied = try hundred.apply(forged([(100, 0, width)], then: [1 << width]))
        #expect(applied.fault == .damaged(detail: "a piece has unknown planes") && applied.output.isEmpty)
    }

    @Test func `is refused when it holds too little, also within a plane`() throws {
        for content in [[], [1], [1, 2, 3]] as [[UInt8]] {
            let applied = try hundred.apply(forged([(100, 0, 1)], then: content))
            #expect(applied.fault == .damaged(detail: "it holds less than the new file") && applied.output.isEmpty)
        }
    }
}
