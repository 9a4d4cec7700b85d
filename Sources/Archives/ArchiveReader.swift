/// Reads a tar, compressed or not, while it arrives.
///
///     compressed bytes, however cut → Decompressor → tar → TarReader → events
///
/// Memory is bounded: a buffer of 256 KiB, the window of the compression (32 KiB for gzip, at most 128 MiB for zstd),
/// and what the limits allow for the headers. Only when ``finish()`` has returned was it a whole archive.
package struct ArchiveReader: ~Copyable {
    private var decompressor: Decompressor
    private var tar: TarReader

    /// Expects the first byte of an archive.
    ///
    /// - Throws: ``ArchiveFault/noMemory``.
    package init(compression: Compression, limits: ArchiveLimits = ArchiveLimits()) throws(ArchiveFault) {
        decompressor = try Decompressor(compression)
        tar = TarReader(limits: limits)
    }

    /// How many bytes of the archive have been taken in.
    package var compressedBytes: Int64 { decompressor.compressedBytes }

    /// How many bytes of the tar in it have been read; never more than the limit.
    package var uncompressedBytes: Int64 { tar.position }

    /// Reads the next bytes of the archive.
    ///
    /// - Parameter observe: Is given every byte of the uncompressed tar, before it is read, such as to compute its
    ///   digest.
    /// - Throws: ``ArchiveFault`` when they break a rule or a limit; what the closures throw. After that the reader is
    ///   of no more use.
    package mutating func feed(
        _ bytes: UnsafeRawBufferPointer, observe: (UnsafeRawBufferPointer) throws -> Void = { _ in },
        _ handle: (TarReader.Event) throws -> Void
    ) throws {
        try decompressor.feed(bytes) { piece in
            try observe(piece)
            try tar.feed(piece, handle)
        }
    }

    /// Says that the bytes have ended.
    ///
    /// - Throws: ``ArchiveFault`` when the compressed stream or the tar has not.
    package func finish() throws(ArchiveFault) {
        try decompressor.finish()
        try tar.finish()
    }
}
