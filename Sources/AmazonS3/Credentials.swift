package import Foundation

/// What proves to a service who is asking.
package struct Credentials: Hashable, Sendable, CustomStringConvertible {
    /// Names the key; no secret, but shown only in part, as the AWS CLI does.
    package let accessKeyID: String
    /// The key that signs.
    package let secretAccessKey: Secret
    /// Goes with keys that are lent for a time.
    package let sessionToken: Secret?
    /// When the keys stop to work; `nil` when they do not.
    package let expiry: Date?

    /// Credentials; `nil` when a part is empty or has characters that cannot be in a header.
    package init?(accessKeyID: String, secretAccessKey: String, sessionToken: String? = nil, expiry: Date? = nil) {
        let token = sessionToken?.isEmpty == true ? nil : sessionToken
        guard [accessKeyID, secretAccessKey, token ?? "none"].allSatisfy(Self.isUsable) else { return nil }
        self.accessKeyID = accessKeyID
        self.secretAccessKey = Secret(secretAccessKey)
        self.sessionToken = token.map { Secret($0) }
        self.expiry = expiry
    }

    /// The end of the key's name, enough to tell keys apart.
    package var description: String { "access key …\(accessKeyID.suffix(4))" }

    private static func isUsable(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}
