import ReconcileCore
import SystemPackage

/// Names the files in the archives of a lock, by fetching and unpacking them in a place beside it.
struct LockFiller: Sendable {
    let declaration: Declaration
    let sources: [String: any ModelSource]
    let settings: Settings

    /// Fills in what is not known.
    ///
    /// - Returns: The models of which something was filled in.
    /// - Throws: ``Fault`` of a source or of the disk; what was fetched is kept for the next time then.
    func fill(_ lock: inout Lockfile) async throws -> [ModelName] {
        let before = lock.models
        let path = declaration.lockPath
        let place = StoreLayout(
            root: path.removingLastComponent().appending(".\(path.lastComponent?.string ?? "lock").partial"))
        for name in lock.models.keys.sorted() {
            guard let model = declaration.desired.models[name], let entry = lock.models[name] else { continue }
            lock.models[name]?.archives = try await files(in: entry.archives, of: entry, nil, model, place)
            for platform in entry.platforms?.keys.sorted() ?? [] {
                let variant = entry.platforms?[platform]
                lock.models[name]?.platforms?[platform]?.archives = try await files(
                    in: variant?.archives, of: entry, TargetPlatform(platform), model, place)
            }
        }
        try Disk().removeTree(place.root)
        return lock.models.keys.filter { lock.models[$0] != before[$0] }.sorted()
    }

    private func files(
        in archives: [Archive]?, of entry: Lockfile.Entry, _ platform: TargetPlatform?, _ model: DesiredModel,
        _ place: StoreLayout
    ) async throws -> [Archive]? {
        guard let archives, let release = platform.map({ entry.release(for: $0) }) ?? entry.deliveries.first else {
            return archives
        }
        let unknown = Set(archives.filter { $0.files == nil }.map(\.sha256))
        guard !unknown.isEmpty else { return archives }
        let collector = ContentCollector(declaration: declaration, place: place, sources: sources, settings: settings)
        try await collector.bring(release, for: model, only: unknown)
        var filled: [Archive] = []
        for archive in archives {
            guard archive.files == nil else {
                filled.append(archive)
                continue
            }
            let selection = FileSelection(texts: release.include)
            let (files, _) = try await Unpacker(layout: place).unpack(archive, choosing: selection)
            filled.append(archive.unpacked(files))
        }
        do { try checkFileList(release.with(archives: filled).files) } catch {
            throw Fault(.sourceInvalid(url: release.origin.description, detail: error.words), model: model.name)
        }
        return filled
    }
}
