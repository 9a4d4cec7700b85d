import ReconcileCore
import Testing

@Suite struct `A version` {
    @Test(arguments: [
        "1.0.0", "5.1", "6", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-0.3.7", "1.0.0-x-y-z.--", "1.0.0+20130313144700",
        "1.0.0-beta+exp.sha.5114f85", "999999999999999999.0.0", "1.0.0+0.build.1-rc.10000aaa-kk-0.1",
    ])
    func `is read and keeps its spelling`(text: String) throws {
        #expect(try #require(Version(text)).description == text)
    }

    @Test(arguments: [
        "", "v1.0.0", "01.0.0", "1.02.0", "1.0.0.0", "1..0", "1.0.0-", "1.0.0-01", "1.0.0-a..b", "1.0.0+", "1.0.0+a..b",
        "1.0.0 ", "-1.0.0", "1.x", "a", "1000000000000000000.0.0", "1.0.0-ä", "99999999999999999999999.0.0",
    ])
    func `is refused when it is not one`(text: String) { #expect(Version(text) == nil) }

    /// The example of section 11 of the specification, and more.
    @Test func `is ordered by precedence`() throws {
        let ascending = [
            "0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11",
            "1.0.0-rc.1", "1.0.0", "1.0.1", "1.2", "1.10", "2", "2.0.1", "10.0.0",
        ].compactMap(Version.init)
        #expect(ascending.count == 15)
        for (i, a) in ascending.enumerated() {
            for (j, b) in ascending.enumerated() { #expect((a < b) == (i < j), "\(a) \(b)") }
        }
    }

    @Test func `is the same however it is spelt`() {
        #expect(Version("5.1") == Version("5.1.0"))
        #expect(Set([Version("5.1"), Version("5.1.0")]).count == 1)
        #expect(Version("1.0.0+a") != Version("1.0.0+b"))
        #expect(Version("1.0.0+a")?.hasSamePrecedence(as: Version(1, 0, 0)) == true)
    }
}

/// Pseudo-random versions, always the same ones.
struct VersionGenerator {
    private var state: UInt64 = 7
    private mutating func below(_ limit: UInt64) -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return (state >> 33) % limit
    }

    mutating func next() -> Version {
        let core = "\(below(4)).\(below(4)).\(below(4))"
        let tails = [
            "", "", "", "-0", "-1", "-alpha", "-alpha.1", "-alpha.beta", "-rc.1", "-rc.11", "+b1", "+b2", "-rc.1+b",
        ]
        return Version(core + tails[Int(below(UInt64(tails.count)))]) ?? Version(0, 0, 0)
    }

    mutating func range() -> String {
        let operators = ["^", "~", "=", ">", ">=", "<", "<=", ""]
        let version = next()
        let text = below(3) == 0 ? "\(version.major).\(version.minor)" : version.description
        return operators[Int(below(8))] + text
    }
}

@Suite struct `The order of versions` {
    @Test func `is total`() {
        var generator = VersionGenerator()
        for _ in 0..<20_000 {
            let (a, b, c) = (generator.next(), generator.next(), generator.next())
            #expect([a < b, a == b, b < a].count { $0 } == 1, "\(a) \(b)")
            if a < b, b < c { #expect(a < c, "\(a) \(b) \(c)") }
            if a == b { #expect(a.hashValue == b.hashValue) }
        }
    }
}

@Suite struct `A version range` {
    @Test(
        arguments: [
            ("^6.0", ["6.0", "6.2.1", "6.99.0"], ["5.9.9", "7.0.0", "7.0.0-rc.1", "6.1.0-rc.1"]),
            ("^1.2.3", ["1.2.3", "1.9.0"], ["1.2.2", "2.0.0"]),
            ("^0.2.3", ["0.2.3", "0.2.9"], ["0.3.0", "0.2.2"]),
            ("^0.0.3", ["0.0.3"], ["0.0.4", "0.0.2"]),
            ("^0", ["0.0.0", "0.9.9"], ["1.0.0"]),
            ("^0.0", ["0.0.0", "0.0.9"], ["0.1.0"]),
            ("~1.2.3", ["1.2.3", "1.2.9"], ["1.3.0", "1.2.2"]),
            ("~1", ["1.0.0", "1.9.0"], ["2.0.0"]),
            ("1.2", ["1.2.0", "1.2.9"], ["1.3.0", "1.1.9"]),
            ("1.2.3", ["1.2.3", "1.2.3+cuda"], ["1.2.4"]),
            ("=1.2.3+cuda", ["1.2.3+cuda"], ["1.2.3", "1.2.3+cpu"]),
            ("5.1", ["5.1", "5.1.2"], ["5.2"]),
            ("*", ["0.0.0", "9.9.9"], ["1.0.0-rc.1"]),
            ("1.x || 3.x", ["1.5.0", "3.0.0"], ["2.0.0"]),
            (">=1.0 <3", ["1.0.0", "2.9.9"], ["3.0.0", "0.9.9"]),
            (">=1.0, <3", ["1.0.0", "2.9.9"], ["3.0.0"]),
            (">= 1.0 < 3", ["1.0.0"], ["3.0.0"]),
            (">1.2", ["1.3.0"], ["1.2.9"]),
            (">1.2.3", ["1.2.4"], ["1.2.3", "1.2.3+b"]),
            ("<=1.2", ["1.2.9", "0.1.0"], ["1.3.0"]),
            ("<1.2", ["1.1.9"], ["1.2.0", "1.2.0-rc.1"]),
            ("1.2 - 2.3", ["1.2.0", "2.3.9"], ["2.4.0", "1.1.9"]),
            ("1.2.3 - 2.3.4", ["1.2.3", "2.3.4"], ["2.3.5"]),
            (">*", [], ["0.0.0", "999.0.0"]), ("<*", [], ["0.0.0", "1.0.0"]), (">=*", ["1.0.0"], []),
            ("<=x", ["1.0.0"], []),
            (">=1.0.0-rc.1", ["1.0.0-rc.1", "1.0.0-rc.2", "1.0.0", "2.0.0"], ["1.0.0-beta", "1.1.0-rc.1"]),
            ("^1.0.0-beta.2", ["1.0.0-beta.2", "1.0.0-rc.1", "1.5.0"], ["1.0.0-alpha", "1.1.0-alpha"]),
            ("v1.2.3", ["1.2.3"], []),
        ] as [(String, [String], [String])])
    func `holds what npm and Cargo users expect`(text: String, inside: [String], outside: [String]) throws {
        let range = try VersionRange(text)
        for version in inside { #expect(range.contains(try #require(Version(version))), "\(version) in \(text)") }
        for version in outside { #expect(!range.contains(try #require(Version(version))), "\(version) not in \(text)") }
    }

    @Test(arguments: [
        "", "  ", "||", "1.2.3.4", ">", "^", "latest", "1.2.3 || ", ">=1..2", "x.1", "=>1.0", "1.0 -", "1,,x.y", "!1.0",
        "^^1",
    ])
    func `is refused when it is not one`(text: String) {
        #expect(throws: VersionRangeSyntaxError.self) { try VersionRange(text) }
    }

    @Test func `admits pre-releases where the channel does`() throws {
        let range = try VersionRange("^1.0")
        #expect(range.contains(try #require(Version("1.1.0-rc.1")), admittingPrereleases: true))
        #expect(!range.contains(try #require(Version("2.0.0-rc.1")), admittingPrereleases: true))
    }

    @Test func `obeys the laws of sets`() throws {
        var generator = VersionGenerator()
        for _ in 0..<4000 {
            let (a, b) = (generator.range(), generator.range())
            let version = generator.next()
            for admits in [true, false] {
                let inA = try VersionRange(a).contains(version, admittingPrereleases: admits)
                let inB = try VersionRange(b).contains(version, admittingPrereleases: admits)
                #expect(
                    try VersionRange("\(a) || \(b)").contains(version, admittingPrereleases: admits) == (inA || inB))
                #expect(
                    try VersionRange("\(b) || \(a)").contains(version, admittingPrereleases: admits) == (inA || inB))
                if admits || !version.isPrerelease {
                    #expect(
                        try VersionRange("\(a) \(b)").contains(version, admittingPrereleases: admits) == (inA && inB))
                }
                if inA, !admits { #expect(try VersionRange(a).contains(version, admittingPrereleases: true)) }
            }
        }
    }

    @Test func `never traps on any text`() {
        let letters = Array("0129.x*^~<>=- |,v+ab")
        var state: UInt64 = 3
        for _ in 0..<20_000 {
            let text = String(
                (0..<8).map { _ in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return letters[Int(state >> 33) % letters.count]
                })
            _ = try? VersionRange(text)
            _ = Version(text)
        }
    }
}
