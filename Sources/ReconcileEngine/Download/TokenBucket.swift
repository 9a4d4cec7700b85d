import Synchronization

/// One limit of bytes per second for all connections together. The rate may change at any time, also to none.
final class TokenBucket: Sendable {
    private struct State {
        var rate: Int64?
        var isPaused = false
        var total: Int64 = 0
        /// When everything that was taken so far will have been paid for.
        var paidUntil: ContinuousClock.Instant = .now
    }

    private let state = Mutex(State())

    /// How much may come at once after a silence: a quarter of a second's worth.
    private static let burst = Duration.milliseconds(250)

    /// Bytes per second; `nil` for no limit.
    var rate: Int64? {
        get { state.withLock { $0.rate } }
        set { state.withLock { $0.rate = newValue.map { max(1, $0) } } }
    }

    /// Bytes that came so far.
    var total: Int64 { state.withLock { $0.total } }

    /// Whether nothing may come at all for now.
    var isPaused: Bool {
        get { state.withLock { $0.isPaused } }
        set { state.withLock { $0.isPaused = newValue } }
    }

    /// Whether so little is allowed that a trickle on a connection is no fault of its server.
    var isNarrow: Bool { isPaused || (rate ?? .max) < 256 << 10 }

    /// Takes bytes that have come.
    ///
    /// - Returns: How long to wait before more are asked for.
    func take(_ bytes: Int, at now: ContinuousClock.Instant = .now) -> Duration {
        state.withLock { state in
            state.total += Int64(bytes)
            guard let rate = state.rate else { return state.isPaused ? Self.burst : .zero }
            let cost = Duration.nanoseconds(Int64((Double(bytes) / Double(rate) * 1e9).rounded()))
            state.paidUntil = max(state.paidUntil, now - Self.burst) + cost
            let delay = max(.zero, state.paidUntil - now)
            return state.isPaused ? max(delay, Self.burst) : delay
        }
    }
}
