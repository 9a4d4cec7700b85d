import Foundation
package import ReconcileCore

/// A catalog on static web servers: an address and its mirrors, tried in order. Unchanged documents cost one conditional request.
package struct WebTransport: CatalogTransport {
    private let addresses: [SecretText]
    private let token: SecretText?
    private let allowsInsecure: Bool
    private let documents: DocumentClient

    package init(
        addresses: [SecretText], token: SecretText?, allowsInsecure: Bool, client: WebClient = .shared,
        cache: SourceCache
    ) {
        self.addresses = addresses
        self.token = token
        self.allowsInsecure = allowsInsecure
        documents = DocumentClient(client: client, cache: cache)
    }

    package func document(_ path: String, limit: Int, revision: String?) async throws -> [UInt8] {
        func isRight(_ body: [UInt8]) -> Bool {
            revision.map { "sha256:\(Hashing.digest(of: body))" == $0 } ?? true
        }
        return try await eachAddress(path) { request in
            let answer = try await documents.answer(
                to: request, limit: limit, caching: revision == nil ? .validated : .immutable
            ) { isRight($0.body) }
            guard answer.status == 200 else { throw Self.fault(request, answer) }
            guard isRight(answer.body) else {
                throw Fault(
                    .sourceInvalid(url: request.shown, detail: "its digest is not the one that the index names"))
            }
            return answer.body
        }
    }

    /// What the first address says that says something; else why the last one did not.
    private func eachAddress(
        _ path: String, _ ask: (WebClient.Request) async throws -> [UInt8]
    ) async throws -> [UInt8] {
        var last = Fault(.sourceUnreachable(url: path, detail: "it has no address"))
        for address in addresses {
            do {
                return try await ask(location(address, path).request)
            } catch let fault as Fault {
                last = fault
            }
        }
        throw last
    }

    private func location(_ address: SecretText, _ path: String) throws -> WebLocation {
        WebLocation(
            url: try url(address, path), shown: shown(address, path), token: token, allowsInsecure: allowsInsecure)
    }

    private static func fault(_ request: WebClient.Request, _ answer: DocumentClient.Answer) -> Fault {
        switch answer.status {
        case 404, 410: Fault(.sourceLacks(url: request.shown))
        case 401, 403:
            Fault(
                .sourceUnreachable(
                    url: request.shown, detail: "HTTP \(answer.status): the token is missing or wrong"))
        default: Fault(.sourceUnreachable(url: request.shown, detail: "HTTP \(answer.status)"))
        }
    }

    package func small(_ path: String, size: Int64, sha256: Digest) async throws -> [UInt8] {
        try await eachAddress(path) { request in
            let answer = try await documents.answer(to: request, limit: Int(clamping: size))
            guard answer.status == 200 else { throw Self.fault(request, answer) }
            guard Hashing.digest(of: answer.body) == sha256 else {
                throw Fault(.sourceInvalid(url: request.shown, detail: "its digest is not the published one"))
            }
            return answer.body
        }
    }

    package func forget(_ path: String) -> Bool {
        let urls = addresses.compactMap { try? url($0, path) }
        return urls.map(documents.forget).contains(true)
    }

    package func locations(of path: String) throws -> [Location] {
        try addresses.map { .web(try location($0, path)) }
    }

    package func shown(_ path: String) -> String { addresses.first.map { shown($0, path) } ?? path }

    /// An address that is a secret is named by where it comes from.
    private func shown(_ address: SecretText, _ path: String) -> String {
        switch address {
        case .literal(let text): WebAddress.shown(text.hasSuffix("/") ? text + path : "\(text)/\(path)")
        case .environment(let name): "(the address in $\(name))/\(path)"
        case .file(let file): "(the address in \(file))/\(path)"
        }
    }

    private func url(_ address: SecretText, _ path: String) throws -> String {
        let base = try Environment.reveal(address)
        let escaped = WebAddress.escaped(path)
        return base.hasSuffix("/") ? base + escaped : "\(base)/\(escaped)"
    }
}
