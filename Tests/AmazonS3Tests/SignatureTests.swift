import AmazonS3
import Foundation
import Testing

/// The signature that a request gets; the suite's headers have a space behind their commas, S3's examples have none.
private func signature(_ headers: [Header]) -> String? {
    headers.last { $0.name == "Authorization" }?.value.split(separator: "Signature=").last.map(String.init)
}

@Suite struct `A signature for S3` {
    private func signed(
        _ method: String, _ path: String, query: [(name: String, value: String)] = [], headers: [Header] = [],
        payload: Payload = .empty
    ) throws -> [Header] {
        let origin = try #require(WebOrigin("https://examplebucket.s3.amazonaws.com"))
        let request = ServiceRequest(
            method: method, origin: origin, path: path, query: query, headers: headers, payload: payload)
        return SignatureV4(credentials: try #require(documented), region: "us-east-1")
            .headers(for: request, at: time("2013-05-24T00:00:00Z"))
    }

    // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
    @Test func `is the documented one for a GET with a range`() throws {
        let headers = try signed("GET", "/test.txt", headers: [Header("Range", "bytes=0-9")])
        #expect(
            headers.last?.value
                == "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                + "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
                + "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
    }

    @Test func `is the documented one for a PUT`() throws {
        let headers = try signed(
            "PUT", "/" + PercentEncoding.encode("test$file.text"),
            headers: [
                Header("Date", "Fri, 24 May 2013 00:00:00 GMT"), Header("x-amz-storage-class", "REDUCED_REDUNDANCY"),
            ],
            payload: Payload(bytes: Array("Welcome to Amazon S3.".utf8)))
        #expect(signature(headers) == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
    }

    @Test func `is the documented one for a subresource`() throws {
        let headers = try signed("GET", "/", query: [("lifecycle", "")])
        #expect(signature(headers) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
    }

    @Test func `is the documented one for a listing`() throws {
        let headers = try signed("GET", "/", query: [("prefix", "J"), ("max-keys", "2")])
        #expect(signature(headers) == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
    }

    @Test func `leaves out what connections and proxies change`() throws {
        let headers = ["User-Agent", "Accept-Encoding", "Connection", "Content-Length"].map { Header($0, "x") }
        #expect(try signed("GET", "/a", headers: headers) == signed("GET", "/a"))
    }

    @Test func `replaces what a request already has of its own headers`() throws {
        let old = [Header("X-Amz-Date", "then"), Header("Authorization", "no"), Header("Host", "elsewhere")]
        #expect(try signed("GET", "/a", headers: old) == signed("GET", "/a"))
    }

    @Test func `says that it does not cover the payload`() throws {
        let headers = try signed("PUT", "/a", payload: .unsigned)
        #expect(headers.contains(Header("x-amz-content-sha256", "UNSIGNED-PAYLOAD")))
    }
}

@Suite struct `A signature agrees with botocore` {
    private let odd = Credentials(accessKeyID: "AKIDODD", secretAccessKey: "sEcReT/+=")
    private let lent = Credentials(accessKeyID: "AKIDODD", secretAccessKey: "sEcReT/+=", sessionToken: "ToKeN/==")

    private func signed(_ request: ServiceRequest, _ credentials: Credentials?) throws -> [Header] {
        SignatureV4(credentials: try #require(credentials), region: "eu-central-1")
            .headers(for: request, at: time("2026-02-28T23:59:59Z"))
    }

    // Written by botocore 1.43.11: `get_object` for the path, `S3SigV4Auth` for the signature.
    @Test(arguments: [
        ("plain.txt", "plain.txt", "c73e1ff31322f0d1e3953f42c1d1c4dacae5338062bd2019cde9b868544f7eeb"),
        ("a b", "a%20b", "0f31d96b9ee6704969d93139a067c5b7adbcf82621b2550759946d25a5907dba"),
        ("a+b", "a%2Bb", "7b60979bbf37e768bd25f950ffa524d53320df4b67f215066892ec57b631c4d9"),
        ("100%", "100%25", "62928289ec9bd49c529395a396347a8cf6a9e76b36a728a1699e3277bb5261e5"),
        ("%41", "%2541", "40763a2d1b559aafe79865c841764d095cccc3a406f8063939aac4bf9da10b5a"),
        ("~tilde-_.", "~tilde-_.", "f79acb8302cc11899d37fb4fd79c33b84c6bd54d846ce0fd7ee9fe02bff061c2"),
        (
            "ünïcödé/日本", "%C3%BCn%C3%AFc%C3%B6d%C3%A9/%E6%97%A5%E6%9C%AC",
            "0b01e68cc879ce1d8d3cc0410ac7e99f2495affe6e582607782a79f4a797cded"
        ),
        ("a//b", "a//b", "ffebdcc9e52e53f936094eb278ab9808a78bf10b5c3225e72412dc6a5646f61d"),
        ("//", "//", "38f182b5f950660fec488c991fc2125b1946e38755b71572c23e285a7dc6b5d7"),
        ("/lead", "/lead", "c8d4c64ef5952e0f2a5cfc8e27a2d7b71c2285becec58534f0f8a83919164168"),
        ("what?is=this&x", "what%3Fis%3Dthis%26x", "ab7abc3a9e73cfbf620a56caaa936875426654bfd569ffa6fb99dc9dcbf9e530"),
        ("a=b", "a%3Db", "e7cb1e1c88733134945c359deff61bf6c6109acf53f1d7dd19ded9a60f741cb6"),
        (
            "semi;colon,comma", "semi%3Bcolon%2Ccomma",
            "7656ac7674432706029f19a1a497a006f1d9646a00142ab26aac5933aad1d4e8"
        ),
        ("quote'\"()", "quote%27%22%28%29", "76ea8de8b4ecf18e56cd846745a079f4ab52baf80b4e685be72afaec126e2748"),
        ("#frag", "%23frag", "362f353eac84e691e4706ff87256fa2961380f60b338b9fd45aa617184b0d6a6"),
        ("emoji 😀", "emoji%20%F0%9F%98%80", "2109b8892ade4d7bb9adca99b2e007bc22f5829efab87b6be219fe9bff472c19"),
        ("@:$!*", "%40%3A%24%21%2A", "fc8e45566711a534f455c3581a82ef2215ea603fb631016cc9e40ca551ca5971"),
        ("back\\slash", "back%5Cslash", "bb0290245f0994712fb97366afd07b50019c369183d73d743c82d9fba287c954"),
        ("é", "e%CC%81", "7bc864ec486f4d1aa2dfca5cfbb59fa13864035321a7631044b88b7c27610326"),
        ("trail/", "trail/", "5b438c5cfbb1b0b34d052b69e11131f9e88132a7c0d738ff6f1f0b15b1336094"),
    ])
    func `about the key`(key: String, path: String, expected: String) throws {
        let bucket = try Bucket(name: "models", region: "eu-central-1", endpoint: "http://127.0.0.1:9000")
        let request = try bucket.get(key, range: 0...9)
        #expect(request.url == "http://127.0.0.1:9000/models/\(path)")
        #expect(try signature(signed(request, odd)) == expected)
    }

    @Test func `about a session token`() throws {
        let bucket = try Bucket(name: "models", region: "eu-central-1")
        var request = try bucket.head("a b/ü+~")
        (request.method, request.headers) = ("GET", [])
        #expect(request.url == "https://models.s3.eu-central-1.amazonaws.com/a%20b/%C3%BC%2B~")
        let headers = try signed(request, lent)
        #expect(signature(headers) == "dbbed3ab0b8d336e0a3fadb0654025a9178024b257272133344899391b595775")
        #expect(headers.first { $0.name == "x-amz-security-token" }?.value == "ToKeN/==")
    }

    @Test func `about a query`() throws {
        let request = try Bucket(name: "models", region: "eu-central-1")
            .list(prefix: "a b+&/", delimiter: "/", continuation: "1+/=", mostKeys: 7)
        #expect(
            request.url == "https://models.s3.eu-central-1.amazonaws.com/?continuation-token=1%2B%2F%3D&delimiter=%2F"
                + "&encoding-type=url&list-type=2&max-keys=7&prefix=a%20b%2B%26%2F")
        let expected = "5fb7e0a8a78b3a68dffa6feb98de65378e23f915b0d404af24939b258b252b70"
        #expect(try signature(signed(request, odd)) == expected)
    }
}

/// Cases of Amazon's suite for Signature Version 4, which is for services that want the path normalised.
@Suite struct `A signature for other services` {
    private static let session =
        "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwt"
        + "hAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHN"
        + "VXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLx"
        + "BA=="

    private func signature(
        _ method: String, _ path: String = "/", query: [(name: String, value: String)] = [], headers: [Header] = [],
        body: String = "", token: String? = nil
    ) throws -> String? {
        let credentials = Credentials(
            accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
            sessionToken: token)
        let request = ServiceRequest(
            method: method, origin: try #require(WebOrigin("https://example.amazonaws.com")), path: path, query: query,
            headers: headers, payload: Payload(bytes: Array(body.utf8)))
        let signer = SignatureV4(
            credentials: try #require(credentials), region: "us-east-1", service: "service", flavor: .general)
        let added = signer.headers(for: request, at: time("2015-08-30T12:36:00Z"))
        #expect(!added.contains { $0.name == "x-amz-content-sha256" })
        return AmazonS3Tests.signature(added)
    }

    @Test(arguments: [
        ("get-vanilla", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            "get-unreserved", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"
        ),
        ("get-utf8", "/ሴ", "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        ("get-space", "/example space/", "652487583200325589f1fba4c7e578f72c47cb61beeca81406b39ddec1366741"),
        ("get-slashes", "//example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        ("get-slash", "//", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("get-slash-dot-slash", "/./", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("get-slash-pointless-dot", "/./example", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
        ("get-relative", "/example/..", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        (
            "get-relative-relative", "/example1/example2/../..",
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
        ),
    ])
    func `is the suite's for a path`(name: String, path: String, expected: String) throws {
        #expect(try signature("GET", path) == expected, "\(name)")
    }

    @Test(arguments: [
        (
            [["Param2", "value2"], ["Param1", "value1"]],
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"
        ),
        (
            [["Param1", "value2"], ["Param1", "value1"]],
            "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"
        ),
        ([["Param1", "value1"]], "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        ([["ሴ", "bar"]], "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        (
            [["Param-3", "Value3"], ["Param", "Value2"], ["ሴ", "Value1"]],
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"
        ),
    ])
    func `is the suite's for a query`(query: [[String]], expected: String) throws {
        let query = query.map { (name: $0.first ?? "", value: $0.last ?? "") }
        #expect(try signature("GET", query: query) == expected)
    }

    @Test(arguments: [
        (
            [Header("My-Header1", "value2"), Header("my-header1", "value2"), Header("My-Header1", "value1")],
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"
        ),
        (
            [Header("My-Header1", " value1"), Header("My-Header2", " \"a   b   c\"")],
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"
        ),
        (
            ["value4", "value1", "value3", "value2"].map { Header("My-Header1", $0) },
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"
        ),
    ])
    func `is the suite's for headers`(headers: [Header], expected: String) throws {
        #expect(try signature("GET", headers: headers) == expected)
    }

    @Test func `is the suite's for POST`() throws {
        let form = [Header("Content-Type", "application/x-www-form-urlencoded")]
        #expect(
            try signature("POST", headers: form, body: "Param1=value1")
                == "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a")
        #expect(
            try signature("POST", query: [("@#$%^", ""), ("+", "/,?><`\";:\\|][{}")])
                == "66c82657c86e26fb25238d0e69f011edc4c6df5ae71119d7cb98ed9b87393c1e")
        #expect(
            try signature("POST", token: Self.session)
                == "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead")
    }

    @Test func `encodes an encoded path once more`() throws {
        #expect(try signature("GET", "/%20") != signature("GET", "/ "))
        #expect(try signature("GET", "/%2F") != signature("GET", "//"))
    }
}
