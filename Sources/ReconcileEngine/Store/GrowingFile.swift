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

/// A file that is written piece by piece under a temporary name, and appears under the name of its digest or not at all.
final class GrowingFile: Sendable {
    private let path: FilePath
    private let descriptor: CInt
    private let hash = Mutex(StreamingHash())

    /// Begins a file.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    init(_ path: FilePath) throws {
        self.path = path
        descriptor = open(path.string, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw DiskReader.systemFault("write", path) }
    }

    deinit { close(descriptor) }

    /// Adds bytes.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func append(_ bytes: UnsafeRawBufferPointer) throws {
        hash.withLock { $0.update(bytes) }
        try Disk.writeAll(bytes, to: descriptor, path)
    }

    /// Makes the file durable under a name that depends on its digest.
    ///
    /// - Throws: ``Fault`` of kind `system`; the name is then not there.
    func finish(_ name: (Digest) -> FilePath) throws -> Digest {
        let digest = hash.withLock { $0.digest() }
        guard Platform.synchronise(descriptor) else { throw DiskReader.systemFault("synchronise", path) }
        try Disk().move(path, to: name(digest))
        return digest
    }

    /// Ends the file without making it durable: whoever moves it to its name sees to that.
    ///
    /// - Returns: Its digest and where it is.
    /// - Throws: ``Fault`` of kind `system`.
    func end() throws -> (digest: Digest, place: FilePath) {
        guard fchmod(descriptor, 0o444) == 0 else { throw DiskReader.systemFault("write", path) }
        return (hash.withLock { $0.digest() }, path)
    }

    /// Throws the file away.
    func discard() { unlink(path.string) }
}
