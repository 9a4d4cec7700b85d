import ReconcileCore
import SystemPackage

/// Makes a generation a snapshot in the cache of huggingface_hub, which transformers, vLLM, llama.cpp and others read
/// (https://huggingface.co/docs/hub/local-cache):
///
/// ```text
/// models--acme--vad/blobs/1a153a22…              a file, named by its SHA-256
/// models--acme--vad/snapshots/COMMIT/model.onnx  a link to it
/// models--acme--vad/refs/main                    COMMIT: what is active
/// ```
struct HubCachePublisher {
    let root: FilePath
    let repository: String
    private let disk = Disk()

    init(root: FilePath, repository: String) { (self.root, self.repository) = (root, repository) }

    private var folder: FilePath { root.appending("models--\(repository.replacing("/", with: "--"))") }

    /// Publishes: contents, then links, then the one small file that readers start from.
    ///
    /// - Parameter kept: The generations that the store has; snapshots of others that were made here go.
    /// - Throws: ``Fault`` of kind `system`; what is active in the cache is then what it was.
    func publish(_ subject: HandOverRunner.Subject, _ record: inout HandOverRecord, kept: Set<String>) async throws {
        let commit = Self.commit(of: subject.release)
        for file in subject.release.files {
            let blob = folder.appending("blobs").appending(file.sha256.description)
            try await HandOverRunner.place(file, of: subject, at: blob)
        }
        let snapshot = folder.appending("snapshots").appending(commit)
        // One that somebody else has made is used, and is not ours to take away.
        let isOurs = DiskReader.entry(at: snapshot) == nil || record.snapshots?[commit] != nil
        for file in subject.release.files {
            let link = snapshot.pushing(FilePath(file.path.description))
            let up = String(repeating: "../", count: file.path.components.count + 1)
            let target = "\(up)blobs/\(file.sha256)"
            if DiskReader.destination(of: link) == target { continue }
            try disk.makeDirectory(link.removingLastComponent())
            try disk.setLink(link, to: target)
        }
        let ref = folder.appending("refs").appending("main")
        try disk.makeDirectory(ref.removingLastComponent())
        let active = HandOverRecord.Pointer.content(of: ref)
        if record.pointer == nil { record.before = active }
        if active != commit { try disk.write(Array(commit.utf8), to: ref) }
        let places = subject.release.files.map { snapshot.pushing(FilePath($0.path.description)).string }
        // Files that were chosen before, and are not now.
        for old in record.places where isOurs && old.hasPrefix("\(snapshot.string)/") && !places.contains(old) {
            try disk.remove(FilePath(old))
        }
        if isOurs { record.snapshots = (record.snapshots ?? [:]).merging([commit: subject.directory]) { $1 } }
        (record.places, record.pointer) = (places, HandOverRecord.Pointer(path: ref.string, content: commit))
        try sweep(&record, kept: kept.union([subject.directory]), active: commit)
    }

    /// Takes back what is active, if it is ours, and all snapshots that were made here.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func withdraw(_ record: inout HandOverRecord) throws {
        let ref = folder.appending("refs").appending("main")
        if let active = HandOverRecord.Pointer.content(of: ref), active == record.pointer?.content {
            if let before = record.before { try disk.write(Array(before.utf8), to: ref) } else { try disk.remove(ref) }
        }
        try sweep(&record, kept: [], active: record.before)
    }

    /// The commit of a hub, else as many digits of the content digest: readers only compare them.
    private static func commit(of release: Release) -> String {
        HubClient.isCommit(release.revision) ? release.revision : String(release.contentDigest.description.prefix(40))
    }

    /// Takes away the snapshots that were made here and whose generations are gone, with the blobs that nothing links to.
    private func sweep(_ record: inout HandOverRecord, kept: Set<String>, active: String?) throws {
        let gone = (record.snapshots ?? [:]).filter { $0.key != active && !kept.contains($0.value) }.map(\.key)
        guard !gone.isEmpty else { return }
        let snapshots = folder.appending("snapshots")
        for commit in gone where HubClient.isCommit(commit) {
            let blobs = try links(below: snapshots.appending(commit))
            try disk.removeTree(snapshots.appending(commit))
            let used = Set(try DiskReader.names(in: snapshots).flatMap { try links(below: snapshots.appending($0)) })
            for name in Set(blobs).subtracting(used) where Digest(name) != nil {
                try disk.remove(folder.appending("blobs").appending(name))
            }
            record.snapshots?[commit] = nil
        }
    }

    /// The names of the blobs that links below a directory lead to.
    private func links(below directory: FilePath) throws -> [String] {
        try DiskReader.names(in: directory).flatMap { name -> [String] in
            let path = directory.appending(name)
            switch DiskReader.entry(at: path)?.kind {
            case .link: return [DiskReader.destination(of: path).flatMap { FilePath($0).lastComponent?.string } ?? ""]
            case .directory: return try links(below: path)
            default: return []
            }
        }
    }
}
