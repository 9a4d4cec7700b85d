import AmazonS3
import Foundation
import Testing

private let keys = ["AWS_ACCESS_KEY_ID": "AKENV", "AWS_SECRET_ACCESS_KEY": "secret"]
private let stored = "[default]\naws_access_key_id = AKFILE\naws_secret_access_key = secret\n"
private let lent = #"{"AccessKeyId":"AKLENT","SecretAccessKey":"s","Token":"t","Expiration":"2026-01-01T06:00:00Z"}"#
private let credentialsPath = "/home/me/.aws/credentials"
private let configPath = "/home/me/.aws/config"
private let roles = "http://169.254.169.254/latest/meta-data/iam/security-credentials/"
private let instance = [
    "PUT http://169.254.169.254/latest/api/token": "TOKEN", "GET \(roles)": "my-role", "GET \(roles)my-role": lent,
]

@Suite struct `The search for credentials` {
    @Test func `takes the environment first`() async throws {
        let token = keys.merging(["AWS_SESSION_TOKEN": "tok", "AWS_PROFILE": "other"]) { $1 }
        let finding = try await World(token, files: [credentialsPath: stored], answers: instance).find()
        #expect(finding.origin == .environment)
        #expect(finding.credentials?.accessKeyID == "AKENV")
        #expect(finding.credentials?.sessionToken?.revealed == "tok")
    }

    @Test func `takes a profile that is asked for before the environment`() async throws {
        let world = World(keys, files: [credentialsPath: stored.replacing("default", with: "work")])
        let finding = try await world.find(profile: "work")
        #expect(finding.origin == .sharedFile(path: "~/.aws/credentials", profile: "work"))
    }

    @Test func `then takes the file of credentials, then the config`() async throws {
        let config = stored.replacing("AKFILE", with: "AKCONFIG")
        let both = try await World(files: [credentialsPath: stored, configPath: config]).find()
        #expect(both.credentials?.accessKeyID == "AKFILE")
        let one = try await World(files: [configPath: config]).find()
        #expect(one.credentials?.accessKeyID == "AKCONFIG")
        #expect(one.origin == .sharedFile(path: "~/.aws/config", profile: "default"))
    }

    @Test func `finds the files where variables say`() async throws {
        let variables = ["AWS_SHARED_CREDENTIALS_FILE": "/a", "AWS_CONFIG_FILE": "~/b", "AWS_PROFILE": "x y"]
        let files = [
            "/a": "[x y]\naws_access_key_id=AK\naws_secret_access_key=s", "/home/me/b": "[profile 'x y']\nregion=r1",
        ]
        let world = World(variables, files: files)
        #expect(try await world.find().credentials?.accessKeyID == "AK")
        #expect(try CredentialChain(surroundings: world.surroundings).region() == "r1")
    }

    @Test func `says that nothing was asked for or nothing was found`() async throws {
        let asked = try await World(keys).find(anonymous: true)
        #expect(asked.credentials == nil && asked.origin == .anonymousAsAsked)
        let none = try await World().find()
        #expect(none.credentials == nil && none.origin == .nothingFound)
    }

    @Test(arguments: [
        (["AWS_ACCESS_KEY_ID": "AK"], "AWS_SECRET_ACCESS_KEY"), (["AWS_SECRET_ACCESS_KEY": "s"], "AWS_ACCESS_KEY_ID"),
        (["AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": ""], "AWS_SECRET_ACCESS_KEY"),
    ])
    func `does not go on when a part is missing`(variables: [String: String], missing: String) async {
        await #expect(throws: CredentialFault.incomplete(place: "the environment", missing: missing)) {
            try await World(variables, files: [credentialsPath: stored]).find()
        }
    }

    @Test func `does not use credentials that have expired`() async {
        let variables = keys.merging(["AWS_CREDENTIAL_EXPIRATION": "2025-12-31T23:59:59Z"]) { $1 }
        await #expect(throws: CredentialFault.expired(place: "the environment")) {
            try await World(variables).find()
        }
    }

    @Test func `names a profile that is not there`() async {
        await #expect(throws: CredentialFault.profileNotFound("nobody")) {
            try await World(["AWS_PROFILE": "nobody"], files: [credentialsPath: stored]).find()
        }
    }

    @Test(arguments: [
        ("role_arn = arn:aws:iam::1:role/x\nsource_profile = base", CredentialFault.Way.assumeRole),
        ("web_identity_token_file = /t\nrole_arn = arn", .webIdentity), ("credential_process = /bin/x", .process),
        ("sso_session = corp\nsso_account_id = 1\nsso_role_name = r", .singleSignOn),
        ("sso_start_url = u", .singleSignOn),
        ("login_session = arn:aws:iam::1:user/x", .login),
    ])
    func `refuses what it does not support`(settings: String, way: CredentialFault.Way) async {
        let world = World(files: [configPath: "[default]\n\(settings)\n"], answers: instance)
        await #expect(throws: CredentialFault.unsupported(way, place: "profile default")) { try await world.find() }
        #expect(world.asked.isEmpty)
    }

    @Test func `refuses a web identity of the environment`() async {
        await #expect(throws: CredentialFault.unsupported(.webIdentity, place: "the environment")) {
            try await World(["AWS_WEB_IDENTITY_TOKEN_FILE": "/t"], files: [credentialsPath: stored]).find()
        }
    }

    @Test func `takes keys before a program, as the AWS CLI does`() async throws {
        let world = World(files: [credentialsPath: stored, configPath: "[default]\ncredential_process = /bin/x"])
        #expect(try await world.find().credentials?.accessKeyID == "AKFILE")
    }

    @Test(arguments: [
        (["AWS_REGION": "r1", "AWS_DEFAULT_REGION": "r2"], "r1"), (["AWS_DEFAULT_REGION": "r2"], "r2"), ([:], "r3"),
    ])
    func `finds the region too`(variables: [String: String], expected: String) throws {
        let world = World(variables, files: [configPath: "[default]\nregion = r3\n"])
        #expect(try CredentialChain(surroundings: world.surroundings).region() == expected)
    }
}

@Suite struct `The endpoint of a container` {
    private static let relative = ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1?x=1"]

    @Test func `is asked at its own address for a path`() async throws {
        let url = "http://169.254.170.2/v2/credentials/1?x=1"
        let finding = try await World(Self.relative, answers: ["GET \(url)": lent]).find()
        #expect(finding.origin == .container(url: url))
        #expect(finding.credentials?.expiry == time("2026-01-01T06:00:00Z"))
    }

    @Test(arguments: [
        "https://anywhere.example/creds?a=b", "http://localhost:80/c", "http://127.0.0.1:1234/c", "http://127.9.9.9/c",
        "http://[::1]/c", "http://169.254.170.2/c", "http://169.254.170.23/v1/credentials",
        "http://[fd00:ec2::23]/v1/c",
    ])
    func `may be at`(url: String) async throws {
        let world = World(["AWS_CONTAINER_CREDENTIALS_FULL_URI": url], answers: ["GET \(url)": lent])
        #expect(try await world.find().credentials?.accessKeyID == "AKLENT")
    }

    @Test(arguments: [
        "http://example.com/c", "http://127.0.0.1.example.com/c", "http://169.254.170.2@example.com/c",
        "http://169.254.169.254/c", "http://[fd00:ec2::24]/c", "http://127.0.0.1#@example.com/", "ftp://localhost/c",
        "http://127.0.0/c", "http://0x7f.0.0.1/c", "http:/localhost", "localhost", "http://127.0.0.1\\@example.com/",
        "http://localhost /c", "http://localhost:99999/c", "http://localhost:/c",
    ])
    func `may not be at`(url: String) async {
        let world = World(["AWS_CONTAINER_CREDENTIALS_FULL_URI": url])
        await #expect(throws: CredentialFault.forbiddenEndpoint(url: url)) { try await world.find() }
        #expect(world.asked.isEmpty)
    }

    @Test(arguments: ["@example.com/c", "relative", "/with space", "/#x", ".example.com/"])
    func `is not somewhere else by a path`(path: String) async {
        let world = World(["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": path])
        await #expect(throws: CredentialFault.forbiddenEndpoint(url: path)) { try await world.find() }
        #expect(world.asked.isEmpty)
    }

    @Test func `sees the token, that of a file first`() async throws {
        let variables = Self.relative.merging(
            ["AWS_CONTAINER_AUTHORIZATION_TOKEN": "old", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "/t"]) { $1 }
        let world = World(variables, files: ["/t": "Bearer new\n"])
        _ = try? await world.find()
        #expect(world.asked.first?.headers == [Header("Authorization", "Bearer new", isSecret: true)])
    }

    @Test func `does not see a token that would be another header`() async {
        let world = World(Self.relative.merging(["AWS_CONTAINER_AUTHORIZATION_TOKEN": "a\r\nHost: b"]) { $1 })
        await #expect(throws: CredentialFault.self) { try await world.find() }
        #expect(world.asked.isEmpty)
    }

    @Test func `must answer when it is there`() async {
        let (world, url) = (World(Self.relative, answers: instance), "http://169.254.170.2/v2/credentials/1?x=1")
        await #expect(throws: CredentialFault.unreachable(url: url, detail: "NoAnswer()")) { try await world.find() }
        world.answer("GET \(url)", 403)
        await #expect(throws: CredentialFault.refused(url: url, status: 403)) { try await world.find() }
        world.answer("GET \(url)", 200, "<html>")
        await #expect(throws: CredentialFault.self) { try await world.find() }
        world.answer("GET \(url)", 200, String(repeating: " ", count: 70_000) + lent)
        await #expect(throws: CredentialFault.invalid(place: url, detail: "the answer is too long")) {
            try await world.find()
        }
    }
}

@Suite struct `The metadata service of an instance` {
    @Test func `is asked for a token, the role and its credentials`() async throws {
        let world = World(answers: instance)
        let finding = try await world.find()
        #expect(finding.origin == .instance(role: "my-role"))
        #expect(finding.credentials?.accessKeyID == "AKLENT")
        #expect(world.asked.map(\.method) == ["PUT", "GET", "GET"])
        #expect(world.asked.allSatisfy { $0.timeoutSeconds == 1 })
        #expect(world.asked.first?.headers == [Header("X-aws-ec2-metadata-token-ttl-seconds", "21600")])
        #expect(world.asked.last?.headers == [Header("X-aws-ec2-metadata-token", "TOKEN", isSecret: true)])
    }

    @Test func `is not asked when it is disabled`() async throws {
        let world = World(["AWS_EC2_METADATA_DISABLED": "TRUE"], answers: instance)
        #expect(try await world.find().origin == .nothingFound)
        #expect(world.asked.isEmpty)
    }

    @Test(arguments: [
        (["AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://localhost:1338/"], "http://localhost:1338/latest/api/token"),
        (["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv6"], "http://[fd00:ec2::254]/latest/api/token"),
    ])
    func `is asked where variables say`(variables: [String: String], expected: String) async throws {
        let world = World(variables)
        #expect(try await world.find().origin == .nothingFound)
        #expect(world.asked.map(\.url) == [expected])
    }

    @Test func `may have no role`() async throws {
        let world = World(answers: instance)
        world.answer("GET \(roles)", 404)
        #expect(try await world.find().origin == .nothingFound)
    }

    @Test func `must give the credentials of the role that it names`() async {
        let world = World(answers: instance)
        world.answer("GET \(roles)my-role", 200, #"{"Code":"AssumeRoleUnauthorizedAccess"}"#)
        await #expect(throws: CredentialFault.self) { try await world.find() }
    }

    @Test func `cannot lead elsewhere by the name of a role`() async throws {
        let world = World(answers: instance)
        world.answer("GET \(roles)", 200, "../../x?y#z")
        _ = try? await world.find()
        #expect(world.asked.last?.url == "\(roles)..%2F..%2Fx%3Fy%23z")
    }
}

@Suite struct `The memory of credentials` {
    private let keep = ["PUT http://169.254.169.254/latest/api/token": "TOKEN"]

    @Test func `is renewed five minutes before they expire`() async throws {
        let world = World(answers: instance)
        let cache = CredentialCache(CredentialChain(surroundings: world.surroundings))
        _ = try await cache.current()
        world.setClock("2026-01-01T05:54:59Z")
        _ = try await cache.current()
        #expect(world.asked.count == 3)
        world.answer("GET \(roles)my-role", 200, lent.replacing("06:00", with: "12:00"))
        world.setClock("2026-01-01T05:55:00Z")
        #expect(try await cache.current().credentials?.expiry == time("2026-01-01T12:00:00Z"))
        #expect(world.asked.count == 6)
    }

    @Test func `serves until the end when they cannot be renewed`() async throws {
        let world = World(answers: instance)
        let cache = CredentialCache(CredentialChain(surroundings: world.surroundings))
        let first = try await cache.current()
        world.answer("GET \(roles)my-role", 500)
        world.setClock("2026-01-01T05:59:59Z")
        #expect(try await cache.current() == first)
        world.setClock("2026-01-01T06:00:00Z")
        await #expect(throws: CredentialFault.refused(url: "\(roles)my-role", status: 500)) {
            try await cache.current()
        }
    }

    @Test func `believes for five minutes that there are none`() async throws {
        let world = World()
        let cache = CredentialCache(CredentialChain(surroundings: world.surroundings))
        #expect(try await cache.current().origin == .nothingFound)
        for (question, body) in instance { world.answer(question, 200, body) }
        #expect(try await cache.current().origin == .nothingFound)
        world.setClock("2026-01-01T00:05:00Z")
        #expect(try await cache.current().origin == .instance(role: "my-role"))
    }

    @Test func `can be told to forget`() async throws {
        let world = World(answers: instance)
        let cache = CredentialCache(CredentialChain(surroundings: world.surroundings))
        _ = try await cache.current()
        cache.forget()
        _ = try await cache.current()
        #expect(world.asked.count == 6)
    }
}
