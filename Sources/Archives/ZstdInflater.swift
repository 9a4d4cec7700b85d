private import CZstd

/// Decompresses the frames of a zstd stream; libzstd checks their checksums where they have one.
///
/// It holds the window that a frame asks for, at most 128 MiB. A frame that asks for more is refused before any output.
final class ZstdInflater: Inflater {
    /// The largest window, as a power of two: what `zstd` itself accepts unless told otherwise.
    private static let windowLog: Int32 = 27

    private let context: OpaquePointer
    private(set) var isAtBoundary = false

    /// Expects the first frame.
    ///
    /// - Throws: `noMemory`.
    init() throws(ArchiveFault) {
        guard let made = ZSTD_createDCtx() else { throw .noMemory }
        guard ZSTD_isError(ZSTD_DCtx_setParameter(made, ZSTD_d_windowLogMax, Self.windowLog)) == 0 else {
            ZSTD_freeDCtx(made)
            throw .noMemory
        }
        context = made
    }

    deinit {
        ZSTD_freeDCtx(context)
    }

    func read(
        _ input: inout UnsafeRawBufferPointer, into space: UnsafeMutableRawBufferPointer
    ) throws(ArchiveFault) -> Int {
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = ZSTD_outBuffer(dst: space.baseAddress, size: space.count, pos: 0)
        var left = 1
        var hasMoved = true
        while hasMoved, target.pos < target.size, left != 0 {
            let before = (source.pos, target.pos)
            left = ZSTD_decompressStream(context, &target, &source)
            guard ZSTD_isError(left) == 0 else { throw Self.fault(left) }
            hasMoved = before != (source.pos, target.pos)
        }
        // libzstd promises that this does not happen; if it did, bytes would get lost without a word.
        guard hasMoved || source.pos == source.size else {
            throw .undecodable(.zstd, reason: "the stream stands still")
        }
        isAtBoundary = left == 0
        input = input.part(source.pos, input.count)
        return target.pos
    }

    /// What a failed call means.
    private static func fault(_ result: Int) -> ArchiveFault {
        switch ZSTD_getErrorCode(result) {
        case ZSTD_error_frameParameter_windowTooLarge: .exceeded(.windowBytes(1 << windowLog))
        case ZSTD_error_memory_allocation: .noMemory
        default: .undecodable(.zstd, reason: String(cString: ZSTD_getErrorName(result)))
        }
    }
}
