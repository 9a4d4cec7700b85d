package import ReconcileCore
import SystemPackage

/// Deletes what nothing needs: expired generations, blobs that no record names, old trash, abandoned partial downloads and
/// temporary files. Needs no free space.
package struct GarbageCollector {
    private let reader: StoreReader
    private let writer: StoreWriter?
    private let now: Timestamp

    /// A partial download that nobody touched for so long is abandoned.
    private static let partialSeconds: Int64 = 7 * 86400
    /// Blobs and temporary files that were written so recently may belong to a pass that is running.
    private static let freshSeconds: Int64 = 3600

    /// A collector that deletes.
    package init(writer: StoreWriter, now: Timestamp) { (reader, self.writer, self.now) = (writer.reader, writer, now) }

    /// A collector that only says what it would delete.
    package init(reader: StoreReader, now: Timestamp) { (self.reader, writer, self.now) = (reader, nil, now) }

    /// One thing that is deleted.
    package struct Item: Codable, Sendable, Hashable {
        /// What it is: `generation`, `blob`, `trash`, `partial`, `temporary`.
        package let kind: String
        /// Its name for people.
        package let name: String
        /// Bytes that only it holds, as far as can be told.
        package let bytes: Int64
    }

    /// Collects.
    ///
    /// - Parameter keep: The retention of each declared model.
    /// - Returns: What was deleted, or would be.
    /// - Throws: ``Fault`` of kind `system`.
    package func collect(keep: [ModelName: Policy.Keep]) async throws -> [Item] {
        var items: [Item] = []
        var used: Set<String> = []
        var isCertain = true
        let observer = Observer(reader: reader)
        for name in try reader.modelNames().sorted() {
            // A model that cannot be read keeps all it has; it does not keep the others from being tidied.
            let model = (try? await observer.observe(name))?.0 ?? ObservedModel()
            let expired = Retention.expired(model, keep: keep[name] ?? Policy().keep, now: now)
            for generation in expired {
                items.append(Item(kind: "generation", name: "\(name) \(generation.release.version)", bytes: 0))
                try writer?.delete(name, generation.directory)
            }
            items += try sweepUnfinished(name)
            // Every record counts, readable as a whole generation or not, except those that were just deleted.
            let gone = Set(expired.map(\.directory))
            for file in try DiskReader.names(in: reader.layout.generations(name))
            where file.hasSuffix(".json") && !gone.contains(String(file.dropLast(5))) {
                guard let record = try? reader.record(of: name, String(file.dropLast(5))) else {
                    isCertain = false
                    continue
                }
                for entry in record.release.files { used.insert(entry.sha256.description) }
            }
        }
        // Where a record cannot be read, it is not known which content is needed.
        if isCertain, !isDownloading { items += try sweepBlobs(used) + sweepIndexes(used) }
        items += try sweepTrash()
        try writer?.sweepSets(olderThan: Self.freshSeconds, at: now)
        if !isDownloading { items += try sweepIncoming() }
        items += try await sweepPartials()
        return items
    }

    /// Whether a pass is running that may have fetched some of its files hours ago, and waits for the others.
    private var isDownloading: Bool { StoreLease.isHeld(reader.layout.downloading) }

    private func sweepBlobs(_ used: Set<String>) throws -> [Item] {
        var items: [Item] = []
        for prefix in try DiskReader.names(in: reader.layout.blobs) {
            let directory = reader.layout.blobs.appending(prefix)
            for name in try DiskReader.names(in: directory) where !used.contains(name) {
                guard let entry = DiskReader.entry(at: directory.appending(name)),
                    isOlder(entry, than: Self.freshSeconds)
                else { continue }
                items.append(Item(kind: "blob", name: String(name.prefix(12)), bytes: entry.size))
                if writer != nil { try Disk().remove(directory.appending(name)) }
            }
        }
        return items
    }

    /// Indexes of files that are not here.
    private func sweepIndexes(_ used: Set<String>) throws -> [Item] {
        try DiskReader.names(in: reader.layout.indexes).compactMap { name in
            let path = reader.layout.indexes.appending(name)
            let isUnderWay = DiskReader.entry(at: reader.layout.partials.appending(name)) != nil
            guard !used.contains(name), !isUnderWay, let entry = DiskReader.entry(at: path),
                isOlder(entry, than: Self.freshSeconds)
            else { return nil }
            if writer != nil { try Disk().remove(path) }
            return Item(kind: "index", name: String(name.prefix(12)), bytes: entry.size)
        }
    }

    /// What a crash left: directories that were being staged, records of generations that never appeared, temporary files.
    private func sweepUnfinished(_ model: ModelName) throws -> [Item] {
        let directory = reader.layout.generations(model)
        let names = Set(try DiskReader.names(in: directory))
        let active = reader.activeDirectory(of: model)
        let unfinished = names.filter { name in
            if name.hasPrefix(".") { return true }
            let generation = name.hasSuffix(".json") ? String(name.dropLast(5)) : name
            let partner = name.hasSuffix(".json") ? generation : "\(name).json"
            return generation != active && generation != reader.goodDirectory(of: model) && !names.contains(partner)
        }
        return try unfinished.sorted().compactMap { name in
            let path = directory.appending(name)
            guard let entry = DiskReader.entry(at: path), isOlder(entry, than: Self.freshSeconds) else { return nil }
            if writer != nil { try Disk().removeTree(path) }
            return Item(kind: "temporary", name: "\(model) \(name)", bytes: entry.size)
        }
    }

    /// What a crash left of deletions.
    private func sweepTrash() throws -> [Item] {
        try DiskReader.names(in: reader.layout.trash).map { name in
            if writer != nil { try Disk().removeTree(reader.layout.trash.appending(name)) }
            return Item(kind: "trash", name: String(name.prefix(40)), bytes: 0)
        }
    }

    /// Small files that nobody made blobs of.
    private func sweepIncoming() throws -> [Item] {
        try DiskReader.names(in: reader.layout.incoming).compactMap { name in
            let path = reader.layout.incoming.appending(name)
            guard let entry = DiskReader.entry(at: path), isOlder(entry, than: Self.freshSeconds) else { return nil }
            if writer != nil { try Disk().remove(path) }
            return Item(kind: "partial", name: String(name.prefix(12)), bytes: entry.size)
        }
    }

    /// Abandoned downloads; one that a process holds is being resumed, however old it is.
    private func sweepPartials() async throws -> [Item] {
        var items: [Item] = []
        for name in try DiskReader.names(in: reader.layout.partials)
        where name != reader.layout.incoming.lastComponent?.string {
            let path = reader.layout.partials.appending(name)
            if let entry = DiskReader.entry(at: path), entry.kind != .directory {
                guard isOlder(entry, than: Self.freshSeconds) else { continue }
                if writer != nil { try Disk().remove(path) }
                items.append(Item(kind: "temporary", name: name, bytes: entry.size))
                continue
            }
            let data = DiskReader.entry(at: path.appending("data"))
            guard let newest = data ?? DiskReader.entry(at: path), isOlder(newest, than: Self.partialSeconds) else {
                continue
            }
            if writer != nil {
                guard
                    let lock = try? await StoreLock.take(path.appending("lock"), holder: "gc", patience: .zero)
                else { continue }
                try withExtendedLifetime(lock) { try Disk().removeTree(path) }
            }
            items.append(Item(kind: "partial", name: String(name.prefix(12)), bytes: data?.size ?? 0))
        }
        return items
    }

    private func isOlder(_ entry: DiskReader.Entry, than seconds: Int64) -> Bool {
        entry.modified / 1_000_000_000 <= now.seconds - seconds
    }
}
