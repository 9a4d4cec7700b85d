private import CZlib

/// Decompresses the members of a gzip stream; zlib checks the checksum and the length of each.
///
/// Zeros may follow the last member, as tapes and block devices leave them; anything else is refused.
final class GzipInflater: Inflater {
    /// What the next bytes are.
    private enum Stage { case member, boundary, zeros }

    /// zlib's state points back at this, so that it must not move.
    private let stream: UnsafeMutablePointer<z_stream>
    private var stage = Stage.member

    var isAtBoundary: Bool { stage != .member }

    /// Expects the first member.
    ///
    /// - Throws: `noMemory`.
    init() throws(ArchiveFault) {
        let made = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
        made.initialize(to: z_stream())
        // 15 for the largest window, and 16 for the wrapper of gzip and no other.
        guard inflateInit2_(made, 15 + 16, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            made.deallocate()
            throw .noMemory
        }
        stream = made
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    func read(
        _ input: inout UnsafeRawBufferPointer, into space: UnsafeMutableRawBufferPointer
    ) throws(ArchiveFault) -> Int {
        if stage == .boundary, let byte = input.first {
            stage = byte == 0 ? .zeros : .member
        }
        if stage == .zeros {
            guard input.allSatisfy({ $0 == 0 }) else { throw .undecodable(.gzip, reason: "it goes on after its end") }
            input = input.part(input.count, 0)
            return 0
        }
        return stage == .boundary ? 0 : try inflateMember(&input, into: space)
    }

    /// Decompresses bytes of a member.
    private func inflateMember(
        _ input: inout UnsafeRawBufferPointer, into space: UnsafeMutableRawBufferPointer
    ) throws(ArchiveFault) -> Int {
        let given = input.part(0, Int(UInt32.max))
        // zlib only reads from here, whatever its declaration says.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: given.baseAddress?.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(clamping: given.count)
        stream.pointee.next_out = space.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(clamping: space.count)
        let room = Int(stream.pointee.avail_out)
        let result = inflate(stream, Z_NO_FLUSH)
        let read = given.count - Int(stream.pointee.avail_in)
        let written = room - Int(stream.pointee.avail_out)
        input = input.part(read, input.count)
        try check(result, hasMoved: read > 0 || written > 0 || given.isEmpty)
        return written
    }

    /// Makes of zlib's answer what it means.
    private func check(_ result: Int32, hasMoved: Bool) throws(ArchiveFault) {
        switch result {
        case Z_STREAM_END:
            guard inflateReset(stream) == Z_OK else { throw .noMemory }
            stage = .boundary
        // The second one only says that there was nothing to do.
        case Z_OK where hasMoved, Z_BUF_ERROR where hasMoved: break
        case Z_MEM_ERROR: throw .noMemory
        default: throw .undecodable(.gzip, reason: stream.pointee.msg.map { String(cString: $0) } ?? "code \(result)")
        }
    }
}
