// What differs between the systems reconcile runs on. Nothing else in the engine asks which system it is.

package import ReconcileCore

#if os(Linux)
    import CLinux
#endif
#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Calls of the operating system that have no common form.
package enum Platform {
    /// The kind of this machine.
    package static let target: TargetPlatform = {
        #if os(Linux)
            let os = "linux"
        #elseif os(Windows)
            let os = "windows"
        #else
            let os = "darwin"
        #endif
        #if arch(x86_64)
            let architecture = "amd64"
        #elseif arch(arm64)
            let architecture = "arm64"
        #else
            let architecture = "unknown"
        #endif
        return TargetPlatform(os: os, architecture: architecture)
    }()

    /// Makes what was written to a descriptor survive a power cut.
    ///
    /// On Apple systems `fsync` leaves the data in the drive's cache (fsync(2) there), so `F_FULLFSYNC` is asked for first.
    static func synchronise(_ descriptor: CInt) -> Bool {
        #if canImport(Darwin)
            if fcntl(descriptor, F_FULLFSYNC) == 0 { return true }
        #endif
        return fsync(descriptor) == 0
    }

    /// Makes the content that was written to a descriptor survive a power cut; of its attributes only what finding it needs.
    static func synchroniseData(_ descriptor: CInt) -> Bool {
        #if canImport(Darwin)
            return synchronise(descriptor)
        #else
            return fdatasync(descriptor) == 0
        #endif
    }

    /// Makes everything that was written to a descriptor's file system survive a power cut; `false` when that failed or cannot be asked.
    static func synchroniseFileSystem(_ descriptor: CInt) -> Bool {
        #if os(Linux)
            return syncfs(descriptor) == 0
        #else
            return false
        #endif
    }

    /// Whether ``synchroniseFileSystem(_:)`` can be asked here.
    static var canSynchroniseFileSystems: Bool {
        #if os(Linux)
            return true
        #else
            return false
        #endif
    }

    /// Opens a file for writes past the page cache; negative when that is not possible.
    static func openDirect(_ path: String) -> CInt {
        #if canImport(Darwin)
            let descriptor = open(path, O_WRONLY | O_CLOEXEC)
            guard descriptor >= 0, fcntl(descriptor, F_NOCACHE, 1) == 0 else { return descriptor }
            return descriptor
        #else
            // O_DIRECT of asm/fcntl.h, which the C library only shows to those who define _GNU_SOURCE.
            #if arch(arm64) || arch(arm)
                let direct: CInt = 0o200000
            #else
                let direct: CInt = 0o40000
            #endif
            return open(path, O_WRONLY | O_CLOEXEC | direct)
        #endif
    }

    /// Opens a file for writes.
    static func openPlain(_ path: String) -> CInt { open(path, O_WRONLY | O_CLOEXEC) }

    /// Makes an empty file.
    static func create(_ path: String) -> CInt { open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600) }

    /// Reserves room for a whole file, and gives it that length.
    ///
    /// - Returns: 0, or the error number.
    static func allocate(_ descriptor: CInt, _ size: Int64) -> CInt {
        #if canImport(Darwin)
            var request = fstore_t(
                fst_flags: UInt32(F_ALLOCATEALL), fst_posmode: F_PEOFPOSMODE, fst_offset: 0, fst_length: off_t(size),
                fst_bytesalloc: 0)
            guard fcntl(descriptor, F_PREALLOCATE, &request) != -1 else { return errno }
            return ftruncate(descriptor, off_t(size)) == 0 ? 0 : errno
        #else
            return fallocate(descriptor, 0, 0, Int64(size)) == 0 ? 0 : errno
        #endif
    }

    /// Makes a file share the blocks of another, copy on write; `false` when the file system cannot.
    static func clone(_ source: String, to target: String) -> Bool {
        #if canImport(Darwin)
            return clonefile(source, target, 0) == 0
        #else
            let input = open(source, O_RDONLY | O_CLOEXEC)
            guard input >= 0 else { return false }
            defer { close(input) }
            let output = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            guard output >= 0 else { return false }
            defer { close(output) }
            // FICLONE of linux/fs.h: _IOW(0x94, 9, int).
            if ioctl(output, 0x4004_9409, input) == 0 { return true }
            unlink(target)
            return false
        #endif
    }

    /// The time of a file's last change, in nanoseconds since 1970.
    static func modified(_ status: stat) -> Int64 {
        #if canImport(Darwin)
            let time = status.st_mtimespec
        #else
            let time = status.st_mtim
        #endif
        return Int64(time.tv_sec).multipliedReportingOverflow(by: 1_000_000_000).partialValue &+ Int64(time.tv_nsec)
    }

    /// The words of an error number.
    static func message(_ number: CInt) -> String { String(cString: strerror(number)) }

    /// The name of this machine; empty when it cannot be asked.
    package static func host() -> String {
        var buffer = [CChar](repeating: 0, count: 256)
        return gethostname(&buffer, buffer.count - 1) == 0 ? buffer.withUnsafeBufferPointer { hostName($0) } : ""
    }

    /// The name of the user this process runs as, and of the machine: `ana@gpu1`.
    package static func user() -> String {
        let name = getpwuid(getuid()).flatMap { entry in entry.pointee.pw_name.map { String(cString: $0) } }
        let host = host()
        return (name ?? "\(getuid())") + (host.isEmpty ? "" : "@\(host)")
    }

    private static func hostName(_ buffer: UnsafeBufferPointer<CChar>) -> String {
        buffer.baseAddress.map { String(cString: $0) } ?? ""
    }
}
