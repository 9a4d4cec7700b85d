import NIOCore
import ReconcileCore

/// The bytes of a part of a file, piece by piece, as the body of a request.
struct FileChunks: AsyncSequence, Sendable {
    private let upload: WebClient.FileUpload

    private static let pieceBytes: Int64 = 256 << 10

    init(_ upload: WebClient.FileUpload) { self.upload = upload }

    /// Reads one piece after the other.
    struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let file: ReadableFile?
        fileprivate var position: Int64
        fileprivate let end: Int64

        /// The next piece; `nil` at the end.
        ///
        /// - Throws: ``Fault`` of kind `sourceLacks` when the file is shorter than it was.
        mutating func next() async throws -> ByteBuffer? {
            guard position < end else { return nil }
            let range = position..<Swift.min(end, position + FileChunks.pieceBytes)
            guard let bytes = file?.bytes(range) else { throw Fault(.sourceLacks(url: "a file that is sent")) }
            position = range.upperBound
            return ByteBuffer(bytes: bytes)
        }
    }

    /// Begins at the start of the part.
    func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(file: ReadableFile(upload.path), position: upload.range.lowerBound, end: upload.range.upperBound)
    }
}
