import Synchronization

/// Tells work on another thread that nobody wants it any more.
final class CancellationFlag: Sendable {
    private let value = Atomic(false)

    /// Whether it was told.
    var isSet: Bool { value.load(ordering: .relaxed) }

    /// Tells it.
    func set() { value.store(true, ordering: .relaxed) }
}
