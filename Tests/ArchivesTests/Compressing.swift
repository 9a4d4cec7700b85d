import Archives
import CZlib
import CZstd
import Testing

/// The bytes as one gzip member or one zstd frame with a checksum.
func compressed(_ plain: [UInt8], _ compression: Compression) throws -> [UInt8] {
    switch compression {
    case .none: plain
    case .gzip: try gzipped(plain)
    case .zstd: try zstandard(plain)
    }
}

private func gzipped(_ plain: [UInt8]) throws -> [UInt8] {
    var stream = z_stream()
    let version = ZLIB_VERSION
    let size = Int32(MemoryLayout<z_stream>.size)
    try #require(deflateInit2_(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY, version, size) == Z_OK)
    defer { deflateEnd(&stream) }
    var plain = plain
    let room = Int(deflateBound(&stream, UInt(plain.count)))
    return try plain.withUnsafeMutableBufferPointer { input in
        try [UInt8](unsafeUninitializedCapacity: room) { output, filled in
            (stream.next_in, stream.avail_in) = (input.baseAddress, UInt32(input.count))
            (stream.next_out, stream.avail_out) = (output.baseAddress, UInt32(room))
            try #require(deflate(&stream, Z_FINISH) == Z_STREAM_END)
            filled = room - Int(stream.avail_out)
        }
    }
}

private func zstandard(_ plain: [UInt8]) throws -> [UInt8] {
    let context = try #require(ZSTD_createCCtx())
    defer { ZSTD_freeCCtx(context) }
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    let room = ZSTD_compressBound(plain.count)
    return try [UInt8](unsafeUninitializedCapacity: room) { output, filled in
        filled = ZSTD_compress2(context, output.baseAddress, room, plain, plain.count)
        try #require(ZSTD_isError(filled) == 0)
    }
}

/// What a stream decompresses to, in pieces as long as `cut` says.
func decompressed(
    _ bytes: [UInt8], _ compression: Compression, cut: () -> Int = { .max }
) throws -> [UInt8] {
    var plain: [UInt8] = []
    var decompressor = try Decompressor(compression)
    var rest = bytes[...]
    while !rest.isEmpty {
        let piece = rest.prefix(cut())
        try piece.withUnsafeBytes { try decompressor.feed($0) { plain += $0 } }
        rest = rest.dropFirst(piece.count)
    }
    try decompressor.finish()
    return plain
}
