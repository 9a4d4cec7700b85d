/// What is wrong at one place of a file, in words for the person who wrote the file.
public struct Problem: Error, Sendable {
    /// Where it is.
    public let mark: Mark
    /// What is wrong, without a full stop.
    public let message: String
    /// What to write instead, when that is known: `did you mean …?`, `quote it: …`.
    public let hint: String?

    /// A problem at `mark`.
    public init(_ mark: Mark, _ message: String, hint: String? = nil) {
        self.mark = mark
        self.message = message
        self.hint = hint
    }

    /// `file:line:column: error: …`, then the line of the file and a caret under the place.
    public var description: String { text(as: "error") }

    /// The description of something that is only to be warned of: `file:line:column: warning: …`.
    public var warning: String { text(as: "warning") }

    private func text(as severity: String) -> String {
        let line = mark.source.text(ofLine: mark.line)
        var lines = ["\(mark.description): \(severity): \(message)"]
        if !line.isEmpty {
            let lead = line.unicodeScalars.prefix(mark.column - 1).map { $0 == "\t" ? "\t" : " " }.joined()
            lines.append("    \(line)")
            lines.append("    \(lead)^")
        }
        if let hint { lines.append("  hint: \(hint)") }
        return lines.joined(separator: "\n")
    }
}

/// Everything that is wrong with a set of files, in the order of the files and their lines.
public struct Problems: Error, Sendable {
    /// Never empty when thrown.
    public private(set) var list: [Problem] = []

    /// Starts with no problem.
    public init() {}

    /// Starts with one.
    public init(_ problem: Problem) { list = [problem] }

    /// Whether nothing was found.
    public var isEmpty: Bool { list.isEmpty }

    /// Notes one more problem.
    public mutating func add(_ mark: Mark, _ message: String, hint: String? = nil) {
        list.append(Problem(mark, message, hint: hint))
    }

    /// Notes all problems of another report.
    public mutating func add(_ other: Problems) { list += other.list }

    /// How many problems are spelt out; a file with more is not one of ours.
    private static let limit = 100

    /// All problems, one after the other, in the order of their places; the first hundred are spelt out.
    public var description: String {
        let sorted = list.enumerated().sorted { left, right in
            let (a, b) = (left.element.mark, right.element.mark)
            return (a.source.name, a.line, a.column, left.offset) < (b.source.name, b.line, b.column, right.offset)
        }
        let shown = sorted.prefix(Self.limit).map(\.element.description)
        let more = sorted.count > Self.limit ? ["… and \(sorted.count - Self.limit) more"] : []
        return (shown + more).joined(separator: "\n")
    }
}
