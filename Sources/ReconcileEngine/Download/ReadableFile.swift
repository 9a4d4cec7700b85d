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
    /// Where it begins in the file.
    private let offset: Int64
    /// Its length in bytes.
    let size: Int64

    /// Opens a regular file; `nil` when it is not there, or none.
    convenience init?(_ path: FilePath) { self.init(path, from: 0, size: nil) }

    /// Opens a file, or the part of one that begins at an offset; `nil` when it is not there, or a location of another kind.
    ///
    /// - Parameter size: How long a part is.
    convenience init?(_ location: Location, size: Int64) {
        switch location {
        case .file(let path): self.init(path, from: 0, size: nil)
        case .part(let path, let offset): self.init(path, from: offset, size: size)
        case .held, .web: return nil
        }
    }

    private init?(_ path: FilePath, from offset: Int64, size part: Int64?) {
        descriptor = open(path.string, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        self.offset = offset
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, offset >= 0,
            offset <= Int64(status.st_size)
        else {
            if descriptor >= 0 { close(descriptor) }
            return nil
        }
        let rest = Int64(status.st_size) - offset
        size = min(part ?? rest, rest)
    }

    deinit { close(descriptor) }

    /// Fills memory from an offset.
    ///
    /// - Returns: Whether there were enough bytes.
    func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int64) -> Bool {
        DiskReader.fill(bytes, from: descriptor, at: self.offset + offset)
    }

    /// Some bytes of it; `nil` when they are not there.
    func bytes(_ range: Range<Int64>) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: range.count)
        return bytes.withUnsafeMutableBytes { read(into: $0, at: range.lowerBound) } ? bytes : nil
    }
}
