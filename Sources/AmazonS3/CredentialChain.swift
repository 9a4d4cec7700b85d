import Foundation

/// Looks for credentials where the AWS CLI does, in its order; the first place that has some wins
/// (<https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-authentication.html>).
///
///     environment → profile in the shared files → container → instance → none
///
/// A place that should have credentials and does not give them is a fault, and not a reason to look further: requests
/// would be made in somebody else's name.
package struct CredentialChain: Sendable {
    /// Where credentials were found, or why there are none.
    package enum Origin: Hashable, Sendable {
        /// `AWS_ACCESS_KEY_ID` and its companions.
        case environment
        /// A profile of a shared file.
        case sharedFile(path: String, profile: String)
        /// The endpoint that runs beside a container.
        case container(url: String)
        /// The metadata service of a virtual machine, for the role that it has.
        case instance(role: String)
        /// Requests without a signature were asked for.
        case anonymousAsAsked
        /// No place has credentials, so that requests go out without a signature.
        case nothingFound
    }

    /// The end of the search.
    package struct Finding: Hashable, Sendable {
        /// `nil` for requests without a signature.
        package let credentials: Credentials?
        /// Where they are from.
        package let origin: Origin
    }

    let surroundings: Surroundings
    private let profile: String?
    private let anonymous: Bool

    /// A chain that looks into `surroundings`.
    ///
    /// - Parameters:
    ///   - profile: A profile that is asked for here; then the keys of the environment do not count.
    ///   - anonymous: Whether requests are not to be signed, so that nothing is looked for.
    package init(surroundings: Surroundings, profile: String? = nil, anonymous: Bool = false) {
        (self.surroundings, self.profile, self.anonymous) = (surroundings, profile, anonymous)
    }

    /// Looks for credentials.
    ///
    /// - Throws: ``CredentialFault``; what cancels the task.
    package func find() async throws -> Finding {
        if anonymous { return Finding(credentials: nil, origin: .anonymousAsAsked) }
        let finding = try await firstFinding() ?? Finding(credentials: nil, origin: .nothingFound)
        if let expiry = finding.credentials?.expiry, expiry <= surroundings.now() {
            throw CredentialFault.expired(place: "\(finding.origin)")
        }
        return finding
    }

    /// The region that the surroundings name: `AWS_REGION`, `AWS_DEFAULT_REGION`, else that of the profile.
    ///
    /// - Throws: ``CredentialFault`` when the shared files cannot be read.
    package func region() throws -> String? {
        if let region = surroundings.setting("AWS_REGION") ?? surroundings.setting("AWS_DEFAULT_REGION") {
            return region
        }
        return try SharedProfile(named: profile, in: surroundings).region
    }

    private func firstFinding() async throws -> Finding? {
        if let finding = try environment() { return finding }
        if let finding = try sharedFiles() { return finding }
        if let finding = try await container() { return finding }
        return try await instance()
    }

    private func environment() throws(CredentialFault) -> Finding? {
        guard profile == nil else { return nil }
        let keys = StoredKeys(
            accessKeyID: surroundings.setting("AWS_ACCESS_KEY_ID"),
            secretAccessKey: surroundings.setting("AWS_SECRET_ACCESS_KEY"),
            sessionToken: surroundings.setting("AWS_SESSION_TOKEN"),
            expiration: surroundings.setting("AWS_CREDENTIAL_EXPIRATION"))
        let names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        if let credentials = try keys.credentials(names: names, place: "the environment") {
            return Finding(credentials: credentials, origin: .environment)
        }
        if surroundings.setting("AWS_WEB_IDENTITY_TOKEN_FILE") != nil {
            throw .unsupported(.webIdentity, place: "the environment")
        }
        return nil
    }

    private func sharedFiles() throws(CredentialFault) -> Finding? {
        let profile = try SharedProfile(named: profile, in: surroundings)
        return try profile.credentials().map { credentials, path in
            Finding(credentials: credentials, origin: .sharedFile(path: path, profile: profile.name))
        }
    }
}

extension CredentialChain.Origin: CustomStringConvertible {
    /// The place, to be named in a sentence.
    package var description: String {
        switch self {
        case .environment: "the environment"
        case .sharedFile(let path, let profile): "profile \(profile) in \(path)"
        case .container(let url): url
        case .instance(let role): "the instance's role \(role)"
        case .anonymousAsAsked: "nowhere, as asked"
        case .nothingFound: "nowhere"
        }
    }
}
