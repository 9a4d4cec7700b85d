import ModelFormats
import ReconcileCore
import SystemPackage

/// Cuts files into blocks: at the tensors of formats that have them, else where the content says so.
enum BlockIndexer {
    /// Files up to this size have no index: a request for a part costs as much as one for the whole.
    static let smallestFile: Int64 = 4 << 20

    /// Reads a file once: its digest, and its block index when it is large enough.
    ///
    /// - Throws: ``Fault`` of kind `system`, or `unusable` when it changed meanwhile; `CancellationError`.
    @concurrent
    static func index(_ path: FilePath) async throws -> (size: Int64, digest: Digest, index: BlockIndex?) {
        guard let source = ReadableFile(path) else { throw DiskReader.systemFault("read", path) }
        guard source.size > smallestFile else {
            let (size, digest) = try await Hashing.digest(ofFile: path)
            return (size, digest, nil)
        }
        let boundaries = try FileCuts.tensorBoundaries(fileSize: source.size) { offset, count in
            guard let bytes = source.bytes(offset..<min(source.size, offset + Int64(count))) else {
                throw DiskReader.systemFault("read", path)
            }
            return bytes
        }
        var cutter = Cutter(
            lengths: boundaries.map {
                BlockCutter.lengths(
                    fileSize: source.size, boundaries: $0,
                    pieceBytes: BlockCutter.pieceBytes(fileSize: source.size))
            })
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Hashing.bufferBytes, alignment: 4096)
        defer { buffer.deallocate() }
        var position: Int64 = 0
        while position < source.size {
            let bytes = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<Int(min(Int64(buffer.count), source.size - position))])
            guard source.read(into: bytes, at: position) else {
                throw Fault(.unusable(what: path.string, detail: "it changed while it was read"))
            }
            cutter.take(UnsafeRawBufferPointer(bytes))
            position += Int64(bytes.count)
            try Task.checkCancellation()
        }
        let (digest, index) = cutter.finish()
        return (source.size, digest, index)
    }

    /// Hashes a stream of bytes as a whole and block by block.
    private struct Cutter {
        private var whole = StreamingHash()
        private var block = StreamingHash()
        private var blockStart: Int64 = 0
        private var position: Int64 = 0
        private var ends: [Int64]
        private var nextEnd = 0
        private var chunker: ContentDefinedChunker?
        private var lengths: [Int64] = []
        private var digests: [Digest] = []

        /// - Parameter lengths: Of the blocks; found from the content when `nil`.
        init(lengths: [Int64]?) {
            var sum: Int64 = 0
            ends = (lengths ?? []).map { length in
                sum += length
                return sum
            }
            chunker = lengths == nil ? ContentDefinedChunker() : nil
        }

        mutating func take(_ bytes: UnsafeRawBufferPointer) {
            whole.update(bytes)
            chunker?.update(bytes) { ends.append($0) }
            let start = position
            let last = position + Int64(bytes.count)
            while nextEnd < ends.count, ends[nextEnd] <= last {
                block.update(
                    UnsafeRawBufferPointer(rebasing: bytes[Int(position - start)..<Int(ends[nextEnd] - start)]))
                position = ends[nextEnd]
                endBlock()
                nextEnd += 1
            }
            block.update(UnsafeRawBufferPointer(rebasing: bytes[Int(position - start)...]))
            position = last
        }

        private mutating func endBlock() {
            lengths.append(position - blockStart)
            digests.append(block.digest())
            (block, blockStart) = (StreamingHash(), position)
        }

        mutating func finish() -> (Digest, BlockIndex) {
            if position > blockStart { endBlock() }
            let digest = whole.digest()
            return (digest, BlockIndex(file: digest, lengths: lengths, digests: digests))
        }
    }
}
