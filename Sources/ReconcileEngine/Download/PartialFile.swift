import ReconcileCore
package import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A download under way, in `partial/<digest>/`.
///
/// ```text
/// data      the bytes so far, from the start
/// journal   a line for each block that is safely on disk: its length and SHA-256; data is synchronised first, the line after
/// lock      flock(2), so that two processes do not write one file
/// ```
///
/// After any death of the process the blocks of the journal are hashed again and the rest is fetched: a kill costs one block.
package final class PartialFile {
    /// Bytes between two lines of the journal.
    static let blockBytes: Int64 = 8 << 20

    private let directory: FilePath
    private let data: CInt
    private let journal: CInt
    private let lock: StoreLock
    private var whole = StreamingHash()
    private var block = StreamingHash()
    private var blockStart: Int64 = 0

    /// Bytes that were written, all of them hashed.
    private(set) var count: Int64 = 0

    /// Opens the partial file of a blob, verifying what an earlier process left of it.
    ///
    /// - Throws: ``Fault`` of kind `busy` when another process downloads it, or `system`; `CancellationError`.
    @concurrent
    package static func open(_ directory: FilePath, holder: String, patience: Duration) async throws -> PartialFile {
        while true {
            try Disk().makeDirectory(directory)
            let lock = try await StoreLock.take(directory.appending("lock"), holder: holder, patience: patience)
            // Whoever held it may have finished, and deleted the directory with the lock that we waited for.
            guard lock.isStill(at: directory.appending("lock")) else { continue }
            let partial = try PartialFile(directory, lock: lock)
            try await partial.recover()
            return partial
        }
    }

    private init(_ directory: FilePath, lock: StoreLock) throws {
        (self.directory, self.lock) = (directory, lock)
        data = SystemOpen.readWrite(directory.appending("data"))
        journal = SystemOpen.readWrite(directory.appending("journal"))
        guard data >= 0, journal >= 0 else { throw DiskReader.systemFault("write", directory) }
    }

    deinit {
        if data >= 0 { close(data) }
        if journal >= 0 { close(journal) }
    }

    /// How many bytes the journal says are safe; for the plan, which does not hash them.
    static func safeBytes(in directory: FilePath) -> Int64 {
        lines(of: directory.appending("journal")).reduce(0) { saturatingSum($0, $1.length) }
    }

    private static func lines(of path: FilePath) -> [(length: Int64, digest: Digest)] {
        let bytes = (try? DiskReader.contents(of: path, limit: 64 << 20)) ?? nil
        var lines: [(Int64, Digest)] = []
        for line in String(decoding: bytes ?? [], as: UTF8.self).split(
            separator: "\n", omittingEmptySubsequences: false
        ).dropLast() {
            let parts = line.split(separator: " ")
            guard parts.count == 2, let length = Int64(parts[0]), length > 0, let digest = Digest(parts[1]) else {
                break
            }
            lines.append((length, digest))
        }
        return lines
    }

    /// Hashes the blocks of the journal and cuts off everything behind the last one that is right.
    private func recover() async throws {
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Hashing.bufferBytes, alignment: 4096)
        defer { buffer.deallocate() }
        var kept = ""
        for line in Self.lines(of: directory.appending("journal")) {
            var candidate = whole
            var hash = StreamingHash()
            var rest = line.length
            while rest > 0 {
                let wanted = Int(min(rest, Int64(buffer.count)))
                let got = pread(data, buffer.baseAddress, wanted, off_t(count + (line.length - rest)))
                guard got > 0 else { break }
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<got])
                candidate.update(bytes)
                hash.update(bytes)
                rest -= Int64(got)
                try Task.checkCancellation()
            }
            guard rest == 0, hash.digest() == line.digest else { break }
            whole = candidate
            count += line.length
            kept += "\(line.length) \(line.digest)\n"
        }
        try truncate(keeping: kept)
    }

    private func truncate(keeping journalText: String) throws {
        guard ftruncate(data, off_t(count)) == 0, ftruncate(journal, off_t(journalText.utf8.count)) == 0 else {
            throw DiskReader.systemFault("write", directory)
        }
        (block, blockStart) = (StreamingHash(), count)
    }

    /// Throws away everything that was written.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func restart() throws {
        (whole, count) = (StreamingHash(), 0)
        try truncate(keeping: "")
    }

    /// Appends bytes, and makes a block safe whenever one is full.
    ///
    /// - Throws: ``Fault`` of kind `system` when they cannot be written.
    func append(_ bytes: UnsafeRawBufferPointer) throws {
        var rest = bytes
        while !rest.isEmpty {
            let room = Int(min(Int64(rest.count), blockStart + Self.blockBytes - count))
            let piece = UnsafeRawBufferPointer(rebasing: rest[..<room])
            try write(piece)
            whole.update(piece)
            block.update(piece)
            count += Int64(room)
            if count == blockStart + Self.blockBytes { try checkpoint() }
            rest = UnsafeRawBufferPointer(rebasing: rest[room...])
        }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws {
        var written = 0
        while written < bytes.count {
            let result = pwrite(
                data, bytes.baseAddress?.advanced(by: written), bytes.count - written, off_t(count) + off_t(written))
            if result < 0, errno == EINTR { continue }
            guard result > 0 else { throw DiskReader.systemFault("write", directory.appending("data")) }
            written += result
        }
    }

    /// Makes the bytes so far safe: the data first, then the line that vouches for them.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func checkpoint() throws {
        guard count > blockStart else { return }
        guard Platform.synchronise(data) else {
            throw DiskReader.systemFault("synchronise", directory.appending("data"))
        }
        let line = Array("\(count - blockStart) \(block.digest())\n".utf8)
        let end = lseek(journal, 0, SEEK_END)
        let result = line.withUnsafeBytes { pwrite(journal, $0.baseAddress, $0.count, end) }
        guard result == line.count, Platform.synchronise(journal) else {
            throw DiskReader.systemFault("write", directory.appending("journal"))
        }
        (block, blockStart) = (StreamingHash(), count)
    }

    /// The digest of everything written.
    var digest: Digest { whole.digest() }

    /// Deletes the partial file, because its blob is there; what cannot be deleted now is swept by `gc`.
    func discard() { try? Disk().removeTree(directory) }

    /// Makes the complete file a blob: synchronised, read-only, renamed, its directory synchronised; then the rest goes.
    ///
    /// - Throws: ``Fault`` of kind `system`; no blob has then appeared.
    func promote(to blob: FilePath) throws {
        guard fchmod(data, 0o444) == 0, Platform.synchronise(data) else {
            throw DiskReader.systemFault("synchronise", directory.appending("data"))
        }
        let disk = Disk()
        try disk.makeDirectory(blob.removingLastComponent())
        try disk.move(directory.appending("data"), to: blob)
        // Another process may be waiting here; then it finds the blob and removes the rest.
        try? disk.removeTree(directory)
    }
}

/// open(2) in a place where no method hides it.
private enum SystemOpen {
    static func readWrite(_ path: FilePath) -> CInt {
        let descriptor = open(path.string, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor < 0, errno == EACCES else { return descriptor }
        // A crash just before the rename leaves a complete file that is read-only already.
        chmod(path.string, 0o600)
        return open(path.string, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    }
}
