import ReconcileCore
package import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Looks at the disk. Everything a dry run may do is here; nothing here writes.
package enum DiskReader {
    /// What a path is, without following a link at its end.
    package struct Entry: Sendable, Hashable {
        /// What is there.
        package enum Kind: Sendable { case file, directory, link, other }
        /// What is there.
        package let kind: Kind
        /// Its length in bytes.
        package let size: Int64
        /// Bytes of the disk that it occupies.
        package let allocated: Int64
        /// When its content changed, in nanoseconds since 1970.
        package let modified: Int64
        /// Its number on its device.
        package let inode: UInt64
        /// Its device.
        package let device: UInt64

        /// Whether another entry is the same file.
        package func isSameFile(as other: Entry) -> Bool { inode == other.inode && device == other.device }
    }

    /// What is at a path; `nil` when nothing is, or it cannot be asked.
    package static func entry(at path: FilePath) -> Entry? {
        var status = stat()
        guard lstat(path.string, &status) == 0 else { return nil }
        let kind: Entry.Kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .directory
            case S_IFLNK: .link
            default: .other
            }
        return Entry(
            kind: kind, size: Int64(status.st_size), allocated: Int64(status.st_blocks) * 512,
            modified: Platform.modified(status),
            inode: UInt64(status.st_ino), device: UInt64(truncatingIfNeeded: status.st_dev))
    }

    /// Where a link points; `nil` when it is not a link.
    package static func destination(of link: FilePath) -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { bytes in
            bytes.bindMemory(to: CChar.self).baseAddress.map { readlink(link.string, $0, bytes.count) } ?? -1
        }
        guard count > 0, count < buffer.count else { return nil }
        return String(validating: buffer[..<count], as: UTF8.self)
    }

    /// The names in a directory, sorted by their bytes; none when it is not there.
    ///
    /// - Throws: ``Fault`` of kind `system` when the directory is there but cannot be read.
    package static func names(in directory: FilePath) throws -> [String] {
        guard let stream = opendir(directory.string) else {
            guard errno != ENOENT, errno != ENOTDIR else { return [] }
            throw systemFault("read the directory", directory)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        // A listing that breaks off must not look like a short one: what is missing in it would be deleted.
        guard errno == 0 else { throw systemFault("read the directory", directory) }
        return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// All bytes of a small file; `nil` when it is not there.
    ///
    /// - Parameter limit: The most bytes that are read; a larger file is a fault, not a memory problem.
    /// - Throws: ``Fault`` of kind `system`, or `fileDamaged` when the file is larger than the limit.
    package static func contents(of path: FilePath, limit: Int) throws -> [UInt8]? {
        let descriptor = open(path.string, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno != ENOENT, errno != ENOTDIR else { return nil }
            throw systemFault("read", path)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw systemFault("read", path) }
        guard status.st_mode & S_IFMT != S_IFDIR else {
            throw Fault(.system(operation: "read", path: path.string, detail: Platform.message(EISDIR)))
        }
        var bytes: [UInt8] = []
        let expected = min(Int(status.st_size), limit)
        bytes.reserveCapacity(expected + 1)
        var buffer = [UInt8](repeating: 0, count: max(4096, min(expected + 1, 1 << 20)))
        while true {
            let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw systemFault("read", path) }
            guard count > 0 else { return bytes }
            bytes += buffer[..<count]
            guard bytes.count <= limit else {
                throw Fault(.fileDamaged(path: path.string, detail: "it has more than \(limit) bytes"))
            }
        }
    }

    /// Fills memory from a file's offset.
    ///
    /// - Returns: Whether there were enough bytes.
    static func fill(_ bytes: UnsafeMutableRawBufferPointer, from descriptor: CInt, at offset: Int64) -> Bool {
        var done = 0
        while done < bytes.count {
            let count = pread(
                descriptor, bytes.baseAddress?.advanced(by: done), bytes.count - done, off_t(offset) + off_t(done))
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    /// Bytes that this user may still write to the file system that holds `path` or its nearest existing parent.
    package static func freeBytes(at path: FilePath) -> Int64? {
        var place = path
        var information = statvfs()
        while statvfs(place.string, &information) != 0 {
            guard errno == ENOENT, !place.components.isEmpty else { return nil }
            place = place.removingLastComponent()
            if place.isEmpty { place = "." }
        }
        let (bytes, overflow) = Int64(clamping: information.f_bavail).multipliedReportingOverflow(
            by: Int64(clamping: information.f_frsize))
        return overflow ? .max : bytes
    }

    /// The absolute path without links and dots; `nil` when it does not exist.
    package static func realPath(_ path: FilePath) -> FilePath? {
        guard let resolved = realpath(path.string, nil) else { return nil }
        defer { free(resolved) }
        return FilePath(String(cString: resolved))
    }

    /// The fault of the call that has just failed.
    static func systemFault(_ operation: String, _ path: FilePath) -> Fault {
        let number = errno
        return Fault(.system(operation: operation, path: path.string, detail: Platform.message(number)))
    }
}
