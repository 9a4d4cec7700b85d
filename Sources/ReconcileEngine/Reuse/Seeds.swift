import ReconcileCore
import Synchronization
import SystemPackage

/// Directories of this machine whose files may be what is wanted: those that the file names, and where other programs keep
/// models under the name of their SHA-256.
final class Seeds: Sendable {
    private let directories: [FilePath]
    private let bySize = Mutex<[Int64: [FilePath]]?>(nil)
    private let cached = Mutex<[Digest: FilePath]?>(nil)

    /// Files that are looked at in all directories together.
    private static let limit = 200_000
    private static let depth = 16

    init(_ directories: [String]) { self.directories = directories.map { FilePath($0) } }

    /// A file with the content of another; its name vouches for it, or its hash does. Whoever uses it hashes it again.
    ///
    /// - Throws: `CancellationError`.
    func file(for file: ReleaseFile) async throws -> FilePath? {
        for place in [Self.ollama(file.sha256), huggingFace(file.sha256)].compactMap(\.self) {
            let target = DiskReader.realPath(place) ?? place
            if let entry = DiskReader.entry(at: target), entry.kind == .file, entry.size == file.size { return target }
        }
        for candidate in candidates(file.size) {
            guard let found = try? await Hashing.digest(ofFile: candidate) else {
                try Task.checkCancellation()
                continue
            }
            if found.digest == file.sha256 { return candidate }
        }
        return nil
    }

    /// Where Ollama keeps a blob.
    private static func ollama(_ digest: Digest) -> FilePath? {
        let home = Environment.value("HOME").map { FilePath($0) }
        let models =
            Environment.value("OLLAMA_MODELS").map { FilePath($0) } ?? home?.appending(".ollama").appending("models")
        return models?.appending("blobs").appending("sha256-\(digest)")
    }

    private func huggingFace(_ digest: Digest) -> FilePath? {
        cached.withLock { known in
            let all = known ?? Self.huggingFaceBlobs()
            known = all
            return all[digest]
        }
    }

    /// What the clients of the Hugging Face hub keep of large files: `models--…/blobs/<sha256>` (hub documentation, “Understand
    /// caching”).
    private static func huggingFaceBlobs() -> [Digest: FilePath] {
        let cache =
            Environment.value("HF_HUB_CACHE").map { FilePath($0) }
            ?? Environment.value("HF_HOME").map { FilePath($0).appending("hub") }
            ?? Environment.value("HOME").map { FilePath("\($0)/.cache/huggingface/hub") }
        guard let cache else { return [:] }
        var blobs: [Digest: FilePath] = [:]
        for model in (try? DiskReader.names(in: cache)) ?? [] where model.hasPrefix("models--") {
            let directory = cache.appending(model).appending("blobs")
            for name in (try? DiskReader.names(in: directory)) ?? [] {
                if let digest = Digest(name) { blobs[digest] = directory.appending(name) }
            }
        }
        return blobs
    }

    private func candidates(_ size: Int64) -> [FilePath] {
        guard !directories.isEmpty else { return [] }
        return bySize.withLock { known in
            if let known { return known[size] ?? [] }
            let all = scan()
            known = all
            return all[size] ?? []
        }
    }

    private func scan() -> [Int64: [FilePath]] {
        var found: [Int64: [FilePath]] = [:]
        var open = directories.map { (path: $0, depth: 0) }
        var count = 0
        while let (path, depth) = open.popLast(), count < Self.limit {
            for name in (try? DiskReader.names(in: path)) ?? [] {
                count += 1
                let place = path.appending(name)
                guard let entry = DiskReader.entry(at: place) else { continue }
                switch entry.kind {
                case .file: found[entry.size, default: []].append(place)
                case .directory where depth < Self.depth: open.append((place, depth + 1))
                case .directory, .link, .other: break
                }
            }
        }
        return found
    }
}
