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
        let form = handOver.recorded(for: release, model)
        var record =
            HandOverRecord.read(layout.handOver(model))
            ?? HandOverRecord(
                declared: handOver.digest, generation: directory, form: form.form, root: handOver.directory,
                name: form.name, places: [])
        // What stands at another place is taken back, once it is here.
        let former =
            (record.form, record.root, record.name) == (form.form, handOver.directory, form.name) ? nil : record
        if former != nil {
            (record.versions, record.snapshots, record.pointer, record.before, record.places) = (nil, nil, nil, nil, [])
        }
        (record.declared, record.generation) = (handOver.digest, directory)
        (record.form, record.root, record.name) = (form.form, handOver.directory, form.name)
        let root = FilePath(handOver.directory)
        var answer = HookRunner.Answer.works
        switch handOver.form {
        case .huggingfaceCache:
            let kept = Set(try reader.generationDirectories(of: model))
            try await HubCachePublisher(root: root, repository: form.name).publish(subject, &record, kept: kept)
        case .triton(let file, let server, let seconds):
            let publisher = TritonPublisher(root: root, file: file)
            let server = server.map { TritonServer(address: $0, model: form.name, seconds: seconds) }
            // While it loads, nothing in the directory may be touched.
            if let server, case .timedOut(let detail) = try await server.waitUntilIdle() { return .timedOut(detail) }
            let number = try await publisher.publish(subject, &record)
            record.isLoaded = server == nil
            // It is written down before the server is asked: the next number must be higher, whatever comes of it.
            try write(record, model)
            if let server { answer = try await server.load(number) }
            if answer == .works { try publisher.sweep(&record, keeping: number) }
        case .ollama(let file, _):
            try await OllamaPublisher(root: root, file: file, name: form.name).publish(subject, &record)
        }
        record.isLoaded = answer == .works
        try write(record, model)
        if let former { try takeBack(former) }
        return answer
    }

    /// Takes back what was handed over, when nothing is active any more. What somebody else has put in its place stays.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func withdraw(_ model: ModelName) throws {
        guard let record = HandOverRecord.read(layout.handOver(model)) else { return }
        try takeBack(record)
        try disk.remove(layout.handOver(model))
    }

    private func takeBack(_ former: HandOverRecord) throws {
        var record = former
        let root = FilePath(record.root)
        switch record.form {
        case .huggingfaceCache: try HubCachePublisher(root: root, repository: record.name).withdraw(&record)
        case .triton: try TritonPublisher(root: root, file: nil).withdraw(record)
        case .ollama: try OllamaPublisher(root: root, file: nil, name: record.name).withdraw(record)
        }
    }

    /// Gives a place a file of a generation, unless it has it already. What is there is believed when it is the same file, or
    /// when its bytes are the right ones; a length alone says nothing.
    ///
    /// - Throws: ``Fault`` of kind `system`; what was there is then still there.
    static func place(_ file: ReleaseFile, of subject: Subject, at target: FilePath) async throws {
        let source = subject.path.pushing(FilePath(file.path.description))
        if let there = DiskReader.entry(at: target), there.kind == .file, there.size == file.size {
            if let own = DiskReader.entry(at: source), own.isSameFile(as: there) { return }
            if try await Hashing.digest(ofFile: target).digest == file.sha256 { return }
        }
        let disk = Disk()
        try disk.makeDirectory(target.removingLastComponent())
        try disk.replace(target, withBlob: source)
    }

    private func write(_ record: HandOverRecord, _ model: ModelName) throws {
        let path = layout.handOver(model)
        try disk.makeDirectory(path.removingLastComponent())
        try disk.write(JSONFile.bytes(of: record), to: path)
    }
}

extension HandOver {
    /// Whose form it is, and under which name.
    fileprivate func recorded(for release: Release, _ model: ModelName) -> (form: HandOverRecord.Form, name: String) {
        switch form {
        case .huggingfaceCache(let repository): (.huggingfaceCache, repository ?? release.origin.repository)
        case .triton: (.triton, FilePath(directory).lastComponent?.string ?? "")
        case .ollama(_, let name): (.ollama, name ?? model.description.lowercased())
        }
    }
}

extension Release {
    /// The one file that is meant: the one that is named, else the only one that ends like this.
    ///
    /// - Throws: ``Fault`` of kind `unusable`.
    func file(_ named: ReleasePath?, endingWith endings: [String], for program: String) throws -> ReleaseFile {
        if let named {
            guard let file = files.first(where: { $0.path == named }) else {
                throw Fault(
                    .unusable(what: "“\(named)”", detail: "\(version) has no such file to hand over to \(program)"))
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
