import Foundation
import ReconcileCore
import Synchronization

/// Small files of a hub, which names them by their git blob: `sha1("blob SIZE\0" + content)`
/// (https://git-scm.com/book/en/v2/Git-Internals-Git-Objects). Each is read once: what was read is compared with that name, its
/// SHA-256 is computed and remembered, and its bytes are kept for the fetch that follows.
final class GitBlobs: Sendable {
    private let client: WebClient
    private let cache: SourceCache
    private let gate = DigestGate()
    /// Until when the server is left alone.
    private let quiet = Mutex(ContinuousClock.now)
    private let files = HeldFiles()

    /// Files that are read at once.
    static let width = 8
    /// Git keeps larger files than this outside; whatever is larger must be there on purpose, and is not read twice.
    private static let longest: Int64 = 256 << 20
    private static let attempts = 3
    /// How long a server may ask to be left alone, in all: a hub counts in windows of five minutes.
    private static let patience = Duration.seconds(330)

    init(client: WebClient, cache: SourceCache) { (self.client, self.cache) = (client, cache) }

    /// The bytes of a file that was read in this pass.
    func held(_ digest: Digest) -> HeldBytes? { files[digest] }

    /// A file with its SHA-256.
    ///
    /// - Parameter oid: The name of its blob.
    /// - Throws: ``Fault`` of kind `sourceUnreachable` or `sourceInvalid`; `CancellationError`.
    @concurrent
    func file(_ path: ReleasePath, size: Int64, oid: String, at location: WebLocation) async throws -> ReleaseFile {
        let key = "git-blob:\(oid):\(size)"
        // Several models of a repository have the same files: the first reads for all.
        let turn = Hashing.digest(of: key)
        await gate.enter(turn)
        do {
            let digest = try await digest(size: size, oid: oid, key, at: location)
            await gate.leave(turn)
            return ReleaseFile(path: path, size: size, sha256: digest)
        } catch {
            await gate.leave(turn)
            throw error
        }
    }

    private func digest(size: Int64, oid: String, _ key: String, at location: WebLocation) async throws -> Digest {
        if let body = cache.entry(for: key)?.body, let digest = Digest(String(decoding: body, as: UTF8.self)) {
            return digest
        }
        guard size <= Self.longest else {
            throw Fault(
                .sourceInvalid(
                    url: location.shown, detail: "\(size) bytes without a SHA-256 are too many to be read for one"))
        }
        let digest = try await read(size: size, oid: oid, at: location)
        cache.store(SourceCache.Entry(tag: nil, body: Array(digest.description.utf8)), for: key)
        return digest
    }

    /// Reads a file, patiently: a server that asks to be left alone is left alone by all readers.
    private func read(size: Int64, oid: String, at location: WebLocation) async throws -> Digest {
        var (failures, waited) = (0, Duration.zero)
        while true {
            try await Task.sleep(until: quiet.withLock { $0 }, clock: .continuous)
            let fault: Fault
            let asked: Duration?
            switch try await readOnce(size: size, oid: oid, at: location) {
            case .digest(let digest): return digest
            case .refused(let reason): throw reason
            case .failed(let reason, let wait): (fault, asked) = (reason, wait)
            }
            failures += 1
            let pause = max(asked ?? .zero, .milliseconds(250 << min(failures, 6)))
            waited += pause
            guard failures < Self.attempts || asked != nil, waited <= Self.patience else { throw fault }
            let moment = ContinuousClock.now + pause
            quiet.withLock { $0 = max($0, moment) }
        }
    }

    private enum Reading {
        case digest(Digest)
        /// Asking again does not help.
        case refused(Fault)
        case failed(Fault, retryAfter: Duration?)
    }

    private func readOnce(size: Int64, oid: String, at location: WebLocation) async throws -> Reading {
        func unreachable(_ detail: String) -> Fault { Fault(.sourceUnreachable(url: location.shown, detail: detail)) }
        func wrong(_ detail: String) -> Reading { .refused(Fault(.sourceInvalid(url: location.shown, detail: detail))) }
        do {
            let response = try await client.send(location.request)
            guard response.status == 200 else {
                if let refusal = location.knowledge?.refusal(response.status, { response.header($0) }) {
                    return .refused(refusal)
                }
                return .failed(unreachable("HTTP \(response.status)"), retryAfter: response.retryAfter)
            }
            if let tag = response.header("ETag").map(Self.plain), Self.isName(tag), tag != oid {
                return wrong("its ETag is not what its tree says")
            }
            let deadline = ContinuousClock.now + Self.deadline(size)
            var (git, sha256, count) = (GitBlobHash(size: size), StreamingHash(), Int64(0))
            var content: [UInt8]? = files.hasRoom(for: size) ? [] : nil
            _ = try await response.read { bytes in
                guard ContinuousClock.now < deadline else { throw unreachable(WebClient.timedOut) }
                count += Int64(bytes.count)
                guard count <= size else { return false }
                git.update(bytes)
                sha256.update(bytes)
                content?.append(contentsOf: bytes)
                return true
            }
            guard count == size, git.name() == oid else { return wrong("its bytes are not those that its tree names") }
            let digest = sha256.digest()
            if let content { files.keep(content, digest) }
            return .digest(digest)
        } catch let fault as Fault {
            guard case .sourceUnreachable(_, let detail) = fault.kind, detail != WebClient.connectionRefused else {
                return .refused(fault)
            }
            return .failed(fault, retryAfter: nil)
        } catch {
            try Task.checkCancellation()
            return .failed(unreachable(WebClient.words(for: error)), retryAfter: nil)
        }
    }

    /// How long an answer may take: at 16 KiB a second it is still an answer.
    private static func deadline(_ size: Int64) -> Duration { .seconds(60 + (size >> 14)) }

    /// An entity tag without its quotes.
    static func plain(_ tag: String) -> String {
        (tag.hasPrefix("W/") ? tag.dropFirst(2) : tag[...]).trimmingCharacters(in: CharacterSet(charactersIn: "\""))
    }

    /// Whether an entity tag is the name of a blob; a server may have others.
    private static func isName(_ tag: String) -> Bool { HubClient.isCommit(tag) }
}
