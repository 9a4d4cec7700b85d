import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
package import ReconcileCore

/// Asks web servers, with the manners that downloads need: no compression, redirects followed by hand so that credentials
/// never reach another origin, HTTPS unless allowed otherwise, and a limit for every wait.
package struct WebClient: Sendable {
    /// One client for the process: its connections are kept, and nothing is started before the first request.
    package static let shared = WebClient()

    private let client: HTTPClient

    private init() {
        var configuration = HTTPClient.Configuration()
        configuration.redirectConfiguration = .disallow
        configuration.timeout.connect = .seconds(10)
        configuration.timeout.read = .seconds(30)
        client = HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration)
    }

    /// What is asked.
    package struct Request: Sendable {
        package var method = "GET"
        package let url: String
        /// Headers that say nothing secret; they go along with redirects.
        package var headers: [(String, String)] = []
        /// Headers that may hold secrets; like the token and the body they never reach another origin.
        package var secretHeaders: [(String, String)] = []
        package var body: String?
        package var token: SecretText?
        package var allowsInsecure = false
        /// How long until the answer's head must be there, in seconds.
        package var timeoutSeconds: Int64 = 30

        /// The address for people; one that is a secret is named by where it comes from.
        package let shown: String
        private let isSecret: Bool

        /// A request for an address.
        ///
        /// - Parameter shown: What people may see of it, when the address itself is a secret.
        package init(url: String, shown: String? = nil) {
            self.url = url
            self.shown = shown ?? WebAddress.shown(url)
            isSecret = shown != nil
        }

        /// What people may see of an address that the request was redirected to.
        func shown(_ target: URL) -> String { isSecret ? shown : WebAddress.shown(target.absoluteString) }
    }

    /// What is answered: the head, and the body as it comes.
    package struct Response: Sendable {
        package let status: Int
        private let response: HTTPClientResponse

        fileprivate init(_ response: HTTPClientResponse) {
            (self.response, status) = (response, Int(response.status.code))
        }

        /// The first value of a header.
        package func header(_ name: String) -> String? { response.headers.first(name: name) }

        /// Hands the body over, piece by piece; ending early closes the connection.
        ///
        /// - Returns: Whether all of it came.
        package func read(_ take: (UnsafeRawBufferPointer) throws -> Bool) async throws -> Bool {
            for try await buffer in response.body {
                guard try buffer.withUnsafeReadableBytes(take) else { return false }
            }
            return true
        }

        /// The whole body, if it has no more than `limit` bytes.
        ///
        /// - Parameter seconds: How long all of it may take.
        func body(limit: Int, within seconds: Int64 = 120) async throws -> [UInt8]? {
            let deadline = ContinuousClock.now + .seconds(seconds)
            var bytes: [UInt8] = []
            let isWhole = try await read { piece in
                guard bytes.count + piece.count <= limit else { return false }
                guard ContinuousClock.now < deadline else { throw HTTPClientError.deadlineExceeded }
                bytes += piece
                return true
            }
            return isWhole ? bytes : nil
        }
    }

    private static let redirects: Set<Int> = [301, 302, 303, 307, 308]

    /// Sends a request and returns the first answer that is not a redirect.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `insecureAddress` or `secretMissing`; `CancellationError`.
    package func send(_ request: Request) async throws -> Response {
        guard let first = URL(string: request.url) else {
            throw Fault(.sourceUnreachable(url: request.shown, detail: "this is not an address"))
        }
        let token = try request.token.map(Environment.reveal)
        var target = first
        for _ in 0..<10 {
            guard WebAddress.isAllowed(target.absoluteString, allowsInsecure: request.allowsInsecure) else {
                throw Fault(.insecureAddress(url: request.shown(target)))
            }
            let isTrusted = WebAddress.haveSameOrigin(first, target)
            guard isTrusted || request.body == nil else {
                throw Fault(
                    .sourceUnreachable(
                        url: request.shown, detail: "it redirects a body to another server"))
            }
            let response = try await execute(request, at: target, isTrusted: isTrusted, token: token)
            guard Self.redirects.contains(response.status), let location = response.header("Location") else {
                return response
            }
            guard let next = URL(string: location, relativeTo: target)?.absoluteURL,
                !(target.scheme == "https" && next.scheme != "https")
            else {
                throw Fault(
                    .sourceUnreachable(
                        url: request.shown(target),
                        detail: "it redirects to an address that is not allowed"))
            }
            target = next
        }
        throw Fault(.sourceUnreachable(url: request.shown, detail: "it redirects more than 10 times"))
    }

    private func execute(_ request: Request, at url: URL, isTrusted: Bool, token: String?) async throws -> Response {
        var message = HTTPClientRequest(url: url.absoluteString)
        message.method = HTTPMethod(rawValue: request.method)
        message.headers.add(name: "User-Agent", value: "reconcile/\(ToolVersion.current)")
        message.headers.add(name: "Accept-Encoding", value: "identity")
        for (name, value) in request.headers { message.headers.replaceOrAdd(name: name, value: value) }
        if isTrusted {
            for (name, value) in request.secretHeaders { message.headers.replaceOrAdd(name: name, value: value) }
        }
        if isTrusted, let token { message.headers.replaceOrAdd(name: "Authorization", value: "Bearer \(token)") }
        if let body = request.body { message.body = .bytes(ByteBuffer(string: body)) }
        do {
            return Response(try await head(of: message, within: request.timeoutSeconds))
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            try Task.checkCancellation()
            throw Fault(.sourceUnreachable(url: request.shown(url), detail: Self.words(for: error)))
        }
    }

    /// The answer's head within a time; the body may then take as long as bytes keep coming.
    private func head(of message: HTTPClientRequest, within seconds: Int64) async throws -> HTTPClientResponse {
        try await withThrowingTaskGroup(of: HTTPClientResponse?.self) { group in
            group.addTask { try await client.execute(message, deadline: .distantFuture) }
            group.addTask {
                try await Task.sleep(for: .seconds(seconds))
                return nil
            }
            defer { group.cancelAll() }
            guard let response = try await group.next() ?? nil else { throw HTTPClientError.readTimeout }
            return response
        }
    }

    /// What went wrong, in words for people.
    static func words(for error: any Error) -> String {
        if let fault = error as? Fault, case .sourceUnreachable(_, let detail) = fault.kind { return detail }
        switch error as? HTTPClientError {
        case .readTimeout?, .deadlineExceeded?: return timedOut
        case .connectTimeout?: return "no connection within 10 s"
        case .remoteConnectionClosed?: return "the connection was closed"
        default: break
        }
        let text = "\(error)"
        if text.contains("refused") { return connectionRefused }
        if text.contains("certificate") || text.contains("CERTIFICATE") { return "its certificate is not trusted" }
        if text.contains("not known") || text.contains("resolve") { return "its name cannot be resolved" }
        if text.contains("reset") { return "the connection was reset" }
        // The words of an error may quote what was sent, secrets included: only its kind is told.
        return (error as? HTTPClientError)?.shortDescription ?? "\(type(of: error))"
    }

    static let connectionRefused = "connection refused"
    static let timedOut = "no answer in time"
}

/// The version of this program.
package enum ToolVersion {
    /// Follows Semantic Versioning.
    package static let current = "0.1.0"
}
