/// Which licences a model may have.
public struct LicensePolicy: Hashable, Sendable {
    /// SPDX identifiers, in lower case.
    public let allowed: Set<String>

    /// A policy that allows these SPDX identifiers, however their letters are written; every licence when empty.
    public init(_ allowed: [String] = []) { self.allowed = Set(allowed.map { $0.lowercased() }) }

    /// Whether a release with this licence may be taken: an SPDX expression (https://spdx.dev/specifications, annex D), in which
    /// one side of `OR` and both of `AND` must be allowed. A licence that is not known is none of those that are allowed.
    public func admits(_ expression: String?) -> Bool {
        guard !allowed.isEmpty else { return true }
        guard let expression, expression.utf8.count <= 4096 else { return false }
        let spaced = expression.lowercased().replacing("(", with: " ( ").replacing(")", with: " ) ")
        var words = spaced.split(whereSeparator: \.isWhitespace).map(String.init)[...]
        guard !words.isEmpty, words.count <= 256 else { return false }
        // Whatever is left over, or missing, makes it an expression that cannot be read.
        return any(&words) == true && words.isEmpty
    }

    /// `nil` when it cannot be read.
    private func any(_ words: inout ArraySlice<String>) -> Bool? {
        guard var result = all(&words) else { return nil }
        while words.first == "or" {
            words.removeFirst()
            guard let next = all(&words) else { return nil }
            result = result || next
        }
        return result
    }

    private func all(_ words: inout ArraySlice<String>) -> Bool? {
        guard var result = one(&words) else { return nil }
        while words.first == "and" {
            words.removeFirst()
            guard let next = one(&words) else { return nil }
            result = result && next
        }
        return result
    }

    /// One licence, with its exception when it has one, or an expression in parentheses.
    private func one(_ words: inout ArraySlice<String>) -> Bool? {
        guard var name = words.popFirst(), !["or", "and", "with", ")"].contains(name) else { return nil }
        if name == "(" {
            let result = any(&words)
            return words.popFirst() == ")" ? result : nil
        }
        if words.first == "with" {
            words.removeFirst()
            guard let exception = words.popFirst() else { return nil }
            name += " with \(exception)"
        }
        return allowed.contains(name)
    }
}
