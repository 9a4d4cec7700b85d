private import Crypto
package import ReconcileCore
package import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A SHA-256 that is fed piece by piece.
package struct StreamingHash: Sendable {
    private var hasher = SHA256()

    package init() {}

    /// Takes the next bytes, without copying them.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) { hasher.update(bufferPointer: bytes) }

    /// The digest of everything so far; more may follow.
    package func digest() -> ReconcileCore.Digest {
        let copy = hasher
        return Hashing.finish(copy.finalize())
    }
}

/// The name that git gives to a file: `sha1("blob SIZE\0" + content)`. It tells which bytes somebody means, and proves nothing.
struct GitBlobHash: Sendable {
    private var hasher = Insecure.SHA1()

    /// Begins the hash of a file of so many bytes.
    init(size: Int64) { hasher.update(data: Array("blob \(size)\0".utf8)) }

    /// Takes the next bytes.
    mutating func update(_ bytes: UnsafeRawBufferPointer) { hasher.update(bufferPointer: bytes) }

    /// 40 lowercase hexadecimal digits.
    func name() -> String {
        let copy = hasher
        return copy.finalize().map { $0 < 16 ? "0\(String($0, radix: 16))" : String($0, radix: 16) }.joined()
    }
}

/// Computes SHA-256 digests of files and texts.
package enum Hashing {
    /// Bytes that are read at once: large enough that the hash is the limit, small enough to stay in the cache.
    static let bufferBytes = 1 << 20

    /// The digest of a text.
    package static func digest(of text: String) -> ReconcileCore.Digest { digest(of: Array(text.utf8)) }

    /// The digest of some bytes.
    package static func digest(of bytes: [UInt8]) -> ReconcileCore.Digest { finish(SHA256.hash(data: bytes)) }

    /// The digest of some bytes, without a copy.
    package static func digest(ofBytes bytes: UnsafeRawBufferPointer) -> ReconcileCore.Digest {
        var hasher = SHA256()
        hasher.update(bufferPointer: bytes)
        return finish(hasher.finalize())
    }

    /// The content digest of a list of files.
    package static func contentDigest(of files: [ReleaseFile]) -> ReconcileCore.Digest {
        digest(of: Release.contentText(of: files))
    }

    fileprivate static func finish(_ hash: SHA256.Digest) -> ReconcileCore.Digest {
        ReconcileCore.Digest(
            words: hash.withUnsafeBytes { bytes in
                (0..<4).map { UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self)) }
            })
    }

    /// The length and digest of a file, read once from start to end in a fixed buffer.
    ///
    /// - Throws: ``Fault`` of kind `system`, or `CancellationError` between two buffers.
    @concurrent
    package static func digest(ofFile path: FilePath) async throws -> (size: Int64, digest: ReconcileCore.Digest) {
        let descriptor = open(path.string, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DiskReader.systemFault("read", path) }
        defer { close(descriptor) }
        var hasher = SHA256()
        var size: Int64 = 0
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: bufferBytes, alignment: 4096)
        defer { buffer.deallocate() }
        while true {
            let count = read(descriptor, buffer.baseAddress, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw DiskReader.systemFault("read", path) }
            guard count > 0 else { return (size, finish(hasher.finalize())) }
            hasher.update(bufferPointer: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            size += Int64(count)
            try Task.checkCancellation()
        }
    }
}
