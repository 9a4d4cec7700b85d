private import CZstd

/// Decompresses zstd frames into memory of the reader's choice, no more at a time than there is room for.
struct ZstdInflater: ~Copyable {
    private let context: OpaquePointer

    /// Whether the last byte of a frame has been handed out and nothing of another frame has been read.
    private(set) var isAtFrameEnd = false

    /// Prepares to read frames whose window is at most `2^windowLog` bytes; that is also the bound of its memory.
    ///
    /// - Throws: `io` when there is no memory.
    init(windowLog: Int32) throws(PatchFault) {
        let made = ZSTD_createDCtx()
        guard let made else { throw .io(detail: "there is no memory to decompress") }
        guard ZSTD_isError(ZSTD_DCtx_setParameter(made, ZSTD_d_windowLogMax, windowLog)) == 0 else {
            ZSTD_freeDCtx(made)
            throw .io(detail: "libzstd refuses a window of \(windowLog) bits")
        }
        context = made
    }

    deinit {
        ZSTD_freeDCtx(context)
    }

    /// Decompresses into `space` what `input` allows, and takes off `input` what was read of it.
    ///
    /// - Returns: How many bytes were written. When they are fewer than there was room for, either `input` is empty and
    ///   nothing is held back, or ``isAtFrameEnd``.
    /// - Throws: `damaged` when the bytes are not a zstd frame; `tooLarge` when its window is too large.
    mutating func read(
        _ input: inout UnsafeRawBufferPointer, into space: UnsafeMutableRawBufferPointer
    ) throws(PatchFault) -> Int {
        var source = ZSTD_inBuffer(src: input.baseAddress, size: input.count, pos: 0)
        var target = ZSTD_outBuffer(dst: space.baseAddress, size: space.count, pos: 0)
        var left = 1
        var hasMoved = true
        while hasMoved, target.pos < target.size, left != 0 {
            let before = (source.pos, target.pos)
            left = ZSTD_decompressStream(context, &target, &source)
            guard ZSTD_isError(left) == 0 else { throw PatchFault(zstd: left) }
            hasMoved = before != (source.pos, target.pos)
        }
        // libzstd promises that this does not happen; if it did, bytes would get lost without a word.
        guard hasMoved || source.pos == source.size else { throw .damaged(detail: "zstd: the stream stands still") }
        isAtFrameEnd = left == 0
        input = input.part(source.pos, input.count)
        return target.pos
    }
}

extension PatchFault {
    /// What a failed call of libzstd means for its caller.
    init(zstd result: Int) {
        self =
            switch ZSTD_getErrorCode(result) {
            case ZSTD_error_frameParameter_windowTooLarge: .tooLarge
            case ZSTD_error_memory_allocation: .io(detail: "there is no memory for libzstd")
            default: .damaged(detail: "zstd: " + String(cString: ZSTD_getErrorName(result)))
            }
    }
}
