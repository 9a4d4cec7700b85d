/// Reads a tar while it arrives.
///
///     bytes, however cut → headers → begin, content …, end for each file
///
/// Nothing is expected of the archive: what it must not have is refused before any of it is handed out, and memory is
/// bounded by the limits. Directories are checked and passed over. Only when ``finish()`` has returned was it a whole
/// archive.
package struct TarReader {
    /// What is in the archive next.
    package enum Event {
        /// A file begins.
        case begin(TarMember)
        /// The next bytes of the file, a piece of what was fed; gone when the handler returns.
        case content(UnsafeRawBufferPointer)
        /// The file has ended; all of its bytes have been handed out.
        case end
    }

    /// What the next bytes are.
    private enum Stage {
        case header
        case extended(count: Int)
        case content(left: Int64, padding: Int)
        case padding(left: Int)
        case afterEnd
    }

    private let limits: ArchiveLimits
    private var parser: MemberParser
    private var stage = Stage.header
    private var hasFailed = false
    /// The bytes of the block or extended header being read, as far as they have arrived.
    private var gathered: [UInt8] = []

    /// How many bytes of the tar have been read.
    package private(set) var position: Int64 = 0

    /// Expects the first byte of an archive.
    package init(limits: ArchiveLimits = ArchiveLimits()) {
        self.limits = limits
        parser = MemberParser(limits: limits)
    }

    /// Reads the next bytes of the archive.
    ///
    /// - Throws: ``ArchiveFault`` when they break a rule or a limit; what `handle` throws. After that the reader is of
    ///   no more use.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer, _ handle: (Event) throws -> Void) throws {
        guard !hasFailed else { throw ArchiveFault.damaged(.failedBefore, offset: position) }
        // Stays set when something below throws.
        hasFailed = true
        var input = bytes
        while !input.isEmpty {
            try step(&input, handle)
        }
        hasFailed = false
    }

    /// Says that the bytes have ended.
    ///
    /// One of the two blocks at the end may be missing, as GNU tar allows; not both.
    ///
    /// - Throws: ``ArchiveFault/damaged(_:offset:)`` with `endsEarly` when the archive has not.
    package func finish() throws(ArchiveFault) {
        guard !hasFailed else { throw .damaged(.failedBefore, offset: position) }
        guard case .afterEnd = stage else { throw .damaged(.endsEarly, offset: position) }
    }

    /// Does what the stage is for with the bytes it takes off `input`.
    private mutating func step(_ input: inout UnsafeRawBufferPointer, _ handle: (Event) throws -> Void) throws {
        switch stage {
        case .header:
            if let block = try gather(TarFormat.blockBytes, &input) { try takeHeader(block, handle) }
        case .extended(let count):
            guard let block = try gather(count + TarFormat.paddingBytes(after: Int64(count)), &input) else { return }
            try parser.takeExtension(Array(block.prefix(count)))
            stage = .header
        case .content(let left, let padding):
            let piece = take(left, &input)
            try handle(.content(piece))
            try continueContent(left: left - Int64(piece.count), padding: padding, handle)
        case .padding(let left):
            let rest = left - take(Int64(left), &input).count
            stage = rest == 0 ? .header : .padding(left: rest)
        case .afterEnd:
            try passZeros(&input)
        }
    }
}

extension TarReader {
    /// Goes on after a header.
    private mutating func takeHeader(_ block: [UInt8], _ handle: (Event) throws -> Void) throws {
        switch try parser.takeHeader(block, at: position - Int64(TarFormat.blockBytes)) {
        case .needsExtension(let count):
            stage = .extended(count: count)
            if count == 0 { try finishEmptyExtension() }
        case .file(let member):
            try handle(.begin(member))
            try continueContent(left: member.size, padding: TarFormat.paddingBytes(after: member.size), handle)
        case .passed:
            stage = .header
        case .end:
            stage = .afterEnd
        }
    }

    /// Takes an extended header without content, for which no byte will come.
    private mutating func finishEmptyExtension() throws(ArchiveFault) {
        try parser.takeExtension([])
        stage = .header
    }

    /// Goes on within a file, or after it.
    private mutating func continueContent(left: Int64, padding: Int, _ handle: (Event) throws -> Void) throws {
        guard left == 0 else {
            stage = .content(left: left, padding: padding)
            return
        }
        stage = padding == 0 ? .header : .padding(left: padding)
        try handle(.end)
    }

    /// Reads what may follow the end: zeros.
    private mutating func passZeros(_ input: inout UnsafeRawBufferPointer) throws(ArchiveFault) {
        let room = limits.unpackedBytes - position
        guard room > 0 else { throw .exceeded(.unpackedBytes(limits.unpackedBytes)) }
        let start = position
        if let index = take(room, &input).firstIndex(where: { $0 != 0 }) {
            throw .damaged(.trailingBytes, offset: start + Int64(index))
        }
    }

    /// Gathers `wanted` bytes.
    ///
    /// - Returns: All of them, or `nil` when they need more of the archive.
    private mutating func gather(
        _ wanted: Int, _ input: inout UnsafeRawBufferPointer
    ) throws(ArchiveFault) -> [UInt8]? {
        let missing = wanted - gathered.count
        guard Int64(missing) <= limits.unpackedBytes - position else {
            throw .exceeded(.unpackedBytes(limits.unpackedBytes))
        }
        gathered.append(contentsOf: take(Int64(missing), &input))
        guard gathered.count == wanted else { return nil }
        defer { gathered.removeAll(keepingCapacity: true) }
        return gathered
    }

    /// Takes up to `most` bytes off `input`.
    private mutating func take(_ most: Int64, _ input: inout UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let piece = input.part(0, Int(clamping: most))
        input = input.part(piece.count, input.count)
        position += Int64(piece.count)
        return piece
    }
}
