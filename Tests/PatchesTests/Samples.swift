import Patches

/// Random numbers that are the same in every run (SplitMix64, https://prng.di.unimi.it/splitmix64.c).
struct Dice: RandomNumberGenerator {
    private var state: UInt64

    /// Dice that fall the same way for the same seed.
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// About normally distributed, with mean 0 and deviation 1.
    mutating func normal() -> Float {
        (0..<3).reduce(-6) { sum, _ in
            let bits = next()
            return (0..<4).reduce(sum) { $0 + Float((bits >> (UInt64($1) * 16)) & 0xFFFF) / 65536 }
        }
    }

    /// `count` bytes without any pattern.
    mutating func bytes(_ count: Int) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let raw = UnsafeMutableRawBufferPointer(buffer)
            for offset in stride(from: 0, to: count - count % 8, by: 8) {
                raw.storeBytes(of: next(), toByteOffset: offset, as: UInt64.self)
            }
            for offset in count - count % 8..<count { raw[offset] = UInt8(truncatingIfNeeded: next()) }
            filled = count
        }
    }

    /// The same bytes with about one in `spacing` elements of 16 bits changed by one bit, at a random place.
    mutating func flipping(_ bytes: [UInt8], oneIn spacing: Int) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<bytes.count / 2 / spacing {
            bytes[Int.random(in: 0..<bytes.count, using: &self)] ^= 1 << UInt8.random(in: 0..<8, using: &self)
        }
        return bytes
    }
}

/// What applying a patch led to.
struct Applied {
    /// What was handed out of NEW.
    var output: [UInt8] = []
    /// Whether the reader says that this is all.
    var isComplete = false
    /// What the reader threw.
    var fault: PatchFault?
    /// Whether the reader asked for bytes outside of OLD.
    var hasStrayed = false
}

/// Two files in memory.
struct Files {
    /// Thrown for reads outside of a file.
    struct Stray: Error {}

    /// The file that is there.
    var old: [UInt8]
    /// The file that is wanted.
    var new: [UInt8]

    /// One pair that covers both files, or as much as they have in common.
    func whole(_ elementBytes: Int) -> [PatchPlan.Pair] {
        [(0, 0, Int64(min(old.count, new.count)), elementBytes)]
    }

    /// The plan for the pairs.
    func plan(_ pairs: [PatchPlan.Pair]) -> PatchPlan {
        PatchPlan(oldSize: Int64(old.count), newSize: Int64(new.count), pairs: pairs)
    }

    /// The patch from OLD to NEW; `nil` when it would be larger than `limit`.
    func patch(_ pairs: [PatchPlan.Pair], limit: Int64 = .max, level: Int32 = 3) throws -> [UInt8]? {
        var patch: [UInt8] = []
        let size = try PatchWriter.write(
            plan(pairs), readOld: { try Self.read(old, $0, $1) }, readNew: { try Self.read(new, $0, $1) },
            output: { patch.append(contentsOf: $0) }, stopAbove: limit, level: level)
        guard let size else { return nil }
        return size == Int64(patch.count) ? patch : []
    }

    /// Applies `patch` to OLD, fed in pieces of at most `cut` bytes.
    func apply(_ patch: [UInt8], cut: Int = .max) throws -> Applied {
        var applied = Applied()
        var reader = try PatchReader(oldSize: Int64(old.count), newSize: Int64(new.count))
        do {
            try patch.withUnsafeBytes { bytes in
                for piece in pieces(of: bytes, cut) {
                    try reader.feed(piece, readOld: { try Self.read(old, $0, $1) }) { applied.output += $0 }
                }
            }
        } catch let fault as PatchFault {
            applied.fault = fault
        } catch is Stray {
            applied.hasStrayed = true
        }
        applied.isComplete = reader.isComplete
        return applied
    }

    /// Whether the patch turns OLD into NEW.
    func roundTrips(_ pairs: [PatchPlan.Pair], cut: Int = .max) throws -> Bool {
        guard let patch = try patch(pairs) else { return false }
        let applied = try apply(patch, cut: cut)
        return applied.isComplete && applied.output == new
    }

    /// Reads from a file as the callers do, and refuses what lies outside of it.
    private static func read(_ file: [UInt8], _ offset: Int64, _ buffer: UnsafeMutableRawBufferPointer) throws {
        guard offset >= 0, buffer.count <= file.count, offset <= file.count - buffer.count else { throw Stray() }
        file.withUnsafeBytes {
            buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[Int(offset)...].prefix(buffer.count)))
        }
    }
}

/// The bytes in stretches of at most `cut`.
func pieces(of bytes: UnsafeRawBufferPointer, _ cut: Int) -> [UnsafeRawBufferPointer] {
    stride(from: 0, to: bytes.count, by: min(cut, max(bytes.count, 1))).map {
        UnsafeRawBufferPointer(rebasing: bytes.dropFirst($0).prefix(cut))
    }
}

/// The bytes as zstd frames, one for each array.
func compressed(_ frames: [UInt8]..., level: Int32 = 3) throws -> [UInt8] {
    var result: [UInt8] = []
    for frame in frames {
        var encoder = try ZstdEncoder(level: level)
        try frame.withUnsafeBytes { try encoder.feed($0) { result += $0 } }
        try encoder.finish { result += $0 }
    }
    return result
}

/// What the zstd frames hold.
///
/// - Throws: ``PatchFault``; `seen` tells what was handed out before.
func decompressed(
    _ bytes: [UInt8], limit: Int64 = .max, windowLog: Int32 = 27, cut: Int = .max, seen: inout [UInt8]
) throws {
    var decoder = try ZstdDecoder(limit: limit, windowLog: windowLog)
    try bytes.withUnsafeBytes { bytes in
        for piece in pieces(of: bytes, cut) { try decoder.feed(piece) { seen += $0 } }
    }
    try decoder.finish()
}
