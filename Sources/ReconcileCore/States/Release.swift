/// One file of a release.
public struct ReleaseFile: Codable, Hashable, Sendable {
    /// Where it belongs inside the model.
    public let path: ReleasePath
    /// Its length in bytes, not negative.
    public let size: Int64
    /// The SHA-256 of its bytes.
    public let sha256: Digest

    /// A file of a release.
    public init(path: ReleasePath, size: Int64, sha256: Digest) {
        (self.path, self.size, self.sha256) = (path, size, sha256)
    }
}

/// What a release needs of the machine and of other models before it may be activated.
public struct Requirements: Codable, Hashable, Sendable {
    /// Facts of the desired state with the versions they must have.
    public var facts: [String: VersionRange]
    /// Repositories of other models with the versions they must have.
    public var models: [String: VersionRange]

    /// Nothing, unless said otherwise.
    public init(facts: [String: VersionRange] = [:], models: [String: VersionRange] = [:]) {
        (self.facts, self.models) = (facts, models)
    }

    /// Reads both, each of which may be absent.
    ///
    /// - Throws: `DecodingError` when a range is not one.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        facts = try container.decodeIfPresent([String: VersionRange].self, forKey: .facts) ?? [:]
        models = try container.decodeIfPresent([String: VersionRange].self, forKey: .models) ?? [:]
    }

    /// Whether nothing is required.
    public var isEmpty: Bool { facts.isEmpty && models.isEmpty }
}

/// One published version of a model. Its identity is (version, content digest), whatever source it came from.
public struct Release: Codable, Hashable, Sendable {
    /// The published version.
    public let version: Version
    /// Where it is published.
    public let origin: Origin
    /// The source's own immutable address of it; for a catalog `sha256:` and the digest of the release file.
    public let revision: String
    /// The channel it is published on.
    public let channel: String
    /// When it was published, if the publisher says so.
    public let publishedAt: Timestamp?
    /// The publisher's word on how urgent it is.
    public let priority: Priority?
    /// What changed, for people.
    public let changelog: String?
    /// The licence, as an SPDX expression.
    public let license: String?
    /// What it needs.
    public let requires: Requirements?
    /// The globs that chose the files; empty when the release is whole.
    public let include: [String]
    /// The included files, as far as they are known, sorted by path bytes.
    public let files: [ReleaseFile]
    /// What comes packed; `nil` when everything comes as it is.
    public let archives: [Archive]?
    /// The digest over what is delivered: the files, and the archives that hold others.
    public let contentDigest: Digest

    /// A release of these files.
    ///
    /// - Parameters:
    ///   - files: Those that come as they are, in any order; they are sorted.
    ///   - archives: What comes packed; the files that were found in it are added to the others.
    ///   - contentDigest: As ``contentText`` hashes to; the caller computes it, because the core has no hash function.
    public init(
        version: Version, origin: Origin, revision: String, channel: String, publishedAt: Timestamp? = nil,
        priority: Priority? = nil, changelog: String? = nil, license: String? = nil, requires: Requirements? = nil,
        include: [String] = [], files: [ReleaseFile], archives: [Archive] = [], contentDigest: Digest
    ) {
        self.version = version
        self.origin = origin
        self.revision = revision
        self.channel = channel
        self.publishedAt = publishedAt
        self.priority = priority
        self.changelog = changelog
        self.license = license
        self.requires = requires
        self.include = include
        self.files = (files + archives.flatMap { $0.files ?? [] }).sorted { $0.path < $1.path }
        self.archives = archives.isEmpty ? nil : archives.sorted { $0.sha256.description < $1.sha256.description }
        self.contentDigest = contentDigest
    }

    /// The text whose SHA-256 is the content digest: `<sha256>  <size>  <path>\n` for each file, sorted by path bytes.
    public static func contentText(of files: [ReleaseFile]) -> String {
        files.sorted { $0.path < $1.path }.map { "\($0.sha256)  \($0.size)  \($0.path)\n" }.joined()
    }

    /// The text whose SHA-256 is the content digest of a release with archives: the lines of the files that come as they are,
    /// one for each archive, and the globs that choose from them.
    public static func contentText(of loose: [ReleaseFile], _ archives: [Archive], include: [String]) -> String {
        guard !archives.isEmpty else { return contentText(of: loose) }
        let packed = archives.map { "\($0.sha256)  \($0.size)  *\($0.format.rawValue)\n" }.sorted().joined()
        return contentText(of: loose) + packed + include.map { "*include \($0)\n" }.joined()
    }

    /// The text whose SHA-256 is its content digest.
    public var contentText: String { Self.contentText(of: looseFiles, archives ?? [], include: include) }

    /// The files that do not come in an archive.
    public var looseFiles: [ReleaseFile] {
        guard let archives else { return files }
        let packed = Set(archives.flatMap { $0.files ?? [] }.map(\.path))
        return files.filter { !packed.contains($0.path) }
    }

    /// Whether some of its files are not known, because an archive was not unpacked yet.
    public var isPacked: Bool { archives?.contains { $0.files == nil } ?? false }

    /// What is fetched when nothing of it is here: the files that come as they are, and the archives.
    public var deliveries: [ReleaseFile] {
        guard let archives else { return files }
        return looseFiles + archives.compactMap(\.asFile)
    }

    /// What is fetched, and what is made of it as far as that is known: all content that may be here already.
    public var contents: [ReleaseFile] {
        archives == nil ? files : deliveries + (archives ?? []).flatMap { $0.files ?? [] }
    }

    /// The release with the files of archives that were unpacked here before, with the same globs.
    public func knowing(_ generations: [Generation]) -> Release {
        guard let archives, isPacked else { return self }
        let known = generations.filter { $0.release.include == include }.flatMap { $0.release.archives ?? [] }
        return with(
            archives: archives.map { archive in
                archive.files == nil ? known.first { $0.sha256 == archive.sha256 } ?? archive : archive
            })
    }

    /// The same release, by its identity, with archives that were unpacked.
    public func with(archives: [Archive]) -> Release {
        Release(
            version: version, origin: origin, revision: revision, channel: channel, publishedAt: publishedAt,
            priority: priority, changelog: changelog, license: license, requires: requires, include: include,
            files: looseFiles, archives: archives, contentDigest: contentDigest)
    }

    /// The bytes of all its files; of an archive that was not unpacked yet, its own.
    public var bytes: Int64 {
        let packed = (archives ?? []).filter { $0.files == nil }.map(\.size)
        return (files.map(\.size) + packed).reduce(0) { saturatingSum($0, $1) }
    }

    /// Who it is, without its files.
    public var id: ReleaseID { ReleaseID(version: version, contentDigest: contentDigest) }

    /// How urgent it is for a machine that holds `active`: the publisher's word, else derived from the step.
    public func priority(from active: Version?) -> Priority {
        priority ?? Priority(derivedFrom: active.map { StepSize(from: $0, to: version) } ?? .major)
    }
}

extension Release {
    /// The first model that the release requires and that no slot has at a fitting version.
    ///
    /// - Parameter versions: The versions of each repository, one for each slot that takes its releases.
    public func unmetRequirement(by versions: [String: [Version]]) -> Obstacle? {
        for (repository, range) in (requires?.models ?? [:]).sorted(by: { $0.key < $1.key }) {
            let found = versions[repository] ?? []
            if found.contains(where: { range.contains($0, admittingPrereleases: true) }) { continue }
            return .modelDiffers(repository: repository, needed: range.description, found: found.max()?.description)
        }
        return nil
    }
}

/// Who a release is: what is compared, shown and written down.
public struct ReleaseID: Codable, Hashable, Sendable {
    /// The published version.
    public let version: Version
    /// The digest over the included files.
    public let contentDigest: Digest

    /// An identity.
    public init(version: Version, contentDigest: Digest) {
        (self.version, self.contentDigest) = (version, contentDigest)
    }
}

/// The sum of two sizes, at most `Int64.max`: sizes come from outside and must not trap.
public func saturatingSum(_ left: Int64, _ right: Int64) -> Int64 {
    let (sum, overflow) = left.addingReportingOverflow(right)
    return overflow ? .max : sum
}
