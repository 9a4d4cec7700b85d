/// Durations as they are written in the desired-state file and on the command line.
package enum Durations {
    /// Seconds of `30s`, `5m`, `4h`, `3d`, or `0`; `nil` for anything else and beyond a hundred years.
    package static func seconds(_ text: String) -> Int64? {
        if text == "0" { return 0 }
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        guard let unit = text.last.flatMap({ units[$0] }), let count = digits(text.dropLast()) else { return nil }
        let (seconds, overflow) = count.multipliedReportingOverflow(by: unit)
        return overflow || seconds > 36_525 * 86400 ? nil : seconds
    }

    private static func digits(_ text: Substring) -> Int64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }
}
