import Archives
import ReconcileCore
import SystemPackage

/// Writes releases as an OCI image layout, in a tar or a directory: what a machine without a network is fed with.
///
/// ```text
/// oci-layout                     {"imageLayoutVersion":"1.0.0"}
/// index.json                     a manifest, or an index of several platforms, for each release: repository:version
/// blobs/sha256/1a153a22…         manifests, configs, files, archives; each once
/// ```
struct BundleWriter {
    /// Where the content was brought to, verified.
    let layout: StoreLayout

    /// One release, for one kind of machine or for all.
    struct Item {
        let release: Release
        let platform: TargetPlatform?
    }

    /// What a bundle holds, in the order in which it is written.
    private struct Contents {
        var manifests: [OCIDescriptor] = []
        /// Small documents, by digest.
        var documents: [Digest: [UInt8]] = [:]
        /// Content, by digest, with its size.
        var blobs: [Digest: Int64] = [:]

        mutating func add(_ bytes: [UInt8], type: String) -> OCIDescriptor {
            let digest = Hashing.digest(of: bytes)
            documents[digest] = bytes
            return OCIDescriptor(mediaType: type, digest: "sha256:\(digest)", size: Int64(bytes.count))
        }
    }

    /// Writes a tar, in one step.
    ///
    /// - Parameter groups: The releases; those of a group are one release for several kinds of machines.
    /// - Returns: The digest of the tar and its length.
    /// - Throws: ``Fault`` of kind `system`; nothing is then there that was not before.
    func write(_ groups: [[Item]], toTar path: FilePath) async throws -> (digest: Digest, bytes: Int64) {
        let contents = try contents(of: groups)
        // Beside the content, so that what a crash leaves goes with it.
        let output = try Disk().beginFile(in: layout.root)
        var count: Int64 = 0
        do {
            func append(_ bytes: [UInt8]) throws {
                try bytes.withUnsafeBytes { try output.append($0) }
                count += Int64(bytes.count)
            }
            for (name, bytes) in try documents(of: contents) {
                try append(header(name, Int64(bytes.count)) + bytes + TarWriter.padding(after: Int64(bytes.count)))
            }
            for (digest, size) in contents.blobs.sorted(by: { $0.key.description < $1.key.description }) {
                try append(header("blobs/sha256/\(digest)", size))
                try await copy(digest, size, to: output)
                count += size
                try append(TarWriter.padding(after: size))
            }
            try append(TarWriter.end)
            return (try output.finish { _ in path }, count)
        } catch {
            output.discard()
            throw error
        }
    }

    /// Writes a directory: content first and the index last, so that it never names what is not there.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func write(_ groups: [[Item]], toDirectory path: FilePath) async throws {
        let (contents, disk) = (try contents(of: groups), Disk())
        let blobs = path.pushing("blobs/sha256")
        try disk.makeDirectory(blobs)
        for (digest, size) in contents.blobs {
            let place = blobs.appending("\(digest)")
            // What is there already is only left when it is still what it was.
            if DiskReader.entry(at: place)?.size == size, try await Hashing.digest(ofFile: place).digest == digest {
                continue
            }
            try disk.replace(blobs.appending("\(digest)"), withBlob: layout.blob(digest))
        }
        for (name, bytes) in try documents(of: contents).sorted(by: { $0.name > $1.name }) where name != "index.json" {
            try disk.write(bytes, to: path.pushing(FilePath(name)))
        }
        for (name, bytes) in try documents(of: contents) where name == "index.json" {
            try disk.write(bytes, to: path.appending(name))
        }
    }

    // MARK: Contents

    private func contents(of groups: [[Item]]) throws -> Contents {
        var contents = Contents()
        for group in groups {
            guard let first = group.first?.release else { continue }
            var manifests: [OCIDescriptor] = []
            for item in group {
                var descriptor = try add(item.release, to: &contents)
                // In an index, skopeo takes a descriptor that says more than usual for another kind of list.
                if item.platform != nil { descriptor.artifactType = nil }
                // What is for all other machines names none.
                descriptor.platform = item.platform.flatMap {
                    $0 == .any ? nil : OCIDescriptor.Platform(os: $0.os, architecture: $0.architecture)
                }
                manifests.append(descriptor)
            }
            let isIndex = group.contains { $0.platform != nil }
            var entry =
                isIndex
                ? contents.add(
                    try JSONFile.bytes(
                        of: OCIDocument(schemaVersion: 2, mediaType: OCIName.index, manifests: manifests),
                        pretty: false), type: OCIName.index) : manifests[0]
            let name = "\(first.origin.repository):\(first.version.description.replacing("+", with: "_"))"
            entry.annotations = [OCIName.referenceName: name, OCIName.channel: first.channel]
            let same = contents.manifests.first { $0.annotations?[OCIName.referenceName] == name }
            guard same == nil || same?.digest == entry.digest else {
                throw Fault(
                    .unusable(
                        what: "“\(name)”",
                        detail:
                            "two models have other files under this name; bundle them apart: reconcile bundle MODEL --out PATH"
                    ))
            }
            if same != nil { continue }
            contents.manifests.append(entry)
        }
        return contents
    }

    private func add(_ release: Release, to contents: inout Contents) throws -> OCIDescriptor {
        var diffIDs: [Digest: Digest] = [:]
        for archive in release.archives ?? [] { diffIDs[archive.sha256] = try uncompressedDigest(of: archive) }
        let manifest = try BundleManifest(release, diffIDs: diffIDs)
        _ = contents.add(manifest.config, type: OCIName.modelPackConfig)
        for file in release.deliveries { contents.blobs[file.sha256] = file.size }
        var descriptor = contents.add(
            Array(try JSONFile.bytes(of: manifest.document, pretty: false).dropLast()), type: OCIName.manifest)
        descriptor.artifactType = OCIName.modelPackManifest
        return descriptor
    }

    private func documents(of contents: Contents) throws -> [(name: String, bytes: [UInt8])] {
        let index = OCIDocument(schemaVersion: 2, mediaType: OCIName.index, manifests: contents.manifests)
        return [
            ("oci-layout", Array(#"{"imageLayoutVersion":"1.0.0"}"#.utf8)),
            ("index.json", try JSONFile.bytes(of: index)),
        ]
            + contents.documents.filter { contents.blobs[$0.key] == nil }
            .sorted { $0.key.description < $1.key.description }
            .map { ("blobs/sha256/\($0.key)", $0.value) }
    }

    /// What a config says of an archive that is compressed: the digest of what is in it.
    private func uncompressedDigest(of archive: Archive) throws -> Digest {
        guard archive.format != .tar, let source = ReadableFile(layout.blob(archive.sha256)) else {
            return archive.sha256
        }
        var hash = StreamingHash()
        do {
            var decompressor = try Decompressor(archive.format == .tarGzip ? .gzip : .zstd)
            try Self.pieces(of: source) { try decompressor.feed($0) { hash.update($0) } }
            try decompressor.finish()
        } catch let fault as ArchiveFault {
            throw Fault(.sourceInvalid(url: "the archive \(archive.sha256.short)…", detail: fault.detail))
        }
        return hash.digest()
    }

    private func header(_ name: String, _ size: Int64) throws -> [UInt8] {
        do { return try TarWriter.header(path: name, size: size, mode: .writable) } catch {
            throw Fault(.bug(detail: error.detail))
        }
    }

    /// Copies content and hashes it once more: what is on the stick is what was meant.
    private func copy(_ digest: Digest, _ size: Int64, to output: GrowingFile) async throws {
        let path = layout.blob(digest)
        guard let source = ReadableFile(path), source.size == size else { throw DiskReader.systemFault("read", path) }
        var hash = StreamingHash()
        try Self.pieces(of: source) {
            hash.update($0)
            try output.append($0)
        }
        guard hash.digest() == digest else {
            throw Fault(.fileDamaged(path: path.string, detail: "its bytes are not those of its name"))
        }
    }

    private static func pieces(of source: ReadableFile, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Hashing.bufferBytes, alignment: 4096)
        defer { piece.deallocate() }
        var position: Int64 = 0
        while position < source.size {
            try Task.checkCancellation()
            let part = UnsafeMutableRawBufferPointer(
                rebasing: piece[..<Int(min(Int64(piece.count), source.size - position))])
            guard source.read(into: part, at: position) else {
                throw Fault(.system(operation: "read", path: "a blob", detail: "it cannot be read"))
            }
            try body(UnsafeRawBufferPointer(part))
            position += Int64(part.count)
        }
    }
}
