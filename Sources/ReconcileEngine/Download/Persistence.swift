/// How long a fetch goes on when it fails: as long as bytes keep coming, and only so long when none do. Touches no clock.
struct Persistence: Sendable {
    /// Failures in a row without progress after which a location is given up.
    static let attempts = 6
    /// The same where another location may have the file.
    static let attemptsWithOthers = 3
    /// How long a location may bring nothing before it is given up, when it failed at least twice meanwhile.
    static let patience = Duration.seconds(60)
    /// The longest that a server's `Retry-After` is obeyed; one that asks for more is given up for this pass.
    static let longestWait = Duration.seconds(120)

    private let limit: Int
    private var failures = 0
    private var sinceProgress = Duration.zero

    /// What to do after a failure.
    enum Decision: Hashable, Sendable {
        case waitUpTo(Duration)
        case wait(Duration)
        case giveUp

        /// How long to wait this time; `nil` to give up.
        var delay: Duration? {
            switch self {
            case .waitUpTo(let limit): limit * Double.random(in: 0...1)
            case .wait(let delay): delay
            case .giveUp: nil
            }
        }
    }

    init(attempts: Int = Self.attempts) { limit = attempts }

    /// Notes that bytes came that never came before.
    mutating func progressed() { (failures, sinceProgress) = (0, .zero) }

    /// Decides after a failure.
    ///
    /// - Parameters:
    ///   - elapsed: How long the attempt took.
    ///   - retryAfter: What the server asked for.
    mutating func failed(after elapsed: Duration, retryAfter: Duration?) -> Decision {
        failures += 1
        sinceProgress += elapsed
        guard failures < limit, failures < 2 || sinceProgress < Self.patience else { return .giveUp }
        if let retryAfter {
            sinceProgress += retryAfter
            return retryAfter <= Self.longestWait ? .wait(retryAfter) : .giveUp
        }
        // Full jitter (Brooker, “Exponential Backoff And Jitter”, 2015), so that many machines do not come back together.
        let limit = Duration.milliseconds(250) * (1 << min(failures - 1, 6))
        sinceProgress += limit / 2
        return .waitUpTo(limit)
    }
}
