import AmazonS3
import ReconcileCore
import Synchronization

// What is known of a bucket of plain objects for the length of a pass.

/// Answers that wait for the fetch that follows, by the digests of what they bring.
final class OpenedObjects: Sendable {
    private let state = Mutex<(waiting: [Digest: OpenAnswer], hasChecksums: Bool)>(([:], false))

    /// Each is a connection, and what its socket holds.
    private static let limit = 64

    /// Whether one more may wait: where no object has a checksum, it would probably be opened in vain.
    var isWorthwhile: Bool { state.withLock { $0.hasChecksums && $0.waiting.count < Self.limit } }

    /// Notes that an object of the bucket has a checksum.
    func noteChecksum() { state.withLock { $0.hasChecksums = true } }

    /// The answer that brings what has a digest.
    subscript(digest: Digest) -> OpenAnswer? {
        get { state.withLock { $0.waiting[digest] } }
        set { state.withLock { $0.waiting[digest] = newValue } }
    }
}

/// Repositories whose objects were listed whole.
final class ListedObjects: Sendable {
    private let known = Mutex<[String: [ObjectListing.Object]]>([:])

    subscript(root: String) -> [ObjectListing.Object]? {
        get { known.withLock { $0[root] } }
        set { known.withLock { $0[root] = newValue } }
    }
}
