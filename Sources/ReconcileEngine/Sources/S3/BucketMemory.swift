import AmazonS3
import ReconcileCore
import Synchronization

// What is known of a bucket of plain objects for the length of a pass.

/// Answers that wait for the fetch that follows, by the paths of their objects.
final class OpenedObjects: Sendable {
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

    /// Opens one more, if there may be one more, and keeps it under the digest that its head tells. After one that could not be
    /// opened nothing is: it would have to be waited for again.
    func open(
        _ path: String, _ answer: () async throws -> OpenAnswer?, digest: (OpenAnswer) -> Digest?
    ) async throws -> OpenAnswer? {
        let mayOpen = state.withLock { state in
            guard state.hasChecksums, state.count < state.limit else { return false }
            state.count += 1
            return true
        }
        guard mayOpen else { return nil }
        var isKept = false
        defer { if !isKept { state.withLock { $0.count -= 1 } } }
        guard let answer = try await answer() else {
            state.withLock { $0.limit = 0 }
            return nil
        }
        if let digest = digest(answer) {
            isKept = state.withLock { $0.waiting.updateValue((digest, answer), forKey: path) == nil }
        }
        return answer
    }

    /// Lets go of all others, and opens none any more.
    ///
    /// - Returns: How many wait.
    func keep(only digests: Set<Digest>) -> Int {
        state.withLock { state in
            state.limit = 0
            state.waiting = state.waiting.filter { digests.contains($0.value.digest) }
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
