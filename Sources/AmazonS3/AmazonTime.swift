package import Foundation

/// How times are written to and by Amazon's services: in UTC, and with no calendar, locale or time zone of the machine.
package enum AmazonTime {
    /// The years 1 to 9999, in seconds since 1970; other times are moved to the nearer end.
    private static let expressible: ClosedRange<Double> = -62_135_596_800...253_402_300_799

    /// The form of a signature, `20130524T000000Z`, in whole seconds rounded down
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html>).
    package static func basic(_ time: Date) -> String {
        let exact = time.timeIntervalSince1970
        let within = exact.isNaN ? 0 : min(max(exact, expressible.lowerBound), expressible.upperBound)
        let seconds = Int(within.rounded(.down))
        let secondOfDay = seconds - floorDivision(seconds, 86_400) * 86_400
        let (year, month, day) = civil(fromDays: floorDivision(seconds, 86_400))
        let clock = [secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60]
        return padded(year, to: 4) + padded(month, to: 2) + padded(day, to: 2) + "T"
            + clock.map { padded($0, to: 2) }.joined() + "Z"
    }

    /// Parses the form of answers, `2013-05-24T00:00:00.000Z`, the fraction optional, or with an offset (RFC 3339).
    package static func parse(_ text: String) -> Date? {
        var rest = Array(text.utf8)[...]
        guard let year = number(&rest, digits: 4), skip(&rest, "-"), let month = number(&rest, digits: 2),
            skip(&rest, "-"), let day = number(&rest, digits: 2), skip(&rest, "T"),
            let hour = number(&rest, digits: 2), skip(&rest, ":"), let minute = number(&rest, digits: 2),
            skip(&rest, ":"), let second = number(&rest, digits: 2),
            let fraction = fraction(&rest), let offset = offsetSeconds(&rest), rest.isEmpty,
            year > 0, (1...12).contains(month), (1...daysInMonth(month, of: year)).contains(day),
            hour < 24, minute < 60, second <= 60
        else { return nil }
        let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset
        return Date(timeIntervalSince1970: Double(seconds) + fraction)
    }

    private static func padded(_ number: Int, to width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
}

// The parts of a time, each taken from the front of what is left of the text.
extension AmazonTime {
    private static func skip(_ rest: inout ArraySlice<UInt8>, _ character: Unicode.Scalar) -> Bool {
        guard rest.first == UInt8(ascii: character) else { return false }
        rest.removeFirst()
        return true
    }

    private static func number(_ rest: inout ArraySlice<UInt8>, digits: Int) -> Int? {
        let taken = rest.prefix(digits)
        guard taken.count == digits, taken.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        rest.removeFirst(digits)
        return Int(String(decoding: taken, as: UTF8.self))
    }

    private static func fraction(_ rest: inout ArraySlice<UInt8>) -> Double? {
        guard skip(&rest, ".") else { return 0 }
        let digits = rest.prefix { (0x30...0x39).contains($0) }
        guard (1...9).contains(digits.count) else { return nil }
        rest.removeFirst(digits.count)
        return Double("0.\(String(decoding: digits, as: UTF8.self))")
    }

    private static func offsetSeconds(_ rest: inout ArraySlice<UInt8>) -> Int? {
        if skip(&rest, "Z") { return 0 }
        let sign = skip(&rest, "-") ? -1 : skip(&rest, "+") ? 1 : nil
        guard let sign, let hours = number(&rest, digits: 2), skip(&rest, ":"), let minutes = number(&rest, digits: 2),
            hours < 24, minutes < 60
        else { return nil }
        return sign * (hours * 3600 + minutes * 60)
    }
}

// The Gregorian calendar, counted in days since 1970-01-01, by years that begin in March and eras of 400 years.
extension AmazonTime {
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int {
        let marchYear = month > 2 ? year : year - 1
        let marchMonth = (month + 9) % 12
        let leapDays = floorDivision(marchYear, 4) - floorDivision(marchYear, 100) + floorDivision(marchYear, 400)
        return marchYear * 365 + leapDays + (marchMonth * 153 + 2) / 5 + day - 1 - 719_468
    }

    private static func civil(fromDays number: Int) -> (year: Int, month: Int, day: Int) {
        // The guess is at most a year off: a year has between 365 and 366 days.
        var year = 1970 + floorDivision(number * 400, 146_097)
        while days(year + 1, 1, 1) <= number { year += 1 }
        while days(year, 1, 1) > number { year -= 1 }
        var (month, day) = (1, number - days(year, 1, 1) + 1)
        while day > daysInMonth(month, of: year) { (month, day) = (month + 1, day - daysInMonth(month, of: year)) }
        return (year, month, day)
    }

    private static func daysInMonth(_ month: Int, of year: Int) -> Int {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: (year % 4 == 0 && year % 100 != 0) || year % 400 == 0 ? 29 : 28
        default: 31
        }
    }

    private static func floorDivision(_ number: Int, _ divisor: Int) -> Int {
        let (quotient, remainder) = number.quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
