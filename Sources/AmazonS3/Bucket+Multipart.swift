import Foundation

/// A part of an upload that the service has taken.
package struct UploadedPart: Hashable, Sendable {
    /// From 1 on.
    package let number: Int
    /// What the service answered to it, with its quotes.
    package let entityTag: String
    /// The 32 bytes of its SHA-256.
    package let sha256: [UInt8]

    /// A part.
    package init(number: Int, entityTag: String, sha256: [UInt8]) {
        (self.number, self.entityTag, self.sha256) = (number, entityTag, sha256)
    }
}

// The requests of uploads in parts, which objects over 5 GiB need
// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>), not signed yet.
extension Bucket {
    /// The most bytes that one `PUT` may have.
    package static let largestPut: Int64 = 5 << 30
    /// The most parts of an upload.
    package static let mostParts = 10_000

    /// Begins an upload whose parts have checksums; ``uploadID(parsing:)`` reads the answer.
    ///
    /// - Throws: ``S3Fault`` `invalidKey`.
    package func beginUpload(_ key: String) throws(S3Fault) -> ServiceRequest {
        try request(
            "POST", key, query: [("uploads", "")], headers: [Header("x-amz-checksum-algorithm", "SHA256")])
    }

    /// Sends a part.
    ///
    /// - Parameters:
    ///   - number: From 1 to ``mostParts``.
    ///   - sha256: The 32 bytes of the part's SHA-256.
    /// - Throws: ``S3Fault`` `invalidKey` or `checksumInvalid`.
    package func part(
        _ key: String, of upload: String, number: Int, sha256: [UInt8]
    ) throws(S3Fault) -> ServiceRequest {
        guard let payload = Payload(sha256: sha256) else { throw .checksumInvalid }
        return try request(
            "PUT", key, query: [("partNumber", String(number)), ("uploadId", upload)],
            headers: [Header("x-amz-checksum-sha256", Data(sha256).base64EncodedString())], payload: payload)
    }

    /// Makes an object of the parts.
    ///
    /// - Returns: The request and its body.
    /// - Throws: ``S3Fault`` `invalidKey`.
    package func completeUpload(
        _ key: String, _ upload: String, _ parts: [UploadedPart]
    ) throws(S3Fault) -> (request: ServiceRequest, body: String) {
        let list = parts.sorted { $0.number < $1.number }.map { part in
            "<Part><PartNumber>\(part.number)</PartNumber><ETag>\(Self.escaped(part.entityTag))</ETag>"
                + "<ChecksumSHA256>\(Data(part.sha256).base64EncodedString())</ChecksumSHA256></Part>"
        }
        let body =
            "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\(list.joined())</CompleteMultipartUpload>"
        let request = try request(
            "POST", key, query: [("uploadId", upload)], headers: [], payload: Payload(bytes: Array(body.utf8)))
        return (request, body)
    }

    /// Throws the parts away.
    ///
    /// - Throws: ``S3Fault`` `invalidKey`.
    package func abortUpload(_ key: String, _ upload: String) throws(S3Fault) -> ServiceRequest {
        try request("DELETE", key, query: [("uploadId", upload)], headers: [])
    }

    /// Reads the answer to ``beginUpload(_:)``.
    ///
    /// - Throws: ``S3Fault`` `answerIsHTML`, `answerInvalid` or `answerTooLarge`.
    package static func uploadID(parsing body: [UInt8]) throws(S3Fault) -> String {
        guard let id = try AnswerElement.root(of: body)["UploadId"], !id.isEmpty else {
            throw .answerInvalid(detail: "not the beginning of an upload")
        }
        return id
    }

    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;")
            .replacingOccurrences(of: ">", with: "&gt;")
    }
}
