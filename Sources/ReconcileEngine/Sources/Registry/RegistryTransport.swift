import Foundation
import ReconcileCore
import Synchronization

/// Talks to a registry (https://github.com/opencontainers/distribution-spec, `spec.md`): tags, manifests by tag or digest, blobs.
final class RegistryTransport: OCITransport {
    private let address: RegistryAddress
    private let documents: DocumentClient
    private let logins: RegistryLogins
    private let authorizers = Mutex<[String: RegistryAuthorizer]>([:])

    private static let pageLimit = 1000
    private static let tagLimit = 100_000

    init(address: RegistryAddress, logins: RegistryLogins, client: WebClient = .shared, cache: SourceCache) {
        (self.address, self.logins) = (address, logins)
        documents = DocumentClient(client: client, cache: cache)
    }

    func tags(of repository: String) async throws -> [OCITag] {
        var next: WebLocation? = try location("tags/list?n=1000", in: repository)
        var names: [String] = []
        var seen: Set<String> = []
        while let page = next {
            guard seen.insert(page.url).inserted, seen.count <= Self.pageLimit, names.count <= Self.tagLimit else {
                throw Fault(.sourceInvalid(url: page.shown, detail: "its pages have no end"))
            }
            let answer = try await get(page, in: repository)
            names += try JSONFile.published(TagList.self, from: answer.body, at: page.shown).tags ?? []
            next = try answer["Link"].flatMap(Links.next).map { try page.page($0) }
        }
        // Signatures and their like are tagged by what they are about.
        return names.filter { !$0.hasPrefix("sha256-") }.map { OCITag(name: $0) }
    }

    func digest(of tag: String, in repository: String) async throws -> Digest {
        var request = try manifestRequest(.tag(tag), in: repository)
        request.method = "HEAD"
        let answer = try await documents.answer(to: request, limit: 0)
        if answer.status == 200, let digest = answer["Docker-Content-Digest"].flatMap(Self.digest) { return digest }
        // Some do not say it, or do not answer to HEAD.
        return Hashing.digest(of: try await manifest(.tag(tag), in: repository))
    }

    func manifest(_ reference: OCIReference, in repository: String) async throws -> [UInt8] {
        let request = try manifestRequest(reference, in: repository)
        let caching: DocumentClient.Caching = if case .digest = reference { .immutable } else { .validated }
        let answer = try await documents.answer(
            to: request, limit: OCILimit.manifestBytes, caching: caching
        ) { Self.objection(to: $0, reference) == nil }
        guard answer.status == 200 else { throw refusal(answer, request.shown, repository, reference) }
        if let objection = Self.objection(to: answer, reference) {
            throw Fault(.sourceInvalid(url: request.shown, detail: objection))
        }
        return answer.body
    }

    /// Why an answer is not the manifest that was asked for; `nil` when it is.
    private static func objection(to answer: DocumentClient.Answer, _ reference: OCIReference) -> String? {
        let digest = Hashing.digest(of: answer.body)
        if case .digest(let asked) = reference, asked != digest {
            return "it answers with manifest \(digest.short)… when asked for \(asked.short)…"
        }
        if let claimed = answer["Docker-Content-Digest"].flatMap(Self.digest), claimed != digest {
            return "the manifest that it sends is not the one that it names"
        }
        guard let document = try? JSONFile.value(OCIDocument.self, from: answer.body, name: "") else {
            let isPage = answer.body.first { $0 > 0x20 } == 0x3C
            return isPage ? "it is a web page, not data" : "its manifest is not JSON, or cut short"
        }
        let type = answer["Content-Type"].map { $0.prefix { $0 != ";" }.trimmingCharacters(in: .whitespaces) }
        if let type, let own = document.mediaType, OCIName.accepted.contains(type), type != own {
            return "its manifest is sent as type \(type.printable) and says that it is \(own.prefix(80).printable)"
        }
        return nil
    }

    func blob(_ blob: OCIDescriptor, in repository: String) async throws -> [UInt8] {
        guard let digest = blob.sha256, let location = try locations(of: digest, in: repository).first,
            case .web(let place) = location
        else { throw Fault(.sourceInvalid(url: shown(repository), detail: "a blob is not named by sha256")) }
        let answer = try await documents.answer(
            to: place.request, limit: Int(clamping: blob.size), caching: .immutable
        ) { Hashing.digest(of: $0.body) == digest }
        guard answer.status == 200 else { throw refusal(answer, place.shown, repository, nil) }
        guard Hashing.digest(of: answer.body) == digest else {
            throw Fault(.sourceInvalid(url: place.shown, detail: "its bytes are not those that its name says"))
        }
        return answer.body
    }

    func locations(of digest: Digest, in repository: String) throws -> [Location] {
        let place = try location("blobs/sha256:\(digest)", in: repository)
        return [
            .web(
                WebLocation(
                    url: place.url, shown: "\(place.shown)@sha256:\(digest.short)…",
                    allowsInsecure: place.allowsInsecure,
                    authorizer: place.authorizer))
        ]
    }

    func shown(_ repository: String) -> String { "\(address.shown)/\(repository)" }

    // MARK: Details

    private struct TagList: Decodable { let tags: [String]? }

    private static func digest(_ text: String) -> Digest? {
        text.hasPrefix("sha256:") ? Digest(text.dropFirst(7)) : nil
    }

    private func manifestRequest(_ reference: OCIReference, in repository: String) throws -> WebClient.Request {
        var request = try location("manifests/\(WebAddress.escaped(reference.text))", in: repository).request
        request.headers.append(("Accept", OCIName.accepted))
        return request
    }

    private func location(_ path: String, in repository: String) throws -> WebLocation {
        let full = try address.path(of: repository)
        let authorizer = authorizers.withLock { known in
            if let one = known[full] { return one }
            let one = RegistryAuthorizer(address: address, repository: full, logins: logins, documents: documents)
            known[full] = one
            return one
        }
        return WebLocation(
            url: "\(address.base)/v2/\(full)/\(path)", shown: shown(repository),
            allowsInsecure: address.allowsInsecure, authorizer: authorizer)
    }

    private func get(_ location: WebLocation, in repository: String) async throws -> DocumentClient.Answer {
        let answer = try await documents.answer(
            to: location.request, limit: OCILimit.manifestBytes, caching: .pass
        ) { (try? JSONFile.value(TagList.self, from: $0.body, name: "")) != nil }
        guard answer.status == 200 else { throw refusal(answer, location.shown, repository, nil) }
        return answer
    }

    /// What a registry means: its error codes say more than the status (distribution-spec, "Error Codes").
    private func refusal(
        _ answer: DocumentClient.Answer, _ shown: String, _ repository: String, _ reference: OCIReference?
    ) -> Fault {
        struct Errors: Decodable {
            struct One: Decodable {
                let code: String?
                let message: String?
            }
            let errors: [One]?
        }
        let error = (try? JSONFile.value(Errors.self, from: answer.body, name: shown))?.errors?.first
        func refused(_ reason: AccessRefusal) -> Fault { Fault(.sourceRefuses(url: shown, reason: reason)) }
        switch (error?.code, answer.status) {
        case ("BLOB_UNKNOWN", _): return Fault(.sourceLacks(url: shown))
        case ("MANIFEST_UNKNOWN", _): return refused(.revisionMissing(revision: reference?.text ?? ""))
        case ("NAME_UNKNOWN", _), (_, 404): return refused(.missingOrPrivate)
        case ("DENIED", _), (_, 403): return refused(.credentialsLackScope)
        case ("UNAUTHORIZED", _), (_, 401):
            let host = authorizers.withLock { $0.values.lazy.compactMap(\.withheldFrom).first }
            if let host { return refused(.foreignLogin(host: host)) }
            return refused(logins.hasLogin(for: address.host) ? .credentialsInvalid : .credentialsNeeded)
        default:
            let detail = error?.message.map { ": \($0.prefix(200).printable)" } ?? ""
            return Fault(.sourceUnreachable(url: shown, detail: "HTTP \(answer.status)\(detail)"))
        }
    }
}

/// Where a registry is, as `oci:` declares it: `ghcr.io/acme`, `127.0.0.1:5000/models`.
struct RegistryAddress: Sendable, Hashable {
    /// The host with its port.
    let host: String
    /// What stands before the repositories; empty, or with a slash at its end.
    let prefix: String
    let isSecure: Bool
    let allowsInsecure: Bool

    /// Parses an address; `nil` when it is none. Plain HTTP is for this machine, and where the source allows it.
    init?(_ text: String, allowsInsecure: Bool) {
        let bare = text.replacing("oci://", with: "", maxReplacements: 1)
        let parts = bare.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard let host = parts.first, !host.isEmpty, !host.hasSuffix(":"),
            host.contains(".") || host.contains(":") || host == "localhost",
            let url = URL(string: "https://\(host)"), WebAddress.canBeAsked(url), url.user == nil, url.path().isEmpty
        else { return nil }
        let rest = parts.dropFirst().filter { !$0.isEmpty }
        guard rest.allSatisfy({ Self.isComponent($0) }) else { return nil }
        self.host = host == "docker.io" || host == "index.docker.io" ? "registry-1.docker.io" : host
        prefix = rest.map { "\($0)/" }.joined()
        isSecure = !(WebAddress.isLoopback(host: url.host() ?? "") || allowsInsecure)
        self.allowsInsecure = allowsInsecure
    }

    /// The address that paths of the protocol are below.
    var base: String { "\(isSecure ? "https" : "http")://\(host)" }

    /// The address for people.
    var shown: String { host + (prefix.isEmpty ? "" : "/\(prefix.dropLast())") }

    /// The name of a repository on the registry.
    ///
    /// - Throws: ``Fault`` of kind `sourceInvalid` when a registry cannot have it.
    func path(of repository: String) throws -> String {
        let full = prefix + repository
        guard full.utf8.count <= 255, full.split(separator: "/").allSatisfy({ Self.isComponent($0) }) else {
            throw Fault(
                .sourceInvalid(
                    url: "\(shown)/\(repository)",
                    detail: "names on registries are lower-case letters, digits, `.`, `_` and `-`"))
        }
        return host == "registry-1.docker.io" && !full.contains("/") ? "library/\(full)" : full
    }

    /// Whether a text is a part of a repository's name (distribution-spec, "Pulling manifests").
    private static func isComponent(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { "abcdefghijklmnopqrstuvwxyz0123456789._-".utf8.contains($0) }
            && text.utf8.first.map { "abcdefghijklmnopqrstuvwxyz0123456789".utf8.contains($0) } ?? false
    }
}
