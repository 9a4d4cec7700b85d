/// The SHA-256 of some bytes (FIPS 180-4), written as 64 lowercase hexadecimal digits.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
    private let words: (UInt64, UInt64, UInt64, UInt64)

    /// Parses `text`; `nil` unless it is exactly 64 lowercase hexadecimal digits.
    public init?(_ text: some StringProtocol) {
        var words: [UInt64] = [0, 0, 0, 0]
        var count = 0
        for byte in text.utf8 {
            guard count < 64, let value = Self.value(byte) else { return nil }
            words[count / 16] = words[count / 16] << 4 | value
            count += 1
        }
        guard count == 64 else { return nil }
        self.words = (words[0], words[1], words[2], words[3])
    }

    /// Takes the four big-endian words that a hash function returned; missing ones count as 0.
    public init(words: [UInt64]) {
        func word(_ index: Int) -> UInt64 { index < words.count ? words[index] : 0 }
        self.words = (word(0), word(1), word(2), word(3))
    }

    /// 64 lowercase hexadecimal digits.
    public var description: String {
        String(unsafeUninitializedCapacity: 64) { buffer in
            for (index, word) in [words.0, words.1, words.2, words.3].enumerated() {
                for digit in 0..<16 {
                    let value = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * digit)) & 0xF
                    buffer[index * 16 + digit] = value < 10 ? 0x30 + value : 0x57 + value
                }
            }
            return 64
        }
    }

    /// Takes the 32 bytes of a hash; `nil` when they are more or fewer.
    public init?(bytes: some Collection<UInt8>) {
        // An index of blocks has very many of them, and other modules cannot specialize this.
        let found =
            bytes.withContiguousStorageIfAvailable { Self(UnsafeRawBufferPointer($0)) }
            ?? Array(bytes).withUnsafeBytes { Self($0) }
        guard let found else { return nil }
        self = found
    }

    private init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 32 else { return nil }
        func word(_ index: Int) -> UInt64 {
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8 * index, as: UInt64.self))
        }
        words = (word(0), word(1), word(2), word(3))
    }

    /// Its 32 bytes.
    public var bytes: [UInt8] {
        withUnsafeBytes(of: (words.0.bigEndian, words.1.bigEndian, words.2.bigEndian, words.3.bigEndian)) { Array($0) }
    }

    /// The first twelve digits: enough for people, never enough to decide by.
    public var short: String { String(description.prefix(12)) }

    /// Whether both are the same 256 bits.
    public static func == (left: Digest, right: Digest) -> Bool { left.words == right.words }

    /// The digest's bits are as good as any hash.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(words.0)
        hasher.combine(words.1)
    }

    private static func value(_ byte: UInt8) -> UInt64? {
        switch byte {
        case 0x30...0x39: UInt64(byte - 0x30)
        case 0x61...0x66: UInt64(byte - 0x57)
        default: nil
        }
    }
}

extension Digest: Codable {
    /// Reads 64 hexadecimal digits.
    ///
    /// - Throws: `DecodingError` when it is anything else.
    public init(from decoder: any Decoder) throws { self = try decoder.parsed("a SHA-256") { Digest($0) } }

    /// Writes 64 hexadecimal digits.
    public func encode(to encoder: any Encoder) throws { try encoder.writeText(description) }
}
