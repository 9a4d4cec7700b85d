import ModelFormats
import Testing

@Suite struct `The tensors of a safetensors file` {
    @Test func `begin and end where the header says, which is a piece of its own`() throws {
        let text = header([0..<16, 16..<20, 20..<64])
        let start = Int64(8 + text.utf8.count)
        #expect(try boundaries(safetensors(text, dataBytes: 64)) == [start, start + 16, start + 20])
    }

    @Test func `may stand in the header in any order`() throws {
        let text = header([20..<64, 0..<16, 16..<20])
        let start = Int64(8 + text.utf8.count)
        #expect(try boundaries(safetensors(text, dataBytes: 64)) == [start, start + 16, start + 20])
    }

    @Test func `may leave gaps, which become segments`() throws {
        let text = header([8..<16, 32..<48])
        let start = Int64(8 + text.utf8.count)
        #expect(try boundaries(safetensors(text, dataBytes: 64)) == [0, 8, 16, 32, 48].map { start + $0 })
    }

    @Test func `may be empty, everywhere but inside another`() throws {
        let text = header([0..<0, 16..<16, 0..<16, 16..<32, 16..<16, 32..<32])
        let start = Int64(8 + text.utf8.count)
        #expect(try boundaries(safetensors(text, dataBytes: 32)) == [start, start + 16])
        #expect(try boundaries(safetensors(header([0..<16, 8..<8]), dataBytes: 16)) == nil)
    }

    @Test(arguments: [[0..<16, 8..<24], [8..<24, 0..<16], [0..<16, 0..<16], [0..<32, 8..<16]])
    func `never overlap`(spans: [Range<Int>]) throws {
        #expect(try boundaries(safetensors(header(spans), dataBytes: 32)) == nil)
    }

    @Test(arguments: [
        #"{"a":{"data_offsets":[0,4]},"a":{"data_offsets":[4,8]}}"#,
        #"{"a":{"data_offsets":[0,4]},"\u0061":{"data_offsets":[4,8]}}"#,
        #"{"é":{"data_offsets":[0,4]},"\u00e9":{"data_offsets":[4,8]}}"#,
        #"{"😀":{"data_offsets":[0,4]},"\ud83d\ude00":{"data_offsets":[4,8]}}"#,
        #"{"a":{"data_offsets":[0,4],"data_offsets":[0,4]}}"#,
        #"{"a":{"data_offsets":[0,4],"data\u005foffsets":[0,8]}}"#,
    ])
    func `have names and offsets that appear once, however they are written`(text: String) throws {
        #expect(try boundaries(safetensors(text, dataBytes: 8)) == nil)
    }

    @Test func `keep names apart that only look alike`() throws {
        let text = "{\"\u{E9}\":{\"data_offsets\":[0,4]},\"e\u{301}\":{\"data_offsets\":[4,8]}}"
        #expect(try boundaries(safetensors(text, dataBytes: 8))?.count == 2)
    }

    @Test func `are found beside metadata and unknown keys of any form`() throws {
        let text =
            #"{"__metadata__" : {"format":"pt","n":[1,-2.5e+3,true,false,null,{}]}, "# + "\n\t"
            + #""a\"\\\/\b\f\n\r\t":{"x":{"y":[[]]},"data_offsets":[ 0 , 4 ],"shape":[4]} }   "#
        let file = safetensors(text, dataBytes: 8)
        #expect(try boundaries(file) == [Int64(file.count - 8), Int64(file.count - 4)])
    }
}

@Suite struct `No safetensors file` {
    @Test(arguments: [0, 1, 7, 9, 1000, 100_000_001, (1 << 63) - 1, 1 << 63, .max - 7, .max] as [UInt64])
    func `is one with a header that lies about its length`(length: UInt64) throws {
        #expect(try boundaries(safetensors("{}", dataBytes: 64, length: length)) == nil)
    }

    @Test(arguments: [
        "", "[]", " {}", "{", "{}}", "{} x", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":{}}", "{\"a\":[]}", "{\"a\":1}",
        "{\"a\":{\"data_offsets\":[0,4]},}", "{\"a\":{\"data_offsets\":[0,4]}", "{a:{\"data_offsets\":[0,4]}}",
        "{\"a\u{1}\":{\"data_offsets\":[0,4]}}", "{\"a\\x\":{\"data_offsets\":[0,4]}}",
        "{\"\\ud83d\":{\"data_offsets\":[0,4]}}", "{\"\\ude00\\ud83d\":{\"data_offsets\":[0,4]}}",
        "{\"\\u12g4\":{\"data_offsets\":[0,4]}}", "{\"__metadata__\":tru,\"a\":{\"data_offsets\":[0,4]}}",
        "{\"__metadata__\":01}", "{\"__metadata__\":1.}", "{\"__metadata__\":-}", "{\"__metadata__\":1e}",
        "{\"__metadata__\":+1}", "{\"__metadata__\":.5}", "{\"__metadata__\":NaN}", "{\"__metadata__\":{\"a\" 1}}",
    ])
    func `is one whose header is not strict JSON`(text: String) throws {
        #expect(try boundaries(safetensors(text, dataBytes: 64)) == nil)
    }

    @Test(arguments: [
        "[]", "[0]", "[0,4,8]", "[4,0]", "[0,65]", "[-1,4]", "[0,4.0]", "[0,4e0]", "[00,4]", "[0,04]", "[0,\"4\"]",
        "[0,9223372036854775807]", "[0,9223372036854775808]", "[0,99999999999999999999999]", "{}", "null", "[0,4",
    ])
    func `is one with offsets that are not a range in the data`(offsets: String) throws {
        #expect(try boundaries(safetensors("{\"a\":{\"data_offsets\":\(offsets)}}", dataBytes: 64)) == nil)
    }

    @Test func `is one whose names are not UTF-8`() throws {
        var file = safetensors("{\"é\":{\"data_offsets\":[0,4]}}", dataBytes: 8)
        #expect(try boundaries(file) != nil)
        file[10] = 0xFF
        #expect(try boundaries(file) == nil)
    }

    @Test(arguments: ["[", "{\"a\":", "[[],", "{\"a\":[{\"b\":"])
    func `is one that nests without end`(opening: String) throws {
        let text = "{\"__metadata__\":" + String(repeating: opening, count: 200_000)
        #expect(try boundaries(safetensors(text)) == nil)
    }

    @Test func `is one that ends early, wherever that is`() throws {
        let file = safetensors(header([0..<16, 16..<20, 20..<64]), dataBytes: 64)
        for size in file.indices { #expect(try boundaries(Array(file.prefix(size))) == nil, "\(size) bytes") }
    }

    @Test(.enabled(if: isOptimised)) func `is one with more names than any model has`() throws {
        let tensors = (0...1_000_000).lazy.map { "\"\($0)\":{\"data_offsets\":[0,0]}" }
        #expect(try boundaries(safetensors("{\(tensors.joined(separator: ","))}")) == nil)
    }
}

@Suite struct `A safetensors file` {
    @Test func `without tensors is nothing but its header`() throws {
        #expect(try boundaries(safetensors("{}")) == [])
        #expect(try boundaries(safetensors("{}", dataBytes: 1)) == [10])
    }

    @Test func `of a hundred thousand tensors is read in well under a second`() throws {
        let count = isOptimised ? 100_000 : 5_000
        let file = safetensors(header((0..<count).map { $0..<($0 + 1) }), dataBytes: count)
        var found: [Int64]?
        let time = try ContinuousClock().measure { found = try boundaries(file) }
        #expect(found?.count == count)
        #expect(time < .seconds(1) || !isOptimised)
    }
}
