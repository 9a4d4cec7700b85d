import ReconcileCore
import SystemPackage

/// Finds out what of wanted files is on this machine already, in any form: whole files in directories that are known to hold
/// models, and blocks of whatever the store keeps. The plan and the fetch ask the same question and get the same answer.
struct ReuseFinder: Sendable {
    /// What was found for a file.
    struct Found: Sendable {
        /// What the file consists of.
        var index: BlockIndex?
        /// What is copied of it.
        var reuse: ReusePlan?
        /// A file that has the same name by digest, or was hashed: all of it is here.
        var seed: FilePath?

        /// Bytes that need not be fetched, beside those that an earlier download has.
        func localBytes(of file: ReleaseFile) -> Int64 { seed == nil ? reuse?.bytes ?? 0 : file.size }
    }

    private let layout: StoreLayout
    private let generations: [(ModelName, Generation)]
    private let damaged: Set<FilePath>
    private let seeds: Seeds

    /// - Parameters:
    ///   - generations: What the store keeps.
    ///   - damaged: Files of them that are damaged.
    init(
        layout: StoreLayout, generations: [(ModelName, Generation)], damaged: Set<FilePath> = [],
        policy: DownloadPolicy
    ) {
        (self.layout, self.generations, self.damaged) = (layout, generations, damaged)
        seeds = Seeds(policy.seeds)
    }

    /// Looks for files of a release. A source that does not help is not an error: then the files are simply fetched.
    ///
    /// - Throws: `CancellationError`.
    @concurrent
    func find(
        _ files: [ReleaseFile], of release: Release, in source: (any ModelSource)?
    ) async throws -> [Digest: Found] {
        var found: [Digest: Found] = [:]
        let large = files.filter { $0.size > BlockIndexer.smallestFile }
        let store = IndexStore(layout: layout)
        let unknown = large.filter { store.index(of: $0.sha256, size: $0.size) == nil }
        let aids = unknown.isEmpty ? [:] : (try? await source?.aids(for: release)) ?? [:]
        try Task.checkCancellation()
        for file in files {
            if let seed = try await seeds.file(for: file) { found[file.sha256, default: Found()].seed = seed }
        }
        for file in large where found[file.sha256]?.seed == nil {
            var index = store.index(of: file.sha256, size: file.size)
            if index == nil, let sidecar = aids[file.sha256]?.blocks, sidecar.size <= Int64(BlockIndex.limitBytes) {
                let bytes = try? await source?.sidecar(.blocks, sidecar, in: release.origin.repository)
                index = bytes.flatMap { BlockIndex($0, file: file.sha256, size: file.size) }
                try Task.checkCancellation()
            }
            if let index { found[file.sha256, default: Found()].index = index }
        }
        guard found.values.contains(where: { $0.index != nil }) else { return found }
        let local = LocalBlocks(layout: layout, generations: generations, damaged: damaged)
        for file in large {
            guard let index = found[file.sha256]?.index else { continue }
            let claims = DownloadJournal.claims(
                in: layout.partial(file.sha256).appending("journal"), size: file.size)
            let present = [0..<(claims.prefixes.last?.end ?? 0)] + claims.blocks.map(\.range)
            let plan = ReusePlan(index, from: local, present: present.filter { !$0.isEmpty })
            found[file.sha256]?.reuse = plan.copies.isEmpty ? nil : plan
        }
        return found
    }
}
