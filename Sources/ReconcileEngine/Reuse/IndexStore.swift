import ReconcileCore
import SystemPackage

/// The block indexes of files that are here, in `.reconcile/indexes/`: with them it is known what can be reused without reading
/// a byte. Each ends with the SHA-256 of what is before. Losing one costs a full download.
struct IndexStore: Sendable {
    private let layout: StoreLayout

    private static let digestBytes = 32

    init(layout: StoreLayout) { self.layout = layout }

    /// The index of a file; `nil` when there is none that is whole.
    func index(of file: Digest, size: Int64) -> BlockIndex? {
        guard size > BlockIndexer.smallestFile,
            let bytes = try? DiskReader.contents(
                of: layout.index(file), limit: BlockIndex.limitBytes + Self.digestBytes)
        else { return nil }
        let content = Array(bytes.dropLast(Self.digestBytes))
        guard Digest(bytes: bytes.suffix(Self.digestBytes)) == Hashing.digest(of: content) else { return nil }
        return BlockIndex(content, file: file, size: size)
    }

    /// Keeps the index of a file; one that is damaged is replaced.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func keep(_ index: BlockIndex) throws {
        let path = layout.index(index.file)
        guard self.index(of: index.file, size: index.size) == nil else { return }
        try Disk().makeDirectory(path.removingLastComponent())
        let content = index.encoded
        try Disk().write(content + Hashing.digest(of: content).bytes, to: path)
    }
}
