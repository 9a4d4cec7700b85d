/// Applies a patch while it arrives.
///
///     patch bytes, however cut → head → table → pieces → NEW, from its first byte to its last
///
/// Nothing is expected of the patch. Before any output, its head and its whole table have been checked against the
/// sizes of the files, so that OLD is only read within its size and the output is never longer than NEW. Memory is
/// bounded: the table (8 MiB), zstd's window (8 MiB) and three pieces. Whether the output *is* NEW, its digest tells.
package struct PatchReader: ~Copyable {
    /// What the next bytes are.
    private enum Stage {
        case head
        case record(left: Int)
        case mask
        case planes(mask: UInt8)
        case frameEnd
        case complete
        case failed
    }

    private let oldSize: Int64
    private let newSize: Int64
    private var stage = Stage.head
    private var inflater: ZstdInflater

    /// The segments that are not finished, the current one last.
    private var segments: [PatchPlan.Segment] = []
    /// How many bytes of NEW the table has accounted for.
    private var planned: Int64 = 0
    /// How many bytes of the current segment are done.
    private var done: Int64 = 0

    /// The bytes that the stage needs, as far as they have arrived.
    private let gathered: Scratch
    private var gatheredBytes = 0
    private let piece: Scratch

    /// How many bytes of NEW have been handed out.
    package private(set) var produced: Int64 = 0

    /// Whether all of NEW has been handed out and the patch has ended as it should.
    package var isComplete: Bool {
        if case .complete = stage { true } else { false }
    }

    /// Prepares to apply a patch to a file of `oldSize` bytes that makes one of `newSize` bytes.
    ///
    /// A negative size counts as 0.
    ///
    /// - Throws: ``PatchFault/io(detail:)`` when there is no memory.
    package init(oldSize: Int64, newSize: Int64) throws(PatchFault) {
        inflater = try ZstdInflater(windowLog: PatchFormat.windowLog)
        self.oldSize = max(oldSize, 0)
        self.newSize = max(newSize, 0)
        gathered = Scratch(count: PatchFormat.pieceBytes)
        piece = Scratch(count: PatchFormat.pieceBytes)
    }

    /// Takes the next bytes of the patch, however they are cut, and hands out what they make of NEW.
    ///
    /// - Parameters:
    ///   - readOld: Fills the buffer with the bytes of OLD from an offset on, all of it, or throws.
    ///   - output: Takes the next bytes of NEW, 256 KiB at most; the buffer is gone afterwards.
    /// - Throws: ``PatchFault/damaged(detail:)`` or ``PatchFault/tooLarge`` when the patch breaks a rule; what the
    ///   closures throw. After that the reader is of no more use.
    package mutating func feed(
        _ bytes: UnsafeRawBufferPointer, readOld: PatchWriter.Read, output: PatchWriter.Output
    ) throws {
        guard !bytes.isEmpty else { return }
        do {
            var input = bytes
            while try step(&input, readOld, output) {}
        } catch {
            stage = .failed
            throw error
        }
    }

    /// Gathers what the stage needs and acts on it.
    ///
    /// - Returns: Whether there may be more to do before the next bytes arrive.
    private mutating func step(
        _ input: inout UnsafeRawBufferPointer, _ readOld: PatchWriter.Read, _ output: PatchWriter.Output
    ) throws -> Bool {
        switch stage {
        case .head:
            guard gatherHead(&input) else { return false }
            let head = gatheredPart(PatchFormat.headBytes)
            stage = .record(left: try PatchFormat.segmentCount(inHead: head, oldSize: oldSize, newSize: newSize))
        case .record(left: 0):
            guard planned == newSize else { throw PatchFault.damaged(detail: "it does not cover the new file") }
            segments.reverse()
            stage = segments.isEmpty ? .frameEnd : .mask
        case .record(let left):
            guard try gather(PatchFormat.recordBytes, &input) else { return false }
            try addSegment()
            stage = .record(left: left - 1)
        case .mask:
            guard try gather(1, &input), let mask = gathered.bytes.first else { return false }
            guard mask >> UInt8(width) == 0 else { throw PatchFault.damaged(detail: "a piece has unknown planes") }
            stage = .planes(mask: mask)
        case .planes(let mask):
            let planeBytes = mask.nonzeroBitCount * (pieceBytes / width)
            guard try gather(planeBytes, &input) else { return false }
            try finishPiece(mask, gatheredPart(planeBytes), readOld, output)
        case .frameEnd:
            guard try findFrameEnd(&input) else { return false }
            stage = .complete
        case .complete:
            guard input.isEmpty else { throw PatchFault.damaged(detail: "it goes on after its end") }
            return false
        case .failed:
            throw PatchFault.damaged(detail: "it has failed before")
        }
        return true
    }
}

extension PatchReader {
    /// How many bytes of NEW the current piece is.
    private var pieceBytes: Int {
        Int(min((segments.last?.newLength ?? 0) - done, Int64(PatchFormat.pieceBytes)))
    }

    /// How many planes the current segment has.
    private var width: Int {
        if case .xor(_, _, let elementBytes)? = segments.last { elementBytes } else { 1 }
    }

    /// The first `count` of the gathered bytes.
    private func gatheredPart(_ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(gathered.bytes.part(0, count))
    }

    /// Gathers the head, which is not compressed.
    private mutating func gatherHead(_ input: inout UnsafeRawBufferPointer) -> Bool {
        let missing = input.part(0, PatchFormat.headBytes - gatheredBytes)
        gathered.bytes.part(gatheredBytes, missing.count).copyMemory(from: missing)
        gatheredBytes += missing.count
        input = input.part(missing.count, input.count)
        guard gatheredBytes == PatchFormat.headBytes else { return false }
        gatheredBytes = 0
        return true
    }

    /// Gathers `wanted` bytes out of the zstd frame.
    ///
    /// - Returns: Whether they are all there; otherwise they need more of the patch.
    private mutating func gather(_ wanted: Int, _ input: inout UnsafeRawBufferPointer) throws(PatchFault) -> Bool {
        while gatheredBytes < wanted {
            guard !inflater.isAtFrameEnd else { throw .damaged(detail: "it holds less than the new file") }
            let count = try inflater.read(&input, into: gathered.bytes.part(gatheredBytes, wanted - gatheredBytes))
            gatheredBytes += count
            if count == 0, !inflater.isAtFrameEnd { return false }
        }
        gatheredBytes = 0
        return true
    }

    /// Takes up the record that has been gathered.
    private mutating func addSegment() throws(PatchFault) {
        let segment = try PatchFormat.segment(
            inRecord: gatheredPart(PatchFormat.recordBytes), remaining: newSize - planned, oldSize: oldSize)
        segments.append(segment)
        planned += segment.newLength
    }

    /// Makes the current piece of NEW, hands it out, and goes on to the next one.
    private mutating func finishPiece(
        _ mask: UInt8, _ planes: UnsafeRawBufferPointer, _ readOld: PatchWriter.Read, _ output: PatchWriter.Output
    ) throws {
        guard let segment = segments.last else { return }
        let piece = piece.bytes.part(0, pieceBytes)
        switch segment {
        case .xor(_, let oldOffset, let elementBytes):
            try readOld(oldOffset + done, piece)
            if mask != 0 {
                BytePlanes.merge(planes, mask: mask, width: elementBytes, into: piece)
            }
            try output(UnsafeRawBufferPointer(piece))
        case .fresh:
            if mask == 0 { piece.clear() }
            try output(mask == 0 ? UnsafeRawBufferPointer(piece) : planes)
        }
        produced += Int64(piece.count)
        done += Int64(piece.count)
        if done == segment.newLength {
            segments.removeLast()
            done = 0
        }
        stage = segments.isEmpty ? .frameEnd : .mask
    }

    /// Reads on to the end of the frame, before which nothing may come.
    ///
    /// - Returns: Whether it has been reached.
    private mutating func findFrameEnd(_ input: inout UnsafeRawBufferPointer) throws(PatchFault) -> Bool {
        if !inflater.isAtFrameEnd {
            let count = try inflater.read(&input, into: gathered.bytes.part(0, 1))
            guard count == 0 else { throw .damaged(detail: "it holds more than the new file") }
        }
        return inflater.isAtFrameEnd
    }
}
