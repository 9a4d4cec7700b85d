import Archives
import ReconcileCore
import SystemPackage

/// Takes archives apart: every file in them that is chosen becomes a blob, named by the SHA-256 that is computed here.
///
/// What an archive holds is not trusted. Its members become files below the store's own names, never at their paths; what may
/// not be in an archive (links, devices, ways out) is refused before it is read, and so is what unpacks to far more than it is.
struct Unpacker: Sendable {
    let layout: StoreLayout

    /// Bytes that are read at once.
    private static let pieceBytes = 1 << 20
    /// How much more there may be in an archive than it has bytes: weights hardly compress, and texts not to this.
    private static let (largestRatio, alwaysAllowed) = (Int64(200), Int64(64 << 20))

    /// Unpacks an archive whose blob is in the store.
    ///
    /// - Returns: The chosen files, all of them durable blobs, and the digests of those that were made now: what was there
    ///   already was not looked into.
    /// - Throws: ``Fault`` of kind `sourceInvalid` when it is not an archive that may be unpacked, `diskFull` or `system`;
    ///   `CancellationError`. No file of it is a blob then.
    @concurrent
    func unpack(_ archive: Archive, choosing selection: FileSelection) async throws -> (
        files: [ReleaseFile], made: Set<Digest>
    ) {
        guard let source = ReadableFile(layout.blob(archive.sha256)) else {
            throw Fault(.bug(detail: "the archive \(archive.sha256.short) is not here"))
        }
        let (product, overflow) = archive.size.multipliedReportingOverflow(by: Self.largestRatio)
        let most = max(Self.alwaysAllowed, overflow ? .max : product)
        let room = DiskReader.freeBytes(at: layout.root).map { max(0, $0 - Planner.reserveBytes) } ?? .max
        var unpacking = Unpacking(layout: layout, selection: selection)
        defer { unpacking.discard() }
        do {
            var reader = try ArchiveReader(
                compression: Compression(archive.format), limits: ArchiveLimits(unpackedBytes: min(most, room)))
            let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 4096)
            defer { piece.deallocate() }
            var position: Int64 = 0
            while position < source.size {
                try Task.checkCancellation()
                let count = Int(min(Int64(piece.count), source.size - position))
                let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<count])
                guard source.read(into: part, at: position) else {
                    throw DiskReader.systemFault("read", layout.blob(archive.sha256))
                }
                try reader.feed(UnsafeRawBufferPointer(part)) { try unpacking.take($0) }
                position += Int64(count)
            }
            try reader.finish()
        } catch let fault as ArchiveFault {
            if case .exceeded(.unpackedBytes) = fault, room < most {
                throw Fault(.diskFull(neededBytes: saturatingSum(room, 1), freeBytes: room))
            }
            throw Fault(.sourceInvalid(url: "the archive \(archive.sha256.short)…", detail: fault.detail))
        }
        return try unpacking.commit()
    }
}

extension Compression {
    /// How an archive is compressed.
    fileprivate init(_ format: Archive.Format) {
        switch format {
        case .tar: self = .none
        case .tarGzip: self = .gzip
        case .tarZstd: self = .zstd
        }
    }
}

/// The files of an archive that is being taken apart.
private struct Unpacking {
    let layout: StoreLayout
    let selection: FileSelection
    private var open: (member: TarMember, path: ReleasePath, file: GrowingFile)?
    private var done: [(file: ReleaseFile, place: FilePath)] = []

    init(layout: StoreLayout, selection: FileSelection) { (self.layout, self.selection) = (layout, selection) }

    mutating func take(_ event: TarReader.Event) throws {
        switch event {
        case .begin(let member):
            guard let path = ReleasePath(member.path) else {
                throw Fault(
                    .sourceInvalid(
                        url: "an archive", detail: "“\(member.path.prefix(80).printable)” is not a safe path"))
            }
            guard selection.matches(path) else { return }
            open = (member, path, try Disk().beginFile(in: layout.incoming))
        case .content(let bytes): try open?.file.append(bytes)
        case .end:
            guard let (member, path, file) = open else { return }
            let (digest, place) = try file.end()
            done.append((ReleaseFile(path: path, size: member.size, sha256: digest), place))
            open = nil
        }
    }

    /// Makes all files blobs: their contents durable together, then their names. A blob that is there already stays, because
    /// generations may share it.
    mutating func commit() throws -> (files: [ReleaseFile], made: Set<Digest>) {
        var moves: [Digest: FilePath] = [:]
        for (file, place) in done where DiskReader.entry(at: layout.blob(file.sha256))?.size != file.size {
            moves[file.sha256] = moves[file.sha256] ?? place
        }
        try Disk().moveTogether(moves.map { ($1, layout.blob($0)) })
        return (done.map(\.file), Set(moves.keys))
    }

    /// Throws away what did not become a blob.
    func discard() {
        open?.file.discard()
        for (_, place) in done where DiskReader.entry(at: place) != nil { try? Disk().remove(place) }
    }
}
