import Foundation
import ReconcileCore

/// A Hugging Face hub: tags that are versions, and branches, tags and commits as revisions.
///
/// A revision becomes a commit first, and everything else is asked of that commit: one answer for what is published, one for
/// the card and one for the tree. Large files are known by the SHA-256 in the tree; small ones by the name of their git blob,
/// so they are read once and their SHA-256 is computed here.
struct HubSource: ModelSource {
    private let name: String
    private let access: HubAccess
    private let client: HubClient
    private let blobs: GitBlobs

    init(name: String, access: HubAccess, client: WebClient = .shared, cache: SourceCache) {
        (self.name, self.access) = (name, access)
        self.client = HubClient(access: access, documents: DocumentClient(client: client, cache: cache))
        blobs = GitBlobs(client: client, cache: cache)
    }

    func list(_ repository: String) async throws -> [Listing] {
        let refs = try await client.refs(of: repository)
        var known: [Version: (tag: String, commit: String)] = [:]
        for tag in refs.tags ?? [] {
            guard let version = Self.version(of: tag.name) else { continue }
            let commit = try checked(tag.targetCommit, of: tag.name, repository)
            if let other = known[version], other.commit != commit {
                throw invalid(repository, "its tags “\(other.tag)” and “\(tag.name)” are the same version")
            }
            known[version] = known[version] ?? (tag.name, commit)
        }
        return known.map { version, tag in
            Listing(
                version: version, channel: "stable", publishedAt: nil, isYanked: false, revision: tag.commit)
        }
    }

    func listing(of revision: String, in repository: String) async throws -> Listing {
        let commit = try await commit(of: revision, repository)
        return Listing(
            version: Version(revision: revision, address: commit), channel: "stable", publishedAt: nil, isYanked: false,
            revision: commit)
    }

    /// What a revision stands for: a branch or a tag in the one list that is asked once for all models of a repository, else what
    /// the hub says of it.
    private func commit(of revision: String, _ repository: String) async throws -> String {
        if HubClient.isCommit(revision) { return revision }
        let refs = try await client.refs(of: repository)
        let known = ((refs.branches ?? []) + (refs.tags ?? [])).first { $0.name == revision }?.targetCommit
        if let known { return try checked(known, of: revision, repository) }
        return try checked(try await client.revision(revision, of: repository).sha, of: revision, repository)
    }

    func describe(
        _ listing: Listing, of repository: String, choosing selection: FileSelection, for platform: TargetPlatform
    ) async throws -> Release {
        let commit = listing.revision
        let card = try await client.revision(commit, of: repository)
        guard card.sha == commit else {
            throw invalid(repository, "it answers for \(card.sha.prefix(12).printable) when asked for \(commit)")
        }
        let all = try await client.tree(of: commit, in: repository)
        guard !all.isEmpty else { throw invalid(repository, "\(commit.prefix(12)) has no files") }
        let files = all.filter { selection.matches($0.path) }
        // What cannot be a release is not read first.
        if !files.isEmpty {
            do { try checkFileList(files.map(\.placeholder)) } catch { throw invalid(repository, error.words) }
        }
        let known = try await withHashes(files, of: commit, in: repository)
        guard let origin = Origin("\(name)/\(repository)") else { throw invalid(repository, "its name is not allowed") }
        return Release(
            version: listing.version, origin: origin, revision: commit, channel: listing.channel,
            publishedAt: card.lastModified.flatMap { Timestamp($0) }, license: card.license, files: known,
            contentDigest: Hashing.contentDigest(of: known))
    }

    func locations(of file: ReleaseFile, in release: Release) throws -> [Location] {
        if let held = blobs.held(file.sha256) { return [.held(held)] }
        return [
            .web(
                try client.location(
                    of: file.path, at: release.revision, in: release.origin.repository, digest: file.sha256))
        ]
    }

    // MARK: Details

    /// `v6.2.0` and `6.2.0` are the same version.
    static func version(of tag: String) -> Version? {
        Version(tag) ?? (tag.first == "v" || tag.first == "V" ? Version(String(tag.dropFirst())) : nil)
    }

    private func withHashes(_ files: [HubFile], of commit: String, in repository: String) async throws -> [ReleaseFile]
    {
        try await withThrowingTaskGroup(of: ReleaseFile.self) { group in
            var known: [ReleaseFile] = []
            for (index, file) in files.enumerated() {
                if index >= GitBlobs.width, let file = try await group.next() { known.append(file) }
                group.addTask {
                    switch file {
                    case .large(let file): return file
                    case .small(let path, let size, let oid):
                        return try await blobs.file(
                            path, size: size, oid: oid, at: try client.location(of: path, at: commit, in: repository))
                    }
                }
            }
            for try await file in group { known.append(file) }
            return known
        }
    }

    private func checked(_ commit: String, of revision: String, _ repository: String) throws -> String {
        guard commit.utf8.count == 40, commit.utf8.allSatisfy({ "0123456789abcdef".utf8.contains($0) }) else {
            throw invalid(
                repository, "“\(revision.printable)” leads to “\(commit.prefix(60).printable)”, which is not a commit")
        }
        return commit
    }

    private func invalid(_ repository: String, _ detail: String) -> Fault {
        Fault(.sourceInvalid(url: client.shown(repository), detail: detail))
    }
}
