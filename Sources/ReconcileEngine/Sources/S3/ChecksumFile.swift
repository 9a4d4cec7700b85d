import ReconcileCore

/// `SHA256SUMS`, as `sha256sum` writes it
/// (https://www.gnu.org/software/coreutils/manual/html_node/cksum-output-modes.html): the digest of each file beside it, a line each.
///
/// It says what the bytes must be; whether they are is seen when they come. A line that is not understood says nothing.
struct ChecksumFile: Sendable {
    /// Its name in a release.
    static let path = ReleasePath("SHA256SUMS")
    /// A longer one is not read.
    static let limitBytes: Int64 = 1 << 20

    private let digests: [ReleasePath: Digest]

    /// Reads the lines: 64 hexadecimal digits, a space, a space or `*`, a path relative to the file. A path that is named with two
    /// digests has none; the file itself has the digest of what was read, whatever it says of itself.
    init(_ bytes: [UInt8]) {
        var digests: [ReleasePath: Digest] = [:]
        var contradictory: Set<ReleasePath> = []
        for line in bytes.split(whereSeparator: { $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }) {
            let separator = line.dropFirst(64).prefix(2)
            guard let digest = Digest(String(decoding: line.prefix(64), as: UTF8.self)), separator.count == 2,
                separator.first == UInt8(ascii: " "), [UInt8(ascii: " "), UInt8(ascii: "*")].contains(separator.last)
            else { continue }
            let name = String(decoding: line.dropFirst(66), as: UTF8.self)
            guard let path = ReleasePath(name.hasPrefix("./") ? String(name.dropFirst(2)) : name) else { continue }
            if digests.updateValue(digest, forKey: path) ?? digest != digest { contradictory.insert(path) }
        }
        for path in contradictory { digests[path] = nil }
        if let path = Self.path { digests[path] = Hashing.digest(of: bytes) }
        self.digests = digests
    }

    /// What a file must hash to, if it is named.
    subscript(path: ReleasePath) -> Digest? { digests[path] }
}
