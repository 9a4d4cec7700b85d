import AmazonS3
import Foundation
import Testing

@Suite struct `A secret` {
    private func printed(_ value: some Any) -> String {
        var dumped = ""
        dump(value, to: &dumped)
        return "\(value) \(String(reflecting: value)) \(dumped)"
    }

    @Test func `cannot be printed in any way`() {
        #expect(!printed(Secret("hunter2")).contains("hunter2"))
        #expect(!printed([Secret("hunter2")]).contains("hunter2"))
        let body = Array("h".utf8)
        #expect(!printed(Surroundings.Answer(status: 200, body: body)).contains("104"))
        #expect(Secret("hunter2").revealed == "hunter2")
    }

    @Test func `stays hidden in credentials`() throws {
        let credentials = try #require(
            Credentials(accessKeyID: "AKIDEXAMPLE", secretAccessKey: "hunter2", sessionToken: "hunter3"))
        #expect(!printed(credentials).contains("hunter"))
        #expect("\(credentials)" == "access key …MPLE")
    }

    @Test func `stays hidden in the headers of a signed request`() throws {
        let credentials = try #require(
            Credentials(accessKeyID: "AKIDEXAMPLE", secretAccessKey: "hunter2", sessionToken: "hunter3"))
        let request = try Bucket(name: "models", region: "eu-central-1").get("a")
        let headers = SignatureV4(credentials: credentials, region: "eu-central-1").headers(for: request, at: Date())
        #expect(headers.contains { $0.value == "hunter3" })
        #expect(!printed(headers).contains("hunter3") && !printed(headers).contains("Signature="))
    }

    @Test(arguments: ["", "with space", "line\nbreak", "ümlaut", "null\0"])
    func `that cannot be in a header makes no credentials`(text: String) {
        #expect(Credentials(accessKeyID: text, secretAccessKey: "x") == nil)
        #expect(Credentials(accessKeyID: "x", secretAccessKey: text) == nil)
        #expect((Credentials(accessKeyID: "x", secretAccessKey: "x", sessionToken: text) == nil) == !text.isEmpty)
    }
}

@Suite struct `A time` {
    @Test(arguments: [
        (0, "19700101T000000Z"), (1_369_353_600, "20130524T000000Z"), (951_827_696, "20000229T123456Z"),
        (-1, "19691231T235959Z"), (4_107_542_399, "21000228T235959Z"), (4_107_542_400, "21000301T000000Z"),
        (253_402_300_799, "99991231T235959Z"), (.infinity, "99991231T235959Z"), (-.infinity, "00010101T000000Z"),
        (.nan, "19700101T000000Z"), (0.999, "19700101T000000Z"),
    ])
    func `is written in UTC`(seconds: Double, expected: String) {
        #expect(AmazonTime.basic(Date(timeIntervalSince1970: seconds)) == expected)
    }

    @Test(arguments: [
        ("2013-05-24T00:00:00Z", 1_369_353_600), ("2013-05-24T00:00:00.000Z", 1_369_353_600),
        ("2013-05-24T00:00:00.5Z", 1_369_353_600.5), ("2013-05-24T02:00:00+02:00", 1_369_353_600),
        ("2013-05-23T23:30:00-00:30", 1_369_353_600), ("0001-01-01T00:00:00Z", -62_135_596_800),
    ])
    func `is read as it is written`(text: String, seconds: Double) {
        #expect(AmazonTime.parse(text)?.timeIntervalSince1970 == seconds)
    }

    @Test(arguments: [
        "", "2013-05-24", "2013-05-24T00:00:00", "2013-02-29T00:00:00Z", "2013-13-01T00:00:00Z", "0000-01-01T00:00:00Z",
        "2013-05-24T24:00:00Z", "2013-05-24T00:60:00Z", "2013-05-24T00:00:00.Z", "2013-05-24T00:00:00.1234567890Z",
        "2013-05-24T00:00:00Zx", "٢٠١٣-05-24T00:00:00Z", "2013-05-24T00:00:00+24:00", "Fri, 24 May 2013 00:00:00 GMT",
    ])
    func `is not read from anything else`(text: String) {
        #expect(AmazonTime.parse(text) == nil)
    }

    @Test func `comes back from every day of four centuries`() {
        for day in 0..<146_097 {
            let text = AmazonTime.basic(Date(timeIntervalSince1970: Double(day) * 86_400))
            let parts = [text.prefix(4), text.dropFirst(4).prefix(2), text.dropFirst(6).prefix(2)]
            let parsed = AmazonTime.parse(parts.joined(separator: "-") + "T00:00:00Z")
            guard parsed?.timeIntervalSince1970 == Double(day) * 86_400 else {
                Issue.record("day \(day): \(text)")
                return
            }
        }
    }
}
