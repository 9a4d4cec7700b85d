/// A path as it is put into a ustar header: what comes before the last slash of its first 156 bytes, and the rest.
struct UstarPath: Hashable {
    /// At most 155 bytes; empty when the name is the whole path.
    private(set) var prefix: [UInt8] = []
    /// At most 100 bytes.
    let name: [UInt8]

    /// A path that is known to fit into the name.
    init(name: [UInt8]) {
        self.name = name
    }

    /// Splits a path; `nil` when it fits in no way, or is not ASCII, which old programs read as they like.
    init?(_ path: [UInt8]) {
        guard path.allSatisfy({ $0 < 0x80 }) else { return nil }
        guard path.count > TarField.name.count else {
            name = path
            return
        }
        guard let slash = path.prefix(TarField.prefix.count + 1).lastIndex(of: UInt8(ascii: "/")) else { return nil }
        prefix = Array(path.prefix(upTo: slash))
        name = Array(path.suffix(from: slash).dropFirst())
        guard !name.isEmpty, name.count <= TarField.name.count else { return nil }
    }

    /// A name for programs that do not know pax headers, in which the path is.
    init(standingInFor path: [UInt8]) {
        let isPlain = { (byte: UInt8) in byte < 0x80 && byte != UInt8(ascii: "/") }
        name = path.suffix(TarField.name.count).map { isPlain($0) ? $0 : UInt8(ascii: "_") }
    }
}

/// A header to be written.
struct TarBlock {
    /// Its 512 bytes.
    private(set) var bytes = [UInt8](repeating: 0, count: TarFormat.blockBytes)

    /// Makes a header; what is not given is zero.
    init(path: UstarPath, mode: Int64, size: Int64, type: UInt8) {
        put(path.name, .name)
        put(path.prefix, .prefix)
        put(Array("ustar\u{0}00".utf8), .magic)
        put([type], .type)
        put(octal(mode, .mode), .mode)
        put(octal(size, .size), .size)
        for field in [TarField.owner, .group, .modified, .deviceMajor, .deviceMinor] {
            put(octal(0, field), field)
        }
        // Six digits, a zero and a space, by tradition.
        put(octal(TarHeader.checksum(bytes), TarField(offset: 0, count: 7)) + [0, UInt8(ascii: " ")], .checksum)
    }

    /// Writes text into a field, which is zeros so far.
    private mutating func put(_ text: [UInt8], _ field: TarField) {
        let room = text.prefix(field.count)
        bytes.replaceSubrange(field.offset..<field.offset + room.count, with: room)
    }

    /// The number in octal, as long as the field without the zero at its end.
    private func octal(_ number: Int64, _ field: TarField) -> [UInt8] {
        let digits = Array(String(number, radix: 8).utf8)
        return [UInt8](repeating: UInt8(ascii: "0"), count: max(field.count - 1 - digits.count, 0)) + digits
    }
}
