import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A file of this machine that is read from. Something that is no file, such as a pipe, would be waited for without end.
final class ReadableFile: Sendable {
    private let descriptor: CInt
    /// Its length in bytes.
    let size: Int64

    /// Opens a regular file; `nil` when it is not there, or none.
    init?(_ path: FilePath) {
        descriptor = open(path.string, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            if descriptor >= 0 { close(descriptor) }
            return nil
        }
        size = Int64(status.st_size)
    }

    deinit { close(descriptor) }

    /// Fills memory from an offset.
    ///
    /// - Returns: Whether there were enough bytes.
    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int64) -> Bool {
        DiskReader.fill(bytes, from: descriptor, at: offset)
    }

    /// Some bytes of it; `nil` when they are not there.
    func bytes(_ range: Range<Int64>) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: range.count)
        return bytes.withUnsafeMutableBytes { read(into: $0, at: range.lowerBound) } ? bytes : nil
    }
}
