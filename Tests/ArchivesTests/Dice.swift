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

    /// The bytes with one to three of them changed, put in, taken out or cut off.
    mutating func damaging(_ bytes: [UInt8]) -> [UInt8] {
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

/// The tar with every block that looks like a header given a right checksum, so that damage gets past that check.
func resummed(_ tar: [UInt8]) -> [UInt8] {
    var tar = tar
    for start in stride(from: 0, through: tar.count - 512, by: 512) where tar[start + 257] == UInt8(ascii: "u") {
        for place in start + 148..<start + 156 { tar[place] = UInt8(ascii: " ") }
        let sum = tar[start..<start + 512].reduce(0) { $0 + Int($1) }
        tar.replaceSubrange(start + 148..<start + 155, with: Array((octal(sum, 6) + "\u{0}").utf8))
    }
    return tar
}
