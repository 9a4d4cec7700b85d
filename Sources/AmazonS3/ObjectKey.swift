/// The names of objects (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>).
package enum ObjectKey {
    /// Checks that an object can have this key and that HTTP clients, proxies and XML keep it as it is.
    ///
    /// - Throws: ``S3Fault`` `invalidKey` when it is empty, has more than 1,024 bytes of UTF-8, control characters, or a segment
    ///   `.` or `..`, which others on the way would resolve.
    package static func validate(_ key: String) throws(S3Fault) {
        guard !key.isEmpty else { throw .invalidKey(key, detail: "it is empty") }
        guard key.utf8.count <= 1024 else { throw .invalidKey(key, detail: "it has more than 1024 bytes") }
        guard !key.unicodeScalars.contains(where: isUnusable) else {
            throw .invalidKey(key, detail: "it has control characters")
        }
        // By bytes: a slash with an accent over it is one character, but still a slash for HTTP.
        let segments = key.utf8.split(separator: UInt8(ascii: "/"))
        guard !segments.contains(where: { $0.count <= 2 && $0.allSatisfy { $0 == UInt8(ascii: ".") } }) else {
            throw .invalidKey(key, detail: "it has a segment that is only periods")
        }
    }

    /// What XML 1.0 cannot hold, and the other control characters.
    private static func isUnusable(_ character: Unicode.Scalar) -> Bool {
        character.properties.generalCategory == .control || character == "\u{FFFE}" || character == "\u{FFFF}"
    }
}
