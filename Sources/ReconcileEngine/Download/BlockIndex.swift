import ReconcileCore

/// What a file consists of, block by block: it steers parallel checks, resume, repair and reuse. Nothing enters `blobs/` on its
/// word: the whole file is hashed all the same.
///
/// ```text
/// "RCBLOCK1"                          8 bytes
/// size of the file                    8 bytes, little endian
/// SHA-256 of the file                 32 bytes
/// number of blocks                    4 bytes, little endian
/// length, SHA-256 of each block       4 + 32 bytes; the lengths add up to the size
/// ```
struct BlockIndex: Sendable, Hashable {
    /// A part of the file.
    struct Block: Sendable, Hashable {
        let range: Range<Int64>
        let digest: Digest
    }

    /// The digest of the whole file.
    let file: Digest
    /// All of it, in order.
    let blocks: [Block]

    /// An index of more blocks is refused: that of a file of 4 TB in pieces of 4 MiB has as many.
    static let blockLimit = 1 << 20
    /// More bytes than that are not read: an index has 36 bytes a block.
    static let limitBytes = headBytes + blockLimit * 36
    private static let magic = Array("RCBLOCK1".utf8)
    private static let headBytes = 8 + 8 + 32 + 4
    /// A block may have at most so many bytes; it is checked in memory.
    static let largestBlockBytes: Int64 = 16 << 20

    /// An index of these blocks.
    init(file: Digest, lengths: [Int64], digests: [Digest]) {
        self.file = file
        largest = lengths.max() ?? 0
        var position: Int64 = 0
        blocks = zip(lengths, digests).map { length, digest in
            defer { position += length }
            return Block(range: position..<position + length, digest: digest)
        }
    }

    /// The size of the file.
    var size: Int64 { blocks.last?.range.upperBound ?? 0 }

    /// The bytes of the largest block.
    let largest: Int64

    // MARK: Look-up

    /// The index of the block that holds a byte.
    private func place(of offset: Int64) -> Int { blocks.firstPlace { $0.range.upperBound > offset } }

    /// The block that holds a byte; `nil` behind the end.
    func block(holding offset: Int64) -> Block? {
        let place = place(of: offset)
        return place < blocks.count ? blocks[place] : nil
    }

    /// The last place at or before an offset where a block ends.
    func boundary(atOrBefore offset: Int64) -> Int64 {
        let place = place(of: offset)
        return place < blocks.count ? blocks[place].range.lowerBound : size
    }

    /// The blocks that are wholly in a range.
    func blocks(in range: Range<Int64>) -> ArraySlice<Block> {
        var first = place(of: range.lowerBound)
        if first < blocks.count, blocks[first].range.lowerBound < range.lowerBound { first += 1 }
        let last = range.upperBound >= size ? blocks.count : place(of: range.upperBound)
        return first < last ? blocks[first..<last] : []
    }

    // MARK: The file

    /// Parses an index.
    ///
    /// - Parameters:
    ///   - file: The digest of the file that it must be of.
    ///   - size: The size of that file.
    /// - Returns: `nil` when it is of another file, or makes no sense.
    init?(_ bytes: [UInt8], file: Digest, size: Int64) {
        func number(_ range: Range<Int>) -> UInt64 {
            bytes[range].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        guard bytes.count >= Self.headBytes, bytes.count <= Self.limitBytes, bytes.starts(with: Self.magic),
            number(8..<16) == UInt64(size),
            Digest(bytes: bytes[16..<48]) == file, (bytes.count - Self.headBytes) % 36 == 0,
            number(48..<52) == UInt64((bytes.count - Self.headBytes) / 36)
        else { return nil }
        var (lengths, digests, sum): ([Int64], [Digest], Int64) = ([], [], 0)
        for offset in stride(from: Self.headBytes, to: bytes.count, by: 36) {
            let length = Int64(number(offset..<offset + 4))
            guard length > 0, length <= Self.largestBlockBytes, length <= size - sum,
                let digest = Digest(bytes: bytes[(offset + 4)..<(offset + 36)])
            else { return nil }
            sum += length
            lengths.append(length)
            digests.append(digest)
        }
        guard sum == size else { return nil }
        self.init(file: file, lengths: lengths, digests: digests)
    }

    /// The index as its file has it.
    var encoded: [UInt8] {
        func littleEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * UInt64($0))) }
        }
        var bytes = Self.magic + littleEndian(UInt64(size), 8) + file.bytes + littleEndian(UInt64(blocks.count), 4)
        bytes.reserveCapacity(bytes.count + blocks.count * 36)
        for block in blocks { bytes += littleEndian(UInt64(block.range.count), 4) + block.digest.bytes }
        return bytes
    }
}
