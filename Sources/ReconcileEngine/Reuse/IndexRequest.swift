import ReconcileCore

/// A block index that a publisher offers beside a file, and that was not read yet.
struct IndexRequest: Sendable {
    let file: ReleaseFile
    private let sidecar: FileAids.Sidecar
    private let repository: String
    private let source: any ModelSource

    /// How many are read at once: each is a connection of its own where there is no HTTP/2.
    private static let concurrency = 8

    /// The request for the index of a file; `nil` when none is offered, or one that is too long to be true.
    init?(_ file: ReleaseFile, _ aids: FileAids?, of release: Release, in source: (any ModelSource)?) {
        guard let source, let sidecar = aids?.blocks, sidecar.size <= Int64(BlockIndex.limitBytes) else { return nil }
        (self.file, self.sidecar, self.source) = (file, sidecar, source)
        repository = release.origin.repository
    }

    /// Reads the index; `nil` when it cannot be had or makes no sense: then the file is fetched without.
    func read() async -> BlockIndex? {
        let bytes = try? await source.sidecar(.blocks, sidecar, in: repository)
        return bytes.flatMap { BlockIndex($0, file: file.sha256, size: file.size) }
    }

    /// Reads several, by the digests of their files.
    ///
    /// - Throws: `CancellationError`.
    static func read(_ requests: [IndexRequest]) async throws -> [Digest: BlockIndex] {
        let indexes = await withTaskGroup(of: BlockIndex?.self) { group in
            var indexes: [Digest: BlockIndex] = [:]
            func note(_ index: BlockIndex??) {
                if let index, let index { indexes[index.file] = index }
            }
            for (place, request) in requests.enumerated() {
                if place >= concurrency { note(await group.next()) }
                group.addTask { await request.read() }
            }
            for await index in group { note(index) }
            return indexes
        }
        try Task.checkCancellation()
        return indexes
    }
}
