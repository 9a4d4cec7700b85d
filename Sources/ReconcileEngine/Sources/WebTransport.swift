import Foundation
package import ReconcileCore

/// A catalog on static web servers: an address and its mirrors, tried in order. Unchanged documents cost one conditional request.
package struct WebTransport: CatalogTransport {
    private let addresses: [SecretText]
    private let token: SecretText?
    private let allowsInsecure: Bool
    private let client: WebClient
    private let cache: SourceCache

    package init(
        addresses: [SecretText], token: SecretText?, allowsInsecure: Bool, client: WebClient = .shared,
        cache: SourceCache
    ) {
        self.addresses = addresses
        self.token = token
        self.allowsInsecure = allowsInsecure
        self.client = client
        self.cache = cache
    }

    package func document(_ path: String, limit: Int, revision: String?) async throws -> [UInt8] {
        var last = Fault(.sourceUnreachable(url: path, detail: "it has no address"))
        for address in addresses {
            do {
                return try await document(
                    at: try url(address, path), shown: shown(address, path), limit: limit, revision: revision)
            } catch let fault as Fault {
                last = fault
            }
        }
        throw last
    }

    package func small(_ path: String, size: Int64, sha256: Digest) async throws -> [UInt8] {
        var last = Fault(.sourceUnreachable(url: path, detail: "it has no address"))
        for address in addresses {
            do {
                let name = shown(address, path)
                var request = WebClient.Request(url: try url(address, path), shown: name)
                (request.token, request.allowsInsecure) = (token, allowsInsecure)
                let response = try await client.send(request)
                guard response.status == 200 else {
                    last = Fault(.sourceUnreachable(url: name, detail: "HTTP \(response.status)"))
                    continue
                }
                if let bytes = try await response.body(limit: Int(clamping: size)), Hashing.digest(of: bytes) == sha256
                {
                    return bytes
                }
                last = Fault(.sourceInvalid(url: name, detail: "its digest is not the published one"))
            } catch let fault as Fault {
                last = fault
            } catch {
                try Task.checkCancellation()
                last = Fault(.sourceUnreachable(url: path, detail: WebClient.words(for: error)))
            }
        }
        throw last
    }

    package func forget(_ path: String) -> Bool {
        let urls = addresses.compactMap { try? url($0, path) }
        return urls.map(cache.forget).contains(true)
    }

    package func locations(of path: String) throws -> [Location] {
        try addresses.map {
            .web(url: try url($0, path), shown: shown($0, path), token: token, allowsInsecure: allowsInsecure)
        }
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
        let escaped = path.addingPercentEncoding(withAllowedCharacters: Self.pathCharacters) ?? path
        return base.hasSuffix("/") ? base + escaped : "\(base)/\(escaped)"
    }

    private static let pathCharacters = CharacterSet.alphanumerics.union(
        CharacterSet(charactersIn: "/-._~!$&'()*,;=:@")
    )
    .intersection(CharacterSet(charactersIn: "\u{21}"..."\u{7E}"))

    /// Tries a document a few times, because servers hiccup.
    private func document(
        at url: String, shown: String, limit: Int, revision: String?
    ) async throws -> [UInt8] {
        var delay = Duration.milliseconds(250)
        for _ in 0..<2 {
            do {
                return try await ask(url, shown: shown, limit: limit, revision: revision)
            } catch let fault as Fault {
                guard case .sourceUnreachable(_, let detail) = fault.kind, detail != WebClient.connectionRefused else {
                    throw fault
                }
            }
            try await Task.sleep(for: delay * Double.random(in: 0.5...1.5))
            delay *= 2
        }
        return try await ask(url, shown: shown, limit: limit, revision: revision)
    }

    private func ask(_ url: String, shown: String, limit: Int, revision: String?) async throws -> [UInt8] {
        let cached = cache.entry(for: url)
        if let cached, let revision, Self.matches(cached.body, revision) { return cached.body }
        var request = WebClient.Request(url: url, shown: shown)
        (request.token, request.allowsInsecure) = (token, allowsInsecure)
        if let tag = cached?.tag { request.headers.append(("If-None-Match", tag)) }
        let response = try await client.send(request)
        switch response.status {
        case 200: break
        case 304:
            if let cached { return cached.body }
            throw Fault(.sourceInvalid(url: shown, detail: "it says “unchanged” without having been asked"))
        case 404, 410: throw Fault(.sourceLacks(url: shown))
        case 401, 403:
            throw Fault(
                .sourceUnreachable(url: shown, detail: "HTTP \(response.status): the token is missing or wrong"))
        default: throw Fault(.sourceUnreachable(url: shown, detail: "HTTP \(response.status)"))
        }
        let body: [UInt8]?
        do {
            body = try await response.body(limit: limit)
        } catch {
            try Task.checkCancellation()
            throw Fault(.sourceUnreachable(url: shown, detail: WebClient.words(for: error)))
        }
        guard let body else { throw Fault(.sourceInvalid(url: shown, detail: "it has more than \(limit) bytes")) }
        if let revision, !Self.matches(body, revision) {
            throw Fault(.sourceInvalid(url: shown, detail: "its digest is not the one that the index names"))
        }
        cache.store(SourceCache.Entry(tag: response.header("ETag"), body: body), for: url)
        return body
    }

    private static func matches(_ body: [UInt8], _ revision: String) -> Bool {
        "sha256:\(Hashing.digest(of: body))" == revision
    }
}
