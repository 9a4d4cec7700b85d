import Archives
import Foundation
import Testing

/// Files with paths of every way to write them.
private let files = [
    Reading.File("config.json", "{}"),
    Reading.File("empty", ""),
    Reading.File("größe/🙂", "2"),
    Reading.File("name/" + String(repeating: "x", count: 95), "3"),
    Reading.File("split/" + String(repeating: "x", count: 100), "4"),
    Reading.File(String(repeating: "p", count: 155) + "/" + String(repeating: "x", count: 100), "5"),
    Reading.File(String(repeating: "p", count: 156) + "/" + String(repeating: "x", count: 100), "6"),
    Reading.File("unsplittable/" + String(repeating: "x", count: 101), "7"),
    Reading.File(String(repeating: "d/", count: 500) + "x", String(repeating: "8", count: 512)),
]

/// The files as a tar.
private func written(_ files: [Reading.File]) throws -> [UInt8] {
    try files.flatMap { file in
        let size = Int64(file.content.count)
        return try TarWriter.header(path: file.path, size: size) + file.content + TarWriter.padding(after: size)
    } + TarWriter.end
}

@Suite struct `A written tar` {
    @Test func `is read as it was written`() throws {
        let reading = Reading(try written(files))
        #expect(reading.files == files && reading.fault == nil)
    }

    @Test func `takes an extended header only for what needs one`() throws {
        #expect(
            try files.map { try TarWriter.header(path: $0.path, size: 1).count / 512 }
                == [1, 1, 3, 1, 1, 1, 3, 3, 4])
        #expect(try TarWriter.header(path: "a", size: 0o77_777_777_777).count == 512)
        #expect(try TarWriter.header(path: "a", size: 0o100_000_000_000).count == 1536)
    }

    @Test func `is listed by GNU tar`() throws {
        let folder = try Folder()
        let header = { try TarWriter.header(path: $0, size: 0, mode: $1) }
        try folder.write("t.tar", header("a", .readOnly) + header("größe", .writable) + TarWriter.end)
        let list = try folder.run("tar", ["--numeric-owner", "--quoting-style=literal", "-tvf", "t.tar"])
        #expect(
            String(decoding: list, as: UTF8.self) == """
                -r--r--r-- 0/0               0 1970-01-01 00:00 a
                -rw-r--r-- 0/0               0 1970-01-01 00:00 größe

                """)
    }

    @Test func `is unpacked by GNU tar and by Python`() throws {
        let folder = try Folder()
        try folder.write("t.tar", written(files))
        try folder.write("by-tar/here", [])
        try folder.run("tar", ["-C", "by-tar", "-xf", "t.tar"])
        try folder.run(
            "python3", ["-c", "import tarfile; tarfile.open('t.tar', errorlevel=2).extractall('by-python')"])
        for file in files {
            #expect(try folder.read("by-tar/" + file.path) == file.content)
            #expect(try folder.read("by-python/" + file.path) == file.content)
        }
    }

    @Test(arguments: [1 << 33, (1 << 33) + 1, 1 << 40] as [Int64])
    func `may have a file of 8 GiB and more`(size: Int64) throws {
        let folder = try Folder()
        try writeLarge(size, to: folder)
        let list = try folder.run("tar", ["-tvf", "t.tar"])
        #expect(String(decoding: list, as: UTF8.self).contains(" \(size) "))
        let script = "import tarfile; print([(m.name, m.size) for m in tarfile.open('t.tar')])"
        let seen = try folder.run("python3", ["-c", script])
        #expect(String(decoding: seen, as: UTF8.self) == "[('large', \(size)), ('last', 0)]\n")
        #expect(try index(of: folder).members.map(\.size) == [size, 0])
    }

    /// A tar of a large file without content, of which the disk holds next to nothing, and an empty one.
    private func writeLarge(_ size: Int64, to folder: Folder) throws {
        let header = try TarWriter.header(path: "large", size: size)
        try folder.write("t.tar", header)
        let file = try FileHandle(forWritingTo: folder.url.appendingPathComponent("t.tar"))
        defer { try? file.close() }
        try file.seek(
            toOffset: UInt64(header.count) + UInt64(size) + UInt64(TarWriter.padding(after: size).count))
        try file.write(contentsOf: Data(try TarWriter.header(path: "last", size: 0) + TarWriter.end))
    }

    private func index(of folder: Folder) throws -> TarIndex {
        let file = try FileHandle(forReadingFrom: folder.url.appendingPathComponent("t.tar"))
        defer { try? file.close() }
        return try TarIndex { offset, buffer in
            try file.seek(toOffset: UInt64(offset))
            let data = try file.read(upToCount: buffer.count) ?? Data()
            buffer.copyBytes(from: data)
            return data.count
        }
    }
}

@Suite struct `Writing a tar` {
    @Test(
        arguments: [
            ("/a", .absolutePath), ("../a", .parentComponent), ("a//b", .emptyComponent), ("./a", .emptyComponent),
            ("a/", .emptyComponent), ("", .emptyComponent), ("a\n", .controlCharacter), ("a\\b", .backslash),
        ] as [(String, ArchiveFault.Refusal)])
    func `refuses a path that would not be read back`(path: String, refusal: ArchiveFault.Refusal) {
        let shown = path == "a\n" ? "a\u{FFFD}" : path
        #expect(throws: ArchiveFault.refused(path: shown, refusal)) { try TarWriter.header(path: path, size: 0) }
    }

    @Test func `refuses a path that is too long, and a negative size`() {
        #expect(throws: ArchiveFault.exceeded(.pathBytes(1024))) {
            try TarWriter.header(path: String(repeating: "x", count: 1025), size: 0)
        }
        for size in [-1, Int64.min] {
            #expect(throws: ArchiveFault.refused(path: "a", .impossibleSize)) {
                try TarWriter.header(path: "a", size: size)
            }
            #expect(TarWriter.padding(after: size).isEmpty)
        }
    }

    @Test(arguments: [0, 1, 511, 512, 513, Int64.max]) func `pads to whole blocks`(size: Int64) {
        let count = Int64(TarWriter.padding(after: size).count)
        #expect(count < 512 && (size % 512 + count) % 512 == 0)
    }

    @Test func `does so the same way for any size and path`() throws {
        var dice = Dice(7)
        for _ in 0..<2000 {
            let length = Int.random(in: 1...1024, using: &dice)
            let characters = (0..<length).map { _ in Bool.random(using: &dice) ? "a" : "/" }.joined()
            let path = characters.split(separator: "/").joined(separator: "/")
            let size = Int64.random(in: 0...1 << 41, using: &dice)
            guard !path.isEmpty else { continue }
            var walker = TarWalker()
            let bytes = try TarWriter.header(path: path, size: size)
            var member: TarMember?
            while member == nil, let wanted = walker.wanted, wanted.upperBound <= bytes.count {
                member = try walker.take(Array(bytes[Int(wanted.lowerBound)..<Int(wanted.upperBound)]))
            }
            #expect(member?.path == path && member?.size == size && member?.dataOffset == Int64(bytes.count))
        }
    }
}
