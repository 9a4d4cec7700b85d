import ReconcileCore
import SystemPackage

/// Hands generations over to other programs. Doing it again changes nothing, so that a crash in between costs nothing.
struct HandOverRunner: Sendable {
    let layout: StoreLayout
    let hooks: HookRunner
    private let disk = Disk()

    init(layout: StoreLayout, hooks: HookRunner) { (self.layout, self.hooks) = (layout, hooks) }

    /// A generation that is handed over.
    struct Subject: Sendable {
        let model: ModelName
        let directory: String
        /// With all its files.
        let release: Release
        /// Where its files are.
        let path: FilePath
    }

    /// Hands a generation over, in one last step that other programs see, and writes down that it was.
    ///
    /// - Returns: What the program said that loads it.
    /// - Throws: ``Fault`` of kind `unusable` when the generation has not what the form needs, or `system`.
    func run(_ handOver: HandOver, _ model: ModelName, _ directory: String) async throws -> HookRunner.Answer {
        let reader = StoreReader(layout: layout)
        guard let release = try reader.record(of: model, directory)?.release else {
            throw Fault(.notKept(version: nil, kept: []), model: model)
        }
        let subject = Subject(
            model: model, directory: directory, release: release, path: layout.generation(model, directory))
        var record =
            HandOverRecord.read(layout.handOver(model))
            ?? HandOverRecord(declared: handOver.digest, generation: directory, places: [])
        if record.declared != handOver.digest { (record.versions, record.snapshots) = (nil, nil) }
        (record.declared, record.generation) = (handOver.digest, directory)
        let root = FilePath(handOver.directory)
        let kept = Set(try reader.generationDirectories(of: model))
        var answer = HookRunner.Answer.works
        switch handOver.form {
        case .huggingfaceCache(let repository):
            let cache = HubCachePublisher(root: root, repository: repository ?? release.origin.repository)
            try cache.publish(subject, &record, kept: kept)
        case .triton(let file, let server, let seconds):
            let publisher = TritonPublisher(root: root, file: file)
            let number = try publisher.publish(subject, &record)
            // It is written down before the server is asked: the next number must be higher, whatever comes of it.
            try write(record, model)
            if let server {
                answer = try await TritonServer(address: server, model: publisher.name, seconds: seconds).load(number)
            }
            if answer == .works { try publisher.sweep(&record, keeping: number) }
        case .ollama(let file, let name):
            try OllamaPublisher(root: root, file: file, name: name ?? model.description.lowercased()).publish(
                subject, &record)
        }
        try write(record, model)
        return answer
    }

    private func write(_ record: HandOverRecord, _ model: ModelName) throws {
        let path = layout.handOver(model)
        try disk.makeDirectory(path.removingLastComponent())
        try disk.write(JSONFile.bytes(of: record), to: path)
    }
}

extension Release {
    /// The one file that is meant: the one that is named, else the only one that ends like this.
    ///
    /// - Throws: ``Fault`` of kind `unusable`.
    func file(_ named: ReleasePath?, endingWith endings: [String], for program: String) throws -> ReleaseFile {
        if let named {
            guard let file = files.first(where: { $0.path == named }) else {
                throw Fault(.unusable(what: "“\(named)”", detail: "\(version) has no such file to hand over to \(program)"))
            }
            return file
        }
        let found = files.filter { file in endings.contains { file.path.description.hasSuffix($0) } }
        guard let only = found.first, found.count == 1 else {
            throw Fault(
                .unusable(
                    what: "\(version)",
                    detail: "it has \(found.count) files that \(program) could be meant to have; name one as “file”"))
        }
        return only
    }
}
