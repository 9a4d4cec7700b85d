/// The clock of a place: when it is how far from UTC. A table, so that what is computed with it is pure.
public struct ZoneRules: Hashable, Sendable {
    /// A moment at which the offset changes.
    public struct Transition: Hashable, Sendable {
        /// When.
        public let at: Timestamp
        /// Seconds east of UTC from then on.
        public let offset: Int64

        /// A change of the offset.
        public init(at: Timestamp, offset: Int64) { (self.at, self.offset) = (at, offset) }
    }

    /// The place's name in the IANA time zone database.
    public let name: String
    /// Seconds east of UTC before the first transition.
    private let first: Int64
    private let transitions: [Transition]

    /// The rules of a place.
    ///
    /// - Parameter transitions: In order of time.
    public init(name: String, first: Int64, transitions: [Transition] = []) {
        (self.name, self.first, self.transitions) = (name, first, transitions)
    }

    /// The zone without changes.
    public static let utc = ZoneRules(name: "UTC", first: 0)

    /// Seconds east of UTC at a moment.
    public func offset(at moment: Timestamp) -> Int64 {
        let index = countOfTransitions(upTo: moment)
        return index == 0 ? first : transitions[index - 1].offset
    }

    /// The moments at which the clock shows a local time: one; two where it is set back; where it is set forward over that
    /// time, the moment of the change alone, with `isGap`.
    ///
    /// - Parameter local: Seconds since 1970-01-01T00:00 as the clock shows them.
    func moments(local: Int64) -> (moments: [Timestamp], isGap: Bool) {
        // No offset is beyond a day, so these are the spans around it.
        let low = countOfTransitions(upTo: Timestamp(seconds: local - 86400 * 2))
        var found: [Timestamp] = []
        var index = low
        while true {
            let offset = index == 0 ? first : transitions[index - 1].offset
            let moment = Timestamp(seconds: local - offset)
            let begins = index == 0 || transitions[index - 1].at <= moment
            let next = index < transitions.count ? transitions[index].at : nil
            if begins, next.map({ moment < $0 }) ?? true { found.append(moment) }
            if let next, moment >= next, found.isEmpty, index < transitions.count,
                local < next.seconds + transitions[index].offset
            {
                return ([next], true)
            }
            guard let next, next.seconds < local + 86400 * 2 else { return (found, false) }
            index += 1
        }
    }

    /// The offset that holds for a whole span of local time; `nil` when the clock changes within it or close to it.
    func offset(throughoutLocal span: Range<Int64>) -> Int64? {
        guard !transitions.isEmpty else { return first }
        let before = countOfTransitions(upTo: Timestamp(seconds: span.lowerBound - 93_600))
        let after = countOfTransitions(upTo: Timestamp(seconds: span.upperBound + 93_600))
        guard before == after else { return nil }
        return before == 0 ? first : transitions[before - 1].offset
    }

    private func countOfTransitions(upTo moment: Timestamp) -> Int {
        transitions.firstPlace { $0.at > moment }
    }
}
