package import ReconcileCore
package import SystemPackage

/// Looks at a store and says what is there (LAW 1: every pass starts here). Writes nothing.
package struct Observer: Sendable {
    private let reader: StoreReader

    /// An observer of a store.
    package init(reader: StoreReader) { self.reader = reader }

    /// What was seen, with the stamps that turned out to be outdated although the bytes are right.
    package struct Observation: Sendable {
        /// What was seen.
        package var state: ObservedState
        /// Records to write anew so that the next pass need not hash again, by model and directory.
        package var restamps: [ModelName: [String: GenerationRecord]]
    }

    /// Looks at the declared models and at all others that left something in the store.
    ///
    /// - Throws: ``Fault`` of kind `formatUnknown`, `fileDamaged` or `system` when the store as a whole cannot be read.
    package func observe(_ declared: some Sequence<ModelName>) async throws -> Observation {
        try reader.checkFormat()
        let names = try reader.modelNames().union(declared).sorted()
        var observation = Observation(
            state: ObservedState(freeBytes: DiskReader.freeBytes(at: reader.layout.root)), restamps: [:])
        try await withThrowingTaskGroup(of: [(ModelName, ObservedModel, [String: GenerationRecord])].self) { group in
            let size = max(1, (names.count + Self.width - 1) / Self.width)
            for start in stride(from: 0, to: names.count, by: size) {
                let chunk = names[start..<min(start + size, names.count)]
                group.addTask { try await observeAll(chunk) }
            }
            for try await chunk in group {
                for (name, model, restamps) in chunk {
                    observation.state.models[name] = model
                    if !restamps.isEmpty { observation.restamps[name] = restamps }
                }
            }
        }
        return observation
    }

    /// As many parallel walks as help on common machines; each is mostly system calls.
    private static let width = 4

    @concurrent
    private func observeAll(
        _ names: ArraySlice<ModelName>
    ) async throws -> [(ModelName, ObservedModel, [String: GenerationRecord])] {
        var results: [(ModelName, ObservedModel, [String: GenerationRecord])] = []
        for name in names {
            do {
                let (model, restamps) = try await observe(name)
                results.append((name, model, restamps))
            } catch let fault as Fault {
                results.append((name, ObservedModel(fault: fault), [:]))
            }
        }
        return results
    }

    /// What is on disk of one model.
    ///
    /// - Throws: ``Fault`` when its memory or its directories cannot be read.
    package func observe(_ name: ModelName) async throws -> (ObservedModel, [String: GenerationRecord]) {
        var model = ObservedModel(memory: try reader.memory(of: name))
        var restamps: [String: GenerationRecord] = [:]
        let active = reader.activeDirectory(of: name)
        model.good = reader.goodDirectory(of: name)
        for directory in try reader.generationDirectories(of: name) where directory != active {
            guard let found = try await inspect(name, directory) else { continue }
            // The last good one is what a failed trial goes back to: damaged is better than gone, and is repaired then.
            guard found.damage.isEmpty || directory == model.good else { continue }
            model.generations.append(found.generation)
            restamps[directory] = found.restamp
        }
        model.slot = slot(name, active)
        if let active, let found = try await inspect(name, active) {
            model.slot = found.damage.isEmpty ? .intact(found.generation) : .damaged(found.generation, found.damage)
            model.generations.append(found.generation)
            restamps[active] = found.restamp
        }
        // A good link that is lost or leads nowhere makes no trial of what worked here before and was not touched since.
        if let id = model.slot.generation?.release.id, model.goodGeneration == nil, model.memory.trial == nil,
            model.memory.confirmed.contains(where: { $0.release == id })
        {
            model.good = active
        }
        model.generations.sort { $0.directory < $1.directory }
        model.handedOver = HandOverRecord.read(reader.layout.handOver(name))?.asObserved
        return (model, restamps)
    }

    /// What stands at the link's place when it is not a link to a generation with a readable record.
    private func slot(_ name: ModelName, _ active: String?) -> Slot {
        if let active { return .lost(directory: active) }
        return DiskReader.entry(at: reader.layout.link(name)) == nil ? .empty : .foreign
    }

    /// What is known of one generation; `nil` when its record is missing or unreadable, so that it counts as not there.
    private func inspect(
        _ name: ModelName, _ directory: String
    ) async throws -> (generation: Generation, damage: [Damage], restamp: GenerationRecord?)? {
        let record: GenerationRecord
        do {
            guard let found = try reader.record(of: name, directory) else { return nil }
            record = found
        } catch let fault as Fault {
            if case .fileDamaged = fault.kind { return nil }
            throw fault
        }
        let path = reader.layout.generation(name, directory)
        let used = DiskReader.entry(at: path).map { $0.modified / 1_000_000_000 } ?? 0
        let generation = Generation(directory: directory, release: record.release, usedAt: Timestamp(seconds: used))
        let (damage, restamp) = try await Self.damage(of: record, at: path)
        return (generation, damage, restamp)
    }

    /// The files that differ from their release. Files with the stamp of their record are trusted; suspects are hashed.
    ///
    /// - Throws: `CancellationError`.
    private static func damage(
        of record: GenerationRecord, at path: FilePath
    ) async throws -> (damage: [Damage], restamp: GenerationRecord?) {
        var damage: [Damage] = []
        var stamps = record.stamps
        for (index, file) in record.release.files.enumerated() {
            let entry = DiskReader.entry(at: path.pushing(FilePath(file.path.description)))
            if let entry, GenerationRecord.Stamp(entry) == record.stamps[index] { continue }
            if let found = try await Self.damage(of: file, stamp: record.stamps[index], at: path, deep: true) {
                damage.append(found)
            } else if let entry {
                stamps[index] = GenerationRecord.Stamp(entry)
            }
        }
        let isOutdated = damage.isEmpty && stamps != record.stamps
        return (damage, isOutdated ? GenerationRecord(release: record.release, stamps: stamps) : nil)
    }

    /// What is wrong with one file of a generation; `nil` when nothing is.
    ///
    /// - Parameter deep: Whether it is hashed even if its stamp is the recorded one.
    /// - Throws: `CancellationError`, or ``Fault`` of kind `system`.
    package static func damage(
        of file: ReleaseFile, stamp: GenerationRecord.Stamp, at path: FilePath, deep: Bool
    ) async throws -> Damage? {
        let place = path.pushing(FilePath(file.path.description))
        guard let entry = DiskReader.entry(at: place) else { return Damage(path: file.path, kind: .missing) }
        if !deep, GenerationRecord.Stamp(entry) == stamp { return nil }
        guard entry.kind == .file, entry.size == file.size else { return Damage(path: file.path, kind: .altered) }
        do {
            return try await Hashing.digest(ofFile: place).digest == file.sha256
                ? nil : Damage(path: file.path, kind: .altered)
        } catch is Fault {
            // A file that cannot be read (a bad sector) is of no more use than one with other bytes.
            return Damage(path: file.path, kind: .altered)
        }
    }

    /// How many bytes of the disk each file occupies already.
    package func heldBytes(of files: [ReleaseFile]) -> [Digest: Int64] {
        Dictionary(
            files.map { file in
                let blob = DiskReader.entry(at: reader.layout.blob(file.sha256))
                let data = DiskReader.entry(at: reader.layout.partial(file.sha256).appending("data"))
                return (file.sha256, blob?.size == file.size ? file.size : min(file.size, data?.allocated ?? 0))
            }, uniquingKeysWith: { first, _ in first })
    }

    /// How many bytes of each file need not be fetched: whole blobs, and what partial downloads have safely.
    ///
    /// A blob that is the same file as a damaged one is damaged itself and counts as nothing.
    package func localBytes(of files: [ReleaseFile], damaged: [FilePath] = []) -> [Digest: Int64] {
        let broken = damaged.compactMap { DiskReader.entry(at: $0) }
        var local: [Digest: Int64] = [:]
        for file in files where local[file.sha256] == nil {
            if let entry = DiskReader.entry(at: reader.layout.blob(file.sha256)), entry.kind == .file,
                entry.size == file.size,
                !broken.contains(where: { $0.isSameFile(as: entry) })
            {
                local[file.sha256] = file.size
            } else {
                local[file.sha256] = DownloadJournal.claimedBytes(
                    in: reader.layout.partial(file.sha256), size: file.size)
            }
        }
        return local
    }
}
