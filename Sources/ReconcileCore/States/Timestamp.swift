/// A moment in UTC, to the second, between the years 1 and 9999; written by RFC 3339 (`2026-11-20T02:00:00Z`).
public struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// Seconds since 1970-01-01T00:00:00Z, without leap seconds.
    public let seconds: Int64

    /// A moment by its seconds since 1970, brought within the years 1 to 9999.
    public init(seconds: Int64) { self.seconds = min(max(seconds, -62_135_596_800), 253_402_300_799) }

    /// Parses RFC 3339 section 5.6, with `T` or a space, any offset and an ignored fraction; `nil` when it is not that.
    public init?(_ text: String) {
        let bytes = Array(text.utf8.prefix(65))
        guard (20...64).contains(bytes.count), bytes[4] == 0x2D, bytes[7] == 0x2D,
            [0x54, 0x74, 0x20].contains(bytes[10]),
            bytes[13] == 0x3A, bytes[16] == 0x3A, let offset = Self.offset(bytes[19...])
        else { return nil }
        let spans = [0..<4, 5..<7, 8..<10, 11..<13, 14..<16, 17..<19]
        let fields = spans.compactMap { Self.number(bytes[$0]) }
        guard fields.count == 6, (1...9999).contains(fields[0]), (1...12).contains(fields[1]),
            (1...Self.days(inMonth: fields[1], of: fields[0])).contains(fields[2]),
            fields[3] < 24, fields[4] < 60, fields[5] <= 60
        else { return nil }
        let days = Self.days(year: fields[0], month: fields[1], day: fields[2])
        self.init(seconds: days * 86400 + fields[3] * 3600 + fields[4] * 60 + fields[5] - offset)
    }

    /// The digits of a field as a number.
    private static func number(_ digits: ArraySlice<UInt8>) -> Int64? {
        digits.allSatisfy { (0x30...0x39).contains($0) } ? digits.reduce(0) { $0 * 10 + Int64($1 - 0x30) } : nil
    }

    /// The seconds of what follows the seconds field: an optional fraction, then `Z` or `±hh:mm`.
    private static func offset(_ rest: ArraySlice<UInt8>) -> Int64? {
        var zone = rest
        if zone.first == 0x2E {
            let digits = zone.dropFirst().prefix { (0x30...0x39).contains($0) }
            guard !digits.isEmpty else { return nil }
            zone = zone.dropFirst(1 + digits.count)
        }
        if zone.count == 1, let letter = zone.first, letter == 0x5A || letter == 0x7A { return 0 }
        let bytes = Array(zone)
        guard bytes.count == 6, bytes[0] == 0x2B || bytes[0] == 0x2D, bytes[3] == 0x3A,
            let hours = number(bytes[1..<3]), let minutes = number(bytes[4..<6]), hours < 24, minutes < 60
        else { return nil }
        return (hours * 3600 + minutes * 60) * (bytes[0] == 0x2D ? -1 : 1)
    }

    /// `YYYY-MM-DDThh:mm:ssZ`.
    public var description: String { "\(date)T\(clock):\(Self.twoDigits(modulo(60)))Z" }

    /// `YYYY-MM-DD`.
    public var date: String {
        let (year, month, day) = civil
        let digits = "\(year)"
        return String(repeating: "0", count: 4 - digits.count) + digits
            + "-\(Self.twoDigits(month))-\(Self.twoDigits(day))"
    }

    /// `YYYY-MM-DD hh:mm UTC`, for people.
    public var minute: String { "\(date) \(clock) UTC" }

    /// `Sat 2026-11-21 02:00 UTC`, for people who plan ahead.
    public var weekdayMinute: String {
        let days = (seconds - modulo(86400)) / 86400
        let names = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        return "\(names[Int(((days % 7) + 7) % 7)]) \(minute)"
    }

    /// The moment this many seconds later.
    public func advanced(bySeconds delta: Int64) -> Timestamp {
        let (sum, overflow) = seconds.addingReportingOverflow(delta)
        return Timestamp(seconds: overflow ? (delta < 0 ? .min : .max) : sum)
    }

    /// Earlier moments come first.
    public static func < (left: Timestamp, right: Timestamp) -> Bool { left.seconds < right.seconds }

    private var clock: String { "\(Self.twoDigits(modulo(86400) / 3600)):\(Self.twoDigits(modulo(3600) / 60))" }

    private func modulo(_ divisor: Int64) -> Int64 { ((seconds % divisor) + divisor) % divisor }

    private static func twoDigits(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private var civil: (year: Int64, month: Int64, day: Int64) { Self.civil(day: (seconds - modulo(86400)) / 86400) }

    /// The inverse of ``days(year:month:day:)``, from the same source.
    static func civil(day: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let days = day + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }

    static func days(inMonth month: Int64, of year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }
}

extension Timestamp: Codable {
    /// Reads an RFC 3339 time.
    ///
    /// - Throws: `DecodingError` when it is not one.
    public init(from decoder: any Decoder) throws { self = try decoder.parsed("an RFC 3339 time", Timestamp.init) }

    /// Writes an RFC 3339 time in UTC.
    public func encode(to encoder: any Encoder) throws { try encoder.writeText(description) }
}
