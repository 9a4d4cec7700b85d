/// Decompresses a stream of zstd frames of unknown origin, with bounded memory and a bounded output.
///
/// It holds the window the frame asks for, at most 128 MiB, and 128 KiB besides. A frame that asks for more is refused
/// before any output.
package struct ZstdDecoder: ~Copyable {
    /// The largest window that is accepted, as a power of two: what `zstd` itself accepts unless told otherwise.
    package static let largestWindowLog: Int32 = 27

    private var inflater: ZstdInflater
    private let plain: Scratch
    private let limit: Int64
    private var hasFailed = false

    /// How many bytes have been handed out; never more than the limit.
    package private(set) var produced: Int64 = 0

    /// Prepares to read.
    ///
    /// - Parameters:
    ///   - limit: The most bytes to hand out, usually the declared size of the file.
    ///   - windowLog: The largest window, as a power of two; brought into 10...``largestWindowLog``.
    /// - Throws: ``PatchFault/io(detail:)`` when there is no memory.
    package init(limit: Int64, windowLog: Int32 = largestWindowLog) throws(PatchFault) {
        inflater = try ZstdInflater(windowLog: min(max(windowLog, 10), Self.largestWindowLog))
        plain = Scratch(count: 128 << 10)
        self.limit = max(limit, 0)
    }

    /// Decompresses the next bytes of the stream, however they are cut; what they make goes to `output`.
    ///
    /// - Throws: ``PatchFault/damaged(detail:)`` when they are not zstd; ``PatchFault/tooLarge`` when the window or the
    ///   output would exceed its limit; what `output` throws. After that the decoder is of no more use.
    package mutating func feed(
        _ bytes: UnsafeRawBufferPointer, output: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        guard !hasFailed else { throw PatchFault.damaged(detail: "zstd: the stream has failed before") }
        // Stays set when something below throws.
        hasFailed = true
        var input = bytes
        while !input.isEmpty {
            var count = 0
            repeat {
                count = try inflater.read(&input, into: plain.bytes)
                guard Int64(count) <= limit - produced else { throw PatchFault.tooLarge }
                produced += Int64(count)
                if count > 0 { try output(UnsafeRawBufferPointer(plain.bytes.part(0, count))) }
            } while count == plain.bytes.count && !inflater.isAtFrameEnd
        }
        hasFailed = false
    }

    /// Says that the stream has ended.
    ///
    /// - Throws: ``PatchFault/damaged(detail:)`` when it ended within a frame, or there was none.
    package func finish() throws(PatchFault) {
        guard !hasFailed, inflater.isAtFrameEnd else {
            throw .damaged(detail: "zstd: the stream ends too early")
        }
    }
}
