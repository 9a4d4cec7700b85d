import ReconcileEngine

/// Rows of text in columns.
struct Table {
    /// The rows, the head first; all of the same length.
    let rows: [[String]]

    /// The text, with a line break at its end.
    var text: String {
        let widths = (rows.first ?? []).indices.map { column in
            rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0
        }
        return rows.map { row in
            let cells = zip(row, widths).map { Format.pad($0, $1) }
            let line = cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed()) + "\n"
        }.joined()
    }
}
