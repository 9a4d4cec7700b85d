import Crypto
package import Foundation

/// Signs requests with Signature Version 4 in an `Authorization` header.
///
/// The rules are those of <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
/// and, for S3, of <https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>.
///
///     request ──→ canonical request ──→ string to sign ─┐
///     secret key ──→ signing key of day and region ─────┴→ signature
package struct SignatureV4: Sendable {
    /// How a service wants the path and the payload's hash to be written.
    package enum Flavor: Sendable {
        /// The path as it is on the wire, and `x-amz-content-sha256` among the headers.
        case s3
        /// The path without dot segments and doubled slashes, and encoded once more than on the wire.
        case general
    }

    private static let algorithm = "AWS4-HMAC-SHA256"

    private let credentials: Credentials
    private let region: String
    private let service: String
    private let flavor: Flavor

    /// Signs for one region of a service.
    package init(credentials: Credentials, region: String, service: String = "s3", flavor: Flavor = .s3) {
        (self.credentials, self.region, self.service, self.flavor) = (credentials, region, service, flavor)
    }

    /// The headers to add to `request`: the time, the payload's hash, the session token and the signature.
    ///
    /// The signature holds for fifteen minutes around `time`, so that it is made anew for every attempt. The `Host` header
    /// must be sent as ``WebOrigin/authority``.
    package func headers(for request: ServiceRequest, at time: Date) -> [Header] {
        let timestamp = AmazonTime.basic(time)
        var added = [Header("x-amz-date", timestamp)]
        if flavor == .s3 { added.append(Header("x-amz-content-sha256", request.payload.hash)) }
        if let token = credentials.sessionToken {
            added.append(Header("x-amz-security-token", token.revealed, isSecret: true))
        }
        let canonical = CanonicalRequest(request, adding: added, flavor: flavor)
        let scope = [String(timestamp.prefix(8)), region, service, "aws4_request"]
        let text = [Self.algorithm, timestamp, scope.joined(separator: "/"), canonical.hash].joined(separator: "\n")
        let signature = Hexadecimal.text(authenticate(text, with: signingKey(for: scope)))
        let words = [
            "Credential=\(credentials.accessKeyID)/\(scope.joined(separator: "/"))",
            "SignedHeaders=\(canonical.signedHeaders)", "Signature=\(signature)",
        ]
        let authorization = "\(Self.algorithm) \(words.joined(separator: ", "))"
        return added + [Header("Authorization", authorization, isSecret: true)]
    }

    /// The key for one day, region and service, which a leak would be limited to.
    private func signingKey(for scope: [String]) -> SymmetricKey {
        let secret = SymmetricKey(data: Data("AWS4\(credentials.secretAccessKey.revealed)".utf8))
        return scope.reduce(secret) { key, part in SymmetricKey(data: authenticate(part, with: key)) }
    }

    private func authenticate(_ text: String, with key: SymmetricKey) -> HMAC<SHA256>.MAC {
        HMAC<SHA256>.authenticationCode(for: Data(text.utf8), using: key)
    }
}
