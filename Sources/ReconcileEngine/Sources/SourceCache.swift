import Foundation
import GRDB
import ReconcileCore
import Synchronization
package import SystemPackage

/// Answers of web sources with their validators, in `history.db`. Losing it costs one full request each.
package final class SourceCache: Sendable {
    /// One cached answer.
    package struct Entry: Sendable {
        let tag: String?
        let body: [UInt8]
    }

    private let path: FilePath
    private let canWrite: Bool
    private let fresh = Mutex<[String: Entry]>([:])
    private let forgotten = Mutex<Set<String>>([])
    private let warnings = Mutex<[String]>([])

    /// A cache beside the history of a store.
    ///
    /// - Parameter canWrite: False in a dry run, which writes nothing anywhere.
    package init(path: FilePath, canWrite: Bool) { (self.path, self.canWrite) = (path, canWrite) }

    /// The cached answer of an address, if it can be read.
    func entry(for url: String) -> Entry? {
        let key = Self.key(url)
        if let entry = fresh.withLock({ $0[key] }) { return entry }
        guard !forgotten.withLock({ $0.contains(key) }) else { return nil }
        guard DiskReader.entry(at: path) != nil else { return nil }
        // A cache that cannot be read is one that is empty.
        let row = try? HistoryDatabase.open(path, readOnly: true).read { database in
            try Row.fetchOne(database, sql: "SELECT tag, body FROM document WHERE address = ?", arguments: [key])
        }
        guard let row, let body = row["body"] as Data? else { return nil }
        return Entry(tag: row["tag"], body: Array(body))
    }

    /// Keeps an answer until ``save()``.
    func store(_ entry: Entry, for url: String) { fresh.withLock { $0[Self.key(url)] = entry } }

    /// Forgets an answer that turned out to be of no use; also in the file, at ``save()``.
    ///
    /// - Returns: Whether it was not forgotten already.
    func forget(_ url: String) -> Bool {
        let key = Self.key(url)
        fresh.withLock { $0[key] = nil }
        return forgotten.withLock { $0.insert(key).inserted }
    }

    /// Notes what a source wants people to know.
    func note(warning: String) { warnings.withLock { if !$0.contains(warning), $0.count < 20 { $0.append(warning) } } }

    /// What sources want people to know, once.
    func takeWarnings() -> [String] {
        warnings.withLock { warnings in
            defer { warnings = [] }
            return warnings
        }
    }

    /// Writes the new answers down, if there is a store to write to. A failure costs time later, so it is not reported.
    package func save() {
        guard canWrite, DiskReader.entry(at: path.removingLastComponent()) != nil else { return }
        let entries = fresh.withLock { fresh in
            defer { fresh = [:] }
            return fresh
        }
        let gone = forgotten.withLock { $0 }
        guard !entries.isEmpty || !gone.isEmpty else { return }
        try? HistoryDatabase.open(path, readOnly: false).write { database in
            for key in gone { try database.execute(sql: "DELETE FROM document WHERE address = ?", arguments: [key]) }
            for (key, entry) in entries {
                try database.execute(
                    sql: "INSERT OR REPLACE INTO document (address, tag, body) VALUES (?, ?, ?)",
                    arguments: [key, entry.tag, Data(entry.body)])
            }
        }
    }

    /// Addresses may hold secrets, so their digest is the key.
    private static func key(_ url: String) -> String { Hashing.digest(of: url).description }
}
