import Foundation
import ReconcileCore
import Synchronization

/// Small files of a hub, which names them by their git blob: `sha1("blob SIZE\0" + content)`
/// (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects). Each is read once: what was read is compared with that name, its
/// SHA-256 is computed and remembered, and its bytes are kept for the fetch that follows.
final class GitBlobs: Sendable {
    private let client: WebClient
    private let cache: SourceCache
    private let kept = Mutex<(bytes: Int, contents: [Digest: HeldBytes])>((0, [:]))

    /// Files that are read at once.
    static let width = 8
    /// Bytes that are kept, and the longest file that may be one of them: what comes whole into memory anyway.
    private static let (keptBytes, longestKept) = (16 << 20, Int64(Block.bytes))
    /// Git keeps larger files than this outside; whatever is larger must be there on purpose, and is not read twice.
    private static let longest: Int64 = 256 << 20
    private static let attempts = 3

    init(client: WebClient, cache: SourceCache) { (self.client, self.cache) = (client, cache) }

    /// The bytes of a file that was read in this pass.
    func held(_ digest: Digest) -> HeldBytes? { kept.withLock { $0.contents[digest] } }

    /// A file with its SHA-256.
    ///
    /// - Parameter oid: The name of its blob.
    /// - Throws: ``Fault`` of kind `sourceUnreachable` or `sourceInvalid`; `CancellationError`.
    @concurrent
    func file(_ path: ReleasePath, size: Int64, oid: String, at location: WebLocation) async throws -> ReleaseFile {
        let key = "git-blob:\(oid):\(size)"
        if let body = cache.entry(for: key)?.body, let digest = Digest(String(decoding: body, as: UTF8.self)) {
            return ReleaseFile(path: path, size: size, sha256: digest)
        }
        guard size <= Self.longest else {
            throw Fault(
                .sourceInvalid(url: location.shown, detail: "\(size) bytes without a SHA-256 are too many to be read for one"))
        }
        let digest = try await read(size: size, oid: oid, at: location)
        cache.store(SourceCache.Entry(tag: nil, body: Array(digest.description.utf8)), for: key)
        return ReleaseFile(path: path, size: size, sha256: digest)
    }

    private func read(size: Int64, oid: String, at location: WebLocation) async throws -> Digest {
        for attempt in 1... {
            do {
                return try await readOnce(size: size, oid: oid, at: location)
            } catch let fault as Fault {
                guard attempt < Self.attempts, case .sourceUnreachable(_, let detail) = fault.kind,
                    detail != WebClient.connectionRefused
                else { throw fault }
            }
            try await Task.sleep(for: .milliseconds(250 << attempt))
        }
        throw Fault(.sourceUnreachable(url: location.shown, detail: WebClient.timedOut))
    }

    private func readOnce(size: Int64, oid: String, at location: WebLocation) async throws -> Digest {
        let response = try await client.send(location.request)
        guard response.status == 200 else {
            throw Fault(.sourceUnreachable(url: location.shown, detail: "HTTP \(response.status)"))
        }
        if let tag = response.header("ETag").map(Self.plain), Self.isName(tag), tag != oid {
            throw Fault(.sourceInvalid(url: location.shown, detail: "its ETag is not what its tree says"))
        }
        var (git, sha256, count) = (GitBlobHash(size: size), StreamingHash(), Int64(0))
        var content: [UInt8]? = size <= Self.longestKept ? [] : nil
        do {
            _ = try await response.read { bytes in
                count += Int64(bytes.count)
                guard count <= size else { return false }
                git.update(bytes)
                sha256.update(bytes)
                content?.append(contentsOf: bytes)
                return true
            }
        } catch {
            try Task.checkCancellation()
            throw Fault(.sourceUnreachable(url: location.shown, detail: WebClient.words(for: error)))
        }
        guard count == size, git.name() == oid else {
            throw Fault(.sourceInvalid(url: location.shown, detail: "its bytes are not those that its tree names"))
        }
        let digest = sha256.digest()
        if let content { keep(content, digest) }
        return digest
    }

    private func keep(_ content: [UInt8], _ digest: Digest) {
        kept.withLock { kept in
            guard kept.bytes + content.count <= Self.keptBytes, kept.contents[digest] == nil else { return }
            kept.contents[digest] = HeldBytes(digest: digest, bytes: content)
            kept.bytes += content.count
        }
    }

    /// An entity tag without its quotes.
    static func plain(_ tag: String) -> String {
        (tag.hasPrefix("W/") ? tag.dropFirst(2) : tag[...]).trimmingCharacters(in: CharacterSet(charactersIn: "\""))
    }

    /// Whether an entity tag is the name of a blob; a server may have others.
    private static func isName(_ tag: String) -> Bool { HubClient.isCommit(tag) }
}
