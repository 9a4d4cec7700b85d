/// What the records of a pax header say that matters here.
///
///     record: length " " key "=" value "\n"
///
/// The length is that of the whole record, in decimal. A key that comes twice has its last value. What is not known,
/// such as times, owners and comments, is passed over.
struct PaxRecords {
    /// The member's path.
    private(set) var path: [UInt8]?
    /// The member's size.
    private(set) var size: Int64?
    /// Whether the member is stored without its holes.
    private(set) var isSparse = false

    /// Reads the content of a pax header.
    ///
    /// - Throws: `badPaxRecord`. An empty value, which would take back what another header said, is refused as well
    ///   where it would matter.
    init(_ content: [UInt8]) throws(Flaw) {
        var rest = content[...]
        while !rest.isEmpty {
            let record = try Self.record(&rest)
            let key = record.prefix { $0 != UInt8(ascii: "=") }
            guard !key.isEmpty, key.count < record.count else { throw Flaw(.badPaxRecord) }
            try take(key, record.dropFirst(key.count + 1))
        }
    }

    /// Whether it says anything that only one member can have.
    var describesMember: Bool { path != nil || size != nil || isSparse }

    /// Takes a record off `rest`: its key, the equals sign and its value.
    private static func record(_ rest: inout ArraySlice<UInt8>) throws(Flaw) -> ArraySlice<UInt8> {
        let digits = rest.prefix { $0 != UInt8(ascii: " ") }
        // More digits than this cannot be a length that is allowed, and would only be read for nothing.
        guard digits.count <= 10, let length = TarNumber.decimal(digits), length > digits.count + 2,
            length <= rest.count, rest.prefix(Int(length)).last == UInt8(ascii: "\n")
        else { throw Flaw(.badPaxRecord) }
        let record = rest.prefix(Int(length)).dropFirst(digits.count + 1).dropLast()
        rest = rest.dropFirst(Int(length))
        return record
    }

    /// Takes up a record, if it matters.
    private mutating func take(_ key: ArraySlice<UInt8>, _ value: ArraySlice<UInt8>) throws(Flaw) {
        if key.elementsEqual("path".utf8) {
            guard !value.isEmpty else { throw Flaw(.badPaxRecord) }
            path = Array(value)
        } else if key.elementsEqual("size".utf8) {
            guard let number = TarNumber.decimal(value) else { throw Flaw(.badPaxRecord) }
            size = number
        } else if key.starts(with: "GNU.sparse.".utf8) {
            isSparse = true
        }
    }
}
