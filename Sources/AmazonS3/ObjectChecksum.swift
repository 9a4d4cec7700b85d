import Foundation

/// The checksums that S3 keeps (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html>).
package enum ObjectChecksum {
    /// The SHA-256 of a whole object.
    ///
    /// - Parameters:
    ///   - header: The value of `x-amz-checksum-sha256`.
    ///   - type: The value of `x-amz-checksum-type`, where there is one: `FULL_OBJECT` or `COMPOSITE`.
    /// - Returns: Its 32 bytes.
    /// - Throws: ``S3Fault`` `checksumIsComposite` for `…-N`, which is over the checksums of an upload's parts, or
    ///   `checksumInvalid`.
    package static func sha256(header: String, type: String? = nil) throws(S3Fault) -> [UInt8] {
        // A hyphen is not in the alphabet of base64 (RFC 4648, section 4).
        if header.contains("-") || type?.uppercased() == "COMPOSITE" { throw .checksumIsComposite }
        guard let data = Data(base64Encoded: header), data.count == 32, data.base64EncodedString() == header else {
            throw .checksumInvalid
        }
        return [UInt8](data)
    }
}
