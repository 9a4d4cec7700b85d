/// Cuts a stream of bytes where its contents say so, so that an insertion changes only the chunks around it.
///
/// A Gear hash rolls over the last 64 bytes, and a chunk ends where its highest bits are all 0. Chunking is normalised:
/// up to ``normalBytes`` more bits must be 0 than after them, which makes lengths more even. No chunk but the last is shorter
/// than ``minimumBytes``, and these bytes are not even looked at. Source: Xia et al., FastCDC, USENIX ATC 2016,
/// <https://www.usenix.org/conference/atc16/technical-sessions/presentation/xia>.
///
/// Boundaries depend on the bytes alone, never on how they are divided into updates. Every constant here, and the table, is
/// part of what a release records of its files: with others, chunks of old and new releases do not match.
package struct ContentDefinedChunker: Sendable {
    /// Bytes of the shortest chunk, the last one excepted.
    package static let minimumBytes = 16 << 10
    /// Bytes of the longest chunk.
    package static let maximumBytes = 256 << 10
    /// Bytes of a chunk after which a boundary becomes likely. Below the average of 64 KiB by what it takes on average,
    /// from here on, to find one.
    static let normalBytes = 52 << 10
    /// What must be 0 before the normal length: 18 bits, two more than the 16 that give 64 KiB by themselves.
    private static let earlyMask = ~UInt64(0) << (64 - 18)
    /// What must be 0 after it: 14 bits, two fewer.
    private static let lateMask = ~UInt64(0) << (64 - 14)

    /// A number for each byte: the first 256 of SplitMix64 with the seed 0.
    private static let gear: [UInt64] = {
        var numbers = SplitMix64(seed: 0)
        return (0..<256).map { _ in numbers.next() }
    }()

    private var hash: UInt64 = 0
    private var chunkStart: Int64 = 0
    private var chunkBytes = 0

    /// Stands at the beginning of a stream.
    package init() {}

    /// Takes the next bytes of the stream.
    ///
    /// - Parameters:
    ///   - bytes: Any number of them.
    ///   - boundary: Gets the offset in the stream of the end of each chunk that is complete.
    package mutating func update(_ bytes: UnsafeRawBufferPointer, _ boundary: (Int64) -> Void) {
        Self.gear.withUnsafeBufferPointer { gear in
            var rest = bytes[...]
            while !rest.isEmpty {
                let taken = min(rest.count, bytesUnderOneRule)
                let part = UnsafeRawBufferPointer(rebasing: rest.prefix(taken))
                let found = chunkBytes < Self.minimumBytes ? nil : roll(over: part, gear)
                chunkBytes += found ?? taken
                rest = rest.dropFirst(found ?? taken)
                if found != nil || chunkBytes == Self.maximumBytes { endChunk(boundary) }
            }
        }
    }

    /// Ends the stream, and with it the last chunk; without bytes there is none.
    package mutating func finish(_ boundary: (Int64) -> Void) {
        if chunkBytes > 0 { endChunk(boundary) }
    }
}

extension ContentDefinedChunker {
    /// Bytes up to where another rule begins: from none to the early mask, to the late one, to the end of the chunk.
    private var bytesUnderOneRule: Int {
        switch chunkBytes {
        case ..<Self.minimumBytes: Self.minimumBytes - chunkBytes
        case ..<Self.normalBytes: Self.normalBytes - chunkBytes
        default: Self.maximumBytes - chunkBytes
        }
    }

    /// Rolls the hash over bytes that one mask is for; gives how many of them belong to the chunk when it ends in them.
    private mutating func roll(over bytes: UnsafeRawBufferPointer, _ gear: UnsafeBufferPointer<UInt64>) -> Int? {
        let mask = chunkBytes < Self.normalBytes ? Self.earlyMask : Self.lateMask
        // A local variable stays in a register; the property would be written back for each byte.
        var rolling = hash
        defer { hash = rolling }
        for index in 0..<bytes.count {
            rolling = rolling << 1 &+ gear[Int(bytes[index])]
            if rolling & mask == 0 { return index + 1 }
        }
        return nil
    }

    private mutating func endChunk(_ boundary: (Int64) -> Void) {
        chunkStart += Int64(chunkBytes)
        (hash, chunkBytes) = (0, 0)
        boundary(chunkStart)
    }
}
