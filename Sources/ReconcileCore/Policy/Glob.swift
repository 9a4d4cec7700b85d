/// A pattern for paths inside a release: `*` and `?` stay within a component, `**` crosses components.
public struct Glob: Hashable, Sendable, CustomStringConvertible {
    /// As it was written.
    public let description: String
    private let components: [Substring]

    /// Parses a pattern; `nil` when it is empty, absolute or longer than 512 bytes.
    public init?(_ text: String) {
        guard !text.isEmpty, !text.hasPrefix("/"), text.utf8.count <= 512 else { return nil }
        description = text
        components = text.split(separator: "/", omittingEmptySubsequences: false)
    }

    /// Whether a path is matched as a whole; a pattern without a slash matches at the top only.
    public func matches(_ path: ReleasePath) -> Bool {
        Self.match(components[...], path.components[...])
    }

    /// Dynamic programming over components, so that no pattern costs more than the product of both lengths.
    private static func match(_ pattern: ArraySlice<Substring>, _ path: ArraySlice<Substring>) -> Bool {
        var row = [true] + Array(repeating: false, count: path.count)
        for part in pattern {
            var next = [part == "**" && row[0]] + Array(repeating: false, count: path.count)
            for (index, component) in path.enumerated() {
                next[index + 1] =
                    part == "**" ? next[index] || row[index + 1] : row[index] && matchComponent(part, component)
            }
            row = next
        }
        return row[path.count]
    }

    private static func matchComponent(_ pattern: Substring, _ text: Substring) -> Bool {
        let letters = Array(text.unicodeScalars)
        var row = [true] + Array(repeating: false, count: letters.count)
        for symbol in pattern.unicodeScalars {
            var next = [symbol == "*" && row[0]] + Array(repeating: false, count: letters.count)
            for (index, letter) in letters.enumerated() {
                next[index + 1] =
                    symbol == "*" ? next[index] || row[index + 1] : row[index] && (symbol == "?" || symbol == letter)
            }
            row = next
        }
        return row[letters.count]
    }
}
