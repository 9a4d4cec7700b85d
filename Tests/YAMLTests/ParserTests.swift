import Testing
import YAML

private func parse(_ text: String) throws -> Node {
    try Parser(Source(name: "t.yaml", bytes: Array(text.utf8))).parse()
}

private func problem(in text: String, bytes: [UInt8]? = nil, limits: Limits = Limits()) -> String? {
    do {
        _ = try Parser(Source(name: "t.yaml", bytes: bytes ?? Array(text.utf8)), limits: limits).parse()
        return nil
    } catch {
        return (error as? Problems)?.description
    }
}

@Suite struct `A parsed document` {
    @Test func `knows where every value stands`() throws {
        let node = try parse("a:\n  - x\n  - {b: ü, c: 1}\n")
        let inner = try #require(node["a"]?.elements.last?["c"])
        #expect((inner.mark.line, inner.mark.column) == (3, 15))
    }

    @Test(arguments: ["yes", "on", "No", "1:30", "2026-01-01", "0b1", "\"true\"", "'1'"])
    func `takes as text what YAML 1_1 would not`(text: String) throws {
        let node = try parse("k: \(text)")
        #expect(node["k"]?.bool == nil)
        guard case .scalar(let scalar)? = node["k"]?.content else { throw Problems() }
        #expect(!scalar.isNumber)
    }

    @Test func `keeps the source text of numbers`() throws {
        #expect(try parse("engine: 2.10")["engine"]?.text == "2.10")
    }

    @Test(arguments: ["", "~", "null", "Null", "NULL"])
    func `reads null`(text: String) throws { #expect(try parse("k: \(text)")["k"] == nil) }

    @Test func `expands aliases`() throws {
        let node = try parse("a: &x {k: v}\nb: *x\n")
        #expect(node["b"]?["k"]?.text == "v")
    }

    @Test func `reads integers in three bases`() throws {
        let values = try parse("[7, 0o17, 0x1F, 99999999999999999999]").elements.map { node -> Int? in
            if case .scalar(let scalar) = node.content { scalar.int } else { nil }
        }
        #expect(values == [7, 15, 31, nil])
    }
}

@Suite struct `A broken document` {
    @Test(arguments: [
        ("", "t.yaml:1:1: error: the file is empty"),
        ("# only a comment\n", "t.yaml:1:1: error: the file is empty"),
        ("a: 1\na: 2\n", "t.yaml:2:1: error: the key “a” was already set in line 1"),
        ("a: 1\n---\nb: 2\n", "t.yaml:2:1: error: a second document starts here; the file may hold one"),
        ("? [x]\n: y\n", "t.yaml:1:3: error: a key must be plain text"),
        ("a: *nowhere\n", "t.yaml:1:4: error: the alias *nowhere names no anchor that is complete before it"),
        ("a: !!binary aGk=\n", "t.yaml:1:4: error: the tag tag:yaml.org,2002:binary is not known here"),
        ("a: [1, 2\nb: 3", "t.yaml:"),
        ("a:\n\t- 1", "t.yaml:2:1: error: "),
    ])
    func `is refused with its place`(text: String, start: String) throws {
        #expect(try #require(problem(in: text)).hasPrefix(start))
    }

    @Test func `shows the line and a caret`() {
        #expect(
            problem(in: "a: 1\na: 2\n") == """
                t.yaml:2:1: error: the key “a” was already set in line 1
                    a: 2
                    ^
                """)
    }

    @Test func `that is no UTF-8 is refused where it is not`() {
        #expect(
            problem(in: "", bytes: Array("a: 1\nbé: ".utf8) + [0xFF, 0x0A])?.hasPrefix(
                "t.yaml:2:5: error: the file is not UTF-8 here") == true)
    }

    @Test(arguments: [">=6.0 <7", "*"])
    func `with an unquoted range says to quote it`(range: String) throws {
        #expect(
            try #require(problem(in: "models:\n  vad:\n    version: \(range)\n")).contains(
                "hint: quote it: \"\(range)\""))
    }

    @Test func `with an alias bomb ends quickly`() throws {
        let levels = (1...20).map {
            "l\($0): &l\($0) [\(Array(repeating: "*l\($0 - 1)", count: 10).joined(separator: ", "))]"
        }
        #expect(
            try #require(problem(in: "l0: &l0 [x]\n" + levels.joined(separator: "\n"))).contains("expand to more than"))
    }

    @Test func `that is too deep or too large is refused`() throws {
        #expect(try #require(problem(in: String(repeating: "[", count: 100_000))).contains("more than 64 levels deep"))
        var limits = Limits()
        limits.bytes = 10
        #expect(try #require(problem(in: "a: 123456789", limits: limits)).contains("at most 10 are read"))
    }

    @Test func `never traps on mutations of a good one`() {
        let good = Array("a: &x [1, \"two\", {b: 'c'}]\nd: *x\ne: |\n  text\n".utf8)
        var state: UInt64 = 42
        for _ in 0..<3000 {
            var bytes = good
            for _ in 0..<3 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                let index = Int(state >> 33) % bytes.count
                bytes[index] = UInt8(truncatingIfNeeded: state >> 20)
            }
            _ = problem(in: "", bytes: bytes)
        }
    }
}

@Suite struct `An overlay` {
    @Test func `merges maps, replaces lists, and removes with null`() throws {
        let base = try parse("a: {x: 1, y: [1, 2]}\nb: 2\nc: {k: v}\n")
        let merged = base.overlaid(with: try parse("a: {y: [3], z: 4}\nb: null\nc: {w: u}\n")) { $0 == ["c"] }
        #expect(merged["a"]?["x"]?.text == "1")
        #expect(merged["a"]?["y"]?.elements.compactMap(\.text) == ["3"])
        #expect(merged["a"]?["z"]?.text == "4")
        #expect(merged["b"] == nil)
        #expect(merged["c"]?["k"] == nil)
        #expect(merged["c"]?["w"]?.text == "u")
    }
}
