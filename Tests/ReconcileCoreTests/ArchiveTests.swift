import ReconcileCore
import ReconcileTesting
import Testing

private func file(_ path: String, _ text: String) throws -> ReleaseFile {
    ReleaseFile(path: try Sample.unwrap(ReleasePath(path)), size: Int64(text.utf8.count), sha256: .of(text))
}

/// A release with one file as it is and one archive.
private func packed(_ archive: Archive, include: [String] = []) throws -> Release {
    let loose = [try file("README.md", "read me")]
    return Release(
        version: Version(1, 0, 0), origin: try Sample.unwrap(Origin("reg/kit")), revision: "sha256:x",
        channel: "stable", include: include, files: loose, archives: [archive],
        contentDigest: .of(Release.contentText(of: loose, [archive], include: include)))
}

@Suite struct `A release with archives` {
    private let archive = Archive(sha256: .of("tar"), size: 100, format: .tarGzip)

    @Test func `is known by what is delivered, before and after it was unpacked`() throws {
        let before = try packed(archive)
        let after = before.with(archives: [archive.unpacked([try file("model.onnx", "weights")])])
        #expect(before.isPacked && !after.isPacked)
        #expect(before.id == after.id)
        #expect(before.contentText == after.contentText)
        #expect(after.files.map(\.path.description) == ["README.md", "model.onnx"])
        #expect(after.looseFiles.map(\.path.description) == ["README.md"])
    }

    @Test func `is another one when other files of it are chosen`() throws {
        #expect(try packed(archive).contentDigest != packed(archive, include: ["*.onnx"]).contentDigest)
    }

    @Test func `is fetched as files and archives`() throws {
        let release = try packed(archive)
        #expect(release.deliveries.map(\.sha256) == [.of("read me"), archive.sha256])
        #expect(release.bytes == 107)
    }

    @Test func `takes over what was found in the same archive before`() throws {
        let files = [try file("model.onnx", "weights")]
        let held = Generation.sample(try packed(archive).with(archives: [archive.unpacked(files)]))
        #expect(try packed(archive).knowing([held]).archives?.first?.files == files)
        #expect(try packed(archive, include: ["*.md"]).knowing([held]).isPacked)
    }

    @Test func `without archives has the digest of its files alone`() throws {
        let files = [try file("b", "2"), try file("a", "1")]
        #expect(Release.contentText(of: files, [], include: ["a"]) == Release.contentText(of: files))
    }
}

@Suite struct `A selection of files` {
    private func matches(_ selection: FileSelection, _ path: String) throws -> Bool {
        selection.matches(try Sample.unwrap(ReleasePath(path)))
    }

    @Test func `takes what is included and not excluded`() throws {
        let selection = FileSelection(texts: ["*.json", "weights/**", "!weights/old/**"])
        #expect(try matches(selection, "config.json"))
        #expect(try matches(selection, "weights/a/b.safetensors"))
        #expect(try !matches(selection, "weights/old/b.safetensors"))
        #expect(try !matches(selection, "README.md"))
        #expect(selection.texts == ["*.json", "weights/**", "!weights/old/**"])
    }

    @Test func `that only excludes takes everything else`() throws {
        let selection = FileSelection(texts: ["!*.md"])
        #expect(try matches(selection, "a/b"))
        #expect(try !matches(selection, "README.md"))
        #expect(!selection.isWhole && FileSelection().isWhole)
    }
}
