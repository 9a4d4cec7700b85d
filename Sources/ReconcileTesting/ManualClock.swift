package import ReconcileCore
import Synchronization

/// A clock that moves when a test says so.
package final class ManualClock: Sendable {
    private let time: Mutex<Timestamp>

    /// A clock that shows a moment.
    package init(_ start: Timestamp) { time = Mutex(start) }

    /// The moment it shows.
    package var now: Timestamp { time.withLock { $0 } }

    /// Moves it on.
    package func advance(seconds: Int64) { time.withLock { $0 = $0.advanced(bySeconds: seconds) } }
}
