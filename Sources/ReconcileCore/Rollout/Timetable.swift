/// Decides when `watch` makes its next pass and which models it leaves out: takes what happened, and tells the moment.
/// Touches no clock.
///
/// A pass is due after the interval, at the next moment that the last plan waits for, and when a model that failed may be
/// tried again, whichever comes first.
public struct Timetable: Sendable {
    /// The time between passes when nothing else asks for one, in seconds.
    public let intervalSeconds: Int64
    /// The most by which the interval is lengthened or shortened at random, in percent, so that a fleet does not come at once.
    public let jitterPercent: Int64

    private let backoff = Backoff(base: 10, limit: 3600)
    private var failures: [ModelName: (count: Int, until: Timestamp)] = [:]
    /// Passes that came to nothing, in a row.
    private var lostPasses = 0
    /// When the next pass is due.
    public private(set) var due: Timestamp

    /// The first pass is due at once.
    public init(intervalSeconds: Int64, jitterPercent: Int64, now: Timestamp) {
        self.intervalSeconds = max(1, intervalSeconds)
        self.jitterPercent = min(max(0, jitterPercent), 100)
        due = now
    }

    /// The models that failed a moment ago and are left alone for now.
    public func resting(at now: Timestamp) -> Set<ModelName> { Set(failures.filter { now < $0.value.until }.keys) }

    /// Asks for a pass now.
    public mutating func wake(at now: Timestamp) { due = min(due, now) }

    /// Another desired state: what the old one waited for is over.
    public mutating func begin(at now: Timestamp) {
        failures = [:]
        lostPasses = 0
        due = now
    }

    /// A pass has ended.
    ///
    /// - Parameters:
    ///   - edge: The next moment that its plan waits for.
    ///   - failed: The models that failed in a way that may pass.
    ///   - looked: The models that the pass looked at.
    public mutating func passed(
        at now: Timestamp, edge: Timestamp?, failed: Set<ModelName>, looked: Set<ModelName>,
        using random: inout some RandomNumberGenerator
    ) {
        lostPasses = 0
        for model in looked.subtracting(failed) { failures[model] = nil }
        for model in failed {
            let count = (failures[model]?.count ?? 0) + 1
            failures[model] = (count, now.advanced(bySeconds: backoff.seconds(after: count, using: &random)))
        }
        let next = nextInterval(using: &random)
        // A moment that came while the pass ran is not missed: it is looked at again at once.
        let moments = [now.advanced(bySeconds: max(1, next)), edge] + failures.values.map(\.until)
        due = max(moments.compactMap(\.self).min() ?? now, now.advanced(bySeconds: 1))
    }

    /// The interval, lengthened or shortened at random, in seconds.
    public func nextInterval(using random: inout some RandomNumberGenerator) -> Int64 {
        let spread = intervalSeconds.multipliedReportingOverflow(by: jitterPercent).partialValue / 100
        return max(1, intervalSeconds + Int64.random(in: -max(0, spread)...max(0, spread), using: &random))
    }

    /// A pass could not be made at all.
    public mutating func lost(at now: Timestamp, using random: inout some RandomNumberGenerator) {
        lostPasses += 1
        let pause = Backoff(base: 5, limit: max(5, intervalSeconds)).seconds(after: lostPasses, using: &random)
        due = now.advanced(bySeconds: pause)
    }

    /// The clock was set back: what was due in an hour of the old clock must not take that hour longer.
    public mutating func clockMoved(to now: Timestamp) {
        due = min(due, now.advanced(bySeconds: intervalSeconds))
        let latest = now.advanced(bySeconds: backoff.limit)
        failures = failures.mapValues { ($0.count, min($0.until, latest)) }
    }
}
