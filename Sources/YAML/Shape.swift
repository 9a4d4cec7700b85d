/// What a mapping may hold: the one description from which the decoder, its error texts and the JSON Schema are made.
public struct Shape: Sendable {
    /// What the mapping is, with its article: `a model`.
    public let title: String
    /// The keys it may have, in the order people are shown.
    public let keys: [Key]
    /// Keys of which exactly one must be there; empty when there is no such rule.
    public let exactlyOne: [String]

    /// Describes a mapping.
    public init(_ title: String, exactlyOne: [String] = [], keys: [Key]) {
        self.title = title
        self.keys = keys
        self.exactlyOne = exactlyOne
    }

    /// One key of a mapping.
    public struct Key: Sendable {
        /// The key as it is written.
        public let name: String
        /// What its value may be.
        public let kind: Kind
        /// One line for people and editors.
        public let summary: String
        /// The value that holds when the key is absent, as it would be written.
        public let standard: String?
        /// Whether the key must be there.
        public let isRequired: Bool
        /// Whether the program already acts on the key; if not, using it is an error that says so.
        public let isSupported: Bool

        /// Describes a key.
        public init(
            _ name: String, _ kind: Kind, _ summary: String, standard: String? = nil,
            isRequired: Bool = false, isSupported: Bool = true
        ) {
            self.name = name
            self.kind = kind
            self.summary = summary
            self.standard = standard
            self.isRequired = isRequired
            self.isSupported = isSupported
        }
    }

    /// What a value may be.
    public indirect enum Kind: Sendable {
        /// `true` or `false`.
        case boolean
        /// A whole number within bounds.
        case integer(ClosedRange<Int>)
        /// A scalar with a grammar of its own.
        case text(Text)
        /// One of some words.
        case choice([String])
        /// A list whose elements are all of a kind.
        case list(Kind)
        /// A mapping with free keys.
        case map(keys: Text, values: Kind)
        /// A mapping with known keys.
        case object(Shape)
        /// Alternatives that differ in form: at most one scalar, one list and one mapping kind.
        case either([Kind])
    }

    /// A scalar's grammar, checked on its source text.
    public struct Text: Sendable {
        /// What it is, with its article: `a duration`.
        public let title: String
        /// The JSON Schema `pattern` (ECMA 262) that editors check; looser than `problem`, never stricter.
        public let pattern: String?
        /// A value that is right.
        public let example: String
        /// What is wrong with a text; `nil` when it is right.
        public let problem: @Sendable (String) -> String?

        /// Describes a scalar.
        public init(
            _ title: String, pattern: String? = nil, example: String,
            problem: @escaping @Sendable (String) -> String? = { _ in nil }
        ) {
            self.title = title
            self.pattern = pattern
            self.example = example
            self.problem = problem
        }
    }
}
