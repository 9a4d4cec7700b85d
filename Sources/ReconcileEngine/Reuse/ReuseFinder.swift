import NIOPosix
import ReconcileCore
import Synchronization
import SystemPackage

/// Finds out what of wanted files is on this machine already, in any form: whole files in directories that are known to hold
/// models, and blocks of whatever the store keeps. The plan and the fetch ask the same question and get the same answer. It looks
/// once, for all changes of a pass.
final class ReuseFinder: Sendable {
    /// What was found for a file.
    struct Found: Sendable {
        /// What the file consists of.
        var index: BlockIndex?
        /// How to learn that, where it can wait until bytes come: nothing that is here could be a part of the file.
        var lateIndex: IndexRequest?
        /// What is copied of it.
        var reuse: ReusePlan?
        /// Something smaller that the file can be made of, and where that is fetched from.
        var recipe: (Recipe, locations: [Location])?
        /// A file that has the same name by digest, or was hashed: all of it is here.
        var seed: FilePath?

        /// Bytes that need not be fetched.
        ///
        /// - Parameter held: Those that an earlier download has.
        func localBytes(of file: ReleaseFile, held: Int64) -> Int64 {
            if seed != nil { return file.size }
            if let (recipe, _) = recipe { return max(0, file.size - recipe.size) }
            return min(file.size, saturatingSum(held, reuse?.bytes ?? 0))
        }
    }

    private let layout: StoreLayout
    private let generations: [(ModelName, Generation)]
    private let damaged: Set<FilePath>
    private let seeds: Seeds
    /// What is here, once it was needed.
    private let local = Mutex<LocalBlocks?>(nil)

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
        let aids = large.isEmpty ? [:] : (try? await source?.aids(for: release)) ?? [:]
        try Task.checkCancellation()
        for file in files {
            if let seed = try await seeds.file(for: file) { found[file.sha256, default: Found()].seed = seed }
        }
        let unseeded = large.filter { found[$0.sha256]?.seed == nil }
        var unread: [IndexRequest] = []
        for file in unseeded {
            if let index = store.index(of: file.sha256, size: file.size) {
                found[file.sha256, default: Found()].index = index
            } else if let request = IndexRequest(file, aids[file.sha256], of: release, in: source) {
                unread.append(request)
                found[file.sha256, default: Found()].lateIndex = request
            }
        }
        let hasIndexes = found.values.contains { $0.index != nil } || !unread.isEmpty
        let local = hasIndexes ? try await localBlocks() : LocalBlocks()
        if !local.isEmpty {
            for (digest, index) in try await IndexRequest.read(unread) { found[digest]?.index = index }
            for request in unread { found[request.file.sha256]?.lateIndex = nil }
        }
        for file in unseeded {
            let claims = DownloadJournal.claims(
                in: layout.partial(file.sha256).appending("journal"), size: file.size)
            if let index = found[file.sha256]?.index {
                let plan = ReusePlan(index, from: local, present: claims.ranges)
                found[file.sha256]?.reuse = plan.copies.isEmpty ? nil : plan
            }
            let rest = file.size - claims.bytes - (found[file.sha256]?.reuse?.bytes ?? 0)
            if let aids = aids[file.sha256], let (recipe, kind) = recipe(aids, for: file, cheaperThan: rest),
                let locations = try? source?.locations(kind, recipe.sha256, in: release.origin.repository)
            {
                found[file.sha256, default: Found()].recipe = (recipe, locations)
            }
        }
        return found
    }

    private func localBlocks() async throws -> LocalBlocks {
        // It may read damaged files from their beginning to their end.
        try await DownloadThreads.cancellable(on: .singleton) { isCancelled in
            try self.local.withLock { local in
                let blocks =
                    try local
                    ?? LocalBlocks(
                        layout: self.layout, generations: self.generations, damaged: self.damaged, isCancelled)
                local = blocks
                return blocks
            }
        }
    }

    /// The smallest of what the file can be made of, when that is less than what else would be fetched.
    private func recipe(
        _ aids: FileAids, for file: ReleaseFile, cheaperThan rest: Int64
    ) -> (Recipe, FileAids.Kind)? {
        var best: (Recipe, FileAids.Kind)?
        if let zstd = aids.zstd { best = (Recipe(method: .zstd, sha256: zstd.sha256, size: zstd.size), .zstd) }
        for patch in aids.patches where patch.size < best?.0.size ?? .max {
            guard let (old, size) = kept(patch.from) else { continue }
            best = (
                Recipe(method: .patch(old: old, oldSize: size), sha256: patch.sha256, size: patch.size), .patches
            )
        }
        guard let best, best.0.size >= 0, best.0.size < rest else { return nil }
        return best
    }

    /// A file of a kept generation, by its digest.
    private func kept(_ digest: Digest) -> (FilePath, Int64)? {
        for (model, generation) in generations {
            for file in generation.release.files where file.sha256 == digest {
                let path = layout.generation(model, generation.directory).pushing(FilePath(file.path.description))
                if !damaged.contains(path) { return (path, file.size) }
            }
        }
        return nil
    }
}
