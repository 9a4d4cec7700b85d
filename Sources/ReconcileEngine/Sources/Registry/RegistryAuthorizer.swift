import Foundation
import ReconcileCore
import Synchronization

/// Says to a registry who asks: a login (RFC 7617), or a token that is fetched with it and expires
/// (https://distribution.github.io/distribution/spec/auth/token/). One for each repository.
final class RegistryAuthorizer: RequestAuthorizer {
    private struct State {
        /// What goes into `Authorization`; a secret.
        var value: String?
        var expires = ContinuousClock.now
        /// What the registry asked for last.
        var challenge: Challenge?
        /// A host that a login was not sent to, because it is not the registry's.
        var withheldFrom: String?
    }

    private let address: RegistryAddress
    private let repository: String
    private let logins: RegistryLogins
    private let documents: DocumentClient
    private let state = Mutex(State())
    private let gate = DigestGate()

    /// A token is not used in the last seconds of its life.
    private static let margin = Duration.seconds(5)
    private static let answerLimit = 1 << 20

    init(address: RegistryAddress, repository: String, logins: RegistryLogins, documents: DocumentClient) {
        (self.address, self.repository, self.logins, self.documents) = (address, repository, logins, documents)
    }

    /// A host that asked for the login and did not get it.
    var withheldFrom: String? { state.withLock { $0.withheldFrom } }

    func headers(for method: String, _ url: String, _ headers: [(String, String)]) async throws -> [(String, String)] {
        let (value, challenge) = state.withLock { state in
            (state.expires > .now ? state.value : nil, state.value == nil ? nil : state.challenge)
        }
        if let value { return [("Authorization", value)] }
        // A token that has expired is replaced before it is refused.
        guard let challenge, try await answer(challenge, refused: state.withLock { $0.value }) else { return [] }
        return state.withLock { $0.value.map { [("Authorization", $0)] } ?? [] }
    }

    func renew(after challenge: String?, refused: String?) async throws -> Bool {
        let asked = challenge.flatMap(Challenge.init)
        guard let wanted = asked ?? state.withLock({ $0.challenge }) else { return false }
        return try await answer(wanted, refused: refused)
    }

    /// Requests that were refused together are helped by one token.
    private func answer(_ challenge: Challenge, refused: String?) async throws -> Bool {
        let key = Hashing.digest(of: repository)
        await gate.enter(key)
        do {
            let isRenewed = state.withLock { $0.value != nil && $0.value != refused && $0.expires > .now }
            let answer = if isRenewed { true } else { try await answerAlone(challenge) }
            await gate.leave(key)
            return answer
        } catch {
            await gate.leave(key)
            throw error
        }
    }

    private func answerAlone(_ challenge: Challenge) async throws -> Bool {
        let before = state.withLock { state in
            state.challenge = challenge
            return state.value
        }
        switch challenge {
        case .basic:
            guard let login = try await logins.login(for: address.host), login.basic != before else { return false }
            state.withLock { ($0.value, $0.expires) = (login.basic, .now + .seconds(86_400)) }
        case .bearer(let realm, let service, let scope):
            let (token, seconds) = try await token(realm, service, scope ?? "repository:\(repository):pull")
            state.withLock {
                $0.value = "Bearer \(token)"
                $0.expires = .now + max(.seconds(1), .seconds(seconds) - Self.margin)
            }
        }
        return true
    }

    private func token(_ realm: String, _ service: String?, _ scope: String) async throws -> (String, seconds: Int64) {
        guard var parts = URLComponents(string: realm), let place = URL(string: realm), WebAddress.canBeAsked(place)
        else {
            throw Fault(.sourceInvalid(url: address.shown, detail: "it names no usable place for tokens"))
        }
        var query = parts.queryItems ?? []
        if let service { query.append(URLQueryItem(name: "service", value: service)) }
        query.append(URLQueryItem(name: "scope", value: scope))
        parts.queryItems = query
        var request = WebClient.Request(url: parts.string ?? realm, shown: WebAddress.shown(realm))
        request.allowsInsecure = address.allowsInsecure
        if let login = try await logins.login(for: address.host) {
            if mayGetLogin(place) {
                request.secretHeaders = [("Authorization", login.basic)]
            } else {
                state.withLock { $0.withheldFrom = place.host() }
            }
        }
        let answer = try await documents.answer(to: request, limit: Self.answerLimit)
        guard answer.status == 200 else {
            let reason: AccessRefusal =
                withheldFrom.map { .foreignLogin(host: $0) }
                ?? (logins.hasLogin(for: address.host) ? .credentialsInvalid : .credentialsNeeded)
            throw Fault(.sourceRefuses(url: address.shown, reason: reason))
        }
        let given = try JSONFile.published(Token.self, from: answer.body, at: request.shown)
        guard let token = given.token ?? given.accessToken,
            token.unicodeScalars.allSatisfy({ $0.value > 0x20 && $0.value < 0x7F })
        else { throw Fault(.sourceInvalid(url: request.shown, detail: "it gives no token")) }
        return (token, min(max(given.expiresIn ?? 60, 1), 86_400))
    }

    private struct Token: Decodable {
        let token: String?
        let accessToken: String?
        let expiresIn: Int64?

        private enum CodingKeys: String, CodingKey {
            case token
            case accessToken = "access_token"
            case expiresIn = "expires_in"
        }
    }

    /// A login goes to the registry's own domain only, over TLS unless both are this machine: whoever answers for a registry
    /// could otherwise have it sent anywhere.
    private func mayGetLogin(_ place: URL) -> Bool {
        guard let registry = URL(string: address.base)?.host(), let host = place.host() else { return false }
        if WebAddress.isLoopback(host: host) { return host == registry }
        guard place.scheme == "https" || (address.allowsInsecure && host == registry) else { return false }
        return host == registry || Self.domain(host) == Self.domain(registry)
    }

    private static func domain(_ host: String) -> String {
        let labels = host.lowercased().split(separator: ".")
        // An address of numbers has no domain.
        guard labels.count > 2, labels.last.flatMap({ UInt8($0) }) == nil else { return host.lowercased() }
        return labels.suffix(2).joined(separator: ".")
    }
}

/// What a registry asks for (`WWW-Authenticate`, RFC 9110, section 11.6.1).
enum Challenge: Hashable, Sendable {
    case basic
    case bearer(realm: String, service: String?, scope: String?)

    /// Parses a header; `nil` when it asks for something else.
    init?(_ header: String) {
        let text = header.drop { $0 == " " }
        let scheme = text.prefix { $0 != " " }.lowercased()
        if scheme == "basic" {
            self = .basic
            return
        }
        guard scheme == "bearer" else { return nil }
        let parameters = Self.parameters(text.dropFirst(scheme.count))
        guard let realm = parameters["realm"] else { return nil }
        self = .bearer(realm: realm, service: parameters["service"], scope: parameters["scope"])
    }

    /// `name="value"` parts; a value in quotes may hold commas.
    private static func parameters(_ text: Substring) -> [String: String] {
        var rest = text
        var found: [String: String] = [:]
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].trimmingCharacters(in: CharacterSet(charactersIn: " ,")).lowercased()
            rest = rest[rest.index(after: equals)...]
            let isQuoted = rest.first == "\""
            if isQuoted { rest = rest.dropFirst() }
            let value = rest.prefix { isQuoted ? $0 != "\"" : $0 != "," }
            rest = rest[value.endIndex...].dropFirst()
            found[name] = found[name] ?? String(value)
        }
        return found
    }
}
