import GRDB
package import ReconcileCore

/// The conditions that passes found, with the moments at which they changed, in `history.db`. Losing it loses those moments.
package struct ConditionBook: Sendable {
    let history: History

    package init(_ history: History) { self.history = history }

    /// What is written down.
    package struct Page: Sendable {
        /// The conditions of each model.
        package var models: [ModelName: [Condition]] = [:]
        /// What was found out about each model.
        package var inspections: [ModelName: [Inspection]] = [:]
        /// The digest of the desired state that the last pass worked towards.
        package var desiredState: Digest?
        /// The commit of it.
        package var commit: String?
    }

    /// What is written down; an empty page when nothing is, or it cannot be read.
    package func page() -> Page {
        let page = try? history.read { database in
            var page = Page()
            let rows = try Row.fetchCursor(
                database, sql: "SELECT model, type, status, reason, message, since FROM condition ORDER BY rowid")
            while let row = try rows.next() {
                guard let (model, condition) = Condition.of(row) else { continue }
                page.models[model, default: []].append(condition)
            }
            for row in try Row.fetchAll(database, sql: "SELECT * FROM inspection") {
                guard let found = Inspection(row) else { continue }
                page.inspections[found.model, default: []].append(found)
            }
            for row in try Row.fetchAll(database, sql: "SELECT name, value FROM observed") {
                if row.text("name") == "desiredState" { page.desiredState = row.text("value").flatMap { Digest($0) } }
                if row.text("name") == "commit" { page.commit = row.text("value") }
            }
            return page
        }
        return (page ?? nil) ?? Page()
    }

    /// Writes what changed.
    ///
    /// - Returns: Why it could not be written, for a warning.
    func write(
        _ changed: [ModelName: [Condition]], gone: [ModelName], inspections: [Inspection] = [], desiredState: Digest?,
        commit: String?
    ) -> String? {
        history.write { database in
            for model in gone {
                try database.execute(sql: "DELETE FROM condition WHERE model = ?", arguments: [model.description])
                try database.execute(sql: "DELETE FROM inspection WHERE model = ?", arguments: [model.description])
            }
            for (model, conditions) in changed {
                for condition in conditions {
                    try database.execute(
                        sql:
                            "INSERT OR REPLACE INTO condition (model, type, status, reason, message, since) VALUES (?, ?, ?, ?, ?, ?)",
                        arguments: [
                            model.description, condition.type.rawValue, condition.status, condition.reason,
                            condition.message, condition.since.description,
                        ])
                }
            }
            for found in inspections { try found.insert(database) }
            // Of content that nobody found out anything about for a year, nobody asks.
            if let latest = inspections.first {
                try database.execute(
                    sql: "DELETE FROM inspection WHERE at < ?",
                    arguments: [latest.at.advanced(bySeconds: -366 * 86400).description])
            }
            guard let desiredState else { return }
            for (name, value) in [("desiredState", desiredState.description), ("commit", commit)] {
                try database.execute(sql: "DELETE FROM observed WHERE name = ?", arguments: [name])
                guard let value else { continue }
                try database.execute(sql: "INSERT INTO observed (name, value) VALUES (?, ?)", arguments: [name, value])
            }
        }
    }
}

extension Condition {
    /// The condition that a row holds, with its model; `nil` when it holds none.
    fileprivate static func of(_ row: Row) -> (model: ModelName, condition: Condition)? {
        guard let model = row.text("model").flatMap({ ModelName($0) }), let type = row.text("type").flatMap(Kind.init),
            let status = row.flag("status"), let since = row.text("since").flatMap({ Timestamp($0) })
        else { return nil }
        let condition = Condition(
            type: type, status: status, reason: row.text("reason") ?? "", message: row.text("message") ?? "",
            since: since)
        return (model, condition)
    }
}

extension Inspection {
    fileprivate init?(_ row: Row) {
        guard let model = row.text("model").flatMap({ ModelName($0) }), let kind = row.text("kind").flatMap(Kind.init),
            let at = row.text("at").flatMap({ Timestamp($0) }), let isGood = row.flag("isGood"),
            let digest = row.text("contentDigest").flatMap({ Digest($0) })
        else { return nil }
        self.init(
            model: model, kind: kind, at: at, contentDigest: digest, isGood: isGood, detail: row.text("detail"))
    }

    fileprivate func insert(_ database: Database) throws {
        try database.execute(
            sql:
                "INSERT OR REPLACE INTO inspection (model, kind, at, contentDigest, isGood, detail) VALUES (?, ?, ?, ?, ?, ?)",
            arguments: [
                model.description, kind.rawValue, at.description, contentDigest.description, isGood, detail,
            ])
    }
}
