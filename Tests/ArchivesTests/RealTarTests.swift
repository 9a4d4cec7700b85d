import Archives
import Testing

/// Files with paths of the kinds that formats have different ways for.
private let files = [
    Reading.File("a", "1"),
    Reading.File("empty", ""),
    Reading.File("größe/🙂", "2"),
    Reading.File("long/" + String(repeating: "x", count: 150), "3"),
    Reading.File((0..<30).map { "directory\($0)" }.joined(separator: "/") + "/deep", "4"),
    Reading.File("prefix/" + String(repeating: "d/", count: 40) + String(repeating: "x", count: 90), "5"),
    Reading.File("weights.bin", String(repeating: "6", count: 100_000)),
]

/// A directory with those of the files that the format can hold.
private func folder(_ format: String) throws -> (Folder, [Reading.File]) {
    let chosen =
        switch format {
        case "v7": files.filter { $0.path.utf8.count < 100 }
        case "ustar": files.filter { $0.path.utf8.count < 100 || $0.path.hasPrefix("prefix") }
        default: files
        }
    let folder = try Folder()
    for file in chosen { try folder.write("in/" + file.path, file.content) }
    return (folder, chosen)
}

/// The files in the order of their paths, as a directory has none.
private func sorted(_ files: [Reading.File]) -> [Reading.File] {
    files.sorted { $0.path < $1.path }
}

@Suite struct `An archive of another program` {
    @Test(arguments: ["v7", "oldgnu", "gnu", "ustar", "posix"])
    func `reads well when GNU tar made it`(format: String) throws {
        let (folder, files) = try folder(format)
        for start in [".", "./"] {
            let reading = Reading(try folder.run("tar", ["-C", "in", "--format=\(format)", "-cf", "-", start]))
            #expect(sorted(reading.files) == sorted(files) && reading.fault == nil)
        }
    }

    @Test(arguments: ["USTAR", "GNU", "PAX"]) func `reads well when Python made it`(format: String) throws {
        let (folder, files) = try folder(format.lowercased())
        let script = """
            import sys, tarfile
            with tarfile.open(fileobj=sys.stdout.buffer, mode="w|", format=tarfile.\(format)_FORMAT) as tar:
                tar.add("in", arcname=".")
            """
        let reading = Reading(try folder.run("python3", ["-c", script]))
        #expect(sorted(reading.files) == sorted(files) && reading.fault == nil)
    }

    @Test(arguments: [("-z", .gzip), ("--zstd", .zstd)] as [(String, Compression)])
    func `reads well when GNU tar compressed it`(option: String, compression: Compression) throws {
        let (folder, files) = try folder("gnu")
        let reading = Reading(try folder.run("tar", ["-C", "in", option, "-cf", "-", "."]), compression)
        #expect(sorted(reading.files) == sorted(files) && reading.fault == nil)
    }

    @Test func `is refused when GNU tar put a link into it`() throws {
        let (folder, _) = try folder("gnu")
        try folder.run("ln", ["-s", "/etc/passwd", "in/link"])
        #expect(
            Reading(try folder.run("tar", ["-C", "in", "-cf", "-", "link"])).fault
                == .refused(path: "link", .symbolicLink))
        try folder.run("ln", ["in/a", "in/twin"])
        #expect(
            Reading(try folder.run("tar", ["-C", "in", "-cf", "-", "a", "twin"])).fault
                == .refused(path: "twin", .hardLink))
        try folder.run("mkfifo", ["in/pipe"])
        #expect(Reading(try folder.run("tar", ["-C", "in", "-cf", "-", "pipe"])).refusal == .pipe)
    }

    @Test(arguments: ["gnu", "posix"]) func `is refused when GNU tar left out holes`(format: String) throws {
        let folder = try Folder()
        try folder.run("truncate", ["-s", "1M", "holes"])
        let tar = try folder.run("tar", ["--format=\(format)", "-S", "-cf", "-", "holes"])
        #expect(Reading(tar).refusal == .sparse)
    }

    @Test func `is refused when GNU tar kept a path that leads upwards`() throws {
        let folder = try Folder()
        try folder.write("a", [1])
        let tar = try folder.run("tar", ["-P", "--transform=s,^,../,", "-cf", "-", "a"])
        #expect(Reading(tar).fault == .refused(path: "../a", .parentComponent))
    }
}
