import Foundation

/// What must hold for an object to be written
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
package enum WriteCondition: Hashable, Sendable {
    /// There is no object with this key yet: `If-None-Match: *`.
    case absent
    /// The object is still the one with this entity tag: `If-Match`.
    case unchanged(entityTag: String)
}

// The requests, not signed yet.
extension Bucket {
    /// Asks for an object, or some bytes of it
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>).
    ///
    /// - Parameters:
    ///   - range: The offsets of the bytes; all when `nil`. The whole object's checksum is asked for only with all bytes,
    ///     because an answer with some of them may have that of one part of an upload instead.
    ///   - entityTag: Which object it must still be; otherwise the answer is 412.
    /// - Throws: ``S3Fault`` `invalidKey`.
    package func get(
        _ key: String, range: ClosedRange<Int64>? = nil, ifMatch entityTag: String? = nil
    ) throws(S3Fault) -> ServiceRequest {
        var headers = entityTag.map { [Header("If-Match", $0)] } ?? []
        if let range {
            headers.append(Header("Range", "bytes=\(range.lowerBound)-\(range.upperBound)"))
        } else {
            headers.append(Self.withChecksum)
        }
        return try request("GET", key, headers: headers)
    }

    /// Asks what there is to know of an object, and its checksum
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>).
    ///
    /// - Throws: ``S3Fault`` `invalidKey`.
    package func head(_ key: String) throws(S3Fault) -> ServiceRequest {
        try request("HEAD", key, headers: [Self.withChecksum])
    }

    /// Writes an object; S3 compares the body with its digest, and keeps the digest as the object's checksum
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>).
    ///
    /// - Parameter sha256: The 32 bytes of the body's SHA-256.
    /// - Throws: ``S3Fault`` `invalidKey`, or `checksumInvalid` when the digest has not 32 bytes.
    package func put(
        _ key: String, sha256: [UInt8], condition: WriteCondition? = nil
    ) throws(S3Fault) -> ServiceRequest {
        guard let payload = Payload(sha256: sha256) else { throw .checksumInvalid }
        var headers = [Header("x-amz-checksum-sha256", Data(sha256).base64EncodedString())]
        switch condition {
        case .absent?: headers.append(Header("If-None-Match", "*"))
        case .unchanged(let entityTag)?: headers.append(Header("If-Match", entityTag))
        case nil: break
        }
        return try request("PUT", key, headers: headers, payload: payload)
    }

    /// Asks for keys, decoded by ``ObjectListing``
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>).
    ///
    /// - Parameters:
    ///   - prefix: What the keys begin with.
    ///   - delimiter: What ends a common prefix.
    ///   - continuation: That of the answer before; the rest must be the same as then.
    ///   - mostKeys: How many keys and common prefixes one answer may have; S3 gives 1,000 at most.
    package func list(
        prefix: String = "", delimiter: String? = nil, continuation: String? = nil, mostKeys: Int? = nil
    ) -> ServiceRequest {
        let optional = [
            ("prefix", prefix.isEmpty ? nil : prefix), ("delimiter", delimiter), ("continuation-token", continuation),
            ("max-keys", mostKeys.map(String.init)),
        ]
        let query = [(name: "list-type", value: "2"), (name: "encoding-type", value: "url")]
        let asked = optional.compactMap { name, value in value.map { (name: name, value: $0) } }
        // A bucket in the path is asked without the slash behind it by the AWS CLI, but S3 takes both.
        return ServiceRequest(method: "GET", origin: origin, path: path(of: ""), query: query + asked)
    }

    private static let withChecksum = Header("x-amz-checksum-mode", "ENABLED")

    func request(
        _ method: String, _ key: String, query: [(String, String)] = [], headers: [Header], payload: Payload = .empty
    ) throws(S3Fault) -> ServiceRequest {
        try ObjectKey.validate(key)
        return ServiceRequest(
            method: method, origin: origin, path: path(of: key), query: query.map { (name: $0.0, value: $0.1) },
            headers: headers, payload: payload)
    }
}
