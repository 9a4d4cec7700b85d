import Archives
import Testing

@Suite struct `A tar is refused` {
    @Test(
        arguments: [
            ("/a", .absolutePath), ("/", .absolutePath), ("//a", .absolutePath), ("/../a", .absolutePath),
            ("..", .parentComponent), ("../a", .parentComponent), ("./../a", .parentComponent),
            ("a/../b", .parentComponent), ("a/..", .parentComponent), ("a/../", .parentComponent),
            ("", .emptyComponent), (".", .emptyComponent), (".//a", .emptyComponent), ("a//b", .emptyComponent),
            ("a//", .emptyComponent), ("a/./b", .emptyComponent), ("a/.", .emptyComponent),
            ("a\nb", .controlCharacter), ("\u{1B}[2J", .controlCharacter), ("a\u{7F}", .controlCharacter),
            ("a\u{85}", .controlCharacter), ("a\\b", .backslash), ("..\\a", .backslash),
        ] as [(String, ArchiveFault.Refusal)])
    func `for a path that leads elsewhere or cannot be shown`(path: String, refusal: ArchiveFault.Refusal) {
        for tar in [member(path), pax([("comment", "c")]) + member(path), longName(path) + member("fine")] {
            let reading = Reading(member("before") + tar + member("after") + end)
            #expect(reading.refusal == refusal && reading.paths == ["before"])
        }
        #expect(Reading(longName(path) + member("fine", type: "5") + end).fault != nil || [".", ""].contains(path))
    }

    @Test func `for a zero within the path of a pax header`() {
        #expect(Reading(pax([("path", "a\u{0}b")]) + member("x") + end).refusal == .controlCharacter)
    }

    @Test func `for a slash that an accent hides`() {
        #expect(Reading(member("/\u{301}a") + end).refusal == .absolutePath)
        #expect(Reading(member("a/\u{301}/\u{301}../..") + end).refusal == .parentComponent)
    }

    @Test func `for a path that is not UTF-8`() {
        let reading = Reading(HandMade(bytes: [0x61, 0xFF, 0x0A]).block + end)
        #expect(reading.fault == .refused(path: "a\u{FFFD}\u{FFFD}", .notUTF8))
    }

    @Test(
        arguments: [
            ("1", .hardLink), ("2", .symbolicLink), ("3", .device), ("4", .device), ("6", .pipe), ("S", .sparse),
            ("V", .unknownType(0x56)), ("M", .unknownType(0x4D)), ("D", .unknownType(0x44)),
            ("X", .unknownType(0x58)), ("9", .unknownType(0x39)),
        ] as [(String, ArchiveFault.Refusal)])
    func `for a member that is no plain file`(type: String, refusal: ArchiveFault.Refusal) throws {
        let type = try #require(type.first)
        let reading = Reading(member("before") + member("a/b", type: type) + end)
        #expect(reading.fault == .refused(path: "a/b", refusal) && reading.paths == ["before"])
        #expect(
            Reading(longName("the/link") + member("x", type: type) + end).fault
                == .refused(path: "the/link", refusal))
    }

    @Test func `for a link, whatever its target is`() {
        let link = pax([("path", "link"), ("linkpath", "/etc/passwd")]) + member("x", type: "2")
        #expect(Reading(link + end).fault == .refused(path: "link", .symbolicLink))
        #expect(Reading(longName("/etc", type: "K") + member("l", type: "1") + end).refusal == .hardLink)
    }

    @Test func `for a sparse file that only a pax header tells of`() {
        let reading = Reading(pax([("GNU.sparse.major", "1"), ("path", "holes")]) + member("x") + end)
        #expect(reading.fault == .refused(path: "holes", .sparse))
    }

    @Test func `for a path that comes twice`() {
        let reading = Reading(member("a", "1") + member("b") + member("./a", "2") + end)
        #expect(reading.fault == .refused(path: "a", .duplicatePath) && reading.paths == ["a", "b"])
        #expect(Reading(member("d", type: "5") + member("d/", type: "5") + end).fault == nil)
    }

    @Test(
        arguments: [
            Array("99999999999\u{0}".utf8), Array("-0000000001\u{0}".utf8),
            Array("1 1\u{0}\u{0}\u{0}\u{0}    \u{0}".utf8),
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            [0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0], [0x80, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0x81, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], [0xC0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        ] as [[UInt8]])
    func `for a size that is negative, too large or no number`(size: [UInt8]) {
        for type in ["0", "5", "x", "L"] as [Character] {
            var header = HandMade("a", type: type)
            header.size = size
            let reading = Reading(member("b") + header.block + end)
            #expect(reading.fault == .damaged(.badSize, offset: 512) && reading.paths == ["b"])
        }
    }

    @Test(arguments: ["-1", "9223372036854775808", "99999999999999999999999999", "1.0", "", " 1", "0x1"])
    func `for an impossible size in a pax header`(size: String) {
        #expect(Reading(pax([("size", size)]) + member("a") + end).damage == .badPaxRecord)
    }

    @Test(
        arguments: [
            "no record", "5 a=b\n", "7 a=b\n", "6 a=bc", "+6 a=b\n", "0 a=b\n", "-1 a=b\n", "4 a\n\n", "5 =b\n",
            " 6 a=b\n", "6 a=b\n\u{0}", "99999999999999999999 a=b\n", "6", "3 \n", "8 path=\n",
        ])
    func `for a pax header that is no row of records`(content: String) {
        let reading = Reading(member("x", content, type: "x") + member("a") + end)
        #expect(reading.fault == .damaged(.badPaxRecord, offset: 0) && reading.files.isEmpty)
    }

    @Test(arguments: [("path", "a"), ("size", "1"), ("GNU.sparse.map", "0,1")])
    func `for a global header that sets what is one member's`(key: String, value: String) {
        #expect(Reading(pax([(key, value)], type: "g") + member("a") + end).damage == .globalOverride)
    }

    @Test(
        arguments: [
            longName("a") + longName("b"), pax([("a", "b")]) + pax([("a", "b")]), pax([("path", "a")]) + longName("b"),
            longName("a") + pax([("path", "b")]), longName("a", type: "K") + longName("b", type: "K"),
            pax([("path", "a")]) + pax([("comment", "b")], type: "g"),
        ])
    func `for a member that is described twice`(headers: [UInt8]) {
        #expect(Reading(headers + member("x") + end).damage == .ambiguousMember)
    }

    @Test(arguments: [longName("a"), pax([("a", "b")]), longName("a", type: "K")])
    func `for an extended header without a member`(header: [UInt8]) {
        #expect(Reading(header + end).fault == .damaged(.headerWithoutMember, offset: 1024))
    }

    @Test func `for a directory with content`() {
        for directory in [member("d", "x", type: "5"), member("d/", "x"), pax([("size", "1")]) + member("d/")] {
            #expect(Reading(directory + end).damage == .directoryWithContent)
        }
    }

    @Test(arguments: [1, -1, 64]) func `for a wrong checksum`(error: Int) {
        var header = HandMade("a")
        header.checksumError = error
        let reading = Reading(member("b") + header.block + end)
        #expect(reading.fault == .damaged(.wrongChecksum, offset: 512) && reading.paths == ["b"])
    }

    @Test(arguments: ["This is no tar.", "{}", "\u{1}"]) func `when it is something else`(text: String) {
        #expect(Reading(padded(Array(text.utf8))).fault == .damaged(.wrongChecksum, offset: 0))
    }

    @Test func `wherever it is cut off, down to the first block of its end`() {
        for length in 0..<sampleTar.count - 512 {
            let reading = Reading(Array(sampleTar.prefix(length)))
            #expect(reading.damage == .endsEarly && !reading.isIncoherent)
            #expect(zip(reading.files, sampleFiles).allSatisfy { $0 == $1 || !$0.isWhole })
        }
        for length in sampleTar.count - 512...sampleTar.count {
            #expect(Reading(Array(sampleTar.prefix(length))).fault == nil)
        }
    }

    @Test func `when something follows its end`() {
        #expect(Reading(end + [0, 0, 1]).fault == .damaged(.trailingBytes, offset: 1026))
        #expect(Reading(end.dropLast(512) + member("a") + end).fault == .damaged(.trailingBytes, offset: 512))
    }
}
