import ReconcileCore
import SystemPackage

/// Makes the GGUF file of a generation a model of Ollama: a blob, a config, and the manifest that names both
/// (https://github.com/ollama/ollama, `docs/import.md` and `server/manifest.go`).
///
/// ```text
/// blobs/sha256-1a153a22…
/// manifests/registry.ollama.ai/library/vad/latest     what is active
/// ```
struct OllamaPublisher {
    let root: FilePath
    let file: ReleasePath?
    /// `model`, `model:tag` or `namespace/model:tag`.
    let name: String
    private let disk = Disk()

    init(root: FilePath, file: ReleasePath?, name: String) { (self.root, self.file, self.name) = (root, file, name) }

    private struct Config: Encodable {
        struct Roots: Encodable {
            let type = "layers"
            let diffIDs: [String]
            private enum CodingKeys: String, CodingKey {
                case type
                case diffIDs = "diff_ids"
            }
        }
        let modelFormat = "gguf"
        let modelFamily = ""
        let architecture: String
        let os: String
        let rootfs: Roots

        private enum CodingKeys: String, CodingKey {
            case modelFormat = "model_format"
            case modelFamily = "model_family"
            case architecture, os, rootfs
        }
    }

    /// Publishes: the content, then the config, then in one step the manifest.
    ///
    /// - Throws: ``Fault`` of kind `unusable` when there is not one GGUF file, or `system`; what is active is then what it was.
    func publish(_ subject: HandOverRunner.Subject, _ record: inout HandOverRecord) async throws {
        let weights = try subject.release.file(file, endingWith: [".gguf"], for: "Ollama")
        let blob = place(of: weights.sha256)
        try await HandOverRunner.place(weights, of: subject, at: blob)
        let platform = Platform.target
        let config = Array(
            try JSONFile.bytes(
                of: Config(
                    architecture: platform.architecture, os: platform.os,
                    rootfs: Config.Roots(diffIDs: ["sha256:\(weights.sha256)"])), pretty: false
            ).dropLast())
        let digest = Hashing.digest(of: config)
        try writeIfOther(config, to: place(of: digest))
        let document = OCIDocument(
            schemaVersion: 2, mediaType: "application/vnd.docker.distribution.manifest.v2+json",
            config: OCIDescriptor(
                mediaType: "application/vnd.docker.container.image.v1+json", digest: "sha256:\(digest)",
                size: Int64(config.count)),
            layers: [
                OCIDescriptor(
                    mediaType: "application/vnd.ollama.image.model", digest: "sha256:\(weights.sha256)",
                    size: weights.size)
            ])
        let manifest = try manifestPath()
        let bytes = Array(try JSONFile.bytes(of: document, pretty: false).dropLast())
        if record.pointer == nil { record.before = HandOverRecord.Pointer.content(of: manifest) }
        try writeIfOther(bytes, to: manifest)
        record.places = [blob.string, place(of: digest).string]
        record.pointer = HandOverRecord.Pointer(path: manifest.string, content: String(decoding: bytes, as: UTF8.self))
    }

    /// Takes the manifest away if it names what was handed over, and with it that content.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func withdraw(_ record: HandOverRecord) throws {
        let manifest = try manifestPath()
        if let pointer = record.pointer, HandOverRecord.Pointer.content(of: manifest) == pointer.content {
            if let before = record.before {
                try disk.write(Array(before.utf8), to: manifest)
            } else {
                try disk.remove(manifest)
            }
        }
        for blob in record.places.map({ FilePath($0) }) {
            guard let name = blob.lastComponent?.string, name.hasPrefix("sha256-") else { continue }
            // Another manifest may name the same content.
            let isUsed = try isUsed(name.replacing("sha256-", with: "sha256:"), below: root.appending("manifests"))
            if !isUsed { try disk.remove(blob) }
        }
    }

    private func isUsed(_ digest: String, below directory: FilePath) throws -> Bool {
        for name in try DiskReader.names(in: directory) {
            let path = directory.appending(name)
            if DiskReader.entry(at: path)?.kind == .directory {
                if try isUsed(digest, below: path) { return true }
            } else if let bytes = try? DiskReader.contents(of: path, limit: 1 << 20),
                String(decoding: bytes, as: UTF8.self).contains(digest)
            {
                return true
            }
        }
        return false
    }

    private func place(of digest: Digest) -> FilePath { root.appending("blobs").appending("sha256-\(digest)") }

    private func writeIfOther(_ bytes: [UInt8], to path: FilePath) throws {
        if try DiskReader.contents(of: path, limit: 1 << 20) == bytes { return }
        try disk.makeDirectory(path.removingLastComponent())
        try disk.write(bytes, to: path)
    }

    private func manifestPath() throws -> FilePath {
        let parts = name.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let names = (parts.first ?? "").split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let tag = parts.count > 1 ? parts[1] : "latest"
        guard (1...2).contains(names.count), names.allSatisfy({ isPlainName($0, limit: 80) }),
            isPlainName(tag, limit: 80)
        else { throw Fault(.unusable(what: "“\(name.printable)”", detail: "Ollama names models like acme/vad:6.2")) }
        return root.pushing(
            FilePath(
                "manifests/registry.ollama.ai/\(names.count == 2 ? names[0] : "library")/\(names[names.count - 1])/\(tag)"
            ))
    }
}
