import Foundation
import ReconcileCore
import ReconcileTesting
import SystemPackage
import Testing

@testable import ReconcileEngine

@Suite struct `Access to a hub` {
    private let publicHub = SecretText.literal("https://huggingface.co/")

    private func access(_ address: SecretText, token: SecretText? = nil, _ variables: [String: String]) -> HubAccess {
        HubAccess(address: address, token: token, allowsInsecure: false) { variables[$0] }
    }

    @Test func `takes the endpoint and the token of this user for the public hub`() throws {
        let access = access(publicHub, ["HF_ENDPOINT": "https://mirror.example", "HF_TOKEN": "t"])
        #expect(try access.location("/x").url == "https://mirror.example/x")
        #expect(access.token == .environment(name: "HF_TOKEN"))
    }

    @Test func `gives the token of this user to no other hub`() throws {
        let access = access(
            .literal("https://hub.example"), ["HF_ENDPOINT": "https://mirror.example", "HF_TOKEN": "t"])
        #expect(try access.location("/x").url == "https://hub.example/x")
        #expect(access.token == nil)
    }

    @Test func `takes the token that the file names before every other`() {
        let own = SecretText.environment(name: "OWN")
        #expect(access(publicHub, token: own, ["HF_TOKEN": "t"]).token == own)
    }

    @Test func `finds the token that a login has left`() throws {
        let work = try Workspace()
        try work.write("t", to: "hf/token")
        let path = work.url("hf/token").path()
        #expect(access(publicHub, ["HF_HOME": work.url("hf").path()]).token == .file(path: path))
        #expect(access(publicHub, ["HF_TOKEN_PATH": path]).token == .file(path: path))
        #expect(access(publicHub, ["HOME": work.url("nobody").path()]).token == nil)
    }

    @Test(arguments: ["1", "true", "YES"])
    func `is refused where the environment says so`(value: String) {
        let offline = access(publicHub, ["HF_HUB_OFFLINE": value])
        #expect(throws: Fault.self) { try offline.location("/x") }
    }
}

@Suite struct `A git blob` {
    @Test func `is named as git names it`() {
        var hash = GitBlobHash(size: 6)
        Array("hello\n".utf8).withUnsafeBytes { hash.update($0) }
        #expect(hash.name() == "ce013625030ba8dba906f756967f9e9ca394464a")
    }
}

@Suite struct `A tag of a hub` {
    @Test(arguments: [("v1.2.3", "1.2.3"), ("1.2.3", "1.2.3"), ("V2.0", "2.0"), ("v1.0.0-rc.1", "1.0.0-rc.1")])
    func `is a version, with or without a v`(tag: String, version: String) {
        #expect(HubSource.version(of: tag)?.description == version)
    }

    @Test(arguments: ["main", "vv1", "release-1.0", "", "v"])
    func `may be none`(tag: String) { #expect(HubSource.version(of: tag) == nil) }
}

@Suite struct `The card of a model` {
    private func license(_ text: String) throws -> String? {
        try JSONFile.value(HubRevision.self, from: Array(text.utf8), name: "test").license
    }

    @Test func `names the licence, or its tags do`() throws {
        #expect(try license(#"{"sha":"x","cardData":{"license":"mit"},"tags":["license:other"]}"#) == "mit")
        #expect(try license(#"{"sha":"x","cardData":{"license":["mit","gpl-3.0"]}}"#) == "mit AND gpl-3.0")
        #expect(try license(#"{"sha":"x","tags":["onnx","license:apache-2.0"]}"#) == "apache-2.0")
        #expect(try license(#"{"sha":"x","cardData":{"license":7}}"#) == nil)
    }
}

@Suite struct `A place to look for models` {
    @Test(arguments: ["", "vad", "hub/", "oci://ghcr.io", "s3://bucket", "https://x", "hub/a b"])
    func `is refused when it names no repository`(text: String) {
        #expect(throws: Fault.self) { try Discovery(text) }
    }

    @Test(arguments: [
        "hub/acme/vad", "oci://ghcr.io/acme/vad", "s3://acme/prod/vad", "https://models.example/catalog/vad",
        "./catalog/vad",
    ])
    func `is understood for every kind of source`(text: String) throws { _ = try Discovery(text) }
}
