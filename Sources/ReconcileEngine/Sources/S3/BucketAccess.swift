import AmazonS3
import Foundation
import ReconcileCore
import Synchronization
import SystemPackage

/// Where a bucket is, and who asks it: finds keys and region where the AWS tools do, signs every request anew, and follows the
/// bucket to its region.
final class BucketAccess: RequestAuthorizer {
    private let declaration: BucketDeclaration
    private let address: BucketAddress
    private let allowsInsecure: Bool
    /// Who serves the bucket, when that is not Amazon.
    private let endpoint: SecretText?
    private let chain: CredentialChain
    private let keys: CredentialCache
    private let clock: @Sendable () -> Date
    private let known = Mutex<Bucket?>(nil)
    private let answered = Atomic(false)
    /// The credentials that went out last.
    private let used = Mutex<Credentials?>(nil)

    /// - Throws: ``Fault`` of kind `unusable` when the address is not `s3://bucket/prefix`.
    init(
        _ declaration: BucketDeclaration, allowsInsecure: Bool, client: WebClient = .shared,
        variable: @escaping @Sendable (String) -> String? = Environment.value,
        clock: @escaping @Sendable () -> Date = { Date() }
    ) throws {
        (self.declaration, self.allowsInsecure, self.clock) = (declaration, allowsInsecure, clock)
        let usual = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"].first { variable($0).map { !$0.isEmpty } ?? false }
        endpoint = declaration.endpoint ?? usual.map { .environment(name: $0) }
        do { address = try BucketAddress(parsing: declaration.address) } catch {
            throw error.asFault(declaration.address)
        }
        let surroundings = Surroundings(
            variable: variable, file: { try DiskReader.contents(of: FilePath($0), limit: 1 << 20) },
            http: { try await Self.ask($0, client) }, now: clock)
        chain = CredentialChain(
            surroundings: surroundings, profile: declaration.profile, anonymous: declaration.isAnonymous)
        keys = CredentialCache(chain)
    }

    /// Whether the bucket has answered, so that it is where it is asked.
    var hasAnswered: Bool { answered.load(ordering: .relaxed) }

    /// Notes that the bucket has answered.
    func noteAnswer() { answered.store(true, ordering: .relaxed) }

    /// The address for people.
    var shown: String { "s3://\(address.bucket)/\(address.prefix)" }

    /// The whole key of a path below the prefix.
    func key(_ path: String) -> String { address.prefix + path }

    /// The bucket, as it is asked now.
    ///
    /// - Throws: ``Fault`` of kind `unusable` when its name, its endpoint or its region is none.
    func bucket() throws -> Bucket {
        if let bucket = known.withLock({ $0 }) { return bucket }
        let region: String?
        do { region = try declaration.region ?? chain.region() } catch { throw Self.fault(error, shown) }
        // Whoever serves buckets elsewhere seldom looks at the region, but it is part of every signature.
        return try settle(region: region ?? "us-east-1")
    }

    /// Asks the bucket in another region from now on.
    ///
    /// - Throws: ``Fault`` of kind `unusable`.
    @discardableResult
    func settle(region: String) throws -> Bucket {
        let style: Bucket.Style =
            switch declaration.addressing {
            case .auto: .automatic
            case .path: .path
            case .host: .virtualHost
            }
        do {
            let bucket = try Bucket(
                name: address.bucket, region: region, endpoint: try endpoint.map(Environment.reveal),
                style: style)
            known.withLock { $0 = bucket }
            return bucket
        } catch let fault as S3Fault {
            throw fault.asFault(shown)
        }
    }

    /// A request as it is sent; it is signed when it is.
    func request(_ request: ServiceRequest, shown path: String) -> WebClient.Request {
        var message = WebClient.Request(url: request.url, shown: shown + path)
        message.method = request.method
        message.headers = request.headers.map { ($0.name, $0.value) } + [(Self.contentHash, request.payload.hash)]
        (message.authorizer, message.allowsInsecure, message.followsRedirects) = (self, allowsInsecure, false)
        return message
    }

    /// Where an object is.
    ///
    /// - Throws: ``Fault`` of kind `unusable` or `secretMissing`.
    func location(_ path: String) throws -> WebLocation {
        let request: ServiceRequest
        // Of a part of an object the checksum may be that of a part of an upload, so that it is not asked for.
        do { request = try bucket().get(key(path), range: 0...0) } catch let fault as S3Fault {
            throw fault.asFault(shown + path)
        }
        return WebLocation(url: request.url, shown: shown + path, allowsInsecure: allowsInsecure, authorizer: self)
    }

    // MARK: Who asks

    func headers(for method: String, _ url: String, _ headers: [(String, String)]) async throws -> [(String, String)] {
        let finding: CredentialChain.Finding
        do { finding = try await keys.current() } catch { throw Self.fault(error, shown) }
        used.withLock { $0 = finding.credentials }
        guard let credentials = finding.credentials else { return [] }
        let bucket = try bucket()
        guard let parts = URLComponents(string: url), let origin = Self.origin(of: parts, bucket) else {
            throw Fault(.bug(detail: "\(shown) has an address that cannot be signed"))
        }
        let signed = headers.filter { name, _ in
            let name = name.lowercased()
            return (name.hasPrefix("x-amz-") && name != Self.contentHash) || name.hasPrefix("if-")
        }
        let request = ServiceRequest(
            method: method, origin: origin, path: parts.percentEncodedPath.isEmpty ? "/" : parts.percentEncodedPath,
            query: (parts.queryItems ?? []).map { ($0.name, $0.value ?? "") },
            headers: signed.map { Header($0, $1) }, payload: Self.payload(headers))
        return SignatureV4(credentials: credentials, region: bucket.region).headers(for: request, at: clock()).map {
            ($0.name, $0.value)
        }
    }

    /// Nearly always the bucket's own, which need not be parsed anew.
    private static func origin(of parts: URLComponents, _ bucket: Bucket) -> WebOrigin? {
        guard let scheme = parts.scheme, let host = parts.percentEncodedHost else { return nil }
        let authority = host + (parts.port.map { ":\($0)" } ?? "")
        let isOwn = authority == bucket.origin.authority && (scheme == "https") == bucket.origin.isSecure
        return isOwn ? bucket.origin : WebOrigin("\(scheme)://\(authority)")
    }

    private static let contentHash = "x-amz-content-sha256"

    /// The body as the request names it; none when it names none.
    private static func payload(_ headers: [(String, String)]) -> Payload {
        let hash = headers.first { $0.0.lowercased() == contentHash }?.1
        return hash.flatMap { Digest($0) }.flatMap { Payload(sha256: $0.bytes) } ?? .empty
    }

    func renew(after challenge: String?, refused: String?) async throws -> Bool {
        let before = used.withLock { $0 }
        keys.forget()
        do { return try await keys.current().credentials != before } catch { throw Self.fault(error, shown) }
    }

    private static func ask(_ question: Surroundings.Question, _ client: WebClient) async throws -> Surroundings.Answer
    {
        var request = WebClient.Request(url: question.url)
        request.method = question.method
        request.secretHeaders = question.headers.map { ($0.name, $0.value) }
        (request.timeoutSeconds, request.allowsInsecure, request.followsRedirects) = (
            Int64(question.timeoutSeconds), true, false
        )
        let response = try await client.send(request)
        let body = try await response.body(limit: question.mostBytes, within: Int64(question.timeoutSeconds))
        return Surroundings.Answer(status: response.status, body: body ?? [])
    }

    /// What the search for keys says, as a fault.
    private static func fault(_ error: any Error, _ shown: String) -> any Error {
        switch error {
        case let fault as CredentialFault: fault.asFault(shown)
        case let fault as S3Fault: fault.asFault(shown)
        default: error
        }
    }
}
