import Synchronization

/// One limit of bytes per second for all connections together. The rate may change at any time, also to none.
///
/// Whoever received bytes gets a ticket: the number of bytes that everybody had taken until then. It goes on when so many have
/// been paid for by the time that passed, at whatever rates held meanwhile.
final class TokenBucket: Sendable {
    private struct State {
        var rate: Int64?
        var isPaused = false
        /// Bytes that came so far.
        var total: Int64 = 0
        /// Bytes that were paid for at a time.
        var paid = (bytes: 0.0, at: ContinuousClock.now)

        /// Pays for the time that passed: never more than came, and a little that may come at once after a silence.
        mutating func pay(at now: ContinuousClock.Instant) {
            guard let rate else {
                paid = (Double(total), now)
                return
            }
            let credit = paid.bytes + Double(rate) * max(0, (now - paid.at).inSeconds)
            paid = (min(credit, Double(total) + Double(rate) * TokenBucket.burst.inSeconds), now)
        }
    }

    private let state = Mutex(State())

    /// How much may come at once after a silence: a quarter of a second's worth.
    private static let burst = Duration.milliseconds(250)
    /// The longest that is waited before it is asked again: the rate may have changed.
    private static let longestWait = Duration.milliseconds(250)

    /// Bytes per second; `nil` for no limit.
    var rate: Int64? {
        get { state.withLock { $0.rate } }
        set {
            state.withLock { state in
                state.pay(at: .now)
                state.rate = newValue.map { max(1, $0) }
            }
        }
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
    /// - Returns: The ticket.
    func take(_ bytes: Int, at now: ContinuousClock.Instant = .now) -> Int64 {
        state.withLock { state in
            state.pay(at: now)
            state.total += Int64(bytes)
            return state.total
        }
    }

    /// How long to wait before it is asked again whether more may come; zero when they may.
    func delay(of ticket: Int64, at now: ContinuousClock.Instant = .now) -> Duration {
        state.withLock { state in
            if state.isPaused { return Self.longestWait }
            guard let rate = state.rate else { return .zero }
            state.pay(at: now)
            let seconds = (Double(ticket) - state.paid.bytes) / Double(rate)
            return seconds <= 0 ? .zero : min(Self.longestWait, .seconds(seconds))
        }
    }
}
