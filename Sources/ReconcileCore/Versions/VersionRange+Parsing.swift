/// Why a text is not a version range.
public struct VersionRangeSyntaxError: Error, Hashable, Sendable {
    /// The part that could not be read; empty when something is missing.
    public let part: String
    /// What is wrong with it.
    public let reason: String
}

extension VersionRange {
    /// Parses a range.
    ///
    /// - Throws: ``VersionRangeSyntaxError`` naming the part that is wrong.
    public init(_ text: String) throws(VersionRangeSyntaxError) {
        guard text.utf8.count <= 1024 else {
            throw VersionRangeSyntaxError(part: "", reason: "a range has at most 1024 characters")
        }
        var alternatives: [[Bound]] = []
        for part in text.split(separator: "||", omittingEmptySubsequences: false) {
            alternatives.append(try Self.bounds(of: part))
        }
        self.alternatives = alternatives
        description = text
    }

    private static func bounds(of text: Substring) throws(VersionRangeSyntaxError) -> [Bound] {
        let words = text.split(whereSeparator: { $0 == " " || $0 == "," || $0 == "\t" }).map(String.init)
        guard !words.isEmpty else {
            throw VersionRangeSyntaxError(part: "", reason: "a range must not be empty; `*` is any version")
        }
        if words.count == 3, words[1] == "-" {
            return try Comparator(.atLeast, words[0]).bounds + Comparator(.atMost, words[2]).bounds
        }
        var bounds: [Bound] = []
        var pending = ""
        for word in words {
            // `>= 1.2` is one comparator in two words.
            if Comparator.isOperator(word), pending.isEmpty { pending = word; continue }
            bounds += try Comparator(pending + word).bounds
            pending = ""
        }
        guard pending.isEmpty else { throw VersionRangeSyntaxError(part: pending, reason: "a version must follow") }
        return bounds
    }
}

/// One operator with a version of which trailing parts may be missing or `x`.
private struct Comparator {
    enum Operator: String, CaseIterable {
        case atLeast = ">=", atMost = "<=", above = ">", below = "<", caret = "^", tilde = "~", exactly = "=", none = ""
    }

    let kind: Operator
    let text: String
    /// The numbers that are there: none for `*`, one for `1` and `1.x`, up to three.
    var numbers: [UInt64] = []
    /// The whole version, when all of it is there.
    var full: Version?

    static func isOperator(_ word: String) -> Bool { Operator.allCases.contains { $0 != .none && $0.rawValue == word } }

    init(_ text: String) throws(VersionRangeSyntaxError) {
        let kind = Operator.allCases.first { $0 != .none && text.hasPrefix($0.rawValue) } ?? .none
        try self.init(kind, String(text.dropFirst(kind.rawValue.count)))
    }

    init(_ kind: Operator, _ written: String) throws(VersionRangeSyntaxError) {
        self.kind = kind
        let text = written.hasPrefix("v") ? String(written.dropFirst()) : written
        self.text = text
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        if parts.count >= 3 || text.contains("-") || text.contains("+"), let version = Version(text),
            !text.contains("x") || version.isPrerelease
        {
            full = version
            numbers = [version.major, version.minor, version.patch]
            return
        }
        guard parts.count <= 3 else { throw VersionRangeSyntaxError(part: written, reason: "this is not a version") }
        var isWild = false
        for part in parts {
            if ["x", "X", "*"].contains(part) { isWild = true; continue }
            guard !isWild, let number = Version.number(part) else {
                throw VersionRangeSyntaxError(part: written, reason: "this is not a version")
            }
            numbers.append(number)
        }
    }

    var bounds: [VersionRange.Bound] {
        switch kind {
        case .caret: span(upTo: caretEnd)
        case .tilde: span(upTo: successor(keeping: 2))
        case .exactly, .none: full.map { [bound(.exactly, $0)] } ?? span(upTo: successor(keeping: numbers.count))
        case .atLeast: [lower]
        case .below: [full.map { bound(.below, $0) } ?? bound(.below, numbers.isEmpty ? Self.nothing : floor(numbers))]
        case .above: full.map { [bound(.above, $0)] } ?? [bound(.atLeast, successor(keeping: numbers.count))]
        case .atMost:
            full.map { [bound(.atMost, $0)] }
                ?? (numbers.isEmpty ? [lower] : [bound(.below, successor(keeping: numbers.count))])
        }
    }

    /// `>*` and `<*` admit nothing: no version reaches this one, and none is below the other.
    private static let unreachable = Version(.max, 0, 0)
    private static let nothing = Version(0, 0, 0).floor

    private func span(upTo end: Version) -> [VersionRange.Bound] {
        numbers.isEmpty ? [lower] : [lower, bound(.below, end)]
    }

    private var lower: VersionRange.Bound { full.map { bound(.atLeast, $0) } ?? bound(.atLeast, floor(numbers)) }

    private func bound(_ relation: VersionRange.Bound.Relation, _ version: Version) -> VersionRange.Bound {
        .init(relation: relation, version: version, namesPrerelease: version.isPrerelease && version == full)
    }

    /// The first version beyond `^`: the next of the leftmost number that is not 0 (or of the last one written).
    private var caretEnd: Version {
        let leading = numbers.firstIndex { $0 != 0 } ?? max(numbers.count - 1, 0)
        return successor(keeping: leading + 1)
    }

    /// The lowest version, pre-releases included, above all that share the first `count` numbers.
    private func successor(keeping count: Int) -> Version {
        let kept = min(count, numbers.count)
        guard kept > 0 else { return Self.unreachable }
        var next = Array(numbers.prefix(kept))
        next[kept - 1] += 1
        return floor(next)
    }

    private func floor(_ numbers: [UInt64]) -> Version {
        let padded = numbers + Array(repeating: 0, count: 3 - numbers.count)
        return Version(padded[0], padded[1], padded[2]).floor
    }
}

extension Version {
    /// The lowest pre-release of this version, `-0`, below every other version with the same three numbers.
    fileprivate var floor: Version { Version("\(major).\(minor).\(patch)-0") ?? self }
}
