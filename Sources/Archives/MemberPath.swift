/// The rules for the path of a member.
enum MemberPath {
    /// The path without `./` at its beginning and one slash at its end; empty for the top directory itself.
    ///
    /// - Returns: The path, and whether it ended with a slash.
    /// - Throws: ``ArchiveFault/refused(path:_:)`` when it is absolute, leads upwards, or has what no path should have;
    ///   ``ArchiveFault/exceeded(_:)`` when it is too long.
    static func normalised(_ bytes: [UInt8], mostBytes: Int) throws(ArchiveFault) -> (path: String, hasSlash: Bool) {
        guard bytes.count <= mostBytes else { throw .exceeded(.pathBytes(mostBytes)) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .refused(path: shown(bytes), .notUTF8)
        }
        // By their bytes: as characters, a slash and an accent after it would be one, and not a slash.
        let hasSlash = bytes.last == UInt8(ascii: "/")
        let path = trimmed(text.utf8[...])
        if let flaw = flaw(in: path, of: text) { throw .refused(path: shown(bytes), flaw) }
        return (String(path) ?? "", hasSlash)
    }

    /// Takes off what may be there without a meaning.
    private static func trimmed(_ path: Substring.UTF8View) -> Substring.UTF8View {
        var path = path
        while path.starts(with: "./".utf8) { path = path.dropFirst(2) }
        // A lone slash is no directory's trailing one but an absolute path.
        if path.last == UInt8(ascii: "/"), path.count > 1 { path = path.dropLast() }
        return path.elementsEqual(".".utf8) ? path.prefix(0) : path
    }

    /// What is wrong with the path, of which `text` is the whole.
    private static func flaw(in path: Substring.UTF8View, of text: String) -> ArchiveFault.Refusal? {
        if text.utf8.first == UInt8(ascii: "/") { return .absolutePath }
        if text.unicodeScalars.contains(where: isControl) { return .controlCharacter }
        if path.contains(UInt8(ascii: "\\")) { return .backslash }
        guard !path.isEmpty else { return nil }
        for component in path.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            if component.isEmpty || component.elementsEqual(".".utf8) { return .emptyComponent }
            if component.elementsEqual("..".utf8) { return .parentComponent }
        }
        return nil
    }

    /// Whether it is one of Unicode's 65 control characters.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || 0x7F...0x9F ~= scalar.value
    }

    /// The path, whatever it is, as something that can be shown.
    static func shown(_ bytes: [UInt8]) -> String {
        let text = String(decoding: bytes.prefix(1024), as: UTF8.self)
        return String(String.UnicodeScalarView(text.unicodeScalars.map { isControl($0) ? "\u{FFFD}" : $0 }))
    }
}
