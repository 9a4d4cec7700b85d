import ReconcileCore
import SystemPackage

/// Puts a file of a generation into a Triton model repository as the highest integer version
/// (https://github.com/triton-inference-server/server, `docs/user_guide/model_repository.md`):
///
/// ```text
/// /models/vad/config.pbtxt        the user's own
/// /models/vad/7/model.onnx        what is active: with the usual policy the highest number is served
/// ```
///
/// Every activation has a number of its own, a rollback too: numbers only grow. A directory appears complete, by a rename.
struct TritonPublisher {
    let root: FilePath
    let file: ReleasePath?
    private let disk = Disk()

    private static let endings = [".onnx", ".plan", ".pt", ".jit", ".gguf", ".xml"]

    init(root: FilePath, file: ReleasePath?) { (self.root, self.file) = (root, file) }

    /// Puts the file there, unless its generation is the highest version already.
    ///
    /// - Returns: The number.
    /// - Throws: ``Fault`` of kind `unusable` or `system`; what is served is then what it was.
    func publish(_ subject: HandOverRunner.Subject, _ record: inout HandOverRecord) async throws -> Int {
        let source = try subject.release.file(file, endingWith: Self.endings, for: "Triton")
        let present = try DiskReader.names(in: root).compactMap { Int($0) }.filter { $0 > 0 }
        var made = record.versions ?? [:]
        let highest = max(present.max() ?? 0, made.keys.max() ?? 0)
        let name = source.path.components.last.map(String.init) ?? "model"
        let target = "model\(name.lastIndex(of: ".").map { String(name[$0...]) } ?? "")"
        if made[highest] == subject.directory, DiskReader.entry(at: root.appending("\(highest)")) != nil {
            try await HandOverRunner.place(source, of: subject, at: root.appending("\(highest)").appending(target))
            record.places = [root.appending("\(highest)").appending(target).string]
            return highest
        }
        guard highest < Int.max else {
            throw Fault(.unusable(what: root.string, detail: "its versions have no successor"))
        }
        let number = highest + 1
        let temporary = root.appending(".reconcile-\(number)")
        try disk.removeTree(temporary)
        try disk.makeDirectory(temporary)
        try disk.materialise(subject.path.pushing(FilePath(source.path.description)), at: temporary.appending(target))
        try disk.synchroniseDirectory(temporary)
        try disk.move(temporary, to: root.appending("\(number)"))
        made[number] = subject.directory
        record.versions = made
        record.places = [root.appending("\(number)").appending(target).string]
        return number
    }

    /// Takes away all versions that were made here.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func withdraw(_ record: HandOverRecord) throws {
        for number in (record.versions ?? [:]).keys.sorted() { try disk.removeTree(root.appending("\(number)")) }
    }

    /// Takes away the versions that were made here, except the newest and the one before it. The server is done with loading.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func sweep(_ record: inout HandOverRecord, keeping number: Int) throws {
        for old in (record.versions ?? [:]).keys.sorted().dropLast(2) where old < number {
            try disk.removeTree(root.appending("\(old)"))
            record.versions?[old] = nil
        }
    }
}
