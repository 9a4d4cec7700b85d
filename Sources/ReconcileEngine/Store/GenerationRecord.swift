package import ReconcileCore

/// What stands in `generations/<model>/<directory>.json`: the release, and for each file the stamp it had when its hash was
/// last computed. A file whose stamp differs is suspect and hashed again.
package struct GenerationRecord: Codable, Sendable {
    /// The format of the file.
    package static let currentFormat = 1

    /// A file's length, time and number: what changes when somebody writes to it.
    package struct Stamp: Hashable, Sendable {
        let size: Int64
        let modified: Int64
        let inode: UInt64

        /// A stamp that no file has.
        static let distrusted = Stamp(size: -1, modified: 0, inode: 0)

        private init(size: Int64, modified: Int64, inode: UInt64) {
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

extension GenerationRecord.Stamp: Codable {
    /// Reads `size modified inode`: one short text a file keeps the records of large stores quick to read.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let parts = try container.decode(String.self).split(separator: " ")
        guard parts.count == 3, let size = Int64(parts[0]), let modified = Int64(parts[1]), let inode = UInt64(parts[2]) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "this is not a stamp")
        }
        (self.size, self.modified, self.inode) = (size, modified, inode)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode("\(size) \(modified) \(inode)")
    }
}
