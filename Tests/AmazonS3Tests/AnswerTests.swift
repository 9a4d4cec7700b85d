import AmazonS3
import Foundation
import Testing

private func listing(_ inside: String) throws -> ObjectListing {
    try ObjectListing(parsing: Array("<?xml version=\"1.0\"?>\n<ListBucketResult>\(inside)</ListBucketResult>".utf8))
}

@Suite struct `A listing` {
    // What moto 5.2.1 answers, with one object made the first of more.
    private static let sample = """
        <?xml version="1.0" encoding="utf-8"?>
        <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>true</IsTruncated><Contents>\
        <Key>a/sp%20ace%2Bplus+%C3%BC%26%3C.txt</Key><LastModified>2026-11-26T11:00:06.000Z</LastModified>\
        <ETag>&quot;49f68a5c8493ec2c0bf489821c21fc3b&quot;</ETag><ChecksumAlgorithm>SHA256</ChecksumAlgorithm>\
        <Size>5000000000</Size><Owner><ID>x</ID></Owner><StorageClass>STANDARD</StorageClass></Contents><Name>models</Name>\
        <Prefix/><Delimiter>/</Delimiter><MaxKeys>10</MaxKeys><CommonPrefixes><Prefix>b%2Fc/</Prefix></CommonPrefixes>\
        <EncodingType>url</EncodingType><KeyCount>3</KeyCount><NextContinuationToken>1+/=</NextContinuationToken>
        </ListBucketResult>
        """

    @Test func `has objects, prefixes and how it goes on`() throws {
        let listing = try ObjectListing(parsing: Array(Self.sample.utf8))
        let object = try #require(listing.objects.first)
        #expect(object.key == "a/sp ace+plus ü&<.txt")
        #expect(object.size == 5_000_000_000)
        #expect(object.entityTag == "\"49f68a5c8493ec2c0bf489821c21fc3b\"")
        #expect(object.modifiedAt == time("2026-11-26T11:00:06Z"))
        #expect(listing.commonPrefixes == ["b/c/"])
        #expect(listing.continuation == "1+/=")
    }

    @Test func `decodes keys only when they are encoded`() throws {
        let plain = try listing(
            "<IsTruncated>false</IsTruncated><Contents><Key>a%20+&amp;<![CDATA[<b>]]></Key><Size>0</Size></Contents>")
        #expect(plain.objects.map(\.key) == ["a%20+&<b>"])
        #expect(plain.continuation == nil)
    }

    @Test(arguments: [
        "", "<IsTruncated>true</IsTruncated>", "<IsTruncated>maybe</IsTruncated>",
        "<IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents>",
        "<IsTruncated>false</IsTruncated><Contents><Key>a</Key></Contents>",
        "<IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>-1</Size></Contents>",
        "<IsTruncated>false</IsTruncated><Contents><Key>a</Key><Size>99999999999999999999</Size></Contents>",
        "<IsTruncated>false</IsTruncated><EncodingType>url</EncodingType><Contents><Key>%4</Key><Size>1</Size></Contents>",
        "<IsTruncated>false</IsTruncated><EncodingType>url</EncodingType><Contents><Key>%FF</Key><Size>1</Size></Contents>",
        "<IsTruncated>false</IsTruncated><CommonPrefixes/>",
    ])
    func `must be complete`(inside: String) {
        #expect {
            try listing(inside)
        } throws: {
            if case .answerInvalid? = $0 as? S3Fault { true } else { false }
        }
    }

    @Test(arguments: [
        "", "{}", "not xml", "<ListBucketResult>", "<ListBucketResult><IsTruncated>false</IsTruncated>", "<a/><b/>",
        "<Error><Code>x</Code></Error>", "<ListBucketResult><a></ListBucketResult></a>", "<ListBucketResult/>junk",
        "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>junk",
        "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult><ListBucketResult/>",
        "<ListBucketResult>&nope;</ListBucketResult>", "<ListBucketResult>\0</ListBucketResult>",
        "<!DOCTYPE x [<!ENTITY e \"y\">]><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
        "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
    ])
    func `is nothing but well-formed XML of S3`(text: String) {
        #expect {
            try ObjectListing(parsing: Array(text.utf8))
        } throws: {
            if case .answerInvalid? = $0 as? S3Fault { true } else { false }
        }
    }

    @Test(arguments: [
        "<html><body>Log in</body></html>", "\n<!DOCTYPE HTML>\n<html>", "<HTML>", "<?xml version=\"1.0\"?><html/>",
    ])
    func `is told from a page for a browser`(text: String) {
        #expect(throws: S3Fault.answerIsHTML) { try ObjectListing(parsing: Array(text.utf8)) }
    }

    @Test func `has limits on size, depth and elements`() {
        let deep = String(repeating: "<a>", count: 100_000)
        let wide = "<a>" + String(repeating: "<b/>", count: 200_000) + "</a>"
        for text in [deep, wide, String(repeating: " ", count: 9 << 20)] {
            #expect(throws: S3Fault.answerTooLarge) { try ObjectListing(parsing: Array(text.utf8)) }
        }
    }

    @Test func `survives any damage`() {
        let sample = Array(Self.sample.utf8)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<500 {
            var damaged = sample
            for _ in 0..<3 {
                damaged[Int.random(in: damaged.indices, using: &random)] = .random(in: 0...255, using: &random)
            }
            _ = try? ObjectListing(parsing: damaged)
            _ = try? ObjectListing(parsing: Array(sample.prefix(.random(in: 0...sample.count, using: &random))))
        }
    }
}

@Suite struct `An error of S3` {
    private func error(_ status: Int, _ inside: String = "", headers: [String: String] = [:]) -> ServiceError {
        ServiceError(status: status, body: Array("<Error>\(inside)</Error>".utf8)) { headers[$0] }
    }

    @Test func `has a code, a message and a request`() throws {
        let text =
            "<Error><Code>NoSuchKey</Code><Message>It\ndoes not exist.</Message><RequestId>4442587F</RequestId></Error>"
        let error = try ServiceError(status: 404, parsing: Array(text.utf8))
        #expect(error.code == "NoSuchKey" && error.message == "Itdoes not exist." && error.requestID == "4442587F")
        #expect(error.meaning == .noSuchKey)
    }

    @Test func `does not keep the request that it repeats`() {
        let inside =
            "<Code>SignatureDoesNotMatch</Code><CanonicalRequest>x-amz-security-token:hunter2</CanonicalRequest>"
        let error = error(403, inside)
        #expect(error.meaning == .signatureMismatch)
        #expect(!"\(error)".contains("hunter2"))
    }

    @Test(arguments: [
        (
            "RequestTimeTooSkewed", "<ServerTime>2026-01-01T00:00:00Z</ServerTime>",
            ServiceError.Meaning.clockSkewed(serverTime: time("2026-01-01T00:00:00Z"))
        ),
        ("PermanentRedirect", "<Endpoint>x</Endpoint>", .wrongRegion(nil)),
        ("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>", .wrongRegion("eu-west-1")),
        ("AuthorizationHeaderMalformed", "", .other), ("ExpiredToken", "", .badCredentials),
        ("SlowDown", "", .unavailable),
        ("NoSuchBucket", "", .noSuchBucket), ("AccessDenied", "", .accessDenied), ("Unheard", "", .other),
    ])
    func `means what its code says`(code: String, more: String, meaning: ServiceError.Meaning) {
        #expect(error(400, "<Code>\(code)</Code>\(more)").meaning == meaning)
    }

    @Test(arguments: [
        (404, ServiceError.Meaning.noSuchKey), (403, .accessDenied), (412, .conditionFailed), (416, .invalidRange),
        (503, .unavailable), (429, .unavailable), (301, .wrongRegion("eu-west-1")), (400, .wrongRegion("eu-west-1")),
        (418, .other),
    ])
    func `means what its status says when it has no body`(status: Int, meaning: ServiceError.Meaning) {
        let error = ServiceError(status: status, body: []) { $0 == "x-amz-bucket-region" ? "eu-west-1" : nil }
        #expect(error.meaning == meaning)
    }

    @Test func `must be one where a body is parsed`() {
        #expect(throws: S3Fault.self) { try ServiceError(status: 200, parsing: Array("<ok/>".utf8)) }
        #expect(throws: S3Fault.answerIsHTML) { try ServiceError(status: 502, parsing: Array("<html></html>".utf8)) }
    }
}
