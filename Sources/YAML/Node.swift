/// One value of a YAML document with the place it was written at.
///
/// Scalars keep their source text: what `2.10` means is decided by who reads it, so that it is never 2.1 by accident.
public struct Node: Sendable {
    /// What a node holds.
    public enum Content: Sendable {
        /// A single value.
        case scalar(Scalar)
        /// A list.
        case sequence([Node])
        /// Keys with values, in the order of the file; keys are unique.
        case mapping([Entry])
    }

    /// One `key: value` of a mapping.
    public struct Entry: Sendable {
        /// The key's text.
        public let key: String
        /// Where the key stands.
        public let mark: Mark
        /// What it stands for.
        public let value: Node
    }

    /// What the node holds.
    public let content: Content
    /// Where the node starts.
    public let mark: Mark

    /// A node at a place.
    public init(_ content: Content, at mark: Mark) {
        self.content = content
        self.mark = mark
    }

    /// The value of `key`, when this is a mapping that has it with a value other than null.
    public subscript(key: String) -> Node? {
        guard case .mapping(let entries) = content, let entry = entries.first(where: { $0.key == key }) else {
            return nil
        }
        return entry.value.isNull ? nil : entry.value
    }

    /// The elements of a sequence; none for anything else.
    public var elements: [Node] {
        if case .sequence(let elements) = content { elements } else { [] }
    }

    /// The entries of a mapping; none for anything else.
    public var entries: [Entry] {
        if case .mapping(let entries) = content { entries } else { [] }
    }

    /// The source text of a scalar that is not null.
    public var text: String? {
        guard case .scalar(let scalar) = content, !scalar.isNull else { return nil }
        return scalar.text
    }

    /// The value of a boolean scalar.
    public var bool: Bool? {
        if case .scalar(let scalar) = content { scalar.bool } else { nil }
    }

    /// Whether the node is null: `null`, `~` or nothing at all.
    public var isNull: Bool {
        if case .scalar(let scalar) = content { scalar.isNull } else { false }
    }

    /// What the node is, in words: `a list`, `a mapping`, `the number 3`.
    public var kindInWords: String {
        switch content {
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .scalar(let scalar): scalar.kindInWords
        }
    }
}
