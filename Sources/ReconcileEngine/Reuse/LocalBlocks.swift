import ReconcileCore
import SystemPackage

/// The blocks that are on this machine, by their digest: of kept generations, of damaged files and of other downloads under way.
/// What the indexes say is believed only after the bytes were hashed on their way to their new place.
struct LocalBlocks: Sendable {
    /// Where a block is.
    struct Place: Sendable, Hashable {
        let path: FilePath
        let offset: Int64
    }

    private var places: [Digest: Place] = [:]

    init() {}

    /// The blocks of everything that a store keeps.
    ///
    /// - Parameter damaged: Files whose blocks are hashed first, because some of them are wrong.
    /// - Throws: `CancellationError`.
    init(
        layout: StoreLayout, generations: [(ModelName, Generation)], damaged: Set<FilePath>,
        _ isCancelled: CancellationFlag
    ) throws {
        let store = IndexStore(layout: layout)
        var seen: Set<Digest> = []
        for (model, generation) in generations {
            for file in generation.release.files where file.size > BlockIndexer.smallestFile {
                let path = layout.generation(model, generation.directory).pushing(FilePath(file.path.description))
                guard !damaged.contains(path) else { continue }
                guard seen.insert(file.sha256).inserted, let index = store.index(of: file.sha256, size: file.size)
                else {
                    continue
                }
                try add(index, at: path)
            }
        }
        for path in damaged {
            guard let file = Self.file(at: path, of: generations, layout),
                let index = store.index(of: file.sha256, size: file.size)
            else { continue }
            try add(index, at: path, hashed: isCancelled)
        }
        try addPartials(layout, store)
    }

    private static func file(
        at path: FilePath, of generations: [(ModelName, Generation)], _ layout: StoreLayout
    ) -> ReleaseFile? {
        for (model, generation) in generations {
            let root = layout.generation(model, generation.directory)
            for file in generation.release.files where root.pushing(FilePath(file.path.description)) == path {
                return file
            }
        }
        return nil
    }

    /// Blocks that other downloads have already.
    private mutating func addPartials(_ layout: StoreLayout, _ store: IndexStore) throws {
        for name in (try? DiskReader.names(in: layout.partials)) ?? [] {
            guard let digest = Digest(name), let data = DiskReader.entry(at: layout.partial(digest).appending("data")),
                let index = store.index(of: digest, size: data.size)
            else { continue }
            let claims = DownloadJournal.claims(
                in: layout.partial(digest).appending("journal"), size: data.size)
            let held = [0..<(claims.prefixes.last?.end ?? 0)] + claims.blocks.map(\.range)
            for range in held {
                try add(index, at: layout.partial(digest).appending("data"), within: range)
            }
        }
    }

    /// Adds the blocks of a file.
    ///
    /// - Parameter isCancelled: Ends it early; when it is given, each block is hashed first.
    /// - Throws: `CancellationError`.
    mutating func add(
        _ index: BlockIndex, at path: FilePath, within range: Range<Int64>? = nil,
        hashed isCancelled: CancellationFlag? = nil
    ) throws {
        let source = isCancelled == nil ? nil : ReadableFile(path)
        for block in index.blocks(in: range ?? 0..<index.size) where places[block.digest] == nil {
            if let isCancelled {
                try isCancelled.check()
                guard let bytes = source?.bytes(block.range), Hashing.digest(of: bytes) == block.digest else {
                    continue
                }
            }
            places[block.digest] = Place(path: path, offset: block.range.lowerBound)
        }
    }

    /// Where a block is; `nil` when it is not here.
    subscript(_ digest: Digest) -> Place? { places[digest] }

    var isEmpty: Bool { places.isEmpty }
}
