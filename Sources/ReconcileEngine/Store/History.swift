import Foundation
import GRDB
package import ReconcileCore
package import SystemPackage

/// What happened, in `history.db`: for people, never for decisions. Losing it loses history and nothing else (LAW 1).
package struct History: Sendable {
    /// One thing that happened.
    package struct Event: Codable, Sendable, Hashable {
        package let at: Timestamp
        /// What happened: `confirmed`, `failed`, `rolledBack`, `halted`, `approved`, `held`, …
        package let kind: String
        package let model: String
        package let who: String
        package var from: String?
        package var to: String?
        package var detail: String?
        package var planDigest: String?
        package var milliseconds: Int64?
        package var bytes: Int64?

        package init(
            at: Timestamp, kind: String, model: String, who: String, from: String? = nil, to: String? = nil,
            detail: String? = nil, planDigest: String? = nil, milliseconds: Int64? = nil, bytes: Int64? = nil
        ) {
            self.at = at
            self.kind = kind
            self.model = model
            self.who = who
            self.from = from
            self.to = to
            self.detail = detail
            self.planDigest = planDigest
            self.milliseconds = milliseconds
            self.bytes = bytes
        }
    }

    private let path: FilePath

    /// The history of a store; nothing is opened before it is used.
    package init(path: FilePath) { self.path = path }

    /// Appends events. A damaged database is set aside and a new one begun.
    ///
    /// - Returns: Why nothing could be written, for a warning: a history that fails never stops a rollout.
    package func append(_ events: [Event]) -> String? {
        do {
            try insert(events)
            return nil
        } catch let error as DatabaseError where Self.isDamage(error) {
            let aside = "\(path.string).damaged-\(events.first?.at.seconds ?? 0)"
            do {
                try FileManager.default.moveItem(atPath: path.string, toPath: aside)
                try insert(events)
                return "the history was damaged; it was set aside as \(aside)"
            } catch {
                return "the history is damaged and cannot be set aside: \(error)"
            }
        } catch {
            return "the history could not be written: \(error)"
        }
    }

    /// The latest events, newest first.
    ///
    /// - Parameter model: Only of this model.
    /// - Throws: ``Fault`` of kind `fileDamaged` when the database cannot be read.
    package func events(model: ModelName? = nil, limit: Int) throws -> [Event] {
        guard DiskReader.entry(at: path) != nil else { return [] }
        do {
            return try HistoryDatabase.open(path, readOnly: true).read { database in
                let filter = model == nil ? "" : "WHERE model = :model"
                let rows = try Row.fetchAll(
                    database, sql: "SELECT * FROM event \(filter) ORDER BY id DESC LIMIT :limit",
                    arguments: ["model": model?.description, "limit": limit])
                return rows.compactMap(Event.init)
            }
        } catch {
            throw Fault(.fileDamaged(path: path.string, detail: "\(error)"))
        }
    }

    private func insert(_ events: [Event]) throws {
        try HistoryDatabase.open(path, readOnly: false).write { database in
            for event in events {
                try database.execute(
                    sql: """
                        INSERT INTO event (at, kind, model, who, "from", "to", detail, planDigest, milliseconds, bytes)
                        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                        """,
                    arguments: [
                        event.at.description, event.kind, event.model, event.who, event.from, event.to, event.detail,
                        event.planDigest, event.milliseconds, event.bytes,
                    ])
            }
        }
    }

    static func isDamage(_ error: DatabaseError) -> Bool {
        [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode)
    }
}

extension History.Event {
    fileprivate init?(_ row: Row) {
        guard let at = Timestamp(row["at"] as String? ?? "") else { return nil }
        self.init(
            at: at, kind: row["kind"] ?? "", model: row["model"] ?? "", who: row["who"] ?? "", from: row["from"],
            to: row["to"],
            detail: row["detail"], planDigest: row["planDigest"], milliseconds: row["milliseconds"], bytes: row["bytes"]
        )
    }
}

/// Opens `history.db` and brings its tables up to date.
enum HistoryDatabase {
    /// A rollback journal instead of a write-ahead log, so that reading writes nothing (LAW 2).
    static func open(_ path: FilePath, readOnly: Bool) throws -> DatabaseQueue {
        var configuration = Configuration()
        configuration.readonly = readOnly
        configuration.busyMode = .timeout(5)
        configuration.label = "history"
        let queue = try DatabaseQueue(path: path.string, configuration: configuration)
        if !readOnly { try migrator.migrate(queue) }
        return queue
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("1") { database in
            try database.create(table: "event") { table in
                table.autoIncrementedPrimaryKey("id")
                for column in ["at", "kind", "model", "who"] { table.column(column, .text).notNull() }
                for column in ["from", "to", "detail", "planDigest"] { table.column(column, .text) }
                for column in ["milliseconds", "bytes"] { table.column(column, .integer) }
            }
            try database.create(index: "eventByModel", on: "event", columns: ["model", "id"])
            try database.create(table: "document") { table in
                table.primaryKey("address", .text)
                table.column("tag", .text)
                table.column("body", .blob).notNull()
            }
        }
        return migrator
    }
}
