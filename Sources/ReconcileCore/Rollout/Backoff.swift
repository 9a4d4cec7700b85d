/// Pauses that double after every failure, up to a limit, with a random part so that many machines do not come at once
/// ("equal jitter", AWS Architecture Blog, "Exponential Backoff And Jitter").
public struct Backoff: Hashable, Sendable {
    /// The first pause, in seconds, at least 1.
    public let base: Int64
    /// The longest pause, in seconds.
    public let limit: Int64

    /// Such pauses.
    public init(base: Int64, limit: Int64) { (self.base, self.limit) = (max(1, base), max(1, limit)) }

    /// The pause after so many failures in a row: between half of the doubled base and all of it.
    public func seconds(after failures: Int) -> Int64 {
        var random = SystemRandomNumberGenerator()
        return seconds(after: failures, using: &random)
    }

    /// The pause, with given random numbers.
    public func seconds(after failures: Int, using random: inout some RandomNumberGenerator) -> Int64 {
        let doublings = min(max(failures - 1, 0), 30)
        let (scaled, overflow) = base.multipliedReportingOverflow(by: 1 << Int64(doublings))
        let whole = overflow ? limit : min(scaled, limit)
        return Int64.random(in: max(1, whole / 2)...whole, using: &random)
    }
}
