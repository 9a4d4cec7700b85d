import ReconcileCore
import Synchronization
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
/// data      the bytes, each at its place; the file has its full length from the start
/// clone     a file of this machine that may be the wanted one, while it is hashed
/// journal   what of it is there, a line for each block; see ``DownloadJournal``
/// lock      flock(2), so that two processes do not write one file
/// ```
///
/// After any death of the process the blocks of the journal are hashed again and the rest is fetched. Every method may be
/// called from any thread.
package final class PartialFile: Sendable {
    let directory: FilePath
    private let data: CInt
    /// Writes past the page cache; -1 where that is not possible or not wanted.
    private let direct: CInt
    private let canWriteDirect: Mutex<Bool>
    private let lock: StoreLock
    let journal: DownloadJournal

    /// Opens the partial file of a blob, and waits for another process that has it.
    ///
    /// - Parameter isDirect: Whether whole pages are written past the page cache.
    /// - Throws: ``Fault`` of kind `busy` when another process downloads it, or `system`; `CancellationError`.
    @concurrent
    package static func open(
        _ directory: FilePath, holder: String, patience: Duration, isDirect: Bool = false
    ) async throws -> PartialFile {
        while true {
            try heal(directory)
            try Disk().makeDirectory(directory)
            let lock = try await StoreLock.take(directory.appending("lock"), holder: holder, patience: patience)
            // Whoever held it may have finished, and deleted the directory with the lock that we waited for.
            guard lock.isStill(at: directory.appending("lock")) else { continue }
            return try open(directory, lock, isDirect: isDirect)
        }
    }

    /// Deletes what cannot be part of a download: everything here can be had again.
    private static func heal(_ directory: FilePath) throws {
        if let entry = DiskReader.entry(at: directory), entry.kind != .directory { try Disk().remove(directory) }
        for name in ["data", "journal", "lock"] {
            let path = directory.appending(name)
            if let entry = DiskReader.entry(at: path), entry.kind != .file { try Disk().removeTree(path) }
        }
    }

    private init(_ directory: FilePath, lock: StoreLock, journal: DownloadJournal, data: CInt, direct: CInt) {
        (self.directory, self.lock, self.journal, self.data, self.direct) = (directory, lock, journal, data, direct)
        canWriteDirect = Mutex(direct >= 0)
    }

    private static func open(_ directory: FilePath, _ lock: StoreLock, isDirect: Bool) throws -> PartialFile {
        let journal = try DownloadJournal.open(directory.appending("journal"))
        let path = directory.appending("data")
        let data = SystemOpen.readWrite(path)
        guard data >= 0 else { throw DiskReader.systemFault("write", path) }
        return PartialFile(
            directory, lock: lock, journal: journal, data: data,
            direct: isDirect ? Platform.openDirect(path.string) : -1)
    }

    deinit {
        close(data)
        if direct >= 0 { close(direct) }
    }

    /// Makes room for the whole file before the first byte.
    ///
    /// - Throws: ``Fault`` of kind `diskFull` or `system`; then nothing more was reserved.
    func reserve(_ size: Int64) throws {
        var status = stat()
        guard fstat(data, &status) == 0 else { throw DiskReader.systemFault("write", path) }
        if Int64(status.st_size) > size { try truncate(to: size) }
        switch Platform.allocate(data, size) {
        case 0: return
        case ENOSPC, EDQUOT:
            // What was there stays: it may fit when there is room again.
            try? truncate(to: min(size, Int64(status.st_size)))
            throw Fault(.diskFull(neededBytes: size, freeBytes: DiskReader.freeBytes(at: directory) ?? 0))
        // The file system cannot reserve; it will tell when a write finds no room.
        default: try truncate(to: size)
        }
    }

    private var path: FilePath { directory.appending("data") }

    private func truncate(to size: Int64) throws {
        guard ftruncate(data, off_t(size)) == 0 else { throw DiskReader.systemFault("write", path) }
    }

    /// Throws everything away that was written.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func restart() throws {
        try journal.clear()
        try truncate(to: 0)
    }

    /// Writes bytes at their place.
    ///
    /// - Parameters:
    ///   - bytes: Bytes whose address has the same remainder by the page size as `offset`, so that whole pages need no copy.
    ///   - isDirect: Whether they will not be read back soon; then they go past the page cache, where that works.
    /// - Throws: ``Fault`` of kind `diskFull` or `system`.
    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int64, isDirect: Bool) throws {
        let page = Int64(Block.alignment)
        let end = offset + Int64(bytes.count)
        let (first, last) = ((offset + page - 1) / page * page, end / page * page)
        guard isDirect, first < last, canWriteDirect.withLock({ $0 }) else {
            return try writeAll(bytes, at: offset, to: data)
        }
        let (head, whole) = (Int(first - offset), Int(last - first))
        do {
            try writeAll(UnsafeRawBufferPointer(rebasing: bytes[head..<head + whole]), at: first, to: direct)
        } catch {
            // What the file system does not take in this way it takes in the other.
            canWriteDirect.withLock { $0 = false }
            return try writeAll(bytes, at: offset, to: data)
        }
        if head > 0 { try writeAll(UnsafeRawBufferPointer(rebasing: bytes[..<head]), at: offset, to: data) }
        if last < end {
            try writeAll(UnsafeRawBufferPointer(rebasing: bytes[(head + whole)...]), at: last, to: data)
        }
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer, at offset: Int64, to descriptor: CInt) throws {
        var written = 0
        while written < bytes.count {
            let result = pwrite(
                descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written,
                off_t(offset) + off_t(written))
            if result < 0, errno == EINTR { continue }
            if result < 0, errno == ENOSPC || errno == EDQUOT {
                throw Fault(
                    .diskFull(
                        neededBytes: Int64(bytes.count - written), freeBytes: DiskReader.freeBytes(at: directory) ?? 0))
            }
            guard result > 0 else { throw DiskReader.systemFault("write", path) }
            written += result
        }
    }

    /// Reads bytes back.
    ///
    /// - Returns: Whether all of them are there.
    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int64) -> Bool {
        DiskReader.fill(bytes, from: data, at: offset)
    }

    /// Makes what was written safe: the data first, then the lines that vouch for it.
    ///
    /// - Throws: ``Fault`` of kind `system`; nothing that was written may be relied on then.
    func checkpoint() throws {
        guard Platform.synchroniseData(data) else { throw DiskReader.systemFault("synchronise", path) }
        try journal.synchronise()
    }

    /// Deletes the partial file, because its blob is there; what cannot be deleted now is swept by `gc`.
    func discard() { try? Disk().removeTree(directory) }

    /// A copy of a file of this machine that shares its blocks, where the file system can; `nil` where it cannot.
    func clone(of source: FilePath) -> FilePath? {
        let clone = directory.appending("clone")
        try? Disk().remove(clone)
        return Platform.clone(source.string, to: clone.string) ? clone : nil
    }

    /// Makes a verified clone a blob, in the same order; then the rest goes.
    ///
    /// - Throws: ``Fault`` of kind `system`; a blob that has appeared then is whole.
    func promote(_ clone: FilePath, to blob: FilePath) throws {
        let disk = Disk()
        guard chmod(clone.string, 0o444) == 0 else { throw DiskReader.systemFault("synchronise", clone) }
        try disk.synchroniseFile(clone)
        try disk.makeDirectory(blob.removingLastComponent())
        try disk.move(clone, to: blob)
        try? disk.removeTree(directory)
    }

    /// Makes the complete file a blob: synchronised, read-only, renamed, its directory synchronised; then the rest goes.
    ///
    /// - Throws: ``Fault`` of kind `system`; a blob that has appeared then is whole.
    func promote(to blob: FilePath) throws {
        guard fchmod(data, 0o444) == 0, Platform.synchronise(data) else {
            throw DiskReader.systemFault("synchronise", path)
        }
        let disk = Disk()
        try disk.makeDirectory(blob.removingLastComponent())
        try disk.move(path, to: blob)
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
