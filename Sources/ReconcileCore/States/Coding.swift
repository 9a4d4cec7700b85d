extension Decoder {
    /// Reads one text and parses it.
    ///
    /// - Throws: `DecodingError` when the text is not `what`.
    func parsed<Value>(_ what: String, _ parse: (String) -> Value?) throws -> Value {
        let container = try singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = parse(text) else {
            throw DecodingError.dataCorruptedError(
                in: container, debugDescription: "“\(text.prefix(80))” is not \(what)")
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

/// A key of a JSON object whose keys are data.
struct TextKey: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
