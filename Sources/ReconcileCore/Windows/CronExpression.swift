/// When something begins, as crontab(5) writes it: minute, hour, day of month, month, day of week; or `@daily` and its kin.
///
/// Fields hold `*`, numbers, names (`jan`, `sun`), ranges, lists and steps. Sunday is 0 and 7. As in Vixie cron, when neither
/// day field begins with `*`, a day that fits either of them fits. The grammar is that of crontab(5); there are no `L`, `W`, `#`.
public struct CronExpression: Hashable, Sendable, CustomStringConvertible {
    /// As it was written.
    public let description: String
    private let minutes: UInt64
    private let hours: UInt64
    private let days: UInt64
    private let months: UInt64
    private let weekdays: UInt64
    /// Whether a day that fits either day field fits, because both were restricted.
    private let eitherDay: Bool
    /// Whether the hour was left open, so that an hour that the clock repeats counts twice.
    let isHourly: Bool

    /// What is wrong with an expression.
    public struct SyntaxError: Error, Hashable, Sendable {
        /// The part that is wrong; empty when it is the whole.
        public let part: String
        /// Why.
        public let reason: String
    }

    private static let nicknames = [
        "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
        "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
    ]
    private static let monthNames = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ]
    private static let weekdayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

    /// Parses an expression.
    ///
    /// - Throws: ``SyntaxError`` when it is none, or names a day that no year has.
    public init(_ text: String) throws(SyntaxError) {
        description = text
        let trimmed = text.lowercased()
        if trimmed.hasPrefix("@"), Self.nicknames[trimmed] == nil {
            let known = Self.nicknames.keys.sorted().joined(separator: ", ")
            throw SyntaxError(part: text, reason: "there are \(known)")
        }
        let fields = (Self.nicknames[trimmed] ?? trimmed).split { $0 == " " || $0 == "\t" }
        guard fields.count == 5 else {
            throw SyntaxError(
                part: "", reason: "it has \(fields.count) fields instead of minute, hour, day, month and day of week")
        }
        minutes = try Field(name: "minute", span: 0...59).mask(of: fields[0])
        hours = try Field(name: "hour", span: 0...23).mask(of: fields[1])
        days = try Field(name: "day", span: 1...31).mask(of: fields[2])
        months = try Field(name: "month", span: 1...12, names: Self.monthNames, firstName: 1).mask(of: fields[3])
        let seven = try Field(name: "day of week", span: 0...7, names: Self.weekdayNames).mask(of: fields[4])
        weekdays = (seven | seven >> 7) & 0x7F
        eitherDay = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
        isHourly = fields[1].hasPrefix("*")
        let (days, months) = (days, months)
        let hasDay = (1...12).contains { month in
            let longest = month == 2 ? 29 : Timestamp.days(inMonth: Int64(month), of: 2000)
            return months & (1 << UInt64(month)) != 0 && days & ((1 << UInt64(longest + 1)) - 1) != 0
        }
        guard hasDay || eitherDay else { throw SyntaxError(part: "", reason: "no year has such a day") }
    }

    /// One field of an expression.
    private struct Field {
        let name: String
        let span: ClosedRange<Int>
        var names: [String] = []
        var firstName = 0

        /// A bit for each number that the field holds.
        func mask(of text: Substring) throws(SyntaxError) -> UInt64 {
            var mask: UInt64 = 0
            for item in text.split(separator: ",", omittingEmptySubsequences: false) { mask |= try part(item) }
            return mask
        }

        private func part(_ text: Substring) throws(SyntaxError) -> UInt64 {
            let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            let range = try range(parts.first ?? "", whole: text)
            var step = 1
            if parts.count == 2 {
                guard range.count > 1 || parts[0].contains("-") else {
                    throw fail(text, "a step needs a range, as in \(span.lowerBound)-\(span.upperBound)/\(parts[1])")
                }
                guard let number = number(parts[1]), number > 0 else {
                    throw fail(text, "the step is not a number above 0")
                }
                step = number
            }
            var mask: UInt64 = 0
            for value in stride(from: range.lowerBound, through: range.upperBound, by: step) {
                mask |= 1 << UInt64(value)
            }
            return mask
        }

        private func range(_ text: Substring, whole: Substring) throws(SyntaxError) -> ClosedRange<Int> {
            if text == "*" { return span.lowerBound...(names.isEmpty || firstName == 1 ? span.upperBound : 6) }
            let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            let first = try value(ends.first ?? "", whole)
            guard ends.count == 2 else { return first...first }
            var last = try value(ends[1], whole)
            // "fri-sun": Sunday is also the last day of the week.
            if span.upperBound == 7, last == 0, first > 0 { last = 7 }
            guard first <= last else { throw fail(whole, "the range goes backwards") }
            return first...last
        }

        private func value(_ text: Substring, _ whole: Substring) throws(SyntaxError) -> Int {
            if let index = names.firstIndex(of: String(text)) { return index + firstName }
            guard let number = number(text) else { throw fail(whole, "it is not a number") }
            guard span.contains(number) else {
                throw fail(whole, "the \(name) is from \(span.lowerBound) to \(span.upperBound)")
            }
            return number
        }

        private func number(_ text: Substring) -> Int? {
            !text.isEmpty && text.utf8.count <= 4 && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
                ? Int(text) : nil
        }

        private func fail(_ text: Substring, _ reason: String) -> SyntaxError {
            SyntaxError(part: String(text), reason: "\(name): \(reason)")
        }
    }

    /// Whether a month is one of its months.
    func hasMonth(_ month: Int64) -> Bool { months & (1 << UInt64(clamping: month)) != 0 }

    /// Whether a day is one of its days.
    ///
    /// - Parameter number: Days since 1970-01-01, which was a Thursday.
    func hasDay(_ day: Int64, number: Int64) -> Bool {
        let fitsDay = days & (1 << UInt64(clamping: day)) != 0
        let weekday = ((number + 4) % 7 + 7) % 7
        let fitsWeekday = weekdays & (1 << UInt64(weekday)) != 0
        return eitherDay ? fitsDay || fitsWeekday : fitsDay && fitsWeekday
    }

    /// The longest time between two beginnings, in seconds, when it begins on every day; `nil` otherwise.
    var longestPause: Int64? {
        let minutes = minutesOfDay
        let isDaily = months == 0x1FFE && (days == 0xFFFF_FFFE || eitherDay && weekdays == 0x7F) && weekdays == 0x7F
        guard isDaily, let first = minutes.first, let last = minutes.last else { return nil }
        let pauses = zip(minutes, minutes.dropFirst()).map { $1 - $0 } + [first + 1440 - last]
        return (pauses.max() ?? 1440) * 60
    }

    /// The minutes of a day at which it begins, in order.
    var minutesOfDay: [Int64] {
        var found: [Int64] = []
        var next = minute(atOrAfter: 0)
        while let minute = next {
            found.append(minute)
            next = self.minute(atOrAfter: minute + 1)
        }
        return found
    }

    /// The first minute of the day from `minute` on at which it begins.
    func minute(atOrAfter minute: Int64) -> Int64? {
        guard minute < 1440 else { return nil }
        let (hour, rest) = (UInt64(clamping: minute / 60), UInt64(clamping: minute % 60))
        if hours & (1 << hour) != 0, let found = Self.lowest(minutes & (~0 << rest)) { return Int64(hour) * 60 + found }
        guard let next = Self.lowest(hours & (~0 << (hour + 1))), let first = Self.lowest(minutes) else { return nil }
        return next * 60 + first
    }

    /// The last minute of the day up to `minute` at which it begins.
    func minute(atOrBefore minute: Int64) -> Int64? {
        guard minute >= 0 else { return nil }
        let (hour, rest) = (UInt64(clamping: minute / 60), UInt64(clamping: minute % 60))
        if hours & (1 << hour) != 0, let found = Self.highest(minutes & ((1 << (rest + 1)) - 1)) {
            return Int64(hour) * 60 + found
        }
        guard let previous = Self.highest(hours & ((1 << hour) - 1)), let last = Self.highest(minutes) else {
            return nil
        }
        return previous * 60 + last
    }

    private static func lowest(_ mask: UInt64) -> Int64? { mask == 0 ? nil : Int64(mask.trailingZeroBitCount) }

    private static func highest(_ mask: UInt64) -> Int64? { mask == 0 ? nil : Int64(63 - mask.leadingZeroBitCount) }
}
