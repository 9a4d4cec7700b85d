import Archives
import Testing

@Suite struct `A tar` {
    @Test func `gives its files in order and passes over its directories`() {
        let reading = Reading(sampleTar)
        #expect(reading.files == sampleFiles && reading.fault == nil && !reading.isIncoherent)
        #expect(reading.uncompressedBytes == Int64(sampleTar.count))
    }

    @Test func `says where the content of each file is`() throws {
        for file in Reading(sampleTar).files {
            let offset = Int(try #require(file.dataOffset))
            #expect(offset % 512 == 0 && sampleTar[offset...].starts(with: file.content))
        }
    }

    @Test func `without files is an archive all the same`() {
        let reading = Reading(end)
        #expect(reading.files.isEmpty && reading.fault == nil)
    }

    @Test(
        arguments: [
            ("./a", "a"), ("././a/b", "a/b"), ("a/b", "a/b"), (".a", ".a"), ("..a/b..", "..a/b.."), (" ", " "),
            ("größe/🙂", "größe/🙂"), ("a:b*?\"<>|", "a:b*?\"<>|"),
        ])
    func `has paths without a dot at their beginning`(written: String, path: String) {
        #expect(Reading(member(written) + end).paths == [path])
    }

    @Test(arguments: [(".", "5"), ("./", "5"), ("a", "5"), ("./a/", "5"), ("a/b/", "0"), ("a/", "7"), ("a/", "\u{0}")])
    func `passes over directories, also when only a slash tells`(name: String, type: String) throws {
        let reading = Reading(member(name, type: try #require(type.first)) + end)
        #expect(reading.files.isEmpty && reading.fault == nil)
    }

    @Test(arguments: ["0", "7", "\u{0}"]) func `has files of three types`(type: String) throws {
        let reading = Reading(member("a", "1", type: try #require(type.first)) + end)
        #expect(reading.files == [Reading.File("a", "1")] && reading.fault == nil)
    }

    @Test(
        arguments: [
            ("ustar\u{0}00", "p/q/a"), ("ustar\u{0}", "p/q/a"), ("ustar  \u{0}", "a"), ("", "a"),
        ])
    func `has a prefix in its paths in the format of POSIX only`(magic: String, path: String) {
        var header = HandMade("a")
        (header.magic, header.prefix) = (magic, "p/q")
        #expect(Reading(header.block + end).paths == [path])
    }

    @Test func `may fill the fields of a path to their last byte`() {
        var header = HandMade(String(repeating: "n", count: 100))
        header.prefix = String(repeating: "p", count: 155)
        #expect(Reading(header.block + end).paths == [header.prefix + "/" + String(repeating: "n", count: 100)])
    }

    @Test func `may have checksums of bytes with a sign`() {
        var header = HandMade("größe")
        header.isSummedSigned = true
        #expect(Reading(header.block + end).paths == ["größe"])
    }

    @Test(
        arguments: [
            Array("        3 \u{0} ".utf8), Array("3           ".utf8), Array("000000000003".utf8),
            [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3],
        ] as [[UInt8]])
    func `may have sizes in octal and in base 256`(size: [UInt8]) {
        var header = HandMade("a")
        header.size = size
        #expect(Reading(header.block + padded([1, 2, 3]) + end).files.first?.content == [1, 2, 3])
    }

    @Test func `may have a size that is left empty`() {
        var header = HandMade("a")
        header.size = [UInt8](repeating: 0, count: 12)
        #expect(Reading(header.block + end).files == [Reading.File("a", "")])
    }

    @Test func `has what a pax header says in place of what the header says`() {
        let long = String(repeating: "x", count: 900)
        let reading = Reading(
            pax([("path", "first"), ("path", long), ("size", "2"), ("linkpath", "z"), ("uid", "7")])
                + HandMade("b", size: 999).block + padded([1, 2]) + member("c", "1") + end)
        #expect(reading.files == [Reading.File(long, "\u{1}\u{2}"), Reading.File("c", "1")] && reading.fault == nil)
    }

    @Test func `may have long names as GNU tar writes them`() {
        let long = String(repeating: "x", count: 1024)
        let reading = Reading(longName("ignored", type: "K") + longName(long) + member("x") + member("y") + end)
        #expect(reading.paths == [long, "y"] && reading.fault == nil)
    }

    @Test func `may have global headers of things that do not matter, and empty extended headers`() {
        let reading = Reading(pax([("comment", "a")], type: "g") + pax([], type: "g") + pax([]) + member("a") + end)
        #expect(reading.paths == ["a"] && reading.fault == nil)
    }

    @Test(arguments: [512, 700, 1024, 10_240]) func `ends with one block of zeros or more`(zeros: Int) {
        #expect(Reading(member("a") + [UInt8](repeating: 0, count: zeros)).fault == nil)
    }
}
