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
/// d START LENGTH          these bytes turned out to be wrong
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
    }

    private let descriptor: CInt
    private let path: FilePath

    init(_ path: FilePath) throws {
        self.path = path
        descriptor = open(path.string, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw DiskReader.systemFault("write", path) }
    }

    deinit { close(descriptor) }

    /// Claims that the file is there up to `end`.
    func claim(upTo end: Int64, _ digest: Digest) throws { try add("p \(end) \(digest)\n") }

    /// Claims that a block is there.
    func claim(_ range: Range<Int64>, _ digest: Digest) throws {
        try add("b \(range.lowerBound) \(range.count) \(digest)\n")
    }

    /// Takes claims about a range back.
    func withdraw(_ range: Range<Int64>) throws { try add("d \(range.lowerBound) \(range.count)\n") }

    /// Takes all claims back.
    func clear() throws {
        guard ftruncate(descriptor, 0) == 0 else { throw DiskReader.systemFault("write", path) }
    }

    private func add(_ line: String) throws {
        // One write(2) a line, with O_APPEND: lines of several threads do not mix.
        try Disk.writeAll(Array(line.utf8), to: descriptor, path)
    }

    func synchronise() throws {
        guard Platform.synchronise(descriptor) else { throw DiskReader.systemFault("synchronise", path) }
    }

    /// How many bytes the journal of a download claims; for the plan, which does not hash them.
    static func claimedBytes(in directory: FilePath, size: Int64) -> Int64 {
        claims(in: directory.appending("journal"), size: size).bytes
    }

    /// Reads what a journal claims; a line that was cut off or makes no sense ends it.
    static func claims(in path: FilePath, size: Int64) -> Claims {
        let bytes = (try? DiskReader.contents(of: path, limit: 256 << 20)) ?? nil
        var claims = Claims()
        var blocks: [Int64: (Range<Int64>, Digest)] = [:]
        for line in String(decoding: bytes ?? [], as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false
        ).dropLast() {
            let parts = line.split(separator: " ")
            guard parts.count >= 3, let number = Int64(parts[1]), number >= 0, number <= size else { break }
            switch (parts[0], parts.count) {
            case ("p", 3):
                guard let digest = Digest(parts[2]), number > (claims.prefixes.last?.end ?? 0) else { continue }
                claims.prefixes.append((number, digest))
            case ("b", 4), ("d", 3):
                guard let length = Int64(parts[2]), length > 0, length <= size - number else { continue }
                let range = number..<number + length
                if parts.count == 4, let digest = Digest(parts[3]) {
                    blocks[number] = (range, digest)
                } else {
                    blocks = blocks.filter { !$0.value.0.overlaps(range) }
                    claims.prefixes.removeAll { $0.end > number }
                }
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
