/// Why no credentials can be had although the surroundings say where they are.
///
/// What the surroundings themselves throw when they are cancelled is passed on as it is and never becomes one of these.
package enum CredentialFault: Error, Hashable, Sendable {
    /// Ways to get credentials that the AWS CLI knows and this module does not.
    package enum Way: String, Hashable, Sendable {
        /// `credential_process`: a program that prints credentials.
        case process = "credential_process"
        /// `sso_…`: a login in the browser.
        case singleSignOn = "SSO"
        /// `login_session`: a login of `aws login`.
        case login = "aws login"
        /// `role_arn`: a role that other credentials may assume.
        case assumeRole = "assume-role"
        /// `AWS_WEB_IDENTITY_TOKEN_FILE` or `web_identity_token_file`: a role that a token of somebody else may assume.
        case webIdentity = "web identity"
    }

    /// `place` asks for a way to get credentials that is known, but not supported.
    case unsupported(Way, place: String)
    /// `place` has a part of the credentials, but not `missing`.
    case incomplete(place: String, missing: String)
    /// What `place` has cannot be credentials or a setting.
    case invalid(place: String, detail: String)
    /// A shared file is there but cannot be read.
    case unreadable(path: String, detail: String)
    /// A line of a shared file, counted from 1, has no meaning.
    case malformed(path: String, line: Int)
    /// The profile that was asked for by name is in neither shared file.
    case profileNotFound(String)
    /// An endpoint that gives credentials may not be asked, because of where it is.
    case forbiddenEndpoint(url: String)
    /// An endpoint that gives credentials did not answer.
    case unreachable(url: String, detail: String)
    /// An endpoint that gives credentials answered with an error.
    case refused(url: String, status: Int)
    /// The credentials of `place` have stopped to work.
    case expired(place: String)
}
