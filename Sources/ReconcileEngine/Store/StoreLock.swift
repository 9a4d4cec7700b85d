import ReconcileCore
package import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// An exclusive flock(2) on a file that names its holder. The kernel frees it when the process ends, however it ends.
///
/// Correctness does not rest on it where a file system ignores it: all writes are atomic. It keeps two passes apart.
package final class StoreLock: Sendable {
    private let descriptor: CInt

    private init(descriptor: CInt) { self.descriptor = descriptor }

    /// Takes the lock.
    ///
    /// - Parameter patience: How long to wait for another holder.
    /// - Throws: ``Fault`` of kind `busy` that names the holder, or `system`; `CancellationError`.
    package static func take(_ path: FilePath, holder: String, patience: Duration) async throws -> StoreLock {
        var descriptor = open(path.string, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        // The directory of a download goes when another process has finished it.
        if descriptor < 0, errno == ENOENT {
            try Disk().makeDirectory(path.removingLastComponent())
            descriptor = open(path.string, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        }
        guard descriptor >= 0 else { throw DiskReader.systemFault("lock", path) }
        let lock = StoreLock(descriptor: descriptor)
        let deadline = ContinuousClock.now + patience
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK || errno == EINTR else { throw DiskReader.systemFault("lock", path) }
            guard ContinuousClock.now < deadline else {
                let text = try DiskReader.contents(of: path, limit: 4096) ?? []
                let name = String(decoding: text, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
                throw Fault(.busy(path: path.string, holder: name))
            }
            try await Task.sleep(for: .milliseconds(50))
        }
        // Only informs people, so a full disk does not matter here.
        ftruncate(descriptor, 0)
        let text = Array("\(holder)\n".utf8)
        _ = text.withUnsafeBytes { pwrite(descriptor, $0.baseAddress, $0.count, 0) }
        return lock
    }

    /// Whether the locked file is the one at a path, and not one that was deleted meanwhile.
    func isStill(at path: FilePath) -> Bool {
        var status = stat()
        guard fstat(descriptor, &status) == 0, let entry = DiskReader.entry(at: path) else { return false }
        return entry.inode == UInt64(status.st_ino) && entry.device == UInt64(truncatingIfNeeded: status.st_dev)
    }

    deinit { close(descriptor) }
}

/// A shared flock(2): says that something is under way which others must not disturb, for as long as somebody holds it.
package final class StoreLease: Sendable {
    private let descriptor: CInt

    /// Takes part in a lease; `nil` where the file system knows no locks.
    init?(_ path: FilePath) {
        descriptor = open(path.string, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { return nil }
        for _ in 0..<Self.attempts {
            if flock(descriptor, LOCK_SH | LOCK_NB) == 0 { return }
            guard errno == EWOULDBLOCK || errno == EINTR else { break }
            usleep(2000)
        }
        close(descriptor)
        return nil
    }

    /// Whoever looks whether it is held has it for a moment.
    private static let attempts = 100

    /// Whether somebody holds it.
    static func isHeld(_ path: FilePath) -> Bool {
        let descriptor = open(path.string, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    deinit { close(descriptor) }
}
