import Foundation

/// Keys as some place has them, not yet known to be all there.
struct StoredKeys {
    var accessKeyID: String?
    var secretAccessKey: String?
    var sessionToken: String?
    var expiration: String?

    /// The credentials; `nil` when the place has neither of the two keys.
    ///
    /// - Parameters:
    ///   - names: What the two keys are called there.
    ///   - place: Where they are, for faults.
    /// - Throws: ``CredentialFault`` `incomplete`, or `invalid` when they cannot be keys or the time is none.
    func credentials(names: (id: String, secret: String), place: String) throws(CredentialFault) -> Credentials? {
        let (id, secret) = (accessKeyID ?? "", secretAccessKey ?? "")
        if id.isEmpty, secret.isEmpty { return nil }
        guard !id.isEmpty else { throw .incomplete(place: place, missing: names.id) }
        guard !secret.isEmpty else { throw .incomplete(place: place, missing: names.secret) }
        var expiry: Date?
        if let expiration, !expiration.isEmpty {
            guard let time = AmazonTime.parse(expiration) else {
                throw .invalid(place: place, detail: "the time of expiry is not a time")
            }
            expiry = time
        }
        guard
            let credentials = Credentials(
                accessKeyID: id, secretAccessKey: secret, sessionToken: sessionToken, expiry: expiry)
        else { throw .invalid(place: place, detail: "a key has characters that no key has") }
        return credentials
    }
}
