package import Foundation

/// One answer of `ListObjectsV2` (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html>).
package struct ObjectListing: Hashable, Sendable {
    /// An object as a listing names it.
    package struct Object: Hashable, Sendable {
        /// The whole key, decoded.
        package let key: String
        /// Bytes of the object.
        package let size: Int64
        /// With its quotes; no digest, whatever it looks like.
        package let entityTag: String?
        /// When the object was written.
        package let modifiedAt: Date?
    }

    /// The objects of this answer, as they come: sorted by the bytes of their keys.
    package let objects: [Object]
    /// What takes the place of all keys that have the delimiter behind them, with the delimiter; decoded.
    package let commonPrefixes: [String]
    /// What to ask with for the next answer; `nil` when this one is the last.
    package let continuation: String?

    /// Parses an answer's body.
    ///
    /// - Throws: ``S3Fault`` `answerIsHTML`, `answerInvalid` or `answerTooLarge`.
    package init(parsing body: [UInt8]) throws(S3Fault) {
        let root = try AnswerElement.root(of: body)
        guard root.name == "ListBucketResult" else { throw .answerInvalid(detail: "not a listing but <\(root.name)>") }
        let isEncoded = root["EncodingType"] == "url"
        objects = try root.all("Contents").map { element throws(S3Fault) in
            try Object(element, isEncoded: isEncoded)
        }
        commonPrefixes = try root.all("CommonPrefixes").map { element throws(S3Fault) in
            try Self.key(element["Prefix"], isEncoded: isEncoded)
        }
        continuation = try Self.continuation(in: root)
    }

    /// A listing that says it goes on must say how, or it would be asked for without end.
    private static func continuation(in root: AnswerElement) throws(S3Fault) -> String? {
        switch root["IsTruncated"] {
        case "false": return nil
        case "true":
            guard let token = root["NextContinuationToken"], !token.isEmpty else {
                throw .answerInvalid(detail: "the listing goes on, but does not say how")
            }
            return token
        default: throw .answerInvalid(detail: "the listing does not say whether it goes on")
        }
    }

    fileprivate static func key(_ text: String?, isEncoded: Bool) throws(S3Fault) -> String {
        guard let text, !text.isEmpty, let key = isEncoded ? PercentEncoding.decodeForm(text) : text else {
            throw .answerInvalid(detail: "a key is missing or badly encoded")
        }
        return key
    }
}

extension ObjectListing.Object {
    fileprivate init(_ element: AnswerElement, isEncoded: Bool) throws(S3Fault) {
        key = try ObjectListing.key(element["Key"], isEncoded: isEncoded)
        guard let size = element["Size"].flatMap({ Int64($0) }), size >= 0 else {
            throw .answerInvalid(detail: "an object has no size")
        }
        self.size = size
        entityTag = element["ETag"]
        modifiedAt = element["LastModified"].flatMap(AmazonTime.parse)
    }
}
