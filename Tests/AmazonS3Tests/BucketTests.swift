import AmazonS3
import Testing

@Suite struct `An s3 address` {
    @Test(arguments: [
        ("s3://models", "models", ""), ("s3://models/", "models", ""), ("S3://models/prod", "models", "prod/"),
        ("s3://models/a/b//", "models", "a/b/"), ("s3://models/a%20b", "models", "a%20b/"),
    ])
    func `names a bucket and a prefix`(text: String, bucket: String, prefix: String) throws {
        let address = try BucketAddress(parsing: text)
        #expect(address.bucket == bucket && address.prefix == prefix)
    }

    @Test(arguments: ["", "s3:/models", "https://models", "s3://", "s3:///a", "s3://models/../a", "s3://models/a\u{7}"])
    func `is nothing else`(text: String) {
        #expect(throws: S3Fault.self) { try BucketAddress(parsing: text) }
    }
}

@Suite struct `A bucket` {
    private func url(
        _ name: String, _ region: String, endpoint: String? = nil, style: Bucket.Style = .automatic
    ) throws -> String {
        try Bucket(name: name, region: region, endpoint: endpoint, style: style).get("k/ä").url
    }

    @Test(arguments: [
        ("models", "eu-west-1", "https://models.s3.eu-west-1.amazonaws.com/k/%C3%A4"),
        ("acme.models", "eu-west-1", "https://s3.eu-west-1.amazonaws.com/acme.models/k/%C3%A4"),
        ("models", "cn-north-1", "https://models.s3.cn-north-1.amazonaws.com.cn/k/%C3%A4"),
        ("models", "us-isob-east-1", "https://models.s3.us-isob-east-1.sc2s.sgov.gov/k/%C3%A4"),
        ("models", "us-gov-west-1", "https://models.s3.us-gov-west-1.amazonaws.com/k/%C3%A4"),
    ])
    func `of Amazon is in the host, or in the path with dots`(name: String, region: String, expected: String) throws {
        #expect(try url(name, region) == expected)
    }

    @Test(arguments: [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/models/k/%C3%A4"),
        ("https://s3.example.com/", "https://s3.example.com/models/k/%C3%A4"),
        ("https://S3.Example.com:443/base/", "https://s3.example.com/base/models/k/%C3%A4"),
        ("http://[::1]:80", "http://[::1]/models/k/%C3%A4"),
    ])
    func `elsewhere is in the path`(endpoint: String, expected: String) throws {
        #expect(try url("models", "auto", endpoint: endpoint) == expected)
    }

    @Test func `is where it is asked to be`() throws {
        #expect(try url("models", "r", style: .path) == "https://s3.r.amazonaws.com/models/k/%C3%A4")
        #expect(
            try url("models", "r", endpoint: "https://o.example:8443", style: .virtualHost)
                == "https://models.o.example:8443/k/%C3%A4")
        #expect(throws: S3Fault.self) { try url("models", "r", endpoint: "http://[::1]", style: .virtualHost) }
    }

    @Test(arguments: [
        "s3.example.com", "ftp://x", "https://", "https://user@x", "https://x?y", "https://x#y", "https://x:0",
        "https://x:65536",
        "https://x/../y", "https://x y", "https://x\\y", "https://ü.example", "https://x/%2e",
    ])
    func `has no endpoint like`(endpoint: String) {
        #expect(throws: S3Fault.self) { try url("models", "r", endpoint: endpoint) }
    }

    @Test(arguments: [
        "", "ab", "Models", "my_models", "-models", "models-", ".models", "models.", "a..b", "192.168.5.4",
        "xn--models", "a/b",
        "models--x-s3", "mödels", "sthree-models", String(repeating: "a", count: 64), "a\nb", "models\u{301}",
    ])
    func `cannot be called`(name: String) {
        #expect(throws: S3Fault.self) { try Bucket(name: name, region: "eu-west-1") }
    }

    @Test func `of others may have capitals and underscores`() throws {
        #expect(try url("My_Models", "r", endpoint: "https://x") == "https://x/My_Models/k/%C3%A4")
        #expect(throws: S3Fault.self) { try url("a/b", "r", endpoint: "https://x") }
    }

    @Test(arguments: ["", "eu west", "evil.example/", "r\n", "r.x", String(repeating: "a", count: 65)])
    func `is in no region like`(region: String) {
        #expect(throws: S3Fault.invalidRegion(region)) { try Bucket(name: "models", region: region) }
    }
}

@Suite struct `A request` {
    private let bucket = try? Bucket(name: "models", region: "eu-west-1")

    @Test func `gets an object and its checksum`() throws {
        let request = try #require(bucket).get("a")
        #expect(request.method == "GET" && request.headers == [Header("x-amz-checksum-mode", "ENABLED")])
        #expect(try #require(bucket).head("a").method == "HEAD")
    }

    @Test func `gets some bytes of the same object without a checksum`() throws {
        let request = try #require(bucket).get("a", range: 5...9, ifMatch: "\"e\"")
        #expect(request.headers == [Header("If-Match", "\"e\""), Header("Range", "bytes=5-9")])
    }

    @Test(arguments: [
        (nil, []), (WriteCondition.absent, [Header("If-None-Match", "*")]),
        (.unchanged(entityTag: "\"e\""), [Header("If-Match", "\"e\"")]),
    ])
    func `puts an object under a condition`(condition: WriteCondition?, more: [Header]) throws {
        let request = try #require(bucket).put("a", sha256: [UInt8](repeating: 0, count: 32), condition: condition)
        let checksum = Header("x-amz-checksum-sha256", String(repeating: "A", count: 43) + "=")
        #expect(request.method == "PUT" && request.headers == [checksum] + more)
        #expect(request.payload.hash == String(repeating: "0", count: 64))
    }

    @Test func `does not put an object with half a digest`() throws {
        let bucket = try #require(bucket)
        #expect(throws: S3Fault.checksumInvalid) { try bucket.put("a", sha256: [1, 2, 3]) }
    }

    @Test func `lists keys encoded`() throws {
        let request = try #require(bucket).list()
        #expect(request.url == "https://models.s3.eu-west-1.amazonaws.com/?encoding-type=url&list-type=2")
    }

    @Test(arguments: [
        "", ".", "..", "a/../b", "./a", "a/.", "a\nb", "a\0", "a\u{85}b", "a/../\u{301}b",
        String(repeating: "ä", count: 513),
        "a\u{FFFF}",
    ])
    func `cannot be for the key`(key: String) throws {
        let bucket = try #require(bucket)
        #expect(throws: S3Fault.self) { try bucket.get(key) }
    }

    @Test(arguments: ["...", "a/.../b", ".hidden", "a..b", String(repeating: "ä", count: 512), "/", "a//b"])
    func `can be for the key`(key: String) throws {
        _ = try #require(bucket).get(key)
    }
}

@Suite struct `The checksum of an object` {
    private let header = "j0NDRmSPa5bfid2pAcUXaxCm2Dlh3TwayItZstwyeqQ="

    @Test func `is 32 bytes`() throws {
        let bytes = try ObjectChecksum.sha256(header: header, type: "FULL_OBJECT")
        #expect(bytes.count == 32 && bytes.first == 0x8F && bytes.last == 0xA4)
    }

    @Test func `is not taken from the parts of an upload`() {
        #expect(throws: S3Fault.checksumIsComposite) { try ObjectChecksum.sha256(header: header + "-2") }
        #expect(throws: S3Fault.checksumIsComposite) { try ObjectChecksum.sha256(header: header, type: "COMPOSITE") }
    }

    @Test(arguments: [
        "", "j0ND", "j0NDRmSPa5bfid2pAcUXaxCm2Dlh3TwayItZstwyeqR=", " j0NDRmSPa5bfid2pAcUXaxCm2Dlh3TwayItZstwyeqQ=",
        "äöü",
    ])
    func `is nothing else`(text: String) {
        #expect(throws: S3Fault.checksumInvalid) { try ObjectChecksum.sha256(header: text) }
    }
}
