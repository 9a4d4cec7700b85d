/// The settings of one profile in both shared files
/// (<https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-files.html>).
struct SharedProfile {
    /// The profile's name.
    let name: String
    private let config: [String: String]
    private let stored: [String: String]
    private let configPath: String
    private let storedPath: String

    /// Reads the profile that is asked for: `name`, else that of `AWS_PROFILE`, else `default`.
    ///
    /// - Throws: ``CredentialFault`` `unreadable`, `malformed`, or `profileNotFound` for one that was asked for by name.
    init(named asked: String?, in surroundings: Surroundings) throws(CredentialFault) {
        let asked = asked ?? surroundings.setting("AWS_PROFILE") ?? surroundings.setting("AWS_DEFAULT_PROFILE")
        name = asked ?? "default"
        configPath = surroundings.setting("AWS_CONFIG_FILE") ?? "~/.aws/config"
        storedPath = surroundings.setting("AWS_SHARED_CREDENTIALS_FILE") ?? "~/.aws/credentials"
        let config = try Self.profiles(in: configPath, .config, surroundings)[name]
        let stored = try Self.profiles(in: storedPath, .credentials, surroundings)[name]
        if let asked, config == nil, stored == nil { throw .profileNotFound(asked) }
        (self.config, self.stored) = (config ?? [:], stored ?? [:])
    }

    private static func profiles(
        in path: String, _ kind: SharedFile.Kind, _ surroundings: Surroundings
    ) throws(CredentialFault) -> [String: [String: String]] {
        guard let text = try surroundings.text(ofFile: path) else { return [:] }
        return try SharedFile(text, path: path, kind: kind).profiles
    }

    /// The region that the profile names.
    var region: String? { setting("region") }

    /// The profile's keys and the file they are in; `nil` when it says nothing about credentials.
    ///
    /// - Throws: ``CredentialFault`` `unsupported`, `incomplete` or `invalid`.
    func credentials() throws(CredentialFault) -> (Credentials, path: String)? {
        // The AWS CLI looks for these before it looks for keys.
        try refuse(.webIdentity, for: "web_identity_token_file")
        try refuse(.assumeRole, for: "role_arn")
        try refuse(.singleSignOn, for: "sso_account_id", "sso_role_name")
        if let found = try keys(in: stored, path: storedPath) { return found }
        try refuse(.login, for: "login_session")
        try refuse(.process, for: "credential_process")
        if let found = try keys(in: config, path: configPath) { return found }
        try refuse(.singleSignOn, for: "sso_session", "sso_start_url")
        return nil
    }

    private func refuse(_ way: CredentialFault.Way, for keys: String...) throws(CredentialFault) {
        if keys.contains(where: { setting($0) != nil }) { throw .unsupported(way, place: "profile \(name)") }
    }

    /// A setting that is not empty; the file of credentials goes first.
    private func setting(_ key: String) -> String? {
        [stored[key], config[key]].lazy.compactMap { $0 }.first { !$0.isEmpty }
    }

    private func keys(
        in settings: [String: String], path: String
    ) throws(CredentialFault) -> (Credentials, path: String)? {
        let place = "profile \(name) in \(path)"
        let keys = StoredKeys(
            accessKeyID: settings["aws_access_key_id"], secretAccessKey: settings["aws_secret_access_key"],
            sessionToken: settings["aws_session_token"])
        return try keys.credentials(names: ("aws_access_key_id", "aws_secret_access_key"), place: place)
            .map { ($0, path) }
    }
}
