import Archives

/// What reading an archive led to.
struct Reading: Equatable {
    /// A file that was handed out.
    struct File: Equatable {
        var path: String
        var content: [UInt8]
        /// Whether it was said to have ended.
        var isWhole = true
        /// Where its content is in the tar.
        var dataOffset: Int64?

        init(_ path: String, _ content: String) {
            (self.path, self.content) = (path, Array(content.utf8))
        }

        init(beginning member: TarMember) {
            (path, content, isWhole, dataOffset) = (member.path, [], false, member.dataOffset)
        }

        static func == (one: File, other: File) -> Bool {
            one.path == other.path && one.content == other.content && one.isWhole == other.isWhole
        }
    }

    var files: [File] = []
    /// What the reader threw; `nil` when the archive was whole.
    var fault: ArchiveFault?
    /// Whether the events came in an impossible order, or a file had more or less content than announced.
    var isIncoherent = false
    /// What the reader counted.
    var compressedBytes: Int64 = 0
    var uncompressedBytes: Int64 = 0

    private var left: Int64?

    /// Reads an archive that comes in pieces as long as `cut` says.
    init(
        _ bytes: [UInt8], _ compression: Compression = .none, limits: ArchiveLimits = ArchiveLimits(),
        cut: () -> Int = { .max }
    ) {
        do {
            var reader = try ArchiveReader(compression: compression, limits: limits)
            defer { (compressedBytes, uncompressedBytes) = (reader.compressedBytes, reader.uncompressedBytes) }
            var rest = bytes[...]
            while !rest.isEmpty {
                let piece = rest.prefix(cut())
                try piece.withUnsafeBytes { try reader.feed($0) { note($0) } }
                rest = rest.dropFirst(piece.count)
            }
            try reader.finish()
        } catch {
            fault = error as? ArchiveFault
            isIncoherent = isIncoherent || fault == nil
        }
        isIncoherent = isIncoherent || (fault == nil && left != nil)
    }

    private mutating func note(_ event: TarReader.Event) {
        switch event {
        case .begin(let member):
            isIncoherent = isIncoherent || left != nil
            files.append(File(beginning: member))
            left = member.size
        case .content(let bytes):
            left = left.map { $0 - Int64(bytes.count) }
            isIncoherent = isIncoherent || bytes.isEmpty || (left ?? -1) < 0
            files[files.count - 1].content += bytes
        case .end:
            isIncoherent = isIncoherent || left != 0
            files[files.count - 1].isWhole = true
            left = nil
        }
    }

    /// The paths of the files.
    var paths: [String] { files.map(\.path) }

    /// Whether every path stays below where it is unpacked.
    var isSafe: Bool {
        paths.allSatisfy { path in
            path.split(separator: "/", omittingEmptySubsequences: false).allSatisfy { !["", ".", ".."].contains($0) }
        }
    }

    /// What was refused, if that is why reading failed.
    var refusal: ArchiveFault.Refusal? {
        if case .refused(_, let refusal)? = fault { refusal } else { nil }
    }

    /// What was damaged, if that is why reading failed.
    var damage: ArchiveFault.Damage? {
        if case .damaged(let damage, _)? = fault { damage } else { nil }
    }
}
