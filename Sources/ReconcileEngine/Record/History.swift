import Foundation
import GRDB
package import ReconcileCore
package import SystemPackage

/// What happened, in `history.db`: for people, never for decisions. Losing it loses history and nothing else (LAW 1).
///
/// Acts are only ever appended, and each row holds the SHA-256 of its own content and of the row before it. So a row that
/// was changed, or one that was taken out of the middle, shows. A tail that was cut off, or a chain that was computed anew,
/// shows only against a head hash that was kept elsewhere.
package struct History: Sendable {
    let path: FilePath

    /// The history of a store; nothing is opened before it is used.
    package init(path: FilePath) { self.path = path }

    /// What a walk along the chain found.
    package struct Verification: Codable, Sendable {
        /// How many acts there are.
        package let acts: Int
        /// The hash of the last one; of nothing when there is none.
        package let head: String
        /// The first act that does not fit to the one before it, by its number; `nil` when all do.
        package let brokenAt: Int64?
    }

    /// Appends acts. A damaged database is set aside and a new one begun.
    ///
    /// - Returns: Why nothing could be written, for a warning: a history that fails never stops a rollout.
    package func append(_ acts: [Act]) -> String? {
        guard !acts.isEmpty else { return nil }
        return write { database in
            var head = try Self.head(database)
            for act in acts { head = try Self.insert(act, after: head, database) }
        }
    }

    /// Writes something into the database of the history.
    ///
    /// - Returns: Why it could not be written, for a warning.
    func write(_ body: (Database) throws -> Void) -> String? {
        do {
            try HistoryDatabase.open(path, readOnly: false).write(body)
            return nil
        } catch let error as DatabaseError where Self.isDamage(error) {
            let aside = "\(path.string).damaged-\(Int(Date().timeIntervalSince1970))"
            do {
                try FileManager.default.moveItem(atPath: path.string, toPath: aside)
                try HistoryDatabase.open(path, readOnly: false).write(body)
                return "the history was damaged; it was set aside as \(aside)"
            } catch {
                return "the history is damaged and cannot be set aside: \(error)"
            }
        } catch {
            return "the history could not be written: \(error)"
        }
    }

    /// Reads from the database of the history; `nil` when there is none.
    ///
    /// - Throws: ``Fault`` of kind `fileDamaged` when it cannot be read.
    func read<Value>(_ body: (Database) throws -> Value) throws -> Value? {
        guard DiskReader.entry(at: path) != nil else { return nil }
        do {
            let queue = try HistoryDatabase.open(path, readOnly: true)
            return try queue.read { database in
                // One that an older version wrote lacks tables until the next pass.
                try database.tableExists("act") ? try body(database) : nil
            }
        } catch {
            throw Fault(.fileDamaged(path: path.string, detail: "\(error)"))
        }
    }

    /// The latest acts, newest first.
    ///
    /// - Parameters:
    ///   - model: Only of this model.
    ///   - since: Only from this moment on.
    /// - Throws: ``Fault`` of kind `fileDamaged` when the database cannot be read.
    package func acts(model: ModelName? = nil, since: Timestamp? = nil, limit: Int) throws -> [Act] {
        try read { database in
            let rows = try Row.fetchAll(
                database,
                sql: """
                    SELECT * FROM act WHERE (:model IS NULL OR model = :model) AND (:since IS NULL OR at >= :since)
                    ORDER BY id DESC LIMIT :limit
                    """,
                arguments: ["model": model?.description, "since": since?.description, "limit": limit])
            return rows.compactMap(Act.init)
        } ?? []
    }

    /// Whether anything is known of a model.
    ///
    /// - Throws: ``Fault`` of kind `fileDamaged`.
    package func knows(_ model: ModelName) throws -> Bool { try !acts(model: model, limit: 1).isEmpty }

    /// Whether an act of a kind was written down.
    ///
    /// - Throws: ``Fault`` of kind `fileDamaged`.
    func hasAct(_ kind: String, _ model: ModelName, to: String) throws -> Bool {
        try read { database in
            try Bool.fetchOne(
                database, sql: "SELECT EXISTS (SELECT 1 FROM act WHERE model = ? AND kind = ? AND \"to\" = ?)",
                arguments: [model.description, kind, to]) ?? false
        } ?? false
    }

    /// The hash of the last act, for keeping it elsewhere.
    package func head() -> String? { (try? read { try Self.head($0) }) ?? nil }

    /// Walks along the chain.
    ///
    /// - Throws: ``Fault`` of kind `fileDamaged` when the database cannot be read.
    package func verify() throws -> Verification {
        try read { database in
            var (count, head) = (0, Self.start)
            var broken: Int64?
            let rows = try Row.fetchCursor(database, sql: "SELECT * FROM act ORDER BY id")
            while let row = try rows.next() {
                count += 1
                let hash = row.text("hash") ?? ""
                let expected = Act(row).map { Self.hash(of: $0, after: head) }
                // The numbers have no gaps, because a row that was not written takes none.
                let isNext = row.number("id") == Int64(count) && row.text("previous") == head && expected == hash
                if broken == nil, !isNext { broken = row.number("id") }
                head = hash
            }
            return Verification(acts: count, head: head, brokenAt: broken)
        } ?? Verification(acts: 0, head: Self.start, brokenAt: nil)
    }

    /// The hash before the first act.
    static let start = String(repeating: "0", count: 64)

    private static func hash(of act: Act, after previous: String) -> String {
        let bytes = (try? JSONFile.bytes(of: act, pretty: false)) ?? []
        return Hashing.digest(of: Array("\(previous)\n".utf8) + bytes).description
    }

    static func head(_ database: Database) throws -> String {
        try String.fetchOne(database, sql: "SELECT hash FROM act ORDER BY id DESC LIMIT 1") ?? start
    }

    static func insert(_ act: Act, after previous: String, _ database: Database) throws -> String {
        let hash = hash(of: act, after: previous)
        try database.execute(
            sql: """
                INSERT INTO act (at, kind, model, who, "from", "to", detail, planDigest, "commit", pass, rollout,
                    milliseconds, bytes, reusedBytes, previous, hash)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                """,
            arguments: [
                act.at.description, act.kind, act.model, act.who, act.from, act.to, act.detail, act.planDigest,
                act.commit, act.pass, act.rollout, act.milliseconds, act.bytes, act.reusedBytes, previous, hash,
            ])
        return hash
    }

    static func isDamage(_ error: DatabaseError) -> Bool {
        [.SQLITE_CORRUPT, .SQLITE_NOTADB].contains(error.resultCode)
    }
}

extension Act {
    init?(_ row: Row) {
        guard let at = row.text("at").flatMap({ Timestamp($0) }) else { return nil }
        self.init(
            at: at, kind: row.text("kind") ?? "", model: row.text("model") ?? "", who: row.text("who") ?? "",
            from: row.text("from"), to: row.text("to"), detail: row.text("detail"))
        planDigest = row.text("planDigest")
        milliseconds = row.number("milliseconds")
        bytes = row.number("bytes")
        // The first version's rows have no more.
        guard row.hasColumn("rollout") else { return }
        (commit, pass, rollout) = (row.text("commit"), row.text("pass"), row.text("rollout"))
        reusedBytes = row.number("reusedBytes")
    }
}

/// Values of a database that anybody may have edited: what is not of the kind that is asked for is not there. A subscript
/// of the library would end the program instead.
extension Row {
    func text(_ column: String) -> String? { value(column).flatMap { String.fromDatabaseValue($0) } }

    func number(_ column: String) -> Int64? { value(column).flatMap { Int64.fromDatabaseValue($0) } }

    func flag(_ column: String) -> Bool? { value(column).flatMap { Bool.fromDatabaseValue($0) } }

    private func value(_ column: String) -> DatabaseValue? { hasColumn(column) ? self[column] : nil }
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
        migrator.registerMigration("2: the chain") { try makeChain($0) }
        migrator.registerMigration("3: conditions and news") { try makeBooks($0) }
        return migrator
    }

    private static func makeChain(_ database: Database) throws {
        try database.create(table: "act") { table in
            table.autoIncrementedPrimaryKey("id")
            for column in ["at", "kind", "model", "who"] { table.column(column, .text).notNull() }
            for column in ["from", "to", "detail", "planDigest", "commit", "pass", "rollout"] {
                table.column(column, .text)
            }
            for column in ["milliseconds", "bytes", "reusedBytes"] { table.column(column, .integer) }
            for column in ["previous", "hash"] { table.column(column, .text).notNull() }
        }
        try database.create(index: "actByModel", on: "act", columns: ["model", "id"])
        var head = History.start
        for act in try Row.fetchAll(database, sql: "SELECT * FROM event ORDER BY id").compactMap(Act.init) {
            head = try History.insert(act, after: head, database)
        }
        try database.drop(table: "event")
        for (name, act) in [("Kept", "UPDATE"), ("Stays", "DELETE")] {
            try database.execute(
                sql: """
                    CREATE TRIGGER act\(name) BEFORE \(act) ON act
                    BEGIN SELECT RAISE(ABORT, 'the history is only ever appended to'); END
                    """)
        }
    }

    private static func makeBooks(_ database: Database) throws {
        try database.create(table: "condition") { table in
            table.column("model", .text).notNull()
            table.column("type", .text).notNull()
            table.column("status", .boolean).notNull()
            for column in ["reason", "message", "since"] { table.column(column, .text).notNull() }
            table.primaryKey(["model", "type"])
        }
        try database.create(table: "observed") { table in
            table.primaryKey("name", .text)
            table.column("value", .text).notNull()
        }
        try database.create(table: "inspection") { table in
            for column in ["model", "kind", "at", "contentDigest"] { table.column(column, .text).notNull() }
            table.column("isGood", .boolean).notNull()
            table.column("detail", .text)
            table.primaryKey(["model", "kind", "contentDigest"])
        }
        try database.create(table: "news") { table in
            table.column("receiver", .text).notNull()
            table.column("identity", .text).notNull()
            table.column("model", .text)
            table.column("kind", .text).notNull()
            table.column("at", .text).notNull()
            table.column("body", .text).notNull()
            table.column("attempts", .integer).notNull().defaults(to: 0)
            table.column("due", .integer).notNull().defaults(to: 0)
            table.column("state", .text).notNull().defaults(to: "waiting")
            table.primaryKey(["receiver", "identity"])
        }
    }
}
