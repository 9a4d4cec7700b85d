import Archives
import ReconcileCore
import Synchronization
import SystemPackage

/// An OCI image layout on this machine, as a directory or a tar (https://github.com/opencontainers/image-spec,
/// `image-layout.md`): what `reconcile bundle` writes, and what skopeo and oras do.
///
/// In the index, `org.opencontainers.image.ref.name` is `repository:tag`; without a colon it is a tag of whatever repository is
/// asked for.
final class ImageLayoutTransport: OCITransport {
    private let path: FilePath
    private let opened = Mutex<Opened?>(nil)

    private static let indexLimit = 64 << 20
    /// A bundle has a member for each file of each release; its content is not read here.
    private static let limits = ArchiveLimits(members: 4_000_000, unpackedBytes: .max)

    init(path: FilePath) { self.path = path }

    /// What was found.
    private struct Opened {
        let index: OCIDocument
        /// Where members of the tar are; `nil` for a directory.
        let members: TarIndex?
    }

    func tags(of repository: String) throws -> [OCITag] {
        let found = try manifests(of: repository).map { tag, descriptor in
            OCITag(
                name: tag, digest: descriptor.sha256,
                channel: descriptor.annotations?[OCIName.channel] ?? "stable")
        }
        guard !found.isEmpty else { throw Fault(.sourceLacks(url: shown(repository))) }
        return found
    }

    func digest(of tag: String, in repository: String) throws -> Digest {
        guard let digest = try manifests(of: repository).first(where: { $0.tag == tag })?.descriptor.sha256 else {
            throw Fault(.sourceRefuses(url: shown(repository), reason: .revisionMissing(revision: tag)))
        }
        return digest
    }

    func manifest(_ reference: OCIReference, in repository: String) throws -> [UInt8] {
        let digest =
            switch reference {
            case .digest(let digest): digest
            case .tag(let tag): try self.digest(of: tag, in: repository)
            }
        let bytes = try blob(digest, limit: OCILimit.manifestBytes)
        let listed = try manifests(of: repository).first { $0.descriptor.sha256 == digest }
        if let listed, listed.descriptor.size != bytes.count {
            throw invalid("the manifest of “\(listed.tag.printable)” has not the size that its index names")
        }
        return bytes
    }

    func blob(_ blob: OCIDescriptor, in repository: String) throws -> [UInt8] {
        guard let digest = blob.sha256 else { throw invalid("a blob is not named by sha256") }
        return try self.blob(digest, limit: Int(clamping: blob.size))
    }

    func locations(of digest: Digest, in repository: String) throws -> [Location] {
        let name = "blobs/sha256/\(digest)"
        guard let members = try open().members else { return [.file(path.pushing(FilePath(name)))] }
        guard let member = members[path: name] else { throw invalid("it lacks blob \(digest.short)…") }
        return [.part(path, offset: member.dataOffset)]
    }

    func shown(_ repository: String) -> String { "\(path.string): \(repository)" }

    // MARK: Details

    private func manifests(of repository: String) throws -> [(tag: String, descriptor: OCIDescriptor)] {
        try open().index.manifests?.compactMap { descriptor in
            guard let name = descriptor.annotations?[OCIName.referenceName] else { return nil }
            guard let colon = name.lastIndex(of: ":") else { return (name, descriptor) }
            return name[..<colon] == repository ? (String(name[name.index(after: colon)...]), descriptor) : nil
        } ?? []
    }

    private func blob(_ digest: Digest, limit: Int) throws -> [UInt8] {
        let bytes = try read("blobs/sha256/\(digest)", members: try open().members, limit: limit)
        guard Hashing.digest(of: bytes) == digest else {
            throw invalid("the bytes of blob \(digest.short)… are not its own")
        }
        return bytes
    }

    /// Reads the index, once.
    private func open() throws -> Opened {
        try opened.withLock { opened in
            if let opened { return opened }
            let members = try DiskReader.entry(at: path)?.kind == .directory ? nil : tarIndex()
            let bytes = try read("index.json", members: members, limit: Self.indexLimit)
            let index = try JSONFile.published(OCIDocument.self, from: bytes, at: path.string)
            let fresh = Opened(index: index, members: members)
            opened = fresh
            return fresh
        }
    }

    private func tarIndex() throws -> TarIndex {
        guard let file = ReadableFile(path) else {
            throw Fault(.sourceUnreachable(url: path.string, detail: "it is not there, or cannot be read"))
        }
        do {
            return try TarIndex(limits: Self.limits) { offset, buffer in
                let count = Int(max(0, min(Int64(buffer.count), file.size - offset)))
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                return count > 0 && file.read(into: part, at: offset) ? count : 0
            }
        } catch let fault as ArchiveFault {
            throw invalid(fault.detail)
        }
    }

    private func read(_ name: String, members: TarIndex?, limit: Int) throws -> [UInt8] {
        let place: Location
        var size = Int64(limit)
        if let members {
            guard let member = members[path: name] else { throw invalid("it has no “\(name)”") }
            (place, size) = (.part(path, offset: member.dataOffset), member.size)
        } else {
            place = .file(path.pushing(FilePath(name)))
        }
        guard let file = ReadableFile(place, size: size) else {
            throw Fault(.sourceUnreachable(url: path.string, detail: "its “\(name)” is not there, or cannot be read"))
        }
        guard file.size <= Int64(limit) else { throw invalid("its “\(name)” has more than \(limit) bytes") }
        guard let bytes = file.bytes(0..<file.size) else { throw invalid("its “\(name)” cannot be read") }
        return bytes
    }

    private func invalid(_ detail: String) -> Fault { Fault(.sourceInvalid(url: path.string, detail: detail)) }
}
