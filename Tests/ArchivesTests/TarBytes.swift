/// A header block made by hand, right in all fields that a test does not change.
struct HandMade {
    var name: [UInt8]
    var type: Character = "0"
    /// The twelve bytes of the size.
    var size: [UInt8] = Array("00000000000\u{0}".utf8)
    var magic = "ustar\u{0}00"
    var prefix = ""
    /// What the checksum is wrong by.
    var checksumError = 0
    /// Whether the bytes count with a sign for the checksum, as in some old programs.
    var isSummedSigned = false

    init(_ name: String, type: Character = "0", size: Int = 0) {
        self.init(bytes: Array(name.utf8), type: type, size: size)
    }

    init(bytes name: [UInt8], type: Character = "0", size: Int = 0) {
        self.name = name
        self.type = type
        self.size = Array((octal(size, 11) + "\u{0}").utf8)
    }

    /// The 512 bytes.
    var block: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 512)
        put(name, at: 0, &bytes)
        put(Array("0000644\u{0}0001750\u{0}0001750\u{0}".utf8), at: 100, &bytes)
        put(size, at: 124, &bytes)
        put(Array("14000000000\u{0}        ".utf8) + [type.asciiValue ?? 0], at: 136, &bytes)
        put(Array(magic.utf8), at: 257, &bytes)
        put(Array(prefix.utf8), at: 345, &bytes)
        let sum = bytes.reduce(0) { $0 + (isSummedSigned ? Int(Int8(bitPattern: $1)) : Int($1)) }
        put(Array((octal(sum + checksumError, 6) + "\u{0} ").utf8), at: 148, &bytes)
        return bytes
    }

    private func put(_ text: [UInt8], at offset: Int, _ bytes: inout [UInt8]) {
        bytes.replaceSubrange(offset..<offset + text.count, with: text)
    }
}

/// The number in octal with that many digits.
func octal(_ number: Int, _ digits: Int) -> String {
    let text = String(number, radix: 8)
    return String(repeating: "0", count: max(digits - text.count, 0)) + text
}

/// Content with the zeros after it.
func padded(_ content: [UInt8]) -> [UInt8] {
    content + [UInt8](repeating: 0, count: (512 - content.count % 512) % 512)
}

/// A member with content.
func member(_ name: String, _ content: String = "", type: Character = "0") -> [UInt8] {
    HandMade(name, type: type, size: content.utf8.count).block + padded(Array(content.utf8))
}

/// A pax header.
func pax(_ records: [(String, String)], type: Character = "x") -> [UInt8] {
    member("PaxHeaders/x", records.map { paxRecord($0.0, $0.1) }.joined(), type: type)
}

/// A pax record.
func paxRecord(_ key: String, _ value: String) -> String {
    let rest = " \(key)=\(value)\n"
    // The length counts its own digits.
    let length = (1...6).map { rest.utf8.count + $0 }.first { String($0).utf8.count + rest.utf8.count == $0 } ?? 0
    return "\(length)\(rest)"
}

/// A path that comes before its member as GNU tar writes it.
func longName(_ path: String, type: Character = "L") -> [UInt8] {
    member("././@LongLink", path + "\u{0}", type: type)
}

/// The two blocks at the end.
let end = [UInt8](repeating: 0, count: 1024)

/// An archive with members of every accepted kind, short enough to be cut anywhere: twenty blocks.
let sampleTar: [UInt8] =
    pax([("comment", "0f4c1e22")], type: "g") + member("./", type: "5") + member("./config.json", "{}")
    + pax([("mtime", "1.5"), ("path", "weights/größe.bin"), ("size", "600")])
    + HandMade("short").block + padded([UInt8](repeating: 7, count: 600))
    + longName(String(repeating: "d/", count: 60) + "empty") + member("cut off")
    + member("docs/", type: "\u{0}") + member("docs/README.md", String(repeating: "x", count: 512)) + end

/// What is in ``sampleTar``.
let sampleFiles = [
    Reading.File("config.json", "{}"),
    Reading.File("weights/größe.bin", String(repeating: "\u{7}", count: 600)),
    Reading.File(String(repeating: "d/", count: 60) + "empty", ""),
    Reading.File("docs/README.md", String(repeating: "x", count: 512)),
]
