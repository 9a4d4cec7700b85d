/// An address `s3://BUCKET/PREFIX`, as the AWS CLI writes it.
package struct BucketAddress: Hashable, Sendable, CustomStringConvertible {
    /// The name, not yet known to be one: that depends on where the bucket is.
    package let bucket: String
    /// What all keys begin with; empty, or ends in a slash.
    package let prefix: String

    /// Parses an address. Nothing in it is encoded: a `%` is a percent sign.
    ///
    /// - Throws: ``S3Fault`` `invalidAddress`, or `invalidKey` for the prefix.
    package init(parsing text: String) throws(S3Fault) {
        guard text.lowercased().hasPrefix("s3://") else {
            throw .invalidAddress(text, detail: "it does not begin with s3://")
        }
        let rest = text.dropFirst(5)
        bucket = String(rest.prefix { $0 != "/" })
        guard !bucket.isEmpty else { throw .invalidAddress(text, detail: "it names no bucket") }
        let path = String(rest.dropFirst(bucket.count + 1).reversed().drop { $0 == "/" }.reversed())
        if !path.isEmpty { try ObjectKey.validate(path) }
        prefix = path.isEmpty ? "" : "\(path)/"
    }

    /// The address in its shortest form.
    package var description: String { "s3://\(bucket)/\(prefix)" }
}
