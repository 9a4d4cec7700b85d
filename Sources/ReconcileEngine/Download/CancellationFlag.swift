import Synchronization

/// Tells work on another thread that nobody wants it any more.
final class CancellationFlag: Sendable {
    private let value = Atomic(false)

    /// Tells it.
    func set() { value.store(true, ordering: .relaxed) }

    /// Ends work that nobody wants any more.
    ///
    /// - Throws: `CancellationError`.
    func check() throws {
        if value.load(ordering: .relaxed) { throw CancellationError() }
    }
}
