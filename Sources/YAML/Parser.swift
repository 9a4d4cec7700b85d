private import CLibYAML

/// Reads one YAML document into a tree of nodes with positions, using the system's libyaml for the grammar.
///
/// Refused with a place and a reason: what libyaml refuses, text that is not UTF-8, more than one document, no document,
/// duplicate keys, keys that are not plain text, tags beyond the core schema, and whatever exceeds ``Limits``.
public struct Parser {
    private let source: Source
    private let limits: Limits

    /// Prepares to read a text.
    public init(_ source: Source, limits: Limits = Limits()) {
        self.source = source
        self.limits = limits
    }

    /// The document's root node.
    ///
    /// - Throws: ``Problems`` with the first thing that is wrong with the syntax, or all duplicate keys.
    public func parse() throws -> Node {
        var problems = Problems()
        let node = try parse(noting: &problems)
        guard problems.isEmpty else { throw problems }
        return node
    }

    /// The document's root node, even when keys stand in it twice; those are noted.
    ///
    /// - Throws: ``Problems`` with the first thing that is wrong with the syntax.
    public func parse(noting problems: inout Problems) throws -> Node {
        do {
            try checkText()
            let events = try EventReader(source)
            defer { events.finish() }
            var builder = TreeBuilder(source: source, limits: limits)
            while let event = try events.next() { try builder.add(event) }
            let root = try builder.finish()
            problems.add(builder.problems)
            return root
        } catch let problem as Problem {
            throw Problems(problem)
        }
    }

    private func checkText() throws {
        guard source.bytes.count <= limits.bytes else {
            throw Problem(
                Mark(source: source, line: 1, column: 1),
                "the file has \(source.bytes.count) bytes; at most \(limits.bytes) are read")
        }
        guard let offset = firstInvalidUTF8(in: source.bytes) else { return }
        let before = source.bytes[..<offset]
        let line = before.count(where: { $0 == 0x0A }) + 1
        let start = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        let column = String(decoding: source.bytes[start..<offset], as: UTF8.self).unicodeScalars.count + 1
        throw Problem(
            Mark(source: source, line: line, column: column), "the file is not UTF-8 here",
            hint: "save it as UTF-8")
    }
}

extension Substring {
    /// Without white space at its end.
    fileprivate var trimmedSuffix: String { String(reversed().drop { $0 == " " || $0 == "\t" }.reversed()) }
}

/// The offset of the first byte that does not belong to well-formed UTF-8.
private func firstInvalidUTF8(in bytes: [UInt8]) -> Int? {
    if bytes.withUnsafeBufferPointer({ String(validating: $0, as: UTF8.self) }) != nil { return nil }
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var offset = 0
    while true {
        switch decoder.decode(&iterator) {
        case .scalarValue(let scalar): offset += UTF8.width(scalar)
        case .emptyInput: return nil
        case .error: return offset
        }
    }
}

/// What libyaml reports, without its memory.
struct Event {
    enum Kind {
        case documentStart, documentEnd, sequenceStart, mappingStart, collectionEnd
        case scalar(Scalar)
        case alias(String)
    }
    let kind: Kind
    let mark: Mark
    let anchor: String?
    let tag: String?
}

/// Owns one libyaml parser and hands out its events as Swift values.
private final class EventReader {
    private let source: Source
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>

    init(_ source: Source) throws {
        self.source = source
        parser = .allocate(capacity: 1)
        input = .allocate(capacity: source.bytes.count)
        _ = input.initialize(from: source.bytes)
        guard yaml_parser_initialize(parser) == 1 else {
            parser.deallocate()
            input.deallocate()
            throw Problem(Mark(source: source, line: 1, column: 1), "there is no memory to read the file")
        }
        yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        yaml_parser_set_input_string(parser, input.baseAddress, input.count)
    }

    func finish() {
        yaml_parser_delete(parser)
        parser.deallocate()
        input.deallocate()
    }

    /// The next event, `nil` at the end of the stream.
    func next() throws -> Event? {
        while true {
            var event = yaml_event_t()
            guard yaml_parser_parse(parser, &event) == 1 else { throw syntaxProblem() }
            defer { yaml_event_delete(&event) }
            let place = mark(event.start_mark)
            switch event.type {
            case YAML_STREAM_END_EVENT, YAML_NO_EVENT: return nil
            case YAML_DOCUMENT_START_EVENT: return Event(kind: .documentStart, mark: place, anchor: nil, tag: nil)
            case YAML_DOCUMENT_END_EVENT: return Event(kind: .documentEnd, mark: place, anchor: nil, tag: nil)
            case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
                return Event(kind: .collectionEnd, mark: place, anchor: nil, tag: nil)
            case YAML_SEQUENCE_START_EVENT:
                let data = event.data.sequence_start
                return Event(kind: .sequenceStart, mark: place, anchor: text(data.anchor), tag: text(data.tag))
            case YAML_MAPPING_START_EVENT:
                let data = event.data.mapping_start
                return Event(kind: .mappingStart, mark: place, anchor: text(data.anchor), tag: text(data.tag))
            case YAML_ALIAS_EVENT:
                let name = text(event.data.alias.anchor) ?? ""
                return Event(kind: .alias(name), mark: place, anchor: nil, tag: nil)
            case YAML_SCALAR_EVENT:
                let data = event.data.scalar
                let value = String(decoding: UnsafeBufferPointer(start: data.value, count: data.length), as: UTF8.self)
                let plain = data.style == YAML_PLAIN_SCALAR_STYLE
                return Event(
                    kind: .scalar(Scalar(value, isPlain: plain)), mark: place,
                    anchor: text(data.anchor), tag: text(data.tag))
            default: continue
            }
        }
    }

    private func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        pointer.map { String(cString: $0) }
    }

    private func mark(_ mark: yaml_mark_t) -> Mark {
        Mark(source: source, line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private func syntaxProblem() -> Problem {
        let reason = parser.pointee.problem.map { String(cString: $0) } ?? "this is not YAML"
        let context = parser.pointee.context.map { String(cString: $0) + ": " } ?? ""
        let scanned = mark(parser.pointee.problem_mark)
        let started = parser.pointee.context == nil ? scanned : mark(parser.pointee.context_mark)
        // A range such as `>=6.0 <7` starts like a block scalar: the place to mend is where the value starts.
        if let hint = quotingHint(source.text(ofLine: started.line)) {
            return Problem(started, context + reason, hint: hint)
        }
        return Problem(scanned, context + reason, hint: quotingHint(source.text(ofLine: scanned.line)))
    }

    private func quotingHint(_ line: String) -> String? {
        let range = line.firstMatch(of: /version:\s+([>|*&!%@`][^,}\]"'#]*)/)?.output.1
        let block = line.firstMatch(of: /^[-\s]*[\w.-]+:\s+([>|*&!%@`][^#]*?)\s*(#.*)?$/)?.output.1
        guard let value = (range ?? block)?.trimmedSuffix, !value.isEmpty, !value.contains("\"") else { return nil }
        return "quote it: \"\(value)\""
    }
}
