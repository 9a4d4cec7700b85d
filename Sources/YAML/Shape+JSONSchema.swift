/// A JSON value that is only ever written: the schema.
private indirect enum JSON {
    case string(String)
    case bool(Bool)
    case int(Int)
    case array([JSON])
    case object([(String, JSON)])
}

extension Shape {
    /// The shape as a JSON Schema of draft 2020-12 (https://json-schema.org/draft/2020-12/schema), indented, for editors.
    ///
    /// - Parameter id: The schema's `$id`.
    public func jsonSchema(id: String) -> String {
        guard case .object(let members) = schema else { return "{}" }
        let head: [(String, JSON)] = [
            ("$schema", .string("https://json-schema.org/draft/2020-12/schema")), ("$id", .string(id)),
        ]
        return JSON.object(head + members).rendered(indent: 0)
    }

    fileprivate var schema: JSON {
        let properties = keys.map { key in (key.name, key.schema) }
        var members: [(String, JSON)] = [
            ("title", .string(title)), ("type", .string("object")), ("properties", .object(properties)),
            ("additionalProperties", .bool(false)),
        ]
        let required = keys.filter(\.isRequired).map { JSON.string($0.name) }
        if !required.isEmpty { members.append(("required", .array(required))) }
        if !exactlyOne.isEmpty {
            let choices = exactlyOne.map { JSON.object([("required", .array([.string($0)]))]) }
            members.append(("oneOf", .array(choices)))
        }
        return .object(members)
    }
}

extension Shape.Key {
    fileprivate var schema: JSON {
        let text = isSupported ? summary : "\(summary) (not supported yet by this version)"
        var members: [(String, JSON)] = [("description", .string(text))]
        if let standard { members.append(("default", .string(standard))) }
        guard case .object(let more) = kind.schema else { return .object(members) }
        return .object(members + more)
    }
}

extension Shape.Kind {
    fileprivate var schema: JSON {
        switch self {
        case .boolean: .object([("type", .string("boolean"))])
        case .integer(let range):
            .object([
                ("type", .string("integer")), ("minimum", .int(range.lowerBound)), ("maximum", .int(range.upperBound)),
            ])
        case .text(let text): text.schema
        case .choice(let words): .object([("enum", .array(words.map(JSON.string)))])
        case .list(let element): .object([("type", .string("array")), ("items", element.schema)])
        case .map(let keys, let values):
            .object([
                ("type", .string("object")), ("propertyNames", keys.schema), ("additionalProperties", values.schema),
            ])
        case .object(let shape): shape.schema
        case .either(let kinds): .object([("anyOf", .array(kinds.map(\.schema)))])
        }
    }
}

extension Shape.Text {
    /// Numbers are allowed too: an editor reads `1.0` as a number, the decoder as its source text.
    fileprivate var schema: JSON {
        var members: [(String, JSON)] = [
            ("type", .array([.string("string"), .string("number")])), ("examples", .array([.string(example)])),
        ]
        if let pattern { members.append(("pattern", .string(pattern))) }
        return .object(members)
    }
}

extension JSON {
    fileprivate func rendered(indent: Int) -> String {
        let inner = String(repeating: " ", count: indent + 2)
        let outer = String(repeating: " ", count: indent)
        switch self {
        case .string(let text): return text.jsonQuoted
        case .bool(let value): return value ? "true" : "false"
        case .int(let value): return "\(value)"
        case .array(let elements):
            return "[" + elements.map { $0.rendered(indent: indent) }.joined(separator: ", ") + "]"
        case .object(let members):
            guard !members.isEmpty else { return "{}" }
            let lines = members.map { "\(inner)\($0.jsonQuoted): \($1.rendered(indent: indent + 2))" }
            return "{\n\(lines.joined(separator: ",\n"))\n\(outer)}"
        }
    }
}

extension String {
    fileprivate var jsonQuoted: String {
        let escaped = unicodeScalars.map { scalar -> String in
            switch scalar {
            case "\"": "\\\""
            case "\\": "\\\\"
            case "\n": "\\n"
            case _ where scalar.value < 0x20: "\\u00" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
            default: String(scalar)
            }
        }
        return "\"\(escaped.joined())\""
    }
}
