import Foundation

// The two endpoints that lend credentials to the machine they run beside.

/// Credentials as both endpoints write them
/// (<https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>).
private struct LentCredentials: Decodable {
    let code: String?
    let accessKeyID: String?
    let secretAccessKey: String?
    let token: String?
    let expiration: String?

    enum CodingKeys: String, CodingKey {
        case code = "Code"
        case accessKeyID = "AccessKeyId"
        case secretAccessKey = "SecretAccessKey"
        case token = "Token"
        case expiration = "Expiration"
    }

    /// Parses what `url` answered.
    static func credentials(in body: [UInt8], from url: String) throws(CredentialFault) -> Credentials {
        guard let lent = try? JSONDecoder().decode(LentCredentials.self, from: Data(body)) else {
            throw .invalid(place: url, detail: "the answer is not JSON with credentials")
        }
        guard lent.code ?? "Success" == "Success" else {
            throw .invalid(place: url, detail: "it has no credentials to give")
        }
        let keys = StoredKeys(
            accessKeyID: lent.accessKeyID, secretAccessKey: lent.secretAccessKey, sessionToken: lent.token,
            expiration: lent.expiration)
        guard let found = try keys.credentials(names: ("AccessKeyId", "SecretAccessKey"), place: url) else {
            throw .incomplete(place: url, missing: "AccessKeyId")
        }
        return found
    }
}

// Containers of ECS and EKS: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>.
extension CredentialChain {
    /// Hosts that may be asked without TLS, besides this machine: the endpoints of ECS and EKS.
    private static let containerHosts: Set<String> = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"]

    func container() async throws -> Finding? {
        guard let url = try containerURL() else { return nil }
        let headers = try containerToken().map { [Header("Authorization", $0, isSecret: true)] } ?? []
        let answer = try await ask("GET", url, headers: headers, timeoutSeconds: 2)
        guard answer.status == 200 else { throw CredentialFault.refused(url: url, status: answer.status) }
        let credentials = try LentCredentials.credentials(in: answer.body, from: url)
        return Finding(credentials: credentials, origin: .container(url: url))
    }

    private func containerURL() throws(CredentialFault) -> String? {
        if let path = surroundings.setting("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            let isPath = path.hasPrefix("/") && path.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x23 }
            guard isPath else { throw .forbiddenEndpoint(url: path) }
            return "http://169.254.170.2\(path)"
        }
        guard let url = surroundings.setting("AWS_CONTAINER_CREDENTIALS_FULL_URI") else { return nil }
        let parts = url.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let origin = parts.first.flatMap({ WebOrigin(String($0)) }),
            origin.isSecure || origin.isLoopback || Self.containerHosts.contains(origin.host),
            parts.dropFirst().allSatisfy({ $0.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x23 } })
        else { throw .forbiddenEndpoint(url: url) }
        return url
    }

    /// What the endpoint wants to see as `Authorization`; a file goes first, because it is replaced in time.
    private func containerToken() throws(CredentialFault) -> String? {
        var token = surroundings.setting("AWS_CONTAINER_AUTHORIZATION_TOKEN")
        if let path = surroundings.setting("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
            guard let text = try surroundings.text(ofFile: path) else {
                throw .unreadable(path: path, detail: "there is no such file")
            }
            token = String(text.reversed().drop(while: \.isNewline).reversed())
        }
        guard let token else { return nil }
        guard !token.isEmpty, token.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw .invalid(place: "the container's authorization token", detail: "it cannot be sent in a header")
        }
        return token
    }
}

// Virtual machines of EC2, version 2 of the service only, which asks for a token first so that a page that is tricked into
// fetching an address learns nothing: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html>.
extension CredentialChain {
    private static let rolePath = "/latest/meta-data/iam/security-credentials/"

    /// Asks the metadata service. A machine that has none, or no role, has no credentials; that is no fault.
    func instance() async throws -> Finding? {
        guard surroundings.setting("AWS_EC2_METADATA_DISABLED")?.lowercased() != "true" else { return nil }
        let base = try instanceEndpoint().description
        guard let token = try await instanceToken(base) else { return nil }
        let headers = [Header("X-aws-ec2-metadata-token", token, isSecret: true)]
        let list = "\(base)\(Self.rolePath)"
        let roles = try await ask("GET", list, headers: headers, timeoutSeconds: 1)
        if roles.status == 404 { return nil }
        guard roles.status == 200 else { throw CredentialFault.refused(url: list, status: roles.status) }
        guard let role = String(decoding: roles.body, as: UTF8.self).split(whereSeparator: \.isNewline).first else {
            return nil
        }
        let url = "\(list)\(PercentEncoding.encode(String(role)))"
        let answer = try await ask("GET", url, headers: headers, timeoutSeconds: 1)
        guard answer.status == 200 else { throw CredentialFault.refused(url: url, status: answer.status) }
        let credentials = try LentCredentials.credentials(in: answer.body, from: url)
        return Finding(credentials: credentials, origin: .instance(role: String(role)))
    }

    private func instanceEndpoint() throws(CredentialFault) -> WebOrigin {
        let isIPv6 = surroundings.setting("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE")?.lowercased() == "ipv6"
        let usual = isIPv6 ? "http://[fd00:ec2::254]" : "http://169.254.169.254"
        let url = surroundings.setting("AWS_EC2_METADATA_SERVICE_ENDPOINT") ?? usual
        guard let origin = WebOrigin(url) else { throw .forbiddenEndpoint(url: url) }
        return origin
    }

    /// A token for six hours; `nil` when nobody answers, or somebody who is no such service.
    private func instanceToken(_ base: String) async throws -> String? {
        let lifetime = Header("X-aws-ec2-metadata-token-ttl-seconds", "21600")
        do {
            let answer = try await ask("PUT", "\(base)/latest/api/token", headers: [lifetime], timeoutSeconds: 1)
            let token = String(decoding: answer.body, as: UTF8.self)
            let isToken = !token.isEmpty && token.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            return answer.status == 200 && isToken ? token : nil
        } catch CredentialFault.unreachable {
            return nil
        }
    }

    private func ask(
        _ method: String, _ url: String, headers: [Header], timeoutSeconds: Int
    ) async throws -> Surroundings.Answer {
        let question = Surroundings.Question(
            method: method, url: url, headers: headers, timeoutSeconds: timeoutSeconds, mostBytes: 64 << 10)
        do {
            let answer = try await surroundings.http(question)
            guard answer.body.count <= question.mostBytes else {
                throw CredentialFault.invalid(place: url, detail: "the answer is too long")
            }
            return answer
        } catch let error where error is CancellationError || error is CredentialFault {
            throw error
        } catch {
            try Task.checkCancellation()
            throw CredentialFault.unreachable(url: url, detail: "\(error)")
        }
    }
}
