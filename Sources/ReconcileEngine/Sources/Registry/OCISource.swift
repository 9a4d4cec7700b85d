import ReconcileCore
import Synchronization

/// Models in OCI registries and image layouts: tags that are versions, each standing for a manifest, which is kept by its digest.
///
/// A tag that was seen keeps standing for what it stood for: a version never changes. Whoever wants to follow a tag declares it
/// as a `revision`.
struct OCISource: ModelSource {
    private let name: String
    private let transport: any OCITransport
    private let cache: SourceCache
    /// The tags that listed digests were remembered for.
    private let remembered = RememberedTags()

    init(name: String, transport: any OCITransport, cache: SourceCache) {
        (self.name, self.transport, self.cache) = (name, transport, cache)
    }

    func list(_ repository: String) async throws -> [Listing] {
        let tags = try await transport.tags(of: repository)
        return try await versions(tags, repository).map { version, tag in
            let digest = tag.digest ?? known(tag.name, repository)
            if let digest { remembered.note(tag.name, for: digest, repository) }
            return Listing(
                version: version, channel: tag.channel, publishedAt: nil, isYanked: false,
                revision: OCIReference(digest.map { "sha256:\($0)" } ?? tag.name).text)
        }
    }

    func listing(of revision: String, in repository: String) async throws -> Listing {
        let digest: Digest
        switch OCIReference(revision) {
        case .digest(let known): digest = known
        case .tag(let tag): digest = try await transport.digest(of: tag, in: repository)
        }
        let document = try await document(.digest(digest), repository).document
        var version = document.annotations?[OCIName.version].flatMap(HubSource.version)
        if version == nil, let manifest = try? ModelManifest(document, choosing: FileSelection()) {
            version = try await config(of: manifest, repository)?.version
        }
        return Listing(
            version: Version(revision: revision, address: digest.description, version: version), channel: "stable",
            publishedAt: nil, isYanked: false, revision: "sha256:\(digest)")
    }

    func platforms(of listing: Listing, in repository: String) async throws -> [TargetPlatform] {
        let (document, _) = try await document(OCIReference(listing.revision), repository)
        let manifests = document.manifests ?? []
        let named = manifests.compactMap { $0.platform?.target }.sorted()
        // A manifest beside them that names none is for all other machines.
        return named + (named.isEmpty || Self.common(manifests) == nil ? [] : [.any])
    }

    func describe(
        _ listing: Listing, of repository: String, choosing selection: FileSelection, for platform: TargetPlatform
    ) async throws -> Release {
        let reference = OCIReference(listing.revision)
        var (document, digest) = try await listed(reference, repository)
        if case .tag(let tag) = reference { remember(tag, digest, repository) }
        let address = digest
        if let manifests = document.manifests {
            (document, digest) = try await self.document(
                .digest(try choose(manifests, platform, repository)), repository)
        }
        let manifest: ModelManifest
        do throws(ModelManifest.Unusable) {
            manifest = try ModelManifest(document, choosing: selection)
        } catch {
            throw invalid(repository, error.detail)
        }
        return try release(
            listing, address, manifest, try await config(of: manifest, repository), repository, selection)
    }

    func locations(of file: ReleaseFile, in release: Release) throws -> [Location] {
        try transport.locations(of: file.sha256, in: release.origin.repository).map { location in
            guard case .web(var place) = location else { return location }
            place.shown += " (\(file.path))"
            return .web(place)
        }
    }

    /// The manifest of a listed release. One that was remembered for a tag and is gone is asked for by the tag again.
    private func listed(_ reference: OCIReference, _ repository: String) async throws -> (OCIDocument, Digest) {
        do {
            return try await document(reference, repository)
        } catch let fault as Fault {
            guard case .sourceRefuses(_, .revisionMissing) = fault.kind, case .digest(let digest) = reference,
                let tag = remembered.tag(of: digest, repository)
            else { throw fault }
            let found = try await document(.tag(tag), repository)
            remember(tag, found.1, repository)
            return found
        }
    }

    // MARK: Versions

    /// The tags that are versions. A shorter one beside longer ones that begin with it (`6` and `6.2` beside `6.2.1`) moves
    /// along with them, so it is none; two that are the same version must stand for the same.
    private func versions(_ tags: [OCITag], _ repository: String) async throws -> [Version: OCITag] {
        let names = Set(tags.map { Self.plain($0.name) })
        var found: [Version: OCITag] = [:]
        for tag in tags.sorted(by: { $0.name < $1.name }) {
            guard let version = Version(Self.plain(tag.name)), !Self.isMoving(Self.plain(tag.name), names) else {
                continue
            }
            if let other = found[version] {
                guard try await digest(of: other, repository) == digest(of: tag, repository) else {
                    throw invalid(repository, "its tags “\(other.name)” and “\(tag.name)” are the same version")
                }
            } else {
                found[version] = tag
            }
        }
        return found
    }

    /// A tag as a version: tags cannot hold `+`, so `_` stands for it, as Helm writes it.
    private static func plain(_ tag: String) -> String {
        let text = tag.replacing("_", with: "+")
        return text.first == "v" ? String(text.dropFirst()) : text
    }

    private static func isMoving(_ name: String, _ names: Set<String>) -> Bool {
        let isShort = name.split(separator: ".").count < 3 && !name.contains("-") && !name.contains("+")
        return isShort && names.contains { $0.hasPrefix("\(name).") }
    }

    private func digest(of tag: OCITag, _ repository: String) async throws -> Digest {
        if let digest = tag.digest ?? known(tag.name, repository) { return digest }
        let digest = try await transport.digest(of: tag.name, in: repository)
        remember(tag.name, digest, repository)
        return digest
    }

    private func key(_ tag: String, _ repository: String) -> String { "oci-tag:\(transport.shown(repository)):\(tag)" }

    private func known(_ tag: String, _ repository: String) -> Digest? {
        cache.entry(for: key(tag, repository)).flatMap { Digest(String(decoding: $0.body, as: UTF8.self)) }
    }

    private func remember(_ tag: String, _ digest: Digest, _ repository: String) {
        cache.store(SourceCache.Entry(tag: nil, body: Array(digest.description.utf8)), for: key(tag, repository))
    }

    // MARK: Manifests

    private func document(_ reference: OCIReference, _ repository: String) async throws -> (
        document: OCIDocument, Digest
    ) {
        let bytes = try await transport.manifest(reference, in: repository)
        let digest = Hashing.digest(of: bytes)
        if case .digest(let asked) = reference, asked != digest {
            throw invalid(repository, "it answers with manifest \(digest.short)… when asked for \(asked.short)…")
        }
        let document = try JSONFile.published(OCIDocument.self, from: bytes, at: transport.shown(repository))
        // Whoever reads only one of both would see something else (CVE-2021-41190).
        guard document.layers == nil || document.manifests == nil else {
            throw invalid(repository, "its manifest is an index at the same time")
        }
        return (document, digest)
    }

    /// The manifest of an index that is for a kind of machine; one that names none is for all.
    private func choose(
        _ manifests: [OCIDescriptor], _ platform: TargetPlatform, _ repository: String
    ) throws -> Digest {
        // Some indexes also hold what is said about their manifests, for no machine at all.
        let known = manifests.filter { $0.platform?.target != nil }
        let common = Self.common(manifests)
        let first = known.min { ($0.platform?.target ?? .any) < ($1.platform?.target ?? .any) }
        let chosen = platform == .any ? common ?? first : known.first { $0.platform?.target == platform } ?? common
        guard let chosen else {
            let available = manifests.compactMap { $0.platform?.target?.description }
            throw Fault(
                .sourceRefuses(
                    url: transport.shown(repository),
                    reason: .platformMissing(wanted: platform.description, available: available)))
        }
        guard let digest = chosen.sha256 else { throw invalid(repository, "its index names no sha256") }
        return digest
    }

    /// The model of an index that is for all machines; signatures and lists of parts beside it say that they are something else.
    private static func common(_ manifests: [OCIDescriptor]) -> OCIDescriptor? {
        manifests.first { manifest in
            let kinds = OCIName.modelPack + [OCIName.modelKit]
            return manifest.platform == nil && manifest.mediaType != OCIName.index
                && manifest.artifactType.map { type in kinds.contains(where: type.hasPrefix) } ?? true
        }
    }

    private func config(of manifest: ModelManifest, _ repository: String) async throws -> ModelPackConfig? {
        guard let config = manifest.config, config.size <= OCILimit.configBytes else { return nil }
        let bytes = try await transport.blob(config, in: repository)
        return try? JSONFile.value(ModelPackConfig.self, from: bytes, name: transport.shown(repository))
    }

    private func release(
        _ listing: Listing, _ address: Digest, _ manifest: ModelManifest, _ config: ModelPackConfig?,
        _ repository: String, _ selection: FileSelection
    ) throws -> Release {
        guard let origin = Origin("\(name)/\(repository)") else { throw invalid(repository, "its name is not allowed") }
        if !manifest.files.isEmpty {
            do { try checkFileList(manifest.files) } catch { throw invalid(repository, error.words) }
        }
        let notes = manifest.annotations
        let text = Release.contentText(of: manifest.files, manifest.archives, include: selection.texts)
        return Release(
            version: listing.version, origin: origin, revision: "sha256:\(address)",
            channel: notes[OCIName.channel] ?? listing.channel,
            publishedAt: (notes[OCIName.created] ?? config?.descriptor?.createdAt).flatMap { Timestamp($0) },
            priority: notes[OCIName.priority].flatMap { Priority(rawValue: $0) }, changelog: notes[OCIName.changelog],
            license: notes[OCIName.licenses] ?? config?.license,
            requires: try notes[OCIName.requires].map {
                try JSONFile.published(Requirements.self, from: Array($0.utf8), at: transport.shown(repository))
            }, include: selection.texts, files: manifest.files, archives: manifest.archives,
            contentDigest: Hashing.digest(of: text))
    }

    private func invalid(_ repository: String, _ detail: String) -> Fault {
        Fault(.sourceInvalid(url: transport.shown(repository), detail: detail))
    }
}

/// Which tags stand for which digests, as far as that was remembered from an earlier pass.
private final class RememberedTags: Sendable {
    private let tags = Mutex<[String: String]>([:])

    func note(_ tag: String, for digest: Digest, _ repository: String) {
        tags.withLock { $0["\(repository)@\(digest)"] = tag }
    }

    func tag(of digest: Digest, _ repository: String) -> String? { tags.withLock { $0["\(repository)@\(digest)"] } }
}

extension OCIDescriptor.Platform {
    /// The kind of machine, unless the descriptor leaves it open.
    var target: TargetPlatform? {
        guard let os, let architecture, os != "unknown" else { return nil }
        return TargetPlatform("\(os)/\(architecture)")
    }
}
