import ReconcileCore
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// What of a download is on disk, a line for each block, written as soon as its bytes are.
///
/// ```text
/// p END SHA256            the file from its start to END has this SHA-256
/// b START LENGTH SHA256   these bytes have this SHA-256
/// ```
///
/// A line is a claim, not a fact: it is hashed again before it is believed. So it does not matter that, between two
/// checkpoints, a power cut may keep a line and lose its bytes; and blocks that come in order need no hash of their own.
final class DownloadJournal: Sendable {
    /// What a journal says.
    struct Claims: Sendable {
        /// Ends of the beginning of the file, with its SHA-256 up to there; ascending.
        var prefixes: [(end: Int64, digest: Digest)] = []
        /// Single blocks, by their start, ascending and apart.
        var blocks: [(range: Range<Int64>, digest: Digest)] = []

        /// How many bytes are claimed.
        var bytes: Int64 {
            let end = prefixes.last?.end ?? 0
            return blocks.reduce(end) { saturatingSum($0, max(0, $1.range.upperBound - max(end, $1.range.lowerBound))) }
        }

        /// The claimed ranges, ascending and apart.
        var ranges: [Range<Int64>] {
            let end = prefixes.last?.end ?? 0
            let rest = blocks.filter { $0.range.upperBound > end }.map {
                max(end, $0.range.lowerBound)..<$0.range.upperBound
            }
            return (end > 0 ? [0..<end] : []) + rest
        }
    }

    private let descriptor: Mutex<CInt>
    private let path: FilePath

    private init(_ descriptor: CInt, _ path: FilePath) {
        self.descriptor = Mutex(descriptor)
        self.path = path
    }

    /// Opens a journal, and makes it when there is none.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    static func open(_ path: FilePath) throws -> DownloadJournal {
        DownloadJournal(try descriptor(path), path)
    }

    private static func descriptor(_ path: FilePath) throws -> CInt {
        let descriptor = SystemOpen.appending(path)
        guard descriptor >= 0 else { throw DiskReader.systemFault("write", path) }
        return descriptor
    }

    deinit { _ = descriptor.withLock { close($0) } }

    /// Claims that the file is there up to `end`.
    func claim(upTo end: Int64, _ digest: Digest) throws { try add(Self.line(end, digest)) }

    /// Claims that a block is there.
    func claim(_ range: Range<Int64>, _ digest: Digest) throws { try add(Self.line(range, digest)) }

    private static func line(_ end: Int64, _ digest: Digest) -> String { "p \(end) \(digest)\n" }

    private static func line(_ range: Range<Int64>, _ digest: Digest) -> String {
        "b \(range.lowerBound) \(range.count) \(digest)\n"
    }

    /// Claims this and nothing else, in one step: what was found wrong, or was cut off, is gone.
    func replace(with claims: Claims) throws {
        let text = claims.prefixes.map(Self.line).joined() + claims.blocks.map(Self.line).joined()
        try Disk().write(Array(text.utf8), to: path)
        let new = try Self.descriptor(path)
        descriptor.withLock { descriptor in
            close(descriptor)
            descriptor = new
        }
    }

    /// Takes all claims back.
    func clear() throws {
        guard descriptor.withLock({ ftruncate($0, 0) }) == 0 else { throw DiskReader.systemFault("write", path) }
    }

    private func add(_ line: String) throws {
        try descriptor.withLock { try Disk.writeAll(Array(line.utf8), to: $0, path) }
    }

    func synchronise() throws {
        guard descriptor.withLock({ Platform.synchronise($0) }) else {
            throw DiskReader.systemFault("synchronise", path)
        }
    }

    /// How many bytes the journal of a download claims; for the plan, which does not hash them.
    static func claimedBytes(in directory: FilePath, size: Int64) -> Int64 {
        claims(in: directory.appending("journal"), size: size).bytes
    }

    /// Reads what a journal claims; a line that was cut off, or makes no sense, claims nothing.
    static func claims(in path: FilePath, size: Int64) -> Claims {
        let bytes = (try? DiskReader.contents(of: path, limit: 256 << 20)) ?? nil
        var claims = Claims()
        var blocks: [Int64: (Range<Int64>, Digest)] = [:]
        for line in String(decoding: bytes ?? [], as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false
        ).dropLast() {
            let parts = line.split(separator: " ")
            guard parts.count >= 3, let number = Int64(parts[1]), number >= 0, number <= size else { continue }
            switch (parts[0], parts.count) {
            case ("p", 3):
                guard let digest = Digest(parts[2]), number > (claims.prefixes.last?.end ?? 0) else { continue }
                claims.prefixes.append((number, digest))
            case ("b", 4):
                guard let length = Int64(parts[2]), length > 0, length <= size - number, let digest = Digest(parts[3])
                else { continue }
                blocks[number] = (number..<number + length, digest)
            default: continue
            }
        }
        for (range, digest) in blocks.values.sorted(by: { $0.0.lowerBound < $1.0.lowerBound })
        where range.lowerBound >= claims.blocks.last?.range.upperBound ?? 0 {
            claims.blocks.append((range, digest))
        }
        return claims
    }
}

/// open(2) in a place where no method hides it.
private enum SystemOpen {
    static func appending(_ path: FilePath) -> CInt {
        open(path.string, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    }
}
