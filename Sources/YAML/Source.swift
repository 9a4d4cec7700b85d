/// One YAML text with a name, kept so that problems can quote the line they are about.
public final class Source: Sendable {
    /// What people call the file: the path as it was given.
    public let name: String
    /// The whole text, UTF-8.
    let bytes: [UInt8]

    /// Wraps a text that was read from `name`.
    public init(name: String, bytes: [UInt8]) {
        self.name = name
        // A byte order mark says nothing in UTF-8.
        self.bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? Array(bytes.dropFirst(3)) : bytes
    }

    /// The text of a line without its line break, at most 200 characters of it.
    ///
    /// - Parameter line: Counted from 1.
    func text(ofLine line: Int) -> String {
        var current = 1
        var start = bytes.startIndex
        while current < line, let end = bytes[start...].firstIndex(of: 0x0A) {
            start = end + 1
            current += 1
        }
        guard current == line else { return "" }
        let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.endIndex
        let text = String(decoding: bytes[start..<min(end, start + 800)], as: UTF8.self)
        return String(text.prefix(200)).replacing("\r", with: "")
    }
}

/// A place in a ``Source``.
public struct Mark: Sendable {
    /// The text the place is in.
    public let source: Source
    /// Counted from 1.
    public let line: Int
    /// Characters (Unicode scalars) from the start of the line, counted from 1.
    public let column: Int

    /// A place in a text.
    public init(source: Source, line: Int, column: Int) {
        self.source = source
        self.line = line
        self.column = column
    }

    /// `file:line:column`, as editors understand it.
    public var description: String { "\(source.name):\(line):\(column)" }
}
