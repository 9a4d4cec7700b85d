private import CZstd

/// Compresses a stream into one zstd frame, with a window of at most 8 MiB.
///
/// Memory is bounded by the level: about 4 MiB at level 3, 90 MiB at level 19.
package struct ZstdEncoder: ~Copyable {
    /// The levels that make sense here: faster ones gain nothing, and those beyond need a larger window to read.
    package static let levels: ClosedRange<Int32> = 3...19

    private let context: OpaquePointer
    private let compressed: Scratch

    /// Prepares a frame.
    ///
    /// - Parameter level: How hard to try; brought into ``levels``.
    /// - Throws: ``PatchFault/io(detail:)`` when there is no memory.
    package init(level: Int32 = 3) throws(PatchFault) {
        let made = ZSTD_createCCtx()
        guard let made else { throw .io(detail: "there is no memory to compress") }
        let level = min(max(level, Self.levels.lowerBound), Self.levels.upperBound)
        _ = ZSTD_CCtx_setParameter(made, ZSTD_c_compressionLevel, level)
        // The levels' own windows may grow with a new libzstd; readers' limit does not.
        let bounded = ZSTD_CCtx_setParameter(made, ZSTD_c_windowLog, level < 10 ? 21 : PatchFormat.windowLog)
        guard ZSTD_isError(bounded) == 0 else {
            ZSTD_freeCCtx(made)
            throw .io(detail: "libzstd refuses a window of 8 MiB")
        }
        context = made
        compressed = Scratch(count: ZSTD_CStreamOutSize())
    }

    deinit {
        ZSTD_freeCCtx(context)
    }

    /// Compresses the next bytes; what is ready of the frame goes to `output`.
    ///
    /// - Throws: ``PatchFault`` when libzstd fails; what `output` throws.
    package mutating func feed(
        _ bytes: UnsafeRawBufferPointer, output: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        if !bytes.isEmpty { try run(bytes, ZSTD_e_continue, output) }
    }

    /// Ends the frame. More bytes would begin another one.
    ///
    /// - Throws: As ``feed(_:output:)``.
    package mutating func finish(output: (UnsafeRawBufferPointer) throws -> Void) throws {
        try run(UnsafeRawBufferPointer(start: nil, count: 0), ZSTD_e_end, output)
    }

    /// Has libzstd take all of `bytes`, and end the frame if so directed.
    private mutating func run(
        _ bytes: UnsafeRawBufferPointer, _ directive: ZSTD_EndDirective,
        _ output: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var input = ZSTD_inBuffer(src: bytes.baseAddress, size: bytes.count, pos: 0)
        var isDone = false
        while !isDone {
            var space = ZSTD_outBuffer(dst: compressed.bytes.baseAddress, size: compressed.bytes.count, pos: 0)
            let left = ZSTD_compressStream2(context, &space, &input, directive)
            guard ZSTD_isError(left) == 0 else { throw PatchFault(zstd: left) }
            if space.pos > 0 { try output(UnsafeRawBufferPointer(compressed.bytes.part(0, space.pos))) }
            isDone = directive == ZSTD_e_end ? left == 0 : input.pos >= input.size
        }
    }
}
