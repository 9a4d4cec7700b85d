import Foundation
import ReconcileCore
import Synchronization
import SystemPackage

/// Logins of registries: the one that the source names, else what `docker login` left in `config.json`
/// (https://docs.docker.com/reference/cli/docker/login/), credential helpers included.
final class RegistryLogins: Sendable {
    /// A user and a password, or a token in the place of both.
    struct Login: Sendable, Hashable {
        let basic: String
        init(user: String, password: String) {
            basic = "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
        }
        init(encoded: String) { basic = "Basic \(encoded)" }
    }

    private struct Config: Decodable {
        struct Entry: Decodable { let auth: String? }
        let auths: [String: Entry]?
        let credHelpers: [String: String]?
        let credsStore: String?
    }

    private let token: SecretText?
    private let helpers: any CredentialHelper
    private let config: Config?
    private let asked = Mutex<[String: Login?]>([:])

    /// - Parameter token: As the source declares it: a password, or `user:password`.
    init(
        token: SecretText?, helpers: any CredentialHelper = ProcessCredentialHelper(),
        variable: (String) -> String? = Environment.value
    ) {
        (self.token, self.helpers) = (token, helpers)
        let named = variable("DOCKER_CONFIG").flatMap { $0.isEmpty ? nil : $0 }
        let folder = named ?? "\(variable("HOME") ?? "")/.docker"
        let bytes = try? DiskReader.contents(of: FilePath(folder).appending("config.json"), limit: 1 << 20)
        config = bytes.flatMap { try? JSONFile.value(Config.self, from: $0, name: "config.json") }
    }

    /// Whether something would be sent.
    func hasLogin(for host: String) -> Bool {
        token != nil || asked.withLock { $0[host] ?? nil } != nil || entry(for: host) != nil
    }

    /// The login for a registry; `nil` when there is none.
    ///
    /// - Throws: ``Fault`` of kind `secretMissing`.
    func login(for host: String) async throws -> Login? {
        if let token {
            let text = try Environment.reveal(token)
            let parts = text.split(separator: ":", maxSplits: 1).map(String.init)
            return parts.count == 2 ? Login(user: parts[0], password: parts[1]) : Login(user: "token", password: text)
        }
        if let known = asked.withLock({ $0[host] }) { return known }
        let found = await lookUp(host)
        asked.withLock { $0[host] = .some(found) }
        return found
    }

    private func lookUp(_ host: String) async -> Login? {
        let names = Self.names(of: host)
        let helper = names.lazy.compactMap { self.config?.credHelpers?[$0] }.first ?? config?.credsStore
        if let helper, isPlainName(helper, limit: 63) {
            for name in names {
                if let login = await helpers.login(of: name, from: helper) { return login }
            }
        }
        return entry(for: host)
    }

    private func entry(for host: String) -> Login? {
        for name in Self.names(of: host) {
            guard let auth = config?.auths?[name]?.auth, !auth.isEmpty, Data(base64Encoded: auth) != nil else {
                continue
            }
            return Login(encoded: auth)
        }
        return nil
    }

    /// Docker's own registry is known by an older address.
    private static func names(of host: String) -> [String] {
        host == "registry-1.docker.io"
            ? ["https://index.docker.io/v1/", "index.docker.io", "docker.io", host]
            : [host, "https://\(host)", "http://\(host)", "https://\(host)/v2/", "https://\(host)/v1/"]
    }
}

/// A program that keeps logins (https://github.com/docker/docker-credential-helpers).
protocol CredentialHelper: Sendable {
    /// The login of a registry; `nil` when the helper has none or does not work.
    func login(of registry: String, from helper: String) async -> RegistryLogins.Login?
}
