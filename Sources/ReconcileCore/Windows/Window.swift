/// A recurring span of time in which activation is allowed, or denied.
///
/// It begins when the clock of its zone shows a time of its expression, and lasts for its duration as a stopwatch measures it.
/// A beginning that the clock skips (summer time) is at the moment of the change; one that the clock shows twice counts the
/// first time, unless the expression leaves the hour open (`*`), as Vixie cron has it.
public struct Window: Hashable, Sendable {
    /// Whether it allows or denies.
    public enum Kind: String, Hashable, Sendable {
        /// Activation is allowed within it.
        case allow
        /// Activation is denied within it.
        case deny
    }

    /// Whether it allows or denies.
    public let kind: Kind
    /// When it begins.
    public let begins: CronExpression
    /// How long it lasts, in seconds; not negative. With 0 it never is open.
    public let durationSeconds: Int64
    /// Whose clock counts.
    public let zone: ZoneRules
    /// Whether every span goes on until the next begins, for ever.
    private let isEndless: Bool

    /// A window.
    public init(_ kind: Kind, begins: CronExpression, durationSeconds: Int64, zone: ZoneRules = .utc) {
        (self.kind, self.begins, self.durationSeconds, self.zone) = (kind, begins, max(0, durationSeconds), zone)
        // A day on which the clock is set back is up to some hours longer; with an open hour nothing begins later for that.
        let slack: Int64 = begins.isHourly || zone == .utc ? 0 : 3 * 3600
        isEndless = begins.longestPause.map { durationSeconds >= $0 + slack } ?? false
    }

    /// How far a beginning is looked for: leap days are at most eight years apart.
    private static let horizonDays: Int64 = 8 * 366 + 1

    /// The last beginning up to a moment.
    func beginning(atOrBefore moment: Timestamp) -> Timestamp? {
        let today = Self.day(of: moment.seconds + zone.offset(at: moment))
        // Around a change of the clock the days are looked at one by one; what they hold need not be in order.
        let near = ((today - 1)...(today + 1)).compactMap { beginnings(onDay: $0, isNear: moment, before: true) }.max()
        if let near { return near }
        var day = previousDay(today - 1)
        while day >= today - Self.horizonDays {
            if let found = beginnings(onDay: day, isNear: moment, before: true) { return found }
            day = previousDay(day)
        }
        return nil
    }

    /// The first beginning after a moment.
    func beginning(after moment: Timestamp) -> Timestamp? {
        let today = Self.day(of: moment.seconds + zone.offset(at: moment))
        let near = ((today - 1)...(today + 1)).compactMap { beginnings(onDay: $0, isNear: moment, before: false) }.min()
        if let near { return near }
        var day = nextDay(today + 1)
        while day <= today + Self.horizonDays {
            if let found = beginnings(onDay: day, isNear: moment, before: false) { return found }
            day = nextDay(day)
        }
        return nil
    }

    /// Whether a moment is within it.
    public func covers(_ moment: Timestamp) -> Bool {
        if isEndless { return true }
        guard durationSeconds > 0, let begin = beginning(atOrBefore: moment) else { return false }
        return moment < begin.advanced(bySeconds: durationSeconds)
    }

    /// The moment at which the span that covers a moment ends; `nil` when none does.
    ///
    /// Spans that touch or overlap are one. One that goes on for long is cut: who waits for its end looks again then.
    func end(ofSpanAt moment: Timestamp) -> Timestamp? {
        if isEndless { return Timestamp(seconds: .max) }
        guard durationSeconds > 0, var latest = beginning(atOrBefore: moment),
            moment < latest.advanced(bySeconds: durationSeconds)
        else { return nil }
        for _ in 0..<8 {
            guard let next = beginning(atOrBefore: latest.advanced(bySeconds: durationSeconds)), next > latest else {
                break
            }
            latest = next
        }
        return latest.advanced(bySeconds: durationSeconds)
    }

    /// The beginning on one day of the zone's calendar that is nearest to a moment: the last up to it, or the first after it.
    private func beginnings(onDay day: Int64, isNear moment: Timestamp, before: Bool) -> Timestamp? {
        let (_, month, date) = Timestamp.civil(day: day)
        guard begins.hasMonth(month), begins.hasDay(date, number: day) else { return nil }
        let start = day * 86400
        guard let offset = zone.offset(throughoutLocal: start..<(start + 86400)) else {
            let all = changingDay(start)
            return before ? all.filter { $0 <= moment }.max() : all.filter { $0 > moment }.min()
        }
        // The clock does not change that day: the moment follows from the minute.
        let midnight = start - offset
        let minute = (moment.seconds - midnight) >= 0 ? (moment.seconds - midnight) / 60 : -1
        let found =
            before ? begins.minute(atOrBefore: min(minute, 1439)) : begins.minute(atOrAfter: minute + 1)
        return found.map { Timestamp(seconds: midnight + $0 * 60) }
    }

    /// The beginnings of a day on which the clock changes.
    private func changingDay(_ start: Int64) -> [Timestamp] {
        begins.minutesOfDay.flatMap { minute -> [Timestamp] in
            let (found, isGap) = zone.moments(local: start + minute * 60)
            guard begins.isHourly else { return Array(found.prefix(1)) }
            // With an open hour there is a beginning in every hour that is there; nothing is made up for.
            return isGap ? [] : found
        }
    }

    /// The next day in one of the months of the expression, or the first after it.
    private func nextDay(_ day: Int64) -> Int64 {
        let (year, month, _) = Timestamp.civil(day: day + 1)
        if begins.hasMonth(month) { return day + 1 }
        return month == 12
            ? Timestamp.days(year: year + 1, month: 1, day: 1) : Timestamp.days(year: year, month: month + 1, day: 1)
    }

    /// The day before in one of the months of the expression, or the last before it.
    private func previousDay(_ day: Int64) -> Int64 {
        let (year, month, _) = Timestamp.civil(day: day - 1)
        return begins.hasMonth(month) ? day - 1 : Timestamp.days(year: year, month: month, day: 1) - 1
    }

    private static func day(of local: Int64) -> Int64 { local >= 0 ? local / 86400 : (local - 86399) / 86400 }
}
