// What differs between the systems reconcile runs on. Nothing else in the engine asks which system it is.

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Calls of the operating system that have no common form.
package enum Platform {
    /// Makes what was written to a descriptor survive a power cut.
    ///
    /// On Apple systems `fsync` leaves the data in the drive's cache (fsync(2) there), so `F_FULLFSYNC` is asked for first.
    static func synchronise(_ descriptor: CInt) -> Bool {
        #if canImport(Darwin)
            if fcntl(descriptor, F_FULLFSYNC) == 0 { return true }
        #endif
        return fsync(descriptor) == 0
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
