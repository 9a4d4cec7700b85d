import Foundation
package import ReconcileCore
import Synchronization

/// The IANA time zone database, as tables for pure functions.
package enum TimeZones {
    private static let known = Mutex<[String: ZoneRules]>([:])

    /// The span that the tables cover: windows are asked about some years ahead of now.
    private static let span = (from: Date(timeIntervalSince1970: 1_577_836_800), years: 80)

    /// The clock of a place from 2020 to 2100; `nil` when there is no such place.
    package static func rules(of name: String) -> ZoneRules? {
        if name == "UTC" { return .utc }
        if let rules = known.withLock({ $0[name] }) { return rules }
        guard let zone = TimeZone(identifier: name) else { return nil }
        var transitions: [ZoneRules.Transition] = []
        var moment = span.from
        let end = span.from.addingTimeInterval(Double(span.years) * 365.25 * 86400)
        while let next = zone.nextDaylightSavingTimeTransition(after: moment), next > moment, next < end {
            transitions.append(
                ZoneRules.Transition(
                    at: Timestamp(seconds: Int64(next.timeIntervalSince1970)),
                    offset: Int64(zone.secondsFromGMT(for: next))))
            moment = next
        }
        let rules = ZoneRules(
            name: name, first: Int64(zone.secondsFromGMT(for: span.from)), transitions: transitions)
        known.withLock { $0[name] = rules }
        return rules
    }
}
