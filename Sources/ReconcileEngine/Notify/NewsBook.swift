import Foundation
import GRDB
import ReconcileCore

/// What every receiver was told or is still to be told, in `history.db`: each news once, also when the program dies in
/// between. Losing it may tell something twice.
struct NewsBook: Sendable {
    let history: History

    /// News on its way to a receiver.
    struct Item: Sendable {
        let receiver: String
        let identity: String
        let body: String
        let attempts: Int
    }

    /// Puts news down for receivers; what they were told before is not put down again.
    ///
    /// - Parameter ending: Models whose trouble is over, so that new trouble is told.
    /// - Returns: Why it could not be put down, for a warning.
    func add(_ entries: [(receiver: String, news: News)], ending: [ModelName]) -> String? {
        guard !entries.isEmpty || !ending.isEmpty else { return nil }
        return history.write { database in
            for (receiver, news) in entries {
                let body = String(decoding: try JSONFile.bytes(of: news, pretty: false).dropLast(), as: UTF8.self)
                try database.execute(
                    sql:
                        "INSERT OR IGNORE INTO news (receiver, identity, model, kind, at, body) VALUES (?, ?, ?, ?, ?, ?)",
                    arguments: [
                        receiver, news.identity, news.model?.description, news.kind.rawValue, news.at.description, body,
                    ])
            }
            for model in ending {
                try database.execute(
                    sql: """
                        UPDATE news SET identity = identity || ' ended ' || rowid WHERE model = ? AND identity NOT LIKE '% ended %'
                        AND kind IN ('failed', 'rolledBack', 'halted', 'degraded', 'drifted', 'reminder')
                        """, arguments: [model.description])
            }
            try database.execute(
                sql: "DELETE FROM news WHERE state <> 'waiting' AND at < ?",
                arguments: [Timestamp(seconds: Int64(Date().timeIntervalSince1970) - 365 * 86400).description])
        }
    }

    /// What is due for delivery, oldest first.
    func due(at now: Timestamp, limit: Int = 200) -> [Item] {
        let items = try? history.read { database in
            try Row.fetchAll(
                database,
                sql: "SELECT * FROM news WHERE state = 'waiting' AND due <= ? ORDER BY rowid LIMIT ?",
                arguments: [now.seconds, limit]
            ).compactMap { row -> Item? in
                guard let receiver = row.text("receiver"), let identity = row.text("identity"),
                    let body = row.text("body")
                else { return nil }
                return Item(
                    receiver: receiver, identity: identity, body: body,
                    attempts: Int(min(row.number("attempts") ?? 0, 1000)))
            }
        }
        return (items ?? nil) ?? []
    }

    /// When the next delivery is due; `nil` when none waits.
    func nextDue() -> Timestamp? {
        let seconds = try? history.read { database in
            try Int64.fetchOne(database, sql: "SELECT MIN(due) FROM news WHERE state = 'waiting'")
        }
        return ((seconds ?? nil) ?? nil).map { Timestamp(seconds: $0) }
    }

    /// When a receiver was last told of trouble with a model.
    func lastTold(_ receiver: String, _ model: ModelName) -> Timestamp? {
        let text = try? history.read { database in
            try String.fetchOne(
                database,
                sql: """
                    SELECT MAX(at) FROM news WHERE receiver = ? AND model = ?
                    AND kind IN ('failed', 'rolledBack', 'halted', 'degraded', 'drifted', 'reminder')
                    """, arguments: [receiver, model.description])
        }
        return ((text ?? nil) ?? nil).flatMap { Timestamp($0) }
    }

    /// Notes that something arrived.
    ///
    /// - Returns: Why it could not be noted.
    func settle(_ item: Item) -> String? {
        history.write { database in
            try database.execute(
                sql: "UPDATE news SET state = 'told' WHERE receiver = ? AND identity = ?",
                arguments: [item.receiver, item.identity])
        }
    }

    /// Notes an attempt.
    ///
    /// - Parameter next: When it is tried again, should it fail; `nil` when it is then given up.
    /// - Returns: Why it could not be noted.
    func note(_ item: Item, next: Timestamp?) -> String? {
        history.write { database in
            try database.execute(
                sql: "UPDATE news SET attempts = attempts + 1, due = ?, state = ? WHERE receiver = ? AND identity = ?",
                arguments: [
                    next?.seconds ?? 0, next == nil ? "given up" : "waiting", item.receiver,
                    item.identity,
                ])
        }
    }
}
