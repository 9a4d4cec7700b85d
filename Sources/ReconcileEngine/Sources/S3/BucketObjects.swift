import AmazonS3
import Foundation
import ReconcileCore

/// Releases that are plain objects in a bucket: `MODEL/VERSION/path`. The SHA-256 of an object is what a `SHA256SUMS` beside it
/// says, else the checksum that it was stored with, where it has one; otherwise it is computed, of a large one only when somebody
/// asked for that. Small ones are read at once, with their checksum, and kept for the fetch; a pass that fetches next also opens
/// some large ones.
struct BucketObjects: Sendable {
    let name: String
    let client: BucketClient
    let web: WebClient
    let cache: SourceCache
    private let readsAll: Bool
    private let held = HeldFiles()
    private let opened: OpenedObjects
    private let listed = ListedObjects()

    init(name: String, client: BucketClient, web: WebClient, cache: SourceCache, reading: ContentReading) {
        (self.name, self.client, self.web, self.cache) = (name, client, web, cache)
        switch reading {
        case .asked: (readsAll, opened) = (false, OpenedObjects(limit: 0))
        case .opened(let limit): (readsAll, opened) = (false, OpenedObjects(limit: limit))
        case .whole: (readsAll, opened) = (true, OpenedObjects(limit: 0))
        }
    }

    /// Objects that are asked about at once.
    private static let width = 8
    /// Larger ones are not read to compute a digest, unless it is asked for.
    private static let longest: Int64 = 8 << 20
    private static let marker = "objects:"

    /// Whether a revision is one of plain objects.
    static func owns(_ revision: String) -> Bool { revision.hasPrefix(marker) }

    /// The folders of a repository all of whose objects are known; its releases need not list them again.
    ///
    /// - Throws: ``Fault`` of kind `sourceInvalid` when an object is not below it.
    func folders(_ objects: [ObjectListing.Object], of repository: String) throws -> [String] {
        let root = client.access.key("\(repository)/")
        listed[root] = objects
        var folders: Set<String> = []
        for object in objects {
            guard let rest = Self.rest(of: object.key, behind: root) else { throw unsafe(object, "\(repository)/") }
            if let end = rest.utf8.firstIndex(of: UInt8(ascii: "/")) { folders.insert("\(root)\(rest[..<end])/") }
        }
        return Array(folders)
    }

    /// What stands behind a prefix in a key. Keys are bytes: a mark behind a slash does not make another character of it.
    private static func rest(of key: String, behind root: String) -> String? {
        key.utf8.starts(with: root.utf8) ? String(key.utf8.dropFirst(root.utf8.count)) : nil
    }

    /// All objects below a folder of a repository.
    private func objects(below prefix: String, of repository: String) async throws -> [ObjectListing.Object] {
        guard let all = listed[client.access.key("\(repository)/")] else {
            return try await client.list(prefix).objects
        }
        let root = client.access.key(prefix)
        return all.filter { Self.rest(of: $0.key, behind: root) != nil }
    }

    /// The folders that are versions.
    ///
    /// - Throws: ``Fault`` of kind `sourceLacks` when there is nothing, `sourceInvalid` when two are the same version.
    func listings(_ folders: [String], of repository: String) throws -> [Listing] {
        let root = client.access.key("\(repository)/")
        guard !folders.isEmpty else { throw Fault(.sourceLacks(url: client.access.shown + repository)) }
        var found: [Version: String] = [:]
        for folder in folders where folder.hasPrefix(root) && folder.hasSuffix("/") {
            let text = String(folder.dropFirst(root.count).dropLast())
            guard let version = HubSource.version(of: text) else { continue }
            if let other = found.updateValue(text, forKey: version) {
                throw Fault(
                    .sourceInvalid(
                        url: client.access.shown + repository,
                        detail: "its folders “\(other)” and “\(text)” are the same version"))
            }
        }
        return found.map {
            Listing(
                version: $0, channel: "stable", publishedAt: nil, isYanked: false, revision: "\(Self.marker)\($1)/")
        }
    }

    /// A release, with the digests of its objects.
    ///
    /// - Throws: ``Fault``.
    func describe(_ listing: Listing, of repository: String, choosing selection: FileSelection) async throws -> Release
    {
        let prefix = "\(repository)/\(listing.revision.dropFirst(Self.marker.count))"
        let root = client.access.key(prefix)
        var wanted: [Wanted] = []
        var sums: ObjectListing.Object?
        for object in try await objects(below: prefix, of: repository) where !object.key.hasSuffix("/") {
            guard let path = Self.rest(of: object.key, behind: root).flatMap({ ReleasePath($0) }) else {
                throw unsafe(object, prefix)
            }
            if path == ChecksumFile.path, object.size <= ChecksumFile.limitBytes { sums = object }
            // Published files beside no index are a catalog that is being written, or has lost it: not what they seem.
            guard path.description != "release.json" else {
                throw invalid(prefix, "it is a release of a catalog whose index.json is not there")
            }
            if selection.matches(path) { wanted.append((path, object)) }
        }
        let known = if let sums { try await checksums(sums, "\(prefix)SHA256SUMS") } else { ChecksumFile?.none }
        let files = try await describe(wanted, below: prefix, known)
        guard let origin = Origin("\(name)/\(repository)") else { throw invalid(prefix, "its name is not allowed") }
        if !files.isEmpty {
            do { try checkFileList(files) } catch { throw invalid(prefix, error.words) }
        }
        return Release(
            version: listing.version, origin: origin, revision: listing.revision, channel: listing.channel,
            publishedAt: wanted.compactMap(\.object.modifiedAt).max().map {
                Timestamp(seconds: Int64($0.timeIntervalSince1970))
            }, files: files, contentDigest: Hashing.contentDigest(of: files))
    }

    private typealias Wanted = (path: ReleasePath, object: ObjectListing.Object)

    /// Names the digests of objects: the smallest first, since what is known of one tells how the large ones are asked about.
    private func describe(
        _ wanted: [Wanted], below prefix: String, _ known: ChecksumFile?
    ) async throws -> [ReleaseFile] {
        @Sendable func file(_ wanted: Wanted) async throws -> ReleaseFile {
            let said = known?[wanted.path]
            let digest = if let said { said } else { try await digest(of: wanted.object, "\(prefix)\(wanted.path)") }
            return ReleaseFile(path: wanted.path, size: wanted.object.size, sha256: digest)
        }
        let ordered = wanted.sorted { $0.object.size < $1.object.size }
        guard let first = ordered.first else { return [] }
        var files = [try await file(first)]
        return try await withThrowingTaskGroup(of: ReleaseFile.self) { group in
            for (index, wanted) in ordered.dropFirst().enumerated() {
                if index >= Self.width, let file = try await group.next() { files.append(file) }
                group.addTask { try await file(wanted) }
            }
            for try await file in group { files.append(file) }
            return files
        }
    }

    /// As ``ModelSource/keepOpened(where:)``.
    func keepOpened(where isWanted: (Digest) -> Bool) -> Int { opened.keep(where: isWanted) }

    /// Where an object is.
    ///
    /// - Throws: ``Fault`` of kind `unusable` or `secretMissing`.
    func locations(of file: ReleaseFile, in release: Release) throws -> [Location] {
        if let held = held[file.sha256], held.bytes.count == file.size { return [.held(held)] }
        let folder = release.revision.dropFirst(Self.marker.count)
        let path = "\(release.origin.repository)/\(folder)\(file.path)"
        var location = try client.access.location(path)
        location.opened = opened[path]
        return [.web(location)]
    }

    // MARK: Digests

    /// An object's SHA-256, which is remembered as long as its entity tag, size and time stay the same.
    private func digest(of object: ObjectListing.Object, _ path: String) async throws -> Digest {
        let key = "s3-sha256:\(identity(of: object, path))"
        if let known = cache.entry(for: key)?.body, let digest = Digest(String(decoding: known, as: UTF8.self)) {
            return digest
        }
        let digest: Digest? =
            if held.hasRoom(for: object.size) {
                try await read(object, path).digest
            } else if let stored = try await stored(object, path) {
                stored
            } else {
                try await computed(object, path)
            }
        guard let digest else {
            throw invalid(
                path,
                "it was stored without a SHA-256, and \(object.size) bytes are too many to be read for one; store it with --checksum-algorithm SHA256, put the output of sha256sum beside it as SHA256SUMS, publish a catalog, or run `reconcile lock --fetch`"
            )
        }
        cache.store(SourceCache.Entry(tag: nil, body: Array(digest.description.utf8)), for: key)
        return digest
    }

    /// What changes when an object does.
    private func identity(of object: ObjectListing.Object, _ path: String) -> String {
        let changed = object.modifiedAt.map { "\($0.timeIntervalSince1970)" } ?? "-"
        return "\(client.access.shown)\(path):\(object.entityTag ?? "-"):\(object.size):\(changed)"
    }

    /// Reads a `SHA256SUMS`, once.
    private func checksums(_ object: ObjectListing.Object, _ path: String) async throws -> ChecksumFile {
        let key = "s3-sums:\(identity(of: object, path))"
        if let known = cache.entry(for: key)?.body { return ChecksumFile(known) }
        let bytes = try await read(object, path).bytes
        cache.store(SourceCache.Entry(tag: nil, body: bytes), for: key)
        return ChecksumFile(bytes)
    }

    /// Reads a small object; what was stored with a checksum must have it.
    private func read(_ object: ObjectListing.Object, _ path: String) async throws -> (digest: Digest, bytes: [UInt8]) {
        let answer = try await client.answer(path, limit: Int(clamping: object.size)) {
            try $0.get(client.access.key(path))
        }
        guard answer.body.count == object.size else { throw invalid(path, Self.otherSize) }
        let digest = Hashing.digest(of: answer.body)
        guard checksum(of: object, { answer[$0] }) ?? digest == digest else {
            throw invalid(path, "its bytes are not those of its checksum")
        }
        held.keep(answer.body, digest)
        return (digest, answer.body)
    }

    /// Asks for the checksum that a large object was stored with.
    private func stored(_ object: ObjectListing.Object, _ path: String) async throws -> Digest? {
        if isNearAndShort(object, path) {
            let found = try await opened.open(path) { try await open(object, path) }
            if let found { return found.digest }
        }
        let head = try await client.answer(path, limit: 0) { try $0.head(client.access.key(path)) }
        return checksum(of: object) { head[$0] }
    }

    /// Whether an object can be fetched with one request.
    private func isNearAndShort(_ object: ObjectListing.Object, _ path: String) -> Bool {
        guard object.size > Downloader.smallBytes, object.size <= RangeBook.largest,
            let address = try? client.access.location(path).url,
            let roundTrip = web.connections.roundTrip(to: address)
        else { return false }
        return roundTrip < LargeFetch.far
    }

    /// Asks for an object itself.
    ///
    /// - Returns: `nil` when something is wrong: then it is better asked about, for the words for it.
    private func open(_ object: ObjectListing.Object, _ path: String) async throws -> OpenedObjects.Opened? {
        guard let request = try? client.access.bucket().get(client.access.key(path)) else { return nil }
        let answer = try? await web.open(client.access.request(request, shown: path))
        try Task.checkCancellation()
        guard let answer, answer.status == 200, answer.size == object.size else { return nil }
        client.access.noteAnswer()
        return (answer, checksum(of: object) { answer[$0] })
    }

    /// The checksum that an object was stored with; that of a multipart upload is over its parts and tells nothing.
    private func checksum(of object: ObjectListing.Object, _ field: (String) -> String?) -> Digest? {
        guard let header = field("x-amz-checksum-sha256") else { return nil }
        let type = field("x-amz-checksum-type")
        // Not every service says it: an upload in parts shows by its entity tag.
        if object.entityTag?.contains("-") == true, type?.uppercased() != "FULL_OBJECT" { return nil }
        let digest = (try? ObjectChecksum.sha256(header: header, type: type)).flatMap { Digest(bytes: $0) }
        if digest != nil { opened.noteChecksum() }
        return digest
    }

    private func computed(_ object: ObjectListing.Object, _ path: String) async throws -> Digest? {
        guard readsAll || object.size <= Self.longest else { return nil }
        let location = try client.access.location(path)
        let response = try await web.send(location.request)
        guard response.status == 200 else {
            throw Fault(.sourceUnreachable(url: location.shown, detail: "HTTP \(response.status)"))
        }
        var (hash, count) = (StreamingHash(), Int64(0))
        // At 16 KiB a second it is still an answer.
        let deadline = ContinuousClock.now + .seconds(60 + (object.size >> 14))
        do {
            _ = try await response.read { bytes in
                guard ContinuousClock.now < deadline else {
                    throw Fault(.sourceUnreachable(url: location.shown, detail: WebClient.timedOut))
                }
                hash.update(bytes)
                count += Int64(bytes.count)
                return count <= object.size
            }
        } catch {
            try Task.checkCancellation()
            throw Fault(.sourceUnreachable(url: location.shown, detail: WebClient.words(for: error)))
        }
        guard count == object.size else { throw invalid(path, Self.otherSize) }
        return hash.digest()
    }

    private static let otherSize = "it has not the size that the bucket lists"

    private func unsafe(_ object: ObjectListing.Object, _ prefix: String) -> Fault {
        invalid(prefix, "“\(object.key.prefix(80).printable)” is not a safe path")
    }

    private func invalid(_ path: String, _ detail: String) -> Fault {
        Fault(.sourceInvalid(url: client.access.shown + path, detail: detail))
    }
}
