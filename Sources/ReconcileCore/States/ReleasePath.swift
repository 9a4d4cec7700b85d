/// The path of a file inside a release: relative, `/`-separated, safe to create below any directory.
///
/// Refused: empty, absolute, more than 1,024 bytes, components that are empty, `.`, `..` or longer than 255 bytes,
/// backslashes, NUL and other control characters.
public struct ReleasePath: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// As it was written.
    public let description: String

    /// Parses a path; `nil` when it is refused.
    public init?(_ text: String) {
        guard !text.isEmpty, text.utf8.count <= 1024,
            text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F && $0 != 0x5C })
        else { return nil }
        for component in text.split(separator: "/", omittingEmptySubsequences: false) {
            guard !component.isEmpty, component != ".", component != "..", component.utf8.count <= 255 else {
                return nil
            }
        }
        description = text
    }

    /// The components between the slashes.
    public var components: [Substring] { description.split(separator: "/") }

    /// Paths are sorted by their bytes.
    public static func < (left: ReleasePath, right: ReleasePath) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }
}

extension ReleasePath: Codable {
    /// Reads a path.
    ///
    /// - Throws: `DecodingError` when it is refused.
    public init(from decoder: any Decoder) throws {
        self = try decoder.parsed("a safe relative path", ReleasePath.init)
    }

    /// Writes the path.
    public func encode(to encoder: any Encoder) throws { try encoder.writeText(description) }
}
