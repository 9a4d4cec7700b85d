import Foundation
import ReconcileCore
import ReconcileTesting
import SystemPackage
import Testing

@testable import ReconcileEngine

@Suite struct `The address of a registry` {
    @Test(arguments: [
        ("ghcr.io/acme", "https://ghcr.io", "acme/vad"), ("oci://ghcr.io/acme/", "https://ghcr.io", "acme/vad"),
        ("127.0.0.1:5000", "http://127.0.0.1:5000", "vad"), ("localhost:5000/a/b", "http://localhost:5000", "a/b/vad"),
        ("docker.io", "https://registry-1.docker.io", "library/vad"),
        ("docker.io/acme", "https://registry-1.docker.io", "acme/vad"),
    ])
    func `says whom to ask, and what for`(text: String, base: String, path: String) throws {
        let address = try #require(RegistryAddress(text, allowsInsecure: false))
        #expect(address.base == base)
        #expect(try address.path(of: "vad") == path)
    }

    @Test(arguments: [
        "", "ghcr", "https://ghcr.io", "ghcr.io/Acme", "user@ghcr.io", "ghcr.io:99999", "ghcr.io/../x", "ghcr.io/a b",
    ])
    func `is refused when it is none`(text: String) { #expect(RegistryAddress(text, allowsInsecure: false) == nil) }

    @Test func `has no names with capital letters`() throws {
        let address = try #require(RegistryAddress("ghcr.io", allowsInsecure: false))
        #expect(throws: Fault.self) { try address.path(of: "Acme/VAD") }
    }
}

@Suite struct `What a registry asks for` {
    @Test func `is a login, or a token from somewhere`() {
        #expect(Challenge("Basic realm=\"x\"") == .basic)
        #expect(
            Challenge("Bearer realm=\"https://auth.example/token\",service=\"reg\",scope=\"repository:a/b:pull,push\"")
                == .bearer(realm: "https://auth.example/token", service: "reg", scope: "repository:a/b:pull,push"))
        #expect(Challenge("bearer realm=\"r\" , service=s") == .bearer(realm: "r", service: "s", scope: nil))
    }

    @Test(arguments: ["", "Negotiate", "Bearer", "Bearer service=\"x\"", "Bearer realm"])
    func `is nothing that is known`(header: String) { #expect(Challenge(header) == nil) }
}

@Suite struct `A Link header` {
    @Test(arguments: [
        ("</v2/x/tags/list?last=a>; rel=\"next\"", "/v2/x/tags/list?last=a"),
        ("<a>; rel=\"prev\", <b>; rel=next", "b"), ("<a>; title=\"x\"; rel=\"next\"", "a"),
    ])
    func `says where the next page is`(header: String, next: String) { #expect(Links.next(header) == next) }

    @Test(arguments: ["", "<a>", "a; rel=\"next\"", "<a>; rel=\"last\""])
    func `may say nothing of it`(header: String) { #expect(Links.next(header) == nil) }
}

@Suite struct `The logins of registries` {
    private struct Helper: CredentialHelper {
        func login(of registry: String, from helper: String) async -> RegistryLogins.Login? {
            helper == "vault" && registry == "helped.example" ? .init(user: "h", password: "p") : nil
        }
    }

    private func logins(_ config: String, token: SecretText? = nil) throws -> (RegistryLogins, Workspace) {
        let work = try Workspace()
        try work.write(config, to: "config.json")
        let folder = work.url("").path()
        return (RegistryLogins(token: token, helpers: Helper()) { $0 == "DOCKER_CONFIG" ? folder : nil }, work)
    }

    @Test func `are those of docker login, and of its helpers`() async throws {
        let text =
            #"{"auths":{"a.example":{"auth":"dTpw"},"https://index.docker.io/v1/":{"auth":"ZDpk"}},"#
            + #""credHelpers":{"helped.example":"vault"}}"#
        let (logins, _) = try logins(text)
        #expect(try await logins.login(for: "a.example")?.basic == "Basic dTpw")
        #expect(try await logins.login(for: "registry-1.docker.io")?.basic == "Basic ZDpk")
        #expect(try await logins.login(for: "helped.example")?.basic == "Basic aDpw")
        #expect(try await logins.login(for: "other.example") == nil)
    }

    @Test(arguments: ["", "{", "[]", #"{"auths":{"a.example":{"auth":"!!!"}}}"#, #"{"auths":{"a.example":{}}}"#])
    func `are none where the file cannot be used`(text: String) async throws {
        let (logins, _) = try logins(text)
        #expect(try await logins.login(for: "a.example") == nil)
    }

    @Test func `give way to the one that the source names`() async throws {
        let (logins, work) = try logins(#"{"auths":{"a.example":{"auth":"dTpw"}}}"#)
        try work.write("ana:secret", to: "token")
        let own = RegistryLogins(token: .file(path: work.url("token").path()), helpers: Helper()) { _ in nil }
        #expect(try await own.login(for: "a.example") == .init(user: "ana", password: "secret"))
        #expect(logins.hasLogin(for: "a.example"))
    }
}

@Suite struct `A manifest` {
    private func manifest(_ layers: String, _ more: String = "", exclude: [String] = []) throws -> ModelManifest {
        let text = "{\"schemaVersion\":2,\"layers\":[\(layers)]\(more)}"
        let document = try JSONFile.value(OCIDocument.self, from: Array(text.utf8), name: "test")
        return try ModelManifest(document, choosing: FileSelection(texts: exclude.map { "!\($0)" }))
    }

    private func layer(_ type: String, _ notes: String = "", size: Int = 5) -> String {
        "{\"mediaType\":\"\(type)\",\"digest\":\"sha256:\(Digest.of("x"))\",\"size\":\(size),\"annotations\":{\(notes)}}"
    }

    @Test func `of a ModelPack names files as they are and archives`() throws {
        let raw = layer("application/vnd.cncf.model.weight.v1.raw", "\"org.cncf.model.filepath\":\"a/model.onnx\"")
        let found = try manifest(raw + "," + layer("application/vnd.cncf.model.weight.v1.tar+zstd"))
        #expect(found.files.map(\.path.description) == ["a/model.onnx"])
        #expect(found.archives.map(\.format) == [.tarZstd])
        #expect(try manifest(raw, exclude: ["a/**"]).files.isEmpty)
    }

    @Test func `of a ModelKit names archives, and of ORAS files by their titles`() throws {
        #expect(
            try manifest(layer("application/vnd.kitops.modelkit.model.v1.tar+gzip")).archives.map(\.format) == [
                .tarGzip
            ])
        let pushed = layer("application/octet-stream", "\"org.opencontainers.image.title\":\"./m.onnx\"")
        #expect(try manifest(pushed).files.map(\.path.description) == ["m.onnx"])
        let folder = layer(
            "application/vnd.oci.image.layer.v1.tar+gzip",
            "\"org.opencontainers.image.title\":\"dir\",\"io.deis.oras.content.unpack\":\"true\"")
        #expect(try manifest(folder).archives.map(\.format) == [.tarGzip])
    }

    @Test(arguments: [
        "", "{\"digest\":\"md5:x\",\"size\":1}",
        "{\"mediaType\":\"application/vnd.oci.image.layer.v1.tar+gzip\",\"digest\":\"sha256:\(Digest.of("x"))\",\"size\":1}",
        "{\"mediaType\":\"application/vnd.cncf.model.weight.v1.rar\",\"digest\":\"sha256:\(Digest.of("x"))\",\"size\":1}",
        "{\"digest\":\"sha256:\(Digest.of("x"))\",\"size\":-1,\"annotations\":{\"org.opencontainers.image.title\":\"a\"}}",
        "{\"digest\":\"sha256:\(Digest.of("x"))\",\"size\":1,\"annotations\":{\"org.opencontainers.image.title\":\"../a\"}}",
    ])
    func `that is no model is refused`(layers: String) {
        #expect(throws: ModelManifest.Unusable.self) { try manifest(layers) }
    }

    @Test func `of a bundle reads back as the same release`() throws {
        let files = [
            ReleaseFile(path: try Sample.unwrap(ReleasePath("m.onnx")), size: 3, sha256: .of("abc")),
            ReleaseFile(path: try Sample.unwrap(ReleasePath("README.md")), size: 2, sha256: .of("ab")),
        ]
        let release = Release(
            version: Version(1, 2, 0), origin: try Sample.unwrap(Origin("zoo/vad")), revision: "r", channel: "beta",
            license: "MIT", files: files, archives: [Archive(sha256: .of("t"), size: 9, format: .tarGzip)],
            contentDigest: .of(""))
        let bytes = try JSONFile.bytes(of: BundleManifest(release, diffIDs: [:]).document)
        let document = try JSONFile.value(OCIDocument.self, from: bytes, name: "test")
        let read = try ModelManifest(document, choosing: FileSelection())
        #expect(Set(read.files) == Set(files))
        #expect(read.archives == release.archives)
        #expect(read.annotations[OCIName.channel] == "beta")
    }
}
