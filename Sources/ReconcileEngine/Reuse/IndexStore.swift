import ReconcileCore
import SystemPackage

/// The block indexes of files that are here, in `.reconcile/indexes/`: with them it is known what can be reused without reading
/// a byte. Losing one costs a full download.
struct IndexStore: Sendable {
    private let layout: StoreLayout

    init(layout: StoreLayout) { self.layout = layout }

    /// The index of a file; `nil` when there is none that makes sense.
    func index(of file: Digest, size: Int64) -> BlockIndex? {
        guard size > BlockIndexer.smallestFile else { return nil }
        let bytes = try? DiskReader.contents(of: layout.index(file), limit: BlockIndex.limitBytes)
        return bytes.flatMap { $0 }.flatMap { BlockIndex($0, file: file, size: size) }
    }

    /// Keeps the index of a file; one that is damaged is replaced.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func keep(_ index: BlockIndex) throws {
        let path = layout.index(index.file)
        guard self.index(of: index.file, size: index.size) == nil else { return }
        try Disk().makeDirectory(path.removingLastComponent())
        try Disk().write(index.encoded, to: path)
    }
}
