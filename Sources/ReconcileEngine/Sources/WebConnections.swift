import AsyncHTTPClient
import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import ReconcileCore
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

    fileprivate struct Key: Hashable {
        let purpose: Purpose
        let proxy: Proxy?
        let origin: String
    }

    private let clients = Mutex<[Key: HTTPClient]>([:])
    private let roundTrips = RoundTrips()

    /// The client for an address.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable` when the environment names a proxy that cannot be used.
    func client(for url: URL, _ purpose: Purpose) throws -> HTTPClient {
        let key = Key(
            purpose: purpose, proxy: try Proxy.forAddress(url, Environment.value),
            origin: WebAddress.origin(url))
        return clients.withLock { clients in
            if let client = clients[key] { return client }
            let client = HTTPClient(
                eventLoopGroupProvider: .singleton, configuration: Self.configuration(key, roundTrips))
            clients[key] = client
            return client
        }
    }

    /// The shortest round trip to the server of an address, as the kernel measured it when connections were made; `nil` where it
    /// does not tell, or a proxy is between.
    func roundTrip(to address: String) -> Duration? {
        URL(string: address).flatMap { roundTrips[WebAddress.origin($0)] }
    }

    private static func configuration(_ key: Key, _ roundTrips: RoundTrips) -> HTTPClient.Configuration {
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
            configuration.proxy =
                proxy.isSOCKS
                ? .socksServer(host: proxy.host, port: proxy.port)
                : .server(host: proxy.host, port: proxy.port, authorization: authorization)
        }
        switch key.purpose {
        case .documents:
            configuration.timeout.read = .seconds(30)
            configuration.http1_1ConnectionDebugInitializer = { roundTrips.measure($0, key) }
            configuration.http2ConnectionDebugInitializer = { roundTrips.measure($0, key) }
        case .transfers:
            // Whoever watches a transfer knows whether it is the server that is silent, or we who do not ask.
            configuration.timeout.read = nil
            configuration.httpVersion = .http1Only
            configuration.http1_1ConnectionDebugInitializer = { channel in
                // Small reads would spend more on system calls than on bytes.
                let sizes = AdaptiveRecvByteBufferAllocator(minimum: 16 << 10, initial: 64 << 10, maximum: 1 << 20)
                return channel.setOption(.recvAllocator, value: sizes).flatMap {
                    channel.setOption(.maxMessagesPerRead, value: 1)
                }.flatMap { roundTrips.measure(channel, key) }
            }
        }
        return configuration
    }
}

/// What the kernel measured when connections were made.
private final class RoundTrips: Sendable {
    private let shortest = Mutex<[String: Duration]>([:])

    subscript(origin: String) -> Duration? { shortest.withLock { $0[origin] } }

    /// Notes the round trip of a new connection; one that cannot be told is not an error.
    func measure(_ channel: any Channel, _ key: WebConnections.Key) -> EventLoopFuture<Void> {
        #if os(Linux)
            guard key.proxy == nil, let provider = channel as? any SocketOptionProvider else {
                return channel.eventLoop.makeSucceededVoidFuture()
            }
            return provider.getTCPInfo().map { info in
                let new = Duration.microseconds(Int64(info.tcpi_rtt))
                self.shortest.withLock { $0[key.origin] = min($0[key.origin] ?? new, new) }
            }.recover { _ in }
        #else
            return channel.eventLoop.makeSucceededVoidFuture()
        #endif
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
    /// Whether it speaks SOCKS (RFC 1928), and not HTTP.
    var isSOCKS = false

    /// The proxy for an address, as the environment says it; `nil` for none. This machine is reached without one.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable` when it cannot be used: going past it is not what was asked for.
    static func forAddress(_ url: URL, _ variable: (String) -> String?) throws -> Proxy? {
        let host = (url.host() ?? "").lowercased()
        guard !WebAddress.isLoopback(host: host), !WebAddress.isLinkLocal(host: host) else { return nil }
        let names = url.scheme?.lowercased() == "https" ? ["HTTPS_PROXY", "ALL_PROXY"] : ["HTTP_PROXY", "ALL_PROXY"]
        let exceptions = first(["NO_PROXY"], variable) ?? ""
        guard let text = first(names, variable), !isExcepted(host, port: WebAddress.port(url), exceptions) else {
            return nil
        }
        let address = URL(string: text.contains("://") ? text : "http://\(text)")
        let ports = ["http": 80, "socks5": 1080, "socks5h": 1080]
        guard let address, let scheme = address.scheme?.lowercased(), let usual = ports[scheme],
            let name = address.host(), (1...65_535).contains(address.port ?? usual)
        else {
            throw Fault(
                .sourceUnreachable(
                    url: WebAddress.shown(url.absoluteString),
                    detail:
                        "the proxy that the environment names cannot be used; it has to begin with http:// or socks5://"
                ))
        }
        let credentials = address.user.map {
            Credentials(
                user: $0.removingPercentEncoding ?? $0,
                password: address.password.map { $0.removingPercentEncoding ?? $0 } ?? "")
        }
        return Proxy(host: name, port: address.port ?? usual, credentials: credentials, isSOCKS: scheme != "http")
    }

    /// The first variable that says something, also when it is written in lower case.
    private static func first(_ names: [String], _ variable: (String) -> String?) -> String? {
        for name in names.flatMap({ [$0, $0.lowercased()] }) {
            if let value = variable(name), !value.isEmpty { return value }
        }
        return nil
    }

    /// Whether a host is one that `NO_PROXY` names: itself, a domain above it, or `*`.
    private static func isExcepted(_ host: String, port: Int, _ list: String) -> Bool {
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
