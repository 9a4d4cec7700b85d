import Crypto

/// A request to a service, before it is signed.
package struct ServiceRequest: Hashable, Sendable {
    /// `GET`, `HEAD`, `PUT` and so on.
    package var method: String
    /// Who is asked. Its own path is part of ``path`` already.
    package var origin: WebOrigin
    /// The path as it goes over the wire: percent-encoded, beginning with a slash.
    package var path: String
    /// Headers that are sent besides `Host` and those that the signature adds.
    package var headers: [Header]
    /// What is known of the body.
    package var payload: Payload
    /// Name and value of each part of the query, encoded.
    private let query: [[String]]

    /// A request; it has no body unless `payload` says so. The query's names and values are not encoded yet.
    package init(
        method: String, origin: WebOrigin, path: String, query: [(name: String, value: String)] = [],
        headers: [Header] = [], payload: Payload = .empty
    ) {
        (self.method, self.origin, self.path) = (method, origin, path)
        (self.headers, self.payload) = (headers, payload)
        self.query = query.map { [PercentEncoding.encode($0.name), PercentEncoding.encode($0.value)] }
    }

    /// The query as it is sent and signed: encoded, then sorted by name and value
    /// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>, step 1).
    package var encodedQuery: String {
        query.sorted { $0.lexicographicallyPrecedes($1) }.map { $0.joined(separator: "=") }.joined(separator: "&")
    }

    /// The address to send the request to. It must be sent as it is: no second encoding, no resolving of segments.
    package var url: String {
        let query = encodedQuery
        return "\(origin.isSecure ? "https" : "http")://\(origin.authority)\(path)\(query.isEmpty ? "" : "?\(query)")"
    }
}

/// What a signature says of a request's body.
package struct Payload: Hashable, Sendable {
    /// The value of `x-amz-content-sha256`.
    package let hash: String

    /// No body: the hash of nothing.
    package static let empty = Payload(bytes: [])
    /// A body that the signature does not cover; only over TLS does nobody change it.
    package static let unsigned = Payload(hash: "UNSIGNED-PAYLOAD")

    private init(hash: String) { self.hash = hash }

    /// A body that is at hand.
    package init(bytes: [UInt8]) { self.init(hash: Hexadecimal.text(SHA256.hash(data: bytes))) }

    /// A body whose SHA-256 is known; `nil` unless it has 32 bytes.
    package init?(sha256: [UInt8]) {
        guard sha256.count == SHA256.byteCount else { return nil }
        self.init(hash: Hexadecimal.text(sha256))
    }
}
