/// Writes the patch that a plan describes, in one pass over both files.
///
///     segments of the plan → pieces → OLD xor NEW → planes → zstd → output
///
/// It holds four pieces of 256 KiB and the compressor; neither file is read beyond its size in the plan.
package enum PatchWriter {
    /// Fills the buffer with the bytes of a file from an offset on, all of it, or throws.
    package typealias Read = (_ offset: Int64, _ buffer: UnsafeMutableRawBufferPointer) throws -> Void
    /// Takes the next bytes of the result; the buffer is gone afterwards.
    package typealias Output = (UnsafeRawBufferPointer) throws -> Void

    /// Thrown when the next bytes would exceed the limit; never leaves this file.
    private struct LimitReached: Error {}

    /// Writes a patch.
    ///
    /// The same files, plan and level give the same patch, byte for byte, with the same libzstd.
    ///
    /// - Parameters:
    ///   - limit: The most bytes worth having; `output` never gets more than that.
    ///   - level: zstd's level, brought into ``ZstdEncoder/levels``.
    /// - Returns: The patch's size, or `nil` when it would exceed `limit`: then what `output` got is no patch.
    /// - Throws: ``PatchFault`` when compressing fails; what the closures throw.
    package static func write(
        _ plan: PatchPlan, readOld: Read, readNew: Read, output: Output, stopAbove limit: Int64, level: Int32 = 3
    ) throws -> Int64? {
        var size: Int64 = 0
        /// Hands on what is within the limit.
        func emit(_ bytes: UnsafeRawBufferPointer) throws {
            guard Int64(bytes.count) <= limit - size else { throw LimitReached() }
            size += Int64(bytes.count)
            try output(bytes)
        }
        do {
            try PatchFormat.head(of: plan).withUnsafeBytes { try emit($0) }
            var pieces = try PieceWriter(level: level)
            try pieces.writeTable(of: plan, output: emit)
            var offset: Int64 = 0
            for segment in plan.segments {
                try pieces.write(segment, at: offset, readOld: readOld, readNew: readNew, output: emit)
                offset += segment.newLength
            }
            try pieces.finish(output: emit)
            return size
        } catch is LimitReached {
            return nil
        }
    }
}

/// What a patch being written holds: the compressor, and a piece of each file and of their difference.
private struct PieceWriter: ~Copyable {
    private var encoder: ZstdEncoder
    private let old: Scratch
    private let new: Scratch
    private let planes: Scratch
    private let zeros: Scratch

    /// Takes the memory for it.
    init(level: Int32) throws(PatchFault) {
        encoder = try ZstdEncoder(level: level)
        old = Scratch(count: PatchFormat.pieceBytes)
        new = Scratch(count: PatchFormat.pieceBytes)
        planes = Scratch(count: PatchFormat.pieceBytes)
        zeros = Scratch(count: PatchFormat.pieceBytes)
    }

    /// Writes the records of all segments.
    mutating func writeTable(of plan: PatchPlan, output: PatchWriter.Output) throws {
        for segment in plan.segments {
            try PatchFormat.record(of: segment).withUnsafeBytes { try encoder.feed($0, output: output) }
        }
    }

    /// Writes the pieces of a segment that begins at `offset` of NEW.
    mutating func write(
        _ segment: PatchPlan.Segment, at offset: Int64, readOld: PatchWriter.Read, readNew: PatchWriter.Read,
        output: PatchWriter.Output
    ) throws {
        var done: Int64 = 0
        while done < segment.newLength {
            let count = Int(min(segment.newLength - done, Int64(PatchFormat.pieceBytes)))
            let new = new.bytes.part(0, count)
            try readNew(offset + done, new)
            switch segment {
            case .xor(_, let oldOffset, let elementBytes):
                let old = old.bytes.part(0, count)
                try readOld(oldOffset + done, old)
                try writePiece(UnsafeRawBufferPointer(old), UnsafeRawBufferPointer(new), elementBytes, output)
            case .fresh:
                let nothing = zeros.bytes.part(0, count)
                try writePiece(UnsafeRawBufferPointer(nothing), UnsafeRawBufferPointer(new), 1, output)
            }
            done += Int64(count)
        }
    }

    /// Ends the patch.
    mutating func finish(output: PatchWriter.Output) throws {
        try encoder.finish(output: output)
    }

    /// Writes the planes of a piece that are not all zeros.
    private mutating func writePiece(
        _ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer, _ width: Int, _ output: PatchWriter.Output
    ) throws {
        let planes = planes.bytes.part(0, new.count)
        // Comparing is several times as fast as splitting, and most pieces of a fine-tuned model may be equal.
        let mask = old.holdsSame(as: new) ? 0 : BytePlanes.split(old, new, width: width, into: planes)
        try withUnsafeBytes(of: mask) { try encoder.feed($0, output: output) }
        let length = new.count / width
        for plane in 0..<width where mask & (1 << UInt8(plane)) != 0 {
            try encoder.feed(UnsafeRawBufferPointer(planes.part(plane * length, length)), output: output)
        }
    }
}
