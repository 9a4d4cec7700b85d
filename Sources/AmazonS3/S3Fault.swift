/// Why an address, a name or an answer of S3 cannot be used.
package enum S3Fault: Error, Hashable, Sendable {
    /// An `s3://` address or an endpoint's URL that is none.
    case invalidAddress(String, detail: String)
    /// A name that no bucket can have.
    case invalidBucketName(String, detail: String)
    /// A region that cannot be part of a host's name.
    case invalidRegion(String)
    /// A key that no object can have, or that does not survive the way through HTTP.
    case invalidKey(String, detail: String)
    /// An answer that is a page for a browser: something else than S3 listens there, or something on the way answered.
    case answerIsHTML
    /// An answer that is not what S3 answers.
    case answerInvalid(detail: String)
    /// An answer beyond the limits on size, depth and number of elements.
    case answerTooLarge
    /// A checksum over the checksums of an upload's parts, which says nothing about the digest of the whole.
    case checksumIsComposite
    /// A checksum that is not the base64 of 32 bytes.
    case checksumInvalid
}
