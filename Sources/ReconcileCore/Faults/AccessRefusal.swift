/// Why a source does not give what it was asked for, as far as its answer tells. The cases will grow.
public enum AccessRefusal: Codable, Hashable, Sendable {
    /// It is not there, or we may not know that it is: hubs answer the same to both.
    case missingOrPrivate
    /// It is there, but its terms must be accepted first.
    case termsNotAccepted(at: String)
    /// The token or login is not valid: mistyped, expired or revoked.
    case credentialsInvalid
    /// The token or login is valid, but may not do this.
    case credentialsLackScope
    /// Nothing was given where a login is needed.
    case credentialsNeeded
    /// A login is there, but the server wants it sent to another host, which was not done.
    case foreignLogin(host: String)
    /// It was taken down, in the source's own words.
    case disabled(detail: String)
    /// The repository is there, but not this branch, tag or address.
    case revisionMissing(revision: String)
    /// The repository has releases for other kinds of machines only.
    case platformMissing(wanted: String, available: [String])
    /// The clocks differ too much for signatures.
    case clockDiffers(serverTime: String?)
    /// Nothing is asked, because the environment says so.
    case offline(variable: String)
}
