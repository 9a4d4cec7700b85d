import Foundation
import ReconcileCore
import Testing

@testable import ReconcileEngine

@Suite struct `A proxy` {
    private func proxy(_ address: String, _ variables: [String: String]) throws -> String? {
        try Proxy.forAddress(try #require(URL(string: address))) { variables[$0] }
            .map { "\($0.isSOCKS ? "socks " : "")\($0.host):\($0.port)" }
    }

    @Test func `is used for the scheme it is named for`() throws {
        let variables = ["HTTPS_PROXY": "http://one:1", "http_proxy": "two:2"]
        #expect(try proxy("https://a.example/", variables) == "one:1")
        #expect(try proxy("http://a.example/", variables) == "two:2")
        #expect(try proxy("http://a.example/", ["ALL_PROXY": "http://three:3"]) == "three:3")
        #expect(try proxy("http://a.example/", [:]) == nil)
        #expect(try proxy("http://a.example/", ["ALL_PROXY": "socks5://four"]) == "socks four:1080")
    }

    @Test(arguments: [
        "https://p.example", "socks4://p.example", "http://", "http://p.example:0", "http://p.example:99999",
    ])
    func `that cannot be used is an error, and not gone past`(proxy address: String) {
        #expect(throws: Fault.self) { try proxy("http://a.example/", ["HTTP_PROXY": address]) }
    }

    @Test(arguments: ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"])
    func `is never between us and this machine`(host: String) throws {
        #expect(try proxy("http://\(host):80/", ["HTTP_PROXY": "p:1", "ALL_PROXY": "p:1"]) == nil)
    }

    @Test(arguments: ["*", "a.example", ".example", "example", "*.example", "b,a.example:80", "x, .example"])
    func `is not used for what NO_PROXY names`(list: String) throws {
        #expect(try proxy("http://a.example:80/", ["HTTP_PROXY": "p:1", "NO_PROXY": list]) == nil)
    }

    @Test func `is not used for a usual port that NO_PROXY names`() throws {
        #expect(try proxy("https://a.example/", ["HTTPS_PROXY": "p:1", "NO_PROXY": "a.example:443"]) == nil)
        #expect(try proxy("https://a.example/", ["HTTPS_PROXY": "p:1", "NO_PROXY": "a.example:80"]) == "p:1")
    }

    @Test(arguments: ["b.example", "ample", "a.example:81", ""])
    func `is used for what NO_PROXY does not name`(list: String) throws {
        #expect(try proxy("http://a.example:80/", ["HTTP_PROXY": "p:1", "NO_PROXY": list]) == "p:1")
    }
}

@Suite struct `A netrc file` {
    @Test func `gives a login to its host and to nobody else`() {
        let logins = NetworkLogins(
            """
            # comment
            machine models.example.com login ana password secret
            machine other.example
                login b
                password c
            default login x password y
            """)
        #expect(logins.basic(for: "Models.Example.com") == "Basic YW5hOnNlY3JldA==")
        #expect(logins.basic(for: "other.example") == "Basic Yjpj")
        #expect(logins.basic(for: "evil.example") == nil)
    }

    @Test func `may have passwords that begin like comments, and lines of any system`() {
        let logins = NetworkLogins(
            "# machine x login y password z\r\nmachine a login u password #x\r\nmachine b login v password y\r\n")
        #expect(logins.basic(for: "a") == "Basic " + Data("u:#x".utf8).base64EncodedString())
        #expect(logins.basic(for: "b") == "Basic " + Data("v:y".utf8).base64EncodedString())
        #expect(logins.basic(for: "x") == nil)
    }
}
