package import ReconcileCore
package import SystemPackage

/// Changes a store, in the one order of writes that keeps every promise through a power cut:
/// blob → record → generation → link → confirm. Whoever has a writer holds the store's lock.
package struct StoreWriter: Sendable {
    package let reader: StoreReader
    let disk = Disk()
    private let lock: StoreLock

    package var layout: StoreLayout { reader.layout }

    /// Takes the store's lock, making the store when there is none.
    ///
    /// - Parameters:
    ///   - holder: Who takes it, for the person who finds it taken.
    ///   - patience: How long to wait for another holder.
    /// - Throws: ``Fault`` of kind `busy`, `formatUnknown` or `system`.
    package static func open(_ layout: StoreLayout, holder: String, patience: Duration) async throws -> StoreWriter {
        try StoreReader(layout: layout).checkFormat()
        try prepare(layout)
        let lock = try await StoreLock.take(layout.lock, holder: holder, patience: patience)
        return StoreWriter(reader: StoreReader(layout: layout), lock: lock)
    }

    private init(reader: StoreReader, lock: StoreLock) { (self.reader, self.lock) = (reader, lock) }

    /// Makes the directories of a store, and its format number last.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package static func prepare(_ layout: StoreLayout) throws {
        guard DiskReader.entry(at: layout.format) == nil else { return }
        let disk = Disk()
        for directory in [
            layout.blobs, layout.allGenerations, layout.allGood, layout.trash, layout.partials, layout.allMemory,
        ] {
            try disk.makeDirectory(directory)
        }
        try disk.write(Array("\(StoreLayout.formatNumber)\n".utf8), to: layout.format)
    }

    /// Materialises a release from verified blobs. The directory appears complete or not at all; an existing one of the same
    /// release is completed file by file, because something may be reading it.
    ///
    /// - Returns: The directory's name.
    /// - Throws: ``Fault`` of kind `system`; the generation is then not there.
    package func stage(_ release: VerifiedRelease, for model: ModelName) async throws -> String {
        let directory = try freeDirectory(for: release.release, of: model)
        let final = layout.generation(model, directory)
        if DiskReader.entry(at: final) != nil {
            try await complete(release, of: model, at: final, directory)
        } else {
            try build(release, of: model, at: final, directory)
        }
        return directory
    }

    private func build(_ release: VerifiedRelease, of model: ModelName, at final: FilePath, _ directory: String) throws
    {
        let temporary = layout.generations(model).appending(".stage-\(directory)")
        try disk.makeDirectory(layout.generations(model))
        try disk.removeTree(temporary)
        try disk.makeDirectory(temporary)
        var made: Set<FilePath> = [temporary]
        for file in release.release.files {
            let target = temporary.pushing(FilePath(file.path.description))
            let parent = target.removingLastComponent()
            if made.insert(parent).inserted { try makeDirectories(parent, below: temporary, &made) }
            try disk.materialise(layout.blob(file.sha256), at: target)
        }
        for directory in made { try disk.synchroniseDirectory(directory) }
        try writeRecord(release.release, of: model, directory, files: temporary)
        try disk.move(temporary, to: final)
    }

    private func makeDirectories(_ path: FilePath, below root: FilePath, _ made: inout Set<FilePath>) throws {
        try disk.makeDirectory(path)
        var parent = path.removingLastComponent()
        while parent != root, made.insert(parent).inserted { parent = parent.removingLastComponent() }
    }

    private func complete(
        _ release: VerifiedRelease, of model: ModelName, at path: FilePath, _ directory: String
    ) async throws {
        for file in release.release.files {
            let target = path.pushing(FilePath(file.path.description))
            let entry = DiskReader.entry(at: target)
            if let entry, entry.kind == .file, entry.size == file.size,
                try await Hashing.digest(ofFile: target).digest == file.sha256
            {
                continue
            }
            if entry?.kind == .directory { try disk.removeTree(target) }
            try disk.makeDirectory(target.removingLastComponent())
            try disk.replace(target, withBlob: layout.blob(file.sha256))
        }
        try writeRecord(release.release, of: model, directory, files: path)
    }

    private func writeRecord(_ release: Release, of model: ModelName, _ directory: String, files: FilePath) throws {
        let stamps = try release.files.map { file in
            let path = files.pushing(FilePath(file.path.description))
            guard let entry = DiskReader.entry(at: path) else { throw DiskReader.systemFault("stage", path) }
            return GenerationRecord.Stamp(entry)
        }
        try write(GenerationRecord(release: release, stamps: stamps), of: model, directory)
    }

    /// Writes a record, for a new generation or with newer stamps.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func write(_ record: GenerationRecord, of model: ModelName, _ directory: String) throws {
        try disk.write(JSONFile.bytes(of: record, pretty: false), to: layout.record(model, directory))
    }

    /// The name for a release's directory: another one when the twelve digits already stand for other content.
    private func freeDirectory(for release: Release, of model: ModelName) throws -> String {
        let base = "\(release.version)-\(release.contentDigest.short)"
        for suffix in [""] + (2...99).map({ "-\($0)" }) {
            let name = base + suffix
            guard let record = try? reader.record(of: model, name) else { return name }
            if record.release.id == release.id { return name }
        }
        throw Fault(.bug(detail: "too many generations are named \(base)"))
    }

    /// Moves the model's link to a generation: the one rename that readers see.
    ///
    /// The generation that is left is stamped as used until now first, so that it is kept long enough for its readers.
    /// - Throws: ``Fault`` of kind `system`; the link is then where it was.
    package func activate(_ model: ModelName, _ directory: String) throws {
        if let left = reader.activeDirectory(of: model) {
            disk.touch(layout.generation(model, left))
        } else if DiskReader.entry(at: layout.link(model)) != nil {
            // A rename would silently destroy a user's file.
            throw Fault(.occupied(path: layout.link(model).string), model: model)
        }
        disk.touch(layout.generation(model, directory))
        try disk.setLink(layout.link(model), to: layout.linkDestination(model, directory))
    }

    /// Puts the model's link in the place of a user's own directory, which moves to `aside`.
    ///
    /// - Throws: ``Fault`` of kind `system`; nothing has then moved.
    package func adopt(_ model: ModelName, _ directory: String, aside: FilePath) throws {
        try disk.exchange(
            layout.link(model), withLinkTo: layout.linkDestination(model, directory), aside: aside)
    }

    /// Puts back what was moved aside by ``adopt(_:_:aside:)``.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func restore(_ model: ModelName, from aside: FilePath) throws {
        try deactivate(model)
        try disk.move(aside, to: layout.link(model))
    }

    /// Takes the model's link away, when the first release of a model did not work.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func deactivate(_ model: ModelName) throws {
        guard reader.activeDirectory(of: model) != nil else { return }
        try disk.remove(layout.link(model))
    }

    /// Makes a generation the last good one.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func confirm(_ model: ModelName, _ directory: String) throws {
        try disk.setLink(layout.good(model), to: layout.goodDestination(model, directory))
    }

    /// Writes a model's memory.
    ///
    /// - Throws: ``Fault`` of kind `system`; the old memory is then still there.
    package func remember(_ memory: Memory, of model: ModelName) throws {
        try disk.write(JSONFile.bytes(of: memory), to: layout.memory(model))
    }

    /// Deletes a generation that nothing points to: its directory moves to the trash, then its record goes, then the trash.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func delete(_ model: ModelName, _ directory: String) throws {
        let path = layout.generation(model, directory)
        if DiskReader.entry(at: path) != nil { try throwAway(path, as: "\(model)-\(directory)") }
        try disk.remove(layout.record(model, directory))
    }

    /// Takes a whole model out: its link, its memory, and last its good one, so that a crash in between leaves a model that is
    /// removed again. Its generations stay where they are for those that still read them; `gc` deletes them after a day.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func remove(_ model: ModelName) throws {
        for directory in try reader.generationDirectories(of: model) { disk.touch(layout.generation(model, directory)) }
        if reader.activeDirectory(of: model) != nil { try disk.remove(layout.link(model)) }
        try disk.remove(layout.memory(model))
        try disk.remove(layout.good(model))
    }

    /// Moves a path into the trash in one rename, and deletes it there; where even a rename has no room, deletes it in place.
    func throwAway(_ path: FilePath, as name: String) throws {
        let target = layout.trash.appending("\(name)-\(UInt32.random(in: 0...UInt32.max))")
        do {
            try disk.move(path, to: target)
        } catch {
            return try disk.removeTree(path)
        }
        try disk.removeTree(target)
    }
}
