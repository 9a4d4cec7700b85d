import AsyncHTTPClient
import Foundation
import NIOCore
import NIOSSL
import Synchronization

/// The connections of this process to web servers: kept, shared, and started when they are first needed.
///
/// Proxies are taken from `HTTPS_PROXY`, `HTTP_PROXY` (also in lower case) and `ALL_PROXY`, exceptions from `NO_PROXY`; further
/// certificate authorities from the file that `SSL_CERT_FILE` names.
final class WebConnections: Sendable {
    /// What connections are for.
    enum Purpose: Hashable {
        /// Small answers: HTTP/2 where the server has it.
        case documents
        /// Large ones: always connections of their own. Many streams of one HTTP/2 connection would share its congestion window.
        case transfers
    }

    private struct Key: Hashable {
        let purpose: Purpose
        let proxy: Proxy?
    }

    private let clients = Mutex<[Key: HTTPClient]>([:])

    /// The client for an address.
    func client(for url: URL, _ purpose: Purpose) -> HTTPClient {
        let key = Key(purpose: purpose, proxy: Proxy.forAddress(url, Environment.value))
        return clients.withLock { clients in
            if let client = clients[key] { return client }
            let client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: Self.configuration(key))
            clients[key] = client
            return client
        }
    }

    private static func configuration(_ key: Key) -> HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(10)
        configuration.connectionPool.concurrentHTTP1ConnectionsPerHostSoftLimit = 256
        configuration.connectionPool.retryConnectionEstablishment = false
        if let file = Environment.value("SSL_CERT_FILE"), !file.isEmpty {
            var tls = TLSConfiguration.makeClientConfiguration()
            tls.additionalTrustRoots = [.file(file)]
            configuration.tlsConfiguration = tls
        }
        if let proxy = key.proxy {
            let authorization = proxy.credentials.map {
                HTTPClient.Authorization.basic(username: $0.user, password: $0.password)
            }
            configuration.proxy = .server(host: proxy.host, port: proxy.port, authorization: authorization)
        }
        switch key.purpose {
        case .documents: configuration.timeout.read = .seconds(30)
        case .transfers:
            // Whoever watches a transfer knows whether it is the server that is silent, or we who do not ask.
            configuration.timeout.read = nil
            configuration.httpVersion = .http1Only
            configuration.http1_1ConnectionDebugInitializer = { channel in
                // Reads of 64 KiB would spend more on system calls than on bytes.
                let sizes = AdaptiveRecvByteBufferAllocator(
                    minimum: 16 << 10, initial: 64 << 10, maximum: 256 << 10)
                return channel.setOption(.recvAllocator, value: sizes).flatMap {
                    channel.setOption(.maxMessagesPerRead, value: 1)
                }
            }
        }
        return configuration
    }
}

/// A proxy that requests go through.
struct Proxy: Hashable, Sendable {
    struct Credentials: Hashable, Sendable {
        let user: String
        let password: String
    }

    let host: String
    let port: Int
    let credentials: Credentials?

    /// The proxy for an address, as the environment says it; `nil` for none.
    static func forAddress(_ url: URL, _ variable: (String) -> String?) -> Proxy? {
        let host = (url.host() ?? "").lowercased()
        let names = url.scheme?.lowercased() == "https" ? ["HTTPS_PROXY", "ALL_PROXY"] : ["HTTP_PROXY", "ALL_PROXY"]
        let exceptions = first(["NO_PROXY"], variable) ?? ""
        guard let text = first(names, variable), !isExcepted(host, port: url.port, exceptions) else { return nil }
        guard let address = URL(string: text.contains("://") ? text : "http://\(text)"), let name = address.host(),
            (1...65_535).contains(address.port ?? 80)
        else { return nil }
        let credentials = address.user.map {
            Credentials(
                user: $0.removingPercentEncoding ?? $0,
                password: address.password.map { $0.removingPercentEncoding ?? $0 } ?? "")
        }
        return Proxy(host: name, port: address.port ?? 80, credentials: credentials)
    }

    /// The first variable that says something, also when it is written in lower case.
    private static func first(_ names: [String], _ variable: (String) -> String?) -> String? {
        for name in names.flatMap({ [$0, $0.lowercased()] }) {
            if let value = variable(name), !value.isEmpty { return value }
        }
        return nil
    }

    /// Whether a host is one that `NO_PROXY` names: itself, a domain above it, or `*`.
    private static func isExcepted(_ host: String, port: Int?, _ list: String) -> Bool {
        list.split(whereSeparator: { $0 == "," || $0 == " " }).contains { entry in
            var name = entry.lowercased()
            if name == "*" { return true }
            if let colon = name.lastIndex(of: ":"), let number = Int(name[name.index(after: colon)...]) {
                guard number == port else { return false }
                name = String(name[..<colon])
            }
            if name.hasPrefix("*.") { name.removeFirst(2) }
            if name.hasPrefix(".") { name.removeFirst() }
            return host == name || host.hasSuffix(".\(name)")
        }
    }
}
