import ReconcileCore
import ReconcileTesting
import Testing

@Suite struct `A path in a release` {
    @Test(arguments: ["a", "a/b.bin", "ü/x", "a b", "..a", "a/...", ".hidden", String(repeating: "x", count: 255)])
    func `is taken when it is safe`(path: String) { #expect(ReleasePath(path)?.description == path) }

    @Test(arguments: [
        "", "/a", "../a", "a/../b", "a/..", ".", "./a", "a//b", "a/", "a\\b", "a\u{0}b", "a\nb",
        String(repeating: "x", count: 256),
        String(repeating: "x/", count: 600) + "x",
    ])
    func `is refused when it is not`(path: String) { #expect(ReleasePath(path) == nil) }
}

@Suite struct `A list of files` {
    private func check(_ paths: String...) throws {
        try checkFileList(
            paths.map { ReleaseFile(path: try Sample.unwrap(ReleasePath($0)), size: 1, sha256: .of($0)) })
    }

    @Test func `is refused when it cannot be created on every file system`() {
        #expect(throws: FileListFault.empty) { try checkFileList([]) }
        #expect(throws: FileListFault.duplicate(path: "a")) { try check("a", "a") }
        #expect(throws: FileListFault.caseCollision(first: "a", second: "A")) { try check("a", "A") }
        #expect(throws: FileListFault.caseCollision(first: "d", second: "D")) { try check("d/a", "D/b") }
        #expect(throws: FileListFault.fileIsDirectory(path: "d")) { try check("d", "d/a") }
    }

    @Test func `is taken otherwise`() throws { try check("a", "b/a", "b/c/a", "c") }
}

@Suite struct `A glob` {
    @Test(arguments: [
        ("*.json", "a.json", true), ("*.json", "d/a.json", false), ("**/*.json", "a.json", true),
        ("**/*.json", "d/e/a.json", true),
        ("d/**", "d/e/f", true), ("d/**", "e/f", false), ("d/*", "d/e/f", false), ("?.bin", "a.bin", true),
        ("?.bin", "ab.bin", false),
        ("**", "a/b", true), ("a/**/b", "a/b", true), ("a/**/b", "a/x/y/b", true), ("[a].bin", "a.bin", false),
    ])
    func `matches whole paths`(pattern: String, path: String, matches: Bool) throws {
        #expect(try #require(Glob(pattern)).matches(try #require(ReleasePath(path))) == matches)
    }

    @Test func `takes no exponential time`() throws {
        let pattern = Array(repeating: "**/*a*a*a*", count: 8).joined(separator: "/")
        let path = Array(repeating: String(repeating: "a", count: 60) + "b", count: 16).joined(separator: "/")
        _ = try #require(Glob(pattern)).matches(try #require(ReleasePath(path)))
    }
}
