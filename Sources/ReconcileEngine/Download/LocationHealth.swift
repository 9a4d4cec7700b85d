import Foundation
import ReconcileCore
import Synchronization
import SystemPackage

/// What a pass has learned of the servers it fetches from. The order of a source's addresses holds, except that those that
/// failed go to the end and those that lied come last of all.
package final class LocationHealth: Sendable {
    private struct Record {
        var failures = 0
        var hasLied = false
    }

    private let records = Mutex<[String: Record]>([:])

    package init() {}

    /// The locations in the order in which they are tried.
    func ordered(_ locations: [Location]) -> [Location] {
        let weights = records.withLock { records in
            locations.map { location in
                let record = records[Self.key(location)] ?? Record()
                return (record.hasLied ? 100 : 0) + min(record.failures, 3)
            }
        }
        return locations.indices.sorted { (weights[$0], $0) < (weights[$1], $1) }.map { locations[$0] }
    }

    /// Notes that a server failed.
    func failed(_ location: Location) { change(location) { $0.failures += 1 } }

    /// Notes that a server brought what was asked for.
    func worked(_ location: Location) { change(location) { $0.failures = 0 } }

    /// Notes that a server sent wrong bytes.
    ///
    /// - Returns: Whether that was not known of it.
    func lied(_ location: Location) -> Bool {
        records.withLock { records in
            defer { records[Self.key(location), default: Record()].hasLied = true }
            return records[Self.key(location)]?.hasLied != true
        }
    }

    private func change(_ location: Location, _ body: (inout Record) -> Void) {
        records.withLock { body(&$0[Self.key(location), default: Record()]) }
    }

    /// The origin of an address; files of this machine are each their own.
    static func key(_ location: Location) -> String {
        switch location {
        case .file(let path), .part(let path, _): path.string
        case .held: ""
        case .web(let location): URL(string: location.url).map(WebAddress.origin) ?? location.url
        }
    }
}
