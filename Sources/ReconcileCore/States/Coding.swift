extension Decoder {
    /// Reads one text and parses it.
    ///
    /// - Throws: `DecodingError` when the text is not `what`.
    func parsed<Value>(_ what: String, _ parse: (String) -> Value?) throws -> Value {
        let container = try singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = parse(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "“\(String(text.prefix(80)).printable)” is not \(what)")
        }
        return value
    }
}

extension Encoder {
    /// Writes one text.
    func writeText(_ text: String) throws {
        var container = singleValueContainer()
        try container.encode(text)
    }
}

extension StringProtocol {
    /// The text without control characters: what comes from outside must not steer a terminal.
    public var printable: String {
        var scalars = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            scalars.append(scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) ? "?" : scalar)
        }
        return String(scalars)
    }
}

/// A key of a JSON object whose keys are data.
struct TextKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
