package import ReconcileCore
import SystemPackage

/// Carries out `fetch` and `verify`: brings the bytes of a change into the store and proves them. Needs no store lock.
package struct Fetcher: Sendable {
    private let reader: StoreReader
    private let downloader: Downloader
    private let sources: [String: any ModelSource]
    private let report: EventReporter
    /// Where the model is declared to come from.
    private let origin: Origin?
    private let finder: ReuseFinder

    init(
        reader: StoreReader, downloader: Downloader, sources: [String: any ModelSource],
        finder: ReuseFinder, origin: Origin?, report: @escaping EventReporter
    ) {
        (self.reader, self.downloader, self.sources, self.report) = (reader, downloader, sources, report)
        (self.finder, self.origin) = (finder, origin)
    }

    /// What was fetched.
    package struct Fetched: Sendable {
        package let release: VerifiedRelease
        package let receivedBytes: Int64
    }

    /// Fetches what is missing of a change's files and hashes what is there.
    ///
    /// - Parameters:
    ///   - only: The paths that are needed; all when `nil`.
    ///   - observed: What the model holds: its stamps vouch for blobs that were hashed before.
    /// - Throws: ``Fault`` of the source or the disk; `CancellationError`.
    package func fetch(_ change: Change, only: Set<ReleasePath>? = nil, observed: ObservedModel) async throws -> Fetched
    {
        guard let release = change.release else { throw Fault(.bug(detail: "\(change.action) has no release")) }
        let needed = only.map { paths in release.files.filter { paths.contains($0.path) } } ?? release.files
        report(.step(model: change.model, step: .fetch))
        var received = try await download(missing(needed), of: release, model: change.model)
        report(.step(model: change.model, step: .verify))
        let trusted = try trustedStamps(change.model, observed, fresh: received.digests)
        var (verified, wrong) = try await reader.verify(release, files: needed, trusted: trusted)
        if !wrong.isEmpty {
            // A blob went bad on disk: it goes, and good bytes come.
            for file in wrong { try Disk().remove(reader.layout.blob(file.sha256)) }
            received.bytes += try await download(wrong, of: release, model: change.model).bytes
            (verified, wrong) = try await reader.verify(release, files: needed, trusted: trusted)
        }
        guard let verified else { throw Fault(.bug(detail: "\(wrong.count) blobs are wrong after they were fetched")) }
        return Fetched(release: verified, receivedBytes: received.bytes)
    }

    private func missing(_ files: [ReleaseFile]) -> [ReleaseFile] {
        var seen: Set<Digest> = []
        return files.filter { file in
            guard seen.insert(file.sha256).inserted else { return false }
            guard let entry = DiskReader.entry(at: reader.layout.blob(file.sha256)) else { return true }
            return entry.kind != .file || entry.size != file.size
        }
    }

    private func download(
        _ files: [ReleaseFile], of release: Release, model: ModelName
    ) async throws -> (bytes: Int64, digests: Set<Digest>) {
        guard !files.isEmpty else { return (0, []) }
        // A source that was renamed since still has what was published under its old name.
        let declared = origin.flatMap { $0.repository == release.origin.repository ? sources[$0.source] : nil }
        guard let source = sources[release.origin.source] ?? declared else {
            throw Fault(
                .sourceUnreachable(
                    url: release.origin.description, detail: "no source is named “\(release.origin.source)”"))
        }
        let found = try await finder.find(files, of: release, in: source)
        let store = IndexStore(layout: reader.layout)
        let wanted = try files.map { file in
            let locations = try source.locations(
                of: file, in: release)
            guard let found = found[file.sha256] else { return Downloader.Wanted(file, from: locations) }
            // It helps the next time only: where it cannot be kept, this time goes on without.
            if let index = found.index { try? store.keep(index) }
            var wanted = Downloader.Wanted(
                file, from: (found.seed.map { [.file($0)] } ?? []) + locations, index: found.index, reuse: found.reuse)
            (wanted.recipe, wanted.seed) = (found.recipe, found.seed)
            return wanted
        }
        let bytes = try await downloader.fetch(wanted) { file, count in
            report(.received(model: model, file: file.path, bytes: count, size: file.size))
        }
        return (bytes, Set(files.map(\.sha256)))
    }

    /// Stamps of files whose hash is known: those of generations, and blobs that were hashed while they came. A damaged
    /// file no longer has the stamp of its record, so its stamp vouches for nothing.
    private func trustedStamps(
        _ model: ModelName, _ observed: ObservedModel, fresh: Set<Digest>
    ) throws -> [Digest: Set<GenerationRecord.Stamp>] {
        var trusted: [Digest: Set<GenerationRecord.Stamp>] = [:]
        for generation in observed.generations {
            guard let record = try? reader.record(of: model, generation.directory) else { continue }
            for (file, stamp) in zip(record.release.files, record.stamps) {
                trusted[file.sha256, default: []].insert(stamp)
            }
        }
        for digest in fresh {
            guard let entry = DiskReader.entry(at: reader.layout.blob(digest)) else { continue }
            trusted[digest, default: []].insert(GenerationRecord.Stamp(entry))
        }
        return trusted
    }
}
