import Foundation

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// An element of an answer: its text, or the elements in it.
///
/// Foundation's parser is lenient: it says that `{}`, nothing at all, a text cut off in the middle and two roots are well-formed,
/// and leaves out what a document's own entities stand for. All of these are faults here, and so is every DTD.
struct AnswerElement {
    /// The most bytes of an answer: a thousand keys of 1,024 bytes, each written as `%XX`, and what is around them.
    static let mostBytes = 8 << 20
    /// How deep elements may lie in each other; S3 needs four.
    static let mostDepth = 16
    /// The most elements of an answer; a thousand objects need about twelve each.
    static let mostElements = 100_000

    /// The name without a prefix, as S3 writes it.
    let name: String
    fileprivate(set) var text = ""
    fileprivate(set) var children: [AnswerElement] = []

    fileprivate init(name: String) { self.name = name }

    /// The text of the first child with this name; `nil` when there is none.
    subscript(name: String) -> String? { children.first { $0.name == name }?.text }

    /// The children with this name.
    func all(_ name: String) -> [AnswerElement] { children.filter { $0.name == name } }

    /// Parses an answer.
    ///
    /// - Throws: ``S3Fault`` `answerIsHTML`, `answerInvalid` or `answerTooLarge`.
    static func root(of bytes: [UInt8]) throws(S3Fault) -> AnswerElement {
        guard bytes.count <= mostBytes else { throw .answerTooLarge }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw .answerInvalid(detail: "not UTF-8") }
        let start = text.prefix(512).drop { $0.isWhitespace || $0 == "\u{FEFF}" }.lowercased()
        if start.hasPrefix("<!doctype html") || start.hasPrefix("<html") { throw .answerIsHTML }
        guard start.hasPrefix("<") else { throw .answerInvalid(detail: "not XML") }
        guard !text.utf8.contains(Array("<!DOCTYPE".utf8)) else { throw .answerInvalid(detail: "it has a DTD") }
        return try AnswerBuilder().root(of: bytes)
    }
}

/// Collects the elements as the parser meets them.
private final class AnswerBuilder: NSObject, XMLParserDelegate {
    /// The elements that are open, outermost first.
    private var open: [AnswerElement] = []
    private var root: AnswerElement?
    private var elements = 0
    private var fault: S3Fault?

    func root(of bytes: [UInt8]) throws(S3Fault) -> AnswerElement {
        let parser = XMLParser(data: Data(bytes))
        parser.shouldResolveExternalEntities = false
        parser.delegate = self
        let isParsed = parser.parse()
        if let fault { throw fault }
        guard isParsed, parser.parserError == nil, open.isEmpty, let root else {
            throw .answerInvalid(detail: "not well-formed XML")
        }
        if root.name.lowercased() == "html" { throw .answerIsHTML }
        return root
    }

    func parser(
        _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
        attributes: [String: String]
    ) {
        elements += 1
        guard elements <= AnswerElement.mostElements, open.count < AnswerElement.mostDepth else {
            return stop(parser, .answerTooLarge)
        }
        open.append(AnswerElement(name: name))
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) {
        guard let innermost = open.indices.last else { return }
        open[innermost].text += text
    }

    func parser(_ parser: XMLParser, foundCDATA bytes: Data) {
        self.parser(parser, foundCharacters: String(decoding: bytes, as: UTF8.self))
    }

    func parser(_ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?) {
        guard let closed = open.popLast() else { return stop(parser, .answerInvalid(detail: "not well-formed XML")) }
        if let parent = open.indices.last {
            open[parent].children.append(closed)
        } else if root == nil {
            root = closed
        } else {
            stop(parser, .answerInvalid(detail: "not well-formed XML"))
        }
    }

    private func stop(_ parser: XMLParser, _ fault: S3Fault) {
        if self.fault == nil { self.fault = fault }
        parser.abortParsing()
    }
}
