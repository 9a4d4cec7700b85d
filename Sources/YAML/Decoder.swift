/// Holds a document against a ``Shape`` and reports everything that does not fit, each with its line and column.
///
/// What passes can be read without further checks of form: required keys are there, kinds fit, and scalars follow their grammar.
public struct Decoder {
    /// What was found so far.
    public private(set) var problems = Problems()

    /// Starts with nothing found.
    public init() {}

    /// Checks that `node` is a mapping of the shape.
    public mutating func check(_ node: Node, against shape: Shape) {
        guard case .mapping(let entries) = node.content else {
            return problems.add(node.mark, "\(shape.title) must be a mapping, but this is \(node.kindInWords)")
        }
        for entry in entries { check(entry, of: shape) }
        let present = Set(entries.lazy.filter { !$0.value.isNull }.map(\.key))
        for key in shape.keys where key.isRequired && !present.contains(key.name) {
            problems.add(node.mark, "\(shape.title) needs the key “\(key.name)”")
        }
        checkExactlyOne(shape, present: present, at: node.mark)
    }

    /// Notes a problem that only the reader of the values can see.
    public mutating func report(_ mark: Mark, _ message: String, hint: String? = nil) {
        problems.add(mark, message, hint: hint)
    }

    /// Adds what others found.
    public mutating func note(_ other: Problems) { problems.add(other) }

    private mutating func check(_ entry: Node.Entry, of shape: Shape) {
        guard let key = shape.keys.first(where: { $0.name == entry.key }) else {
            let near = nearest(to: entry.key, in: shape.keys.map(\.name))
            let known = shape.keys.map(\.name).joined(separator: ", ")
            return problems.add(
                entry.mark, "\(shape.title) has no key “\(entry.key)”",
                hint: near.map { "did you mean “\($0)”?" } ?? "it may have: \(known)")
        }
        guard !entry.value.isNull else { return }
        guard key.isSupported else {
            return problems.add(entry.mark, "“\(key.name)” is not supported yet by this version of reconcile")
        }
        check(entry.value, key.kind, what: "“\(key.name)”")
    }

    private mutating func checkExactlyOne(_ shape: Shape, present: Set<String>, at mark: Mark) {
        guard !shape.exactlyOne.isEmpty else { return }
        let found = shape.exactlyOne.filter(present.contains)
        guard found.count != 1 else { return }
        let names = shape.exactlyOne.map { "“\($0)”" }.joined(separator: ", ")
        let have = found.isEmpty ? "none of them" : found.map { "“\($0)”" }.joined(separator: " and ")
        problems.add(mark, "\(shape.title) must have exactly one of \(names), but has \(have)")
    }

    private mutating func check(_ node: Node, _ kind: Shape.Kind, what: String) {
        switch (kind, node.content) {
        case (.either(let kinds), _):
            let fitting = kinds.first { $0.fits(node.content) }
            guard let fitting else {
                let wanted = kinds.map(\.inWords).joined(separator: " or ")
                return problems.add(node.mark, "\(what) must be \(wanted), but this is \(node.kindInWords)")
            }
            check(node, fitting, what: what)
        case (.object(let shape), .mapping): check(node, against: shape)
        case (.list(let element), .sequence(let elements)):
            for item in elements { check(item, element, what: "an element of \(what)") }
        case (.map(let keys, let values), .mapping(let entries)):
            for entry in entries where !entry.value.isNull {
                if let wrong = keys.problem(entry.key) {
                    problems.add(entry.mark, wrong, hint: "\(keys.title), like \(keys.example)")
                }
                check(entry.value, values, what: "“\(entry.key)”")
            }
        case (.boolean, .scalar(let scalar)) where scalar.bool != nil: return
        case (.integer(let range), .scalar(let scalar)):
            guard let value = scalar.int, range.contains(value) else {
                return problems.add(
                    node.mark,
                    "\(what) must be a whole number from \(range.lowerBound) to \(range.upperBound), but this is \(node.kindInWords)"
                )
            }
        case (.choice(let words), .scalar(let scalar)):
            guard !words.contains(scalar.text) else { return }
            problems.add(
                node.mark, "\(what) must be one of \(words.joined(separator: ", ")), but this is \(node.kindInWords)",
                hint: nearest(to: scalar.text, in: words).map { "did you mean “\($0)”?" })
        case (.text(let text), .scalar(let scalar)) where !scalar.isNull:
            if let wrong = text.problem(scalar.text) {
                problems.add(node.mark, "\(what): \(wrong)", hint: "\(text.title), like \(text.example)")
            }
        case (.boolean, _), (.integer, _), (.choice, _), (.text, _), (.list, _), (.map, _), (.object, _):
            problems.add(node.mark, "\(what) must be \(kind.inWords), but this is \(node.kindInWords)")
        }
    }
}

extension Shape.Kind {
    /// Whether a value of this form belongs to the kind, whatever is in it.
    fileprivate func fits(_ content: Node.Content) -> Bool {
        switch (self, content) {
        case (.boolean, .scalar(let scalar)): scalar.bool != nil
        case (.integer, .scalar), (.text, .scalar), (.choice, .scalar): true
        case (.list, .sequence), (.map, .mapping), (.object, .mapping): true
        case (.either(let kinds), _): kinds.contains { $0.fits(content) }
        case (.boolean, _), (.integer, _), (.text, _), (.choice, _), (.list, _), (.map, _), (.object, _): false
        }
    }

    fileprivate var inWords: String {
        switch self {
        case .boolean: "true or false"
        case .integer: "a whole number"
        case .text(let text): text.title
        case .choice(let words): "one of \(words.joined(separator: ", "))"
        case .list: "a list"
        case .map: "a mapping"
        case .object(let shape): "\(shape.title) (a mapping)"
        case .either(let kinds): kinds.map(\.inWords).joined(separator: " or ")
        }
    }
}
