package import ReconcileCore

/// What stands in `generations/<model>/<directory>.json`: the release, and for each file the stamp it had when its hash was
/// last computed. A file whose stamp differs is suspect and hashed again.
///
/// A file is one text, `sha256 size modified inode path`, because a pass reads the records of all models: this form is
/// several times quicker to read than an object for each file.
package struct GenerationRecord: Sendable {
    /// The format of the file.
    package static let currentFormat = 1

    /// A file's length, time and number: what changes when somebody writes to it.
    package struct Stamp: Hashable, Sendable {
        let size: Int64
        let modified: Int64
        let inode: UInt64

        /// A stamp that no file has.
        static let distrusted = Stamp(size: -1, modified: 0, inode: 0)

        fileprivate init(size: Int64, modified: Int64, inode: UInt64) {
            (self.size, self.modified, self.inode) = (size, modified, inode)
        }

        init(_ entry: DiskReader.Entry) { (size, modified, inode) = (entry.size, entry.modified, entry.inode) }
    }

    /// The format this was written in.
    package var formatVersion = GenerationRecord.currentFormat
    /// What is materialised.
    package let release: Release
    /// A stamp for each file of the release, in its order.
    package let stamps: [Stamp]

    package init(release: Release, stamps: [Stamp]) { (self.release, self.stamps) = (release, stamps) }
}

extension GenerationRecord: Codable {
    private enum CodingKeys: String, CodingKey {
        case formatVersion, version, origin, revision, channel, publishedAt, priority, changelog, license, requires,
            include
        case contentDigest, files, archives
    }

    /// Reads a record.
    ///
    /// - Throws: `DecodingError` when it is not one.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        formatVersion = try container.decode(Int.self, forKey: .formatVersion)
        var files: [ReleaseFile] = []
        var stamps: [Stamp] = []
        for line in try container.decode([String].self, forKey: .files) {
            guard let (file, stamp) = Self.parse(line) else {
                throw DecodingError.dataCorruptedError(
                    forKey: .files, in: container, debugDescription: "“\(line.prefix(80))” is not a file")
            }
            files.append(file)
            stamps.append(stamp)
        }
        self.stamps = stamps
        let archives = try container.decodeIfPresent([Archive].self, forKey: .archives) ?? []
        let packed = Set(archives.flatMap { $0.files ?? [] }.map(\.path))
        release = Release(
            version: try container.decode(Version.self, forKey: .version),
            origin: try container.decode(Origin.self, forKey: .origin),
            revision: try container.decode(String.self, forKey: .revision),
            channel: try container.decode(String.self, forKey: .channel),
            publishedAt: try container.decodeIfPresent(Timestamp.self, forKey: .publishedAt),
            priority: try container.decodeIfPresent(Priority.self, forKey: .priority),
            changelog: try container.decodeIfPresent(String.self, forKey: .changelog),
            license: try container.decodeIfPresent(String.self, forKey: .license),
            requires: try container.decodeIfPresent(Requirements.self, forKey: .requires),
            include: try container.decode([String].self, forKey: .include),
            files: packed.isEmpty ? files : files.filter { !packed.contains($0.path) }, archives: archives,
            contentDigest: try container.decode(Digest.self, forKey: .contentDigest))
    }

    private static func parse(_ line: String) -> (ReleaseFile, Stamp)? {
        let parts = line.split(separator: " ", maxSplits: 4)
        guard parts.count == 5, let digest = Digest(parts[0]), let size = Int64(parts[1]),
            let modified = Int64(parts[2]), let inode = UInt64(parts[3]), let path = ReleasePath(String(parts[4]))
        else { return nil }
        let isDistrusted = modified == 0 && inode == 0
        return (
            ReleaseFile(path: path, size: size, sha256: digest),
            isDistrusted ? .distrusted : Stamp(size: size, modified: modified, inode: inode)
        )
    }

    /// Writes a record.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(formatVersion, forKey: .formatVersion)
        try container.encode(release.version, forKey: .version)
        try container.encode(release.origin, forKey: .origin)
        try container.encode(release.revision, forKey: .revision)
        try container.encode(release.channel, forKey: .channel)
        try container.encodeIfPresent(release.publishedAt, forKey: .publishedAt)
        try container.encodeIfPresent(release.priority, forKey: .priority)
        try container.encodeIfPresent(release.changelog, forKey: .changelog)
        try container.encodeIfPresent(release.license, forKey: .license)
        try container.encodeIfPresent(release.requires, forKey: .requires)
        try container.encode(release.include, forKey: .include)
        try container.encodeIfPresent(release.archives, forKey: .archives)
        try container.encode(release.contentDigest, forKey: .contentDigest)
        let lines = zip(release.files, stamps).map { file, stamp in
            "\(file.sha256) \(file.size) \(stamp.modified) \(stamp.inode) \(file.path)"
        }
        try container.encode(lines, forKey: .files)
    }
}
