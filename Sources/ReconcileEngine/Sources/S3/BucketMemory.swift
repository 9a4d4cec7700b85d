import AmazonS3
import ReconcileCore
import Synchronization

// What is known of a bucket of plain objects for the length of a pass.

/// Answers that wait for the fetch that follows, by the paths of their objects.
final class OpenedObjects: Sendable {
    /// An answer, and the digest that its head tells.
    typealias Opened = (answer: OpenAnswer, digest: Digest?)

    private struct State {
        var waiting: [String: (digest: Digest, answer: OpenAnswer)] = [:]
        /// How many were asked for, and did not end in vain.
        var count = 0
        var limit: Int
        var hasChecksums = false
    }

    private let state: Mutex<State>

    /// - Parameter limit: How many may wait; each is a connection, and what its socket holds.
    init(limit: Int) { state = Mutex(State(limit: limit)) }

    /// Notes that an object of the bucket has a checksum. Where none has, one would be opened in vain.
    func noteChecksum() { state.withLock { $0.hasChecksums = true } }

    /// Opens one more, if there may be one more, and keeps it when its head tells a digest. After one that could not be opened
    /// nothing is: it would have to be waited for again.
    func open(_ path: String, _ ask: () async throws -> Opened?) async throws -> Opened? {
        let mayOpen = state.withLock { state in
            guard state.hasChecksums, state.count < state.limit else { return false }
            state.count += 1
            return true
        }
        guard mayOpen else { return nil }
        var isKept = false
        defer { if !isKept { state.withLock { $0.count -= 1 } } }
        guard let opened = try await ask() else {
            state.withLock { $0.limit = 0 }
            return nil
        }
        if let digest = opened.digest {
            isKept = state.withLock { $0.waiting.updateValue((digest, opened.answer), forKey: path) == nil }
        }
        return opened
    }

    /// Lets go of all others, and opens none any more.
    ///
    /// - Returns: How many wait.
    func keep(where isWanted: (Digest) -> Bool) -> Int {
        state.withLock { state in
            state.limit = 0
            state.waiting = state.waiting.filter { isWanted($0.value.digest) }
            return state.waiting.count
        }
    }

    /// The answer that brings an object.
    subscript(path: String) -> OpenAnswer? { state.withLock { $0.waiting[path]?.answer } }
}

/// Repositories whose objects were listed whole.
final class ListedObjects: Sendable {
    private let known = Mutex<[String: [ObjectListing.Object]]>([:])

    subscript(root: String) -> [ObjectListing.Object]? {
        get { known.withLock { $0[root] } }
        set { known.withLock { $0[root] = newValue } }
    }
}
