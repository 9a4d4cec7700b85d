/// Decompresses a stream of unknown origin while it arrives, with bounded memory.
///
/// It does not bound the output; whoever takes it does, as ``TarReader``, and stops by throwing. Until then at most one
/// buffer of output has been made.
package struct Decompressor: ~Copyable {
    /// The most bytes that are handed out at a time.
    private static let pieceBytes = 256 << 10

    private let compression: Compression
    /// `nil` when there is nothing to do.
    private let inflater: (any Inflater)?
    private var piece: [UInt8]
    private var hasFailed = false

    /// How many bytes have been taken in.
    package private(set) var compressedBytes: Int64 = 0
    /// How many bytes have been handed out.
    package private(set) var uncompressedBytes: Int64 = 0

    /// Expects the first byte of a stream.
    ///
    /// - Throws: ``ArchiveFault/noMemory``.
    package init(_ compression: Compression) throws(ArchiveFault) {
        self.compression = compression
        inflater =
            switch compression {
            case .none: nil
            case .gzip: try GzipInflater()
            case .zstd: try ZstdInflater()
            }
        piece = [UInt8](repeating: 0, count: compression == .none ? 0 : Self.pieceBytes)
    }

    /// Decompresses the next bytes of the stream, however they are cut; what they make goes to `output`, whose buffer
    /// is gone afterwards.
    ///
    /// - Throws: ``ArchiveFault`` when they are not what the compression makes, or want too much memory; what `output`
    ///   throws. After that the decompressor is of no more use.
    package mutating func feed(
        _ bytes: UnsafeRawBufferPointer, output: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try checkUsable()
        // Stays set when something below throws.
        hasFailed = true
        compressedBytes += Int64(bytes.count)
        if let inflater {
            try inflate(bytes, inflater, output)
        } else if !bytes.isEmpty {
            uncompressedBytes += Int64(bytes.count)
            try output(bytes)
        }
        hasFailed = false
    }

    /// Says that the stream has ended.
    ///
    /// - Throws: ``ArchiveFault/undecodable(_:reason:)`` when it ended within a gzip member or zstd frame, or had none.
    package func finish() throws(ArchiveFault) {
        try checkUsable()
        guard inflater?.isAtBoundary != false else { throw .undecodable(compression, reason: "it ends too early") }
    }

    /// Refuses to go on after a fault.
    private func checkUsable() throws(ArchiveFault) {
        guard !hasFailed else { throw .damaged(.failedBefore, offset: uncompressedBytes) }
    }

    /// Decompresses all of the bytes, a piece at a time.
    private mutating func inflate(
        _ bytes: UnsafeRawBufferPointer, _ inflater: any Inflater, _ output: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var input = bytes
        var mayHoldBack = false
        while !input.isEmpty || mayHoldBack {
            let count = try piece.withUnsafeMutableBytes { space in
                let count = try inflater.read(&input, into: space)
                if count > 0 { try output(UnsafeRawBufferPointer(space).part(0, count)) }
                return count
            }
            uncompressedBytes += Int64(count)
            mayHoldBack = count == Self.pieceBytes && !inflater.isAtBoundary
        }
    }
}
