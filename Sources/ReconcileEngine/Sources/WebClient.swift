import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
package import ReconcileCore
import SystemPackage

/// Asks web servers, with the manners that downloads need: no compression, redirects followed by hand so that credentials
/// never reach another origin, HTTPS unless allowed otherwise, and a limit for every wait.
package struct WebClient: Sendable {
    /// One client for the process: its connections are kept, and nothing is started before the first request.
    package static let shared = WebClient()

    let connections = WebConnections()

    private init() {}

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
        /// Says who asks, where a token does not do.
        package var authorizer: (any RequestAuthorizer)?
        package var allowsInsecure = false
        /// What its source knows of the file that is asked for.
        package var knowledge: FileKnowledge?
        /// Whether a redirect is followed; otherwise it is the answer.
        package var followsRedirects = true
        /// A part of a file that is sent as the body.
        package var upload: FileUpload?
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

    /// A file, or a part of one, that is sent.
    package struct FileUpload: Sendable {
        let path: FilePath
        let range: Range<Int64>
    }

    /// What is answered: the head, and the body as it comes.
    package struct Response: Sendable {
        package let status: Int
        /// Whether it comes from where a redirect led.
        let isRedirected: Bool
        private let response: HTTPClientResponse

        fileprivate init(_ response: HTTPClientResponse, isRedirected: Bool) {
            (self.response, status, self.isRedirected) = (response, Int(response.status.code), isRedirected)
        }

        /// The first value of a header.
        package func header(_ name: String) -> String? { response.headers.first(name: name) }

        /// The first value of each header, by names in lower case.
        var firstHeaders: [String: String] {
            Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first }
        }

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
        /// - Parameters:
        ///   - seconds: How long all of it may take, without the time in which `took` waits.
        ///   - took: Told of each piece; may wait.
        func body(
            limit: Int, within seconds: Int64 = 120, took: (Int) async throws -> Void = { _ in }
        ) async throws -> [UInt8]? {
            var deadline = ContinuousClock.now + .seconds(seconds)
            var bytes: [UInt8] = []
            for try await buffer in response.body {
                guard bytes.count + buffer.readableBytes <= limit else { return nil }
                guard ContinuousClock.now < deadline else { throw HTTPClientError.deadlineExceeded }
                bytes += buffer.readableBytesView
                let came = ContinuousClock.now
                try await took(buffer.readableBytes)
                deadline += .now - came
            }
            return bytes
        }

        /// How long the server asks to be left alone.
        var retryAfter: Duration? { RetryAfter.wait(response.headers) }
    }

    private static let redirects: Set<Int> = [301, 302, 303, 307, 308]

    /// Sends a request and returns the first answer that is not a redirect.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `insecureAddress` or `secretMissing`; `CancellationError`.
    package func send(_ request: Request) async throws -> Response {
        guard let first = URL(string: request.url) else {
            throw Fault(.sourceUnreachable(url: request.shown, detail: "this is not an address"))
        }
        var target = first
        // Requests beside this one may use up what was renewed.
        var renewals = request.authorizer == nil ? 0 : 5
        for _ in 0..<(10 + renewals) {
            let isTrusted = WebAddress.haveSameOrigin(first, target)
            guard isTrusted || (request.body == nil && request.upload == nil) else {
                throw Fault(
                    .sourceUnreachable(
                        url: request.shown, detail: "it redirects a body to another server"))
            }
            let headers = try await headers(of: request, at: target.absoluteString)
            let response = try await execute(request, at: target, headers)
            if [400, 401, 403].contains(response.status), renewals > 0, isTrusted,
                try await request.authorizer?.renew(
                    after: response.header("WWW-Authenticate"), refused: headers.first(name: "Authorization")) == true
            {
                renewals -= 1
                continue
            }
            guard request.followsRedirects, Self.redirects.contains(response.status),
                let location = response.header("Location")
            else {
                return response
            }
            if let objection = request.knowledge?.objection(toLinked: response.header("X-Linked-Etag")) {
                throw Fault(.sourceInvalid(url: request.shown, detail: objection))
            }
            target = URL(string: try redirected(request, from: target.absoluteString, to: location)) ?? target
        }
        throw Fault(.sourceUnreachable(url: request.shown, detail: "it redirects more than 10 times"))
    }

    /// Where a redirect leads: never from HTTPS to plain HTTP.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`.
    func redirected(_ request: Request, from address: String, to location: String) throws -> String {
        guard let base = URL(string: address), let next = URL(string: location, relativeTo: base)?.absoluteURL,
            !(base.scheme == "https" && next.scheme != "https")
        else {
            throw Fault(
                .sourceUnreachable(
                    url: URL(string: address).map(request.shown) ?? request.shown,
                    detail: "it redirects to an address that is not allowed"))
        }
        return next.absoluteString
    }

    /// The headers of a request to an address: what is secret goes to the origin that it was meant for only.
    ///
    /// - Throws: ``Fault`` of kind `insecureAddress`, `sourceUnreachable` or `secretMissing`.
    func headers(of request: Request, at address: String) async throws -> HTTPHeaders {
        guard let first = URL(string: request.url), let url = URL(string: address), WebAddress.canBeAsked(url) else {
            throw Fault(.sourceUnreachable(url: request.shown, detail: "this is not an address"))
        }
        guard WebAddress.isAllowed(address, allowsInsecure: request.allowsInsecure) else {
            throw Fault(.insecureAddress(url: request.shown(url)))
        }
        var headers = HTTPHeaders()
        headers.add(name: "User-Agent", value: "reconcile/\(ToolVersion.current)")
        headers.add(name: "Accept-Encoding", value: "identity")
        for (name, value) in request.headers { headers.replaceOrAdd(name: name, value: value) }
        guard WebAddress.haveSameOrigin(first, url) else { return headers }
        if let login = NetworkLogins.current().basic(for: url.host() ?? "") {
            headers.add(name: "Authorization", value: login)
        }
        for (name, value) in request.secretHeaders { headers.replaceOrAdd(name: name, value: value) }
        if let token = request.token {
            headers.replaceOrAdd(name: "Authorization", value: "Bearer \(try Environment.reveal(token))")
        }
        if let authorizer = request.authorizer {
            let added = try await authorizer.headers(
                for: request.method, url.absoluteString, headers.map { ($0.name, $0.value) })
            for (name, value) in added { headers.replaceOrAdd(name: name, value: value) }
        }
        return headers
    }

    private func execute(_ request: Request, at url: URL, _ headers: HTTPHeaders) async throws -> Response {
        var message = HTTPClientRequest(url: url.absoluteString)
        message.method = HTTPMethod(rawValue: request.method)
        message.headers = headers
        if let body = request.body { message.body = .bytes(ByteBuffer(string: body)) }
        if let upload = request.upload {
            message.body = .stream(FileChunks(upload), length: .known(Int64(upload.range.count)))
        }
        do {
            return Response(
                try await head(of: message, from: url, within: request.timeoutSeconds),
                isRedirected: url.absoluteString != request.url)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            try Task.checkCancellation()
            throw Fault(.sourceUnreachable(url: request.shown(url), detail: Self.words(for: error)))
        }
    }

    /// The answer's head within a time; the body may then take as long as bytes keep coming.
    private func head(
        of message: HTTPClientRequest, from url: URL, within seconds: Int64
    ) async throws -> HTTPClientResponse {
        let client = try connections.client(for: url, .documents)
        return try await withThrowingTaskGroup(of: HTTPClientResponse?.self) { group in
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
        if error is HTTPParserError { return "the connection was closed in the middle of an answer" }
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
