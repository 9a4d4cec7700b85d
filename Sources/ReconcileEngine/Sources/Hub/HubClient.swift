import Foundation
import ReconcileCore

/// Asks a hub, and understands what it says when it refuses.
struct HubClient: Sendable {
    let access: HubAccess
    let documents: DocumentClient

    /// A listing of very many files is long, but not without bound.
    private static let limitBytes = 64 << 20
    private static let (pageLimit, entryLimit) = (1000, 500_000)

    /// The branches and tags of a repository.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceRefuses` or `sourceInvalid`.
    func refs(of repository: String) async throws -> HubRefs {
        try await get(HubRefs.self, "/api/models/\(repository)/refs", of: repository, caching: .validated).value
    }

    /// A revision; a commit stays what it is, so it is asked once.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceRefuses` or `sourceInvalid`.
    func revision(_ revision: String, of repository: String) async throws -> HubRevision {
        let escaped = WebAddress.escaped(revision).replacing("/", with: "%2F")
        return try await get(
            HubRevision.self, "/api/models/\(repository)/revision/\(escaped)", of: repository, revision: revision,
            caching: Self.isCommit(revision) ? .immutable : .validated
        ).value
    }

    /// The files of a commit, page by page.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceRefuses` or `sourceInvalid`.
    func tree(of commit: String, in repository: String) async throws -> [HubFile] {
        let first = try access.location("/api/models/\(repository)/tree/\(commit)?recursive=true&expand=false")
        var entries: [HubEntry] = []
        var next: WebLocation? = first
        var seen: Set<String> = []
        while let location = next {
            guard seen.insert(location.url).inserted, seen.count <= Self.pageLimit else {
                throw Fault(.sourceInvalid(url: first.shown, detail: "its pages have no end"))
            }
            let page = try await get([HubEntry].self, at: location, of: repository, caching: .pass)
            entries += page.value
            guard entries.count <= Self.entryLimit else {
                throw Fault(.sourceInvalid(url: first.shown, detail: "it has more than \(Self.entryLimit) files"))
            }
            next = try page.answer["Link"].flatMap(Links.next).map { try location.page($0) }
        }
        return try files(entries, first.shown)
    }

    /// Where a file of a commit is.
    ///
    /// - Throws: ``Fault`` of kind `secretMissing` or `sourceRefuses`.
    func location(
        of path: ReleasePath, at commit: String, in repository: String, digest: Digest? = nil
    ) throws -> WebLocation {
        var location = try access.location("/\(repository)/resolve/\(commit)/\(WebAddress.escaped(path.description))")
        let shown = location.shown
        location.knowledge = FileKnowledge(digest: digest) { status, field in
            guard [401, 403, 404].contains(status) else { return nil }
            return refusal(status, field, shown, repository, commit) ?? Fault(.sourceLacks(url: shown))
        }
        return location
    }

    /// The address of a repository, for people.
    func shown(_ repository: String) -> String {
        if case .literal(let text) = access.address { return WebAddress.shown("\(text)/\(repository)") }
        return repository
    }

    static func isCommit(_ text: String) -> Bool {
        text.utf8.count == 40 && text.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
    }

    // MARK: Details

    private func files(_ entries: [HubEntry], _ shown: String) throws -> [HubFile] {
        try entries.filter { $0.type == "file" }.map { entry in
            guard let path = ReleasePath(entry.path) else {
                throw Fault(
                    .sourceInvalid(url: shown, detail: "“\(entry.path.prefix(80).printable)” is not a safe path"))
            }
            if let large = entry.lfs {
                guard let digest = Digest(large.oid), large.size >= 0 else {
                    throw Fault(.sourceInvalid(url: shown, detail: "the digest of “\(path)” is not a SHA-256"))
                }
                return .large(ReleaseFile(path: path, size: large.size, sha256: digest))
            }
            guard let oid = entry.oid, Self.isCommit(oid), let size = entry.size, size >= 0 else {
                throw Fault(.sourceInvalid(url: shown, detail: "“\(path)” has no digest or no size"))
            }
            return .small(path: path, size: size, oid: oid)
        }
    }

    private func get<Value: Decodable>(
        _ type: Value.Type, _ path: String, of repository: String, revision: String? = nil,
        caching: DocumentClient.Caching
    ) async throws -> (value: Value, answer: DocumentClient.Answer) {
        try await get(type, at: try access.location(path), of: repository, revision: revision, caching: caching)
    }

    private func get<Value: Decodable>(
        _ type: Value.Type, at location: WebLocation, of repository: String, revision: String? = nil,
        caching: DocumentClient.Caching
    ) async throws -> (value: Value, answer: DocumentClient.Answer) {
        let answer = try await documents.answer(to: location.request, limit: Self.limitBytes, caching: caching) {
            guard let value = try? JSONFile.value(type, from: $0.body, name: "") else { return false }
            // What is said of a commit is kept for ever, so it must be of that commit.
            guard let found = value as? HubRevision, let revision, Self.isCommit(revision) else { return true }
            return found.sha == revision
        }
        guard answer.status == 200 else {
            throw refusal(answer.status, { answer[$0] }, location.shown, repository, revision)
                ?? Fault(.sourceUnreachable(url: location.shown, detail: "HTTP \(answer.status)"))
        }
        return (try JSONFile.published(type, from: answer.body, at: location.shown), answer)
    }

    /// What a hub means: its error code says more than the status, and `401` may stand for what is not there at all.
    private func refusal(
        _ status: Int, _ field: (String) -> String?, _ place: String, _ repository: String, _ revision: String?
    ) -> Fault? {
        let message = field("X-Error-Message") ?? ""
        let page = shown(repository)
        func refused(_ reason: AccessRefusal) -> Fault { Fault(.sourceRefuses(url: page, reason: reason)) }
        switch (field("X-Error-Code"), status) {
        case ("EntryNotFound", _): return Fault(.sourceLacks(url: place))
        case ("GatedRepo", _): return refused(.termsNotAccepted(at: page))
        case ("RevisionNotFound", _): return refused(.revisionMissing(revision: revision ?? ""))
        case (_, 401) where message.lowercased().contains("invalid credentials"): return refused(.credentialsInvalid)
        case (_, 403) where message.lowercased().contains("disabled"):
            return refused(.disabled(detail: message.prefix(200).printable))
        case ("RepoNotFound", _), (_, 401), (_, 404): return refused(.missingOrPrivate)
        case (_, 403): return refused(.credentialsLackScope)
        default: return nil
        }
    }
}

/// `Link` headers (RFC 8288).
enum Links {
    /// Where the next page is.
    static func next(_ header: String) -> String? {
        for part in header.split(separator: ",") {
            let pieces = part.split(separator: ";").map { $0.trimmingCharacters(in: .whitespaces) }
            guard let target = pieces.first, target.hasPrefix("<"), target.hasSuffix(">"),
                pieces.dropFirst().contains(where: { $0 == "rel=\"next\"" || $0 == "rel=next" })
            else { continue }
            return String(target.dropFirst().dropLast())
        }
        return nil
    }
}
