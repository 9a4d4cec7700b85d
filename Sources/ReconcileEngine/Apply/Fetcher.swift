package import ReconcileCore
import SystemPackage

/// Carries out `fetch` and `verify`: brings the bytes of a change into the store and proves them. Needs no store lock.
package struct Fetcher: Sendable {
    private let reader: StoreReader
    private let downloader: Downloader
    private let sources: [String: any ModelSource]
    private let report: EventReporter
    /// Where the model is declared to come from.
    private let origins: [Origin]
    /// The revision that is declared, when that is what is.
    private let revision: String?
    private let finder: ReuseFinder

    init(
        reader: StoreReader, downloader: Downloader, sources: [String: any ModelSource],
        finder: ReuseFinder, origins: [Origin], revision: String? = nil, report: @escaping EventReporter
    ) {
        (self.reader, self.downloader, self.sources, self.report) = (reader, downloader, sources, report)
        (self.finder, self.origins, self.revision) = (finder, origins, revision)
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
    /// - Returns: The release, with the files that were found in its archives.
    /// - Throws: ``Fault`` of the source or the disk; `CancellationError`.
    package func fetch(_ change: Change, only: Set<ReleasePath>? = nil, observed: ObservedModel) async throws -> Fetched
    {
        guard var release = change.release else { throw Fault(.bug(detail: "\(change.action) has no release")) }
        var received = Received()
        report(.step(model: change.model, step: .fetch))
        // A blob that went bad on the disk goes, and good bytes come.
        for attempt in 1...2 {
            release = try await unpack(release, only, change.model, &received)
            let loose = Set(release.looseFiles.map(\.path))
            let needed = release.files.filter { only?.contains($0.path) ?? true }
            let wanted = needed.filter { loose.contains($0.path) }
            received.add(try await download(missing(wanted), of: release, model: change.model))
            if attempt == 1 { report(.step(model: change.model, step: .verify)) }
            let trusted = try trustedStamps(change.model, observed, fresh: received.digests)
            let (verified, wrong) = try await reader.verify(release, files: needed, trusted: trusted)
            if let verified { return Fetched(release: verified, receivedBytes: received.bytes) }
            for file in wrong { try Disk().remove(reader.layout.blob(file.sha256)) }
        }
        throw Fault(.bug(detail: "blobs are wrong after they were fetched"))
    }

    /// What came while a change was fetched.
    private struct Received {
        var bytes: Int64 = 0
        /// Content that was hashed while it came.
        var digests: Set<Digest> = []

        mutating func add(_ other: (bytes: Int64, digests: Set<Digest>)) {
            bytes += other.bytes
            digests.formUnion(other.digests)
        }
    }

    /// Takes the archives apart whose files are needed and not here, or not known.
    private func unpack(
        _ release: Release, _ only: Set<ReleasePath>?, _ model: ModelName, _ received: inout Received
    ) async throws -> Release {
        guard let archives = release.archives else { return release }
        let unpacker = Unpacker(layout: reader.layout)
        var unpacked: [Archive] = []
        for archive in archives {
            let needed = archive.files?.filter { only?.contains($0.path) ?? true }
            if let needed, missing(needed).isEmpty {
                unpacked.append(archive)
                continue
            }
            guard let whole = archive.asFile else { throw Fault(.bug(detail: "an archive has no name")) }
            received.add(try await bring(whole, of: release, model: model))
            let (files, made) = try await unpacker.unpack(archive, choosing: FileSelection(texts: release.include))
            let known = archive.unpacked(files)
            if let said = archive.files, said != known.files {
                throw Fault(
                    .sourceInvalid(
                        url: "the archive \(archive.sha256.short)…",
                        detail: "it does not hold the files that were named of it before"))
            }
            received.digests.formUnion(made)
            unpacked.append(known)
        }
        let whole = release.with(archives: unpacked)
        do { try checkFileList(whole.files) } catch {
            throw Fault(.sourceInvalid(url: release.origin.description, detail: error.words))
        }
        return whole
    }

    /// Brings an archive, or proves the one that an earlier pass brought.
    private func bring(
        _ file: ReleaseFile, of release: Release, model: ModelName
    ) async throws -> (bytes: Int64, digests: Set<Digest>) {
        if missing([file]).isEmpty, try await reader.verify(release, files: [file]).verified == nil {
            try Disk().remove(reader.layout.blob(file.sha256))
        }
        return try await download(missing([file]), of: release, model: model)
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
        let suppliers = try await Suppliers(
            sources: sources, origins: origins, revision: revision, report: report
        ).find(for: release)
        guard let source = suppliers.first?.source else {
            throw Fault(
                .sourceUnreachable(
                    url: release.origin.description, detail: "no source is named “\(release.origin.source)”"))
        }
        let found = try await finder.find(files, of: release, in: source)
        let store = IndexStore(layout: reader.layout)
        let wanted = try files.map { file in
            // What is on this machine comes first, whatever it is beside: a stick, another disk.
            let all = try suppliers.locations(of: file)
            let locations = all.filter(\.isLocal) + all.filter { !$0.isLocal }
            guard let found = found[file.sha256] else { return Downloader.Wanted(file, from: locations) }
            // It helps the next time only: where it cannot be kept, this time goes on without.
            if let index = found.index { try? store.keep(index) }
            var wanted = Downloader.Wanted(
                file, from: (found.seed.map { [.file($0)] } ?? []) + locations, index: found.index, reuse: found.reuse)
            (wanted.recipe, wanted.seed, wanted.lateIndex) = (found.recipe, found.seed, found.lateIndex)
            return wanted
        }
        // What is open already comes first, so that it is not a connection beside those that are allowed.
        let ordered = wanted.filter(\.isOpened) + wanted.filter { !$0.isOpened }
        let bytes = try await downloader.fetch(ordered) { file, count in
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
