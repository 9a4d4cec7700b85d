package import ReconcileCore
import SystemPackage

/// Reads a store; never writes, so a dry run needs nothing else.
package struct StoreReader: Sendable {
    package let layout: StoreLayout

    /// A record may describe very many files, but not without bound.
    private static let recordLimit = 256 << 20
    private static let memoryLimit = 16 << 20

    package init(layout: StoreLayout) { self.layout = layout }

    /// Checks that the store, if there is one, has a format this program knows.
    ///
    /// - Throws: ``Fault`` of kind `formatUnknown`, `fileDamaged` or `system`.
    package func checkFormat() throws {
        guard let bytes = try DiskReader.contents(of: layout.format, limit: 64) else { return }
        let text = String(decoding: bytes, as: UTF8.self)
        guard let number = Int(text.split(separator: "\n").first ?? "") else {
            throw Fault(.fileDamaged(path: layout.format.string, detail: "it holds no format number"))
        }
        guard number == StoreLayout.formatNumber else {
            throw Fault(.formatUnknown(path: layout.format.string, found: number, supported: StoreLayout.formatNumber))
        }
    }

    /// The names of all models that left something in the store.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func modelNames() throws -> Set<ModelName> {
        var names = Set(try DiskReader.names(in: layout.allGenerations).compactMap { ModelName($0) })
        names.formUnion(try DiskReader.names(in: layout.allGood).compactMap { ModelName($0) })
        return names
    }

    /// What is remembered of a model; an empty memory when there is no file.
    ///
    /// - Throws: ``Fault`` of kind `fileDamaged`, `formatUnknown` or `system`.
    package func memory(of model: ModelName) throws -> Memory {
        let path = layout.memory(model)
        guard let bytes = try DiskReader.contents(of: path, limit: Self.memoryLimit) else { return Memory() }
        return try JSONFile.value(Memory.self, from: bytes, name: path.string, format: Memory.formatVersion)
    }

    /// The record of a generation; `nil` when there is none.
    ///
    /// - Throws: ``Fault`` of kind `fileDamaged`, `formatUnknown` or `system`.
    package func record(of model: ModelName, _ directory: String) throws -> GenerationRecord? {
        let path = layout.record(model, directory)
        guard let bytes = try DiskReader.contents(of: path, limit: Self.recordLimit) else { return nil }
        let record = try JSONFile.value(
            GenerationRecord.self, from: bytes, name: path.string, format: GenerationRecord.currentFormat)
        guard record.stamps.count == record.release.files.count,
            Hashing.digest(of: record.release.contentText) == record.release.contentDigest
        else { throw Fault(.fileDamaged(path: path.string, detail: "its digests do not agree")) }
        return record
    }

    /// The directories of a model that are complete generations: those with a record.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func generationDirectories(of model: ModelName) throws -> [String] {
        let names = Set(try DiskReader.names(in: layout.generations(model)))
        return names.filter { !$0.hasPrefix(".") && !$0.hasSuffix(".json") && names.contains("\($0).json") }.sorted()
    }

    /// The generation that the model's link points to.
    package func activeDirectory(of model: ModelName) -> String? {
        directory(of: model, through: layout.link(model))
    }

    /// The generation that was confirmed last.
    package func goodDirectory(of model: ModelName) -> String? {
        directory(of: model, through: layout.good(model))
    }

    /// The group that the model's link leads through.
    func group(of model: ModelName) -> String? {
        layout.group(of: model, inLink: DiskReader.destination(of: layout.link(model)))
    }

    /// The models that a set of a group holds, with their generations.
    ///
    /// - Parameter set: The set's directory, or the link to it.
    /// - Throws: ``Fault`` of kind `system`.
    func members(ofSet set: FilePath) throws -> [ModelName: String] {
        var members: [ModelName: String] = [:]
        for name in try DiskReader.names(in: set) {
            guard let model = ModelName(name) else { continue }
            members[model] = layout.directory(of: model, inLink: DiskReader.destination(of: set.appending(name)))
        }
        return members
    }

    private func directory(of model: ModelName, through link: FilePath) -> String? {
        guard let destination = DiskReader.destination(of: link) else { return nil }
        guard layout.group(of: model, inLink: destination) != nil else {
            return layout.directory(of: model, inLink: destination)
        }
        let next = link.removingLastComponent().pushing(FilePath(destination))
        return layout.directory(of: model, inLink: DiskReader.destination(of: next))
    }
}
