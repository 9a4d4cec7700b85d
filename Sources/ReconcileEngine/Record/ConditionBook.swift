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
                guard let model = ModelName(row[0] as String), let type = Condition.Kind(rawValue: row[1] as String),
                    let since = Timestamp(row[5] as String)
                else { continue }
                page.models[model, default: []].append(
                    Condition(type: type, status: row[2], reason: row[3], message: row[4], since: since))
            }
            for row in try Row.fetchAll(database, sql: "SELECT * FROM inspection") {
                guard let found = Inspection(row) else { continue }
                page.inspections[found.model, default: []].append(found)
            }
            for row in try Row.fetchAll(database, sql: "SELECT name, value FROM observed") {
                if row["name"] == "desiredState" { page.desiredState = Digest(row["value"] as String) }
                if row["name"] == "commit" { page.commit = row["value"] }
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

extension Inspection {
    fileprivate init?(_ row: Row) {
        guard let model = ModelName(row["model"] as String), let kind = Kind(rawValue: row["kind"] as String),
            let at = Timestamp(row["at"] as String), let digest = Digest(row["contentDigest"] as String)
        else { return nil }
        self.init(model: model, kind: kind, at: at, contentDigest: digest, isGood: row["isGood"], detail: row["detail"])
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
