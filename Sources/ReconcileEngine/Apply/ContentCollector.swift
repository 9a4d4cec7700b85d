import ReconcileCore
import SystemPackage

/// Brings the content of releases to a place beside the store, for what is made of it there: a bundle, or the list of the files
/// in archives. What the store has is taken from there.
struct ContentCollector: Sendable {
    let declaration: Declaration
    let place: StoreLayout
    let sources: [String: any ModelSource]
    let settings: Settings

    /// Brings what a release is delivered as.
    ///
    /// - Parameter only: What of it is needed; all when `nil`.
    /// - Throws: ``Fault`` of a source or of the disk; `CancellationError`, after which what came is kept.
    func bring(_ release: Release, for model: DesiredModel, only: Set<Digest>? = nil) async throws {
        try StoreWriter.prepare(place)
        let store = StoreLayout(root: declaration.store)
        let suppliers = try await Suppliers(
            sources: sources, origins: model.origins, revision: model.revision, report: settings.report
        ).find(
            for: release)
        let files = release.deliveries.filter { only?.contains($0.sha256) ?? true }
        let wanted = try files.map { file in
            let local: [Location] =
                DiskReader.entry(at: store.blob(file.sha256))?.size == file.size ? [.file(store.blob(file.sha256))] : []
            return Downloader.Wanted(file, from: local + (local.isEmpty ? try suppliers.locations(of: file) : []))
        }
        let engine = DownloadEngine(
            declaration.desired.download, control: settings.downloads, clock: settings.clock)
        let downloader = Downloader(
            layout: place, engine: engine, holder: settings.holder, patience: settings.lockPatience,
            warn: { [settings] in settings.report(.warning($0)) })
        _ = try await downloader.fetch(wanted) { [settings] file, count in
            settings.report(.received(model: model.name, file: file.path, bytes: count, size: file.size))
        }
    }
}
