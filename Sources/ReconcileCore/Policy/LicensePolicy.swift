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
        let isAllowed = any(&words)
        return isAllowed && words.isEmpty
    }

    private func any(_ words: inout ArraySlice<String>) -> Bool {
        var result = all(&words)
        while words.first == "or" {
            words.removeFirst()
            let next = all(&words)
            result = result || next
        }
        return result
    }

    private func all(_ words: inout ArraySlice<String>) -> Bool {
        var result = one(&words)
        while words.first == "and" {
            words.removeFirst()
            let next = one(&words)
            result = result && next
        }
        return result
    }

    /// One licence, with its exception when it has one, or an expression in parentheses.
    private func one(_ words: inout ArraySlice<String>) -> Bool {
        guard var name = words.popFirst() else { return false }
        if name == "(" {
            let result = any(&words)
            return words.popFirst() == ")" && result
        }
        if words.first == "with" {
            words.removeFirst()
            name += " with \(words.popFirst() ?? "")"
        }
        return allowed.contains(name)
    }
}
