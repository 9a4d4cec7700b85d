/// Walks once through a JSON text and takes from it what its caller asks for; the rest is checked and left out.
///
/// Time is linear in the length of the text, and nesting is bounded, so that no text can exhaust the stack. The grammar is
/// that of RFC 8259 without any leniency: <https://www.rfc-editor.org/rfc/rfc8259>.
struct JSONScanner {
    /// The most levels of lists and objects inside a skipped value; safetensors needs one.
    private static let deepest = 64

    private let text: [UInt8]
    private var index = 0

    /// Stands at the beginning of the text.
    init(_ text: [UInt8]) { self.text = text }

    /// Reads an object; `member` gets each key, decoded, and must take the value.
    ///
    /// - Parameter atMost: The most members.
    /// - Throws: ``Inconsistency`` also when a key appears twice, which would leave open what is meant.
    mutating func object(
        atMost limit: Int, _ member: (inout JSONScanner, [UInt8]) throws(Inconsistency) -> Void
    ) throws(Inconsistency) {
        var keys: Set<[UInt8]> = []
        try list(from: "{", to: "}") { (scanner) throws(Inconsistency) in
            let key = try scanner.key()
            guard keys.insert(key).inserted, keys.count <= limit else { throw Inconsistency() }
            try member(&scanner, key)
        }
    }

    /// Reads a list of exactly two whole numbers that are not negative.
    mutating func pair() throws(Inconsistency) -> (Int64, Int64) {
        var numbers: [Int64] = []
        try list(from: "[", to: "]") { (scanner) throws(Inconsistency) in
            guard numbers.count < 2 else { throw Inconsistency() }
            numbers.append(try scanner.wholeNumber())
        }
        guard let first = numbers.first, let last = numbers.last, numbers.count == 2 else { throw Inconsistency() }
        return (first, last)
    }

    /// Reads a string; skips anything else and returns `nil`.
    mutating func textOrSkip() throws(Inconsistency) -> [UInt8]? {
        skipSpace()
        guard peek() == UInt8(ascii: "\"") else {
            try skipValue()
            return nil
        }
        return try string()
    }

    /// Passes over any value.
    mutating func skipValue() throws(Inconsistency) { try skipValue(depth: Self.deepest) }

    /// Checks that nothing but white space is left.
    mutating func end() throws(Inconsistency) {
        skipSpace()
        guard index == text.count else { throw Inconsistency() }
    }
}

// The grammar, a function for each of its rules.
extension JSONScanner {
    private mutating func skipValue(depth: Int) throws(Inconsistency) {
        skipSpace()
        guard depth > 0, let first = peek() else { throw Inconsistency() }
        switch first {
        case UInt8(ascii: "{"):
            try list(from: "{", to: "}") { (scanner) throws(Inconsistency) in
                _ = try scanner.key()
                try scanner.skipValue(depth: depth - 1)
            }
        case UInt8(ascii: "["):
            try list(from: "[", to: "]") { (scanner) throws(Inconsistency) in try scanner.skipValue(depth: depth - 1) }
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        default: try skipNumber()
        }
    }

    /// `element` between two brackets, any number of times, with commas between them.
    private mutating func list(
        from opening: Unicode.Scalar, to closing: Unicode.Scalar,
        _ element: (inout JSONScanner) throws(Inconsistency) -> Void
    ) throws(Inconsistency) {
        try token(opening)
        if take(closing) { return }
        repeat { try element(&self) } while take(",")
        try token(closing)
    }

    private mutating func key() throws(Inconsistency) -> [UInt8] {
        skipSpace()
        let key = try string()
        try token(":")
        return key
    }

    private mutating func wholeNumber() throws(Inconsistency) -> Int64 {
        skipSpace()
        let start = index
        var value: Int64 = 0
        while let byte = peek(), isDigit(byte) {
            let (tens, overflows) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowsToo) = tens.addingReportingOverflow(Int64(byte - UInt8(ascii: "0")))
            guard !overflows, !overflowsToo else { throw Inconsistency() }
            value = sum
            index += 1
        }
        guard hasDigitsWithoutLeadingZero(from: start) else { throw Inconsistency() }
        return value
    }

    private mutating func skipNumber() throws(Inconsistency) {
        if peek() == UInt8(ascii: "-") { index += 1 }
        let start = index
        skipDigits()
        guard hasDigitsWithoutLeadingZero(from: start) else { throw Inconsistency() }
        if peek() == UInt8(ascii: ".") {
            index += 1
            guard skipDigits() > 0 else { throw Inconsistency() }
        }
        if let byte = peek(), byte | 0x20 == UInt8(ascii: "e") {
            index += 1
            if let sign = peek(), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { index += 1 }
            guard skipDigits() > 0 else { throw Inconsistency() }
        }
    }

    /// Whether there are digits from `start` to here, and a zero only when it stands alone.
    private func hasDigitsWithoutLeadingZero(from start: Int) -> Bool {
        index > start && (index == start + 1 || text[start] != UInt8(ascii: "0"))
    }

    @discardableResult private mutating func skipDigits() -> Int {
        let start = index
        while let byte = peek(), isDigit(byte) { index += 1 }
        return index - start
    }

    private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private mutating func word(_ word: StaticString) throws(Inconsistency) {
        for byte in word.description.utf8 {
            guard peek() == byte else { throw Inconsistency() }
            index += 1
        }
    }

    private mutating func token(_ character: Unicode.Scalar) throws(Inconsistency) {
        guard take(character) else { throw Inconsistency() }
    }

    /// Goes past `character` and the space before it, when it comes next.
    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skipSpace()
        guard peek() == UInt8(ascii: character) else { return false }
        index += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek(), byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { index += 1 }
    }

    private func peek() -> UInt8? { index < text.count ? text[index] : nil }
}

// Strings. They are decoded, because a name may be written in several ways and must still be there only once.
extension JSONScanner {
    /// The UTF-8 of a string's value.
    private mutating func string() throws(Inconsistency) -> [UInt8] {
        guard peek() == UInt8(ascii: "\"") else { throw Inconsistency() }
        index += 1
        var value: [UInt8] = []
        while true {
            let start = index
            while let byte = peek(), byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { index += 1 }
            value += text[start..<index]
            // A character below 0x20 must be escaped, so that it ends the string as the end of the text does.
            guard let byte = peek(), byte >= 0x20 else { throw Inconsistency() }
            index += 1
            guard byte != UInt8(ascii: "\"") else { break }
            value += try UTF8.encodedBytes(of: escape())
        }
        guard value.allSatisfy(UTF8.isASCII) || String(validating: value, as: UTF8.self) != nil else {
            throw Inconsistency()
        }
        return value
    }

    /// The character that an escape stands for, read from behind its backslash.
    private mutating func escape() throws(Inconsistency) -> Unicode.Scalar {
        guard let letter = peek() else { throw Inconsistency() }
        index += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(letter)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try escapedScalar()
        default: throw Inconsistency()
        }
    }

    /// The character of `\uXXXX`, or of two of them that are a surrogate pair (RFC 8259, section 7).
    private mutating func escapedScalar() throws(Inconsistency) -> Unicode.Scalar {
        let unit = try hexadecimalUnit()
        if let scalar = Unicode.Scalar(unit) { return scalar }
        try word("\\u")
        let low = try hexadecimalUnit()
        guard UTF16.isLeadSurrogate(unit), UTF16.isTrailSurrogate(low) else { throw Inconsistency() }
        // Both are in their ranges, so that no term can be negative and the sum is at most 0x10FFFF.
        let value = 0x10000 + (UInt32(unit) - 0xD800) << 10 + (UInt32(low) - 0xDC00)
        guard let scalar = Unicode.Scalar(value) else { throw Inconsistency() }
        return scalar
    }

    private mutating func hexadecimalUnit() throws(Inconsistency) -> UInt16 {
        var unit: UInt16 = 0
        for _ in 0..<4 {
            guard let byte = peek(), let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
                throw Inconsistency()
            }
            unit = unit << 4 | UInt16(digit)
            index += 1
        }
        return unit
    }
}

extension UTF8 {
    /// The bytes of one character.
    fileprivate static func encodedBytes(of scalar: Unicode.Scalar) -> [UInt8] { Array(String(scalar).utf8) }
}
