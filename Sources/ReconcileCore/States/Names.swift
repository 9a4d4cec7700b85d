/// The name of a model: a slot of the store, and a file name in it.
///
/// `[A-Za-z0-9][A-Za-z0-9._-]{0,62}`; unique in a store ignoring case, because some file systems ignore it.
public struct ModelName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// As it was written.
    public let description: String

    /// Parses a name; `nil` unless it has the form above.
    public init?(_ text: String) {
        guard isPlainName(text, limit: 63) else { return nil }
        description = text
    }

    /// What must be unique in a store.
    public var folded: String { description.lowercased() }

    /// The order in which models are always shown and handled: by the bytes of their names.
    public static func < (left: ModelName, right: ModelName) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }
}

extension ModelName: Codable, CodingKeyRepresentable {
    /// Reads a name.
    ///
    /// - Throws: `DecodingError` when it has not the form of one.
    public init(from decoder: any Decoder) throws { self = try decoder.parsed("a model name", ModelName.init) }

    /// Writes the name.
    public func encode(to encoder: any Encoder) throws { try encoder.writeText(description) }

    /// The name as a key of a JSON object.
    public var codingKey: any CodingKey { TextKey(stringValue: description) }

    /// The name that a key of a JSON object spells.
    public init?(codingKey: some CodingKey) { self.init(codingKey.stringValue) }
}

/// Where a model's releases are published: `zoo/silero-vad`, that is a source of the desired state and a repository in it.
public struct Origin: Hashable, Sendable, CustomStringConvertible {
    /// The source's name, of the form of a model name.
    public let source: String
    /// The repository in the source: relative path of plain names, such as `Wan-AI/Wan2.2-T2V-A14B`.
    public let repository: String

    /// Parses `source/repository`; `nil` when a part is missing or is not a plain name.
    public init?(_ text: String) {
        guard text.utf8.count <= 512, let slash = text.firstIndex(of: "/") else { return nil }
        let parts = text[text.index(after: slash)...].split(separator: "/", omittingEmptySubsequences: false)
        source = String(text[..<slash])
        repository = parts.joined(separator: "/")
        guard isPlainName(source, limit: 63), !parts.isEmpty, parts.allSatisfy({ isPlainName($0, limit: 96) }) else {
            return nil
        }
    }

    /// `source/repository`.
    public var description: String { "\(source)/\(repository)" }
}

extension Origin: Codable {
    /// Reads `source/repository`.
    ///
    /// - Throws: `DecodingError` when it has not that form.
    public init(from decoder: any Decoder) throws { self = try decoder.parsed("source/repository", Origin.init) }

    /// Writes `source/repository`.
    public func encode(to encoder: any Encoder) throws { try encoder.writeText(description) }
}

/// Whether a text is `[A-Za-z0-9][A-Za-z0-9._-]*` and no longer than `limit`; so it is never hidden, `..` or a path.
public func isPlainName(_ text: some StringProtocol, limit: Int) -> Bool {
    guard let first = text.utf8.first, isAlphanumeric(first), text.utf8.count <= limit else { return false }
    return text.utf8.allSatisfy { isAlphanumeric($0) || $0 == 0x2E || $0 == 0x5F || $0 == 0x2D }
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
    (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
}
