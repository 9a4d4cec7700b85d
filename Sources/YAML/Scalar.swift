/// A single value with its source text, read by the YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema):
/// `yes`, `on` and `1:30` are strings, and a quoted scalar always is.
public struct Scalar: Sendable {
    /// The text after unquoting and unfolding.
    public let text: String
    /// Whether it was written without quotes, so that it may be null, a boolean or a number.
    public let isPlain: Bool

    /// A scalar as it was read.
    public init(_ text: String, isPlain: Bool) {
        self.text = text
        self.isPlain = isPlain
    }

    /// Whether this is null: `null`, `Null`, `NULL`, `~` or empty.
    public var isNull: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(text) }

    /// The boolean that the text stands for.
    public var bool: Bool? {
        guard isPlain else { return nil }
        if ["true", "True", "TRUE"].contains(text) { return true }
        return ["false", "False", "FALSE"].contains(text) ? false : nil
    }

    /// The integer that the text stands for (decimal, `0o` octal, `0x` hexadecimal); `nil` beyond 64 bits.
    public var int: Int? {
        guard isPlain else { return nil }
        if text.hasPrefix("0o") { return Int(text.dropFirst(2), radix: 8) }
        if text.hasPrefix("0x") { return Int(text.dropFirst(2), radix: 16) }
        return Int(text)
    }

    /// Whether the text is a number of the core schema.
    public var isNumber: Bool {
        guard isPlain else { return false }
        return text.wholeMatch(of: /[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?/) != nil || int != nil
            || [".inf", "-.inf", "+.inf", ".nan"].contains(text.lowercased())
    }

    var kindInWords: String {
        if isNull { return "nothing" }
        if bool != nil { return "the boolean \(text)" }
        return isNumber ? "the number \(text)" : "the text “\(text.prefix(40))”"
    }
}
