package import ReconcileCore

/// What a publisher offers beside a file so that fetching it costs less. It only helps: the file's own digest decides.
package struct FileAids: Sendable, Hashable {
    /// The kinds of sidecars: the directories they are in.
    package enum Kind: String, Sendable, CaseIterable {
        case blocks, zstd, patches
    }

    /// A small file beside the release, named by its own digest.
    package struct Sidecar: Codable, Sendable, Hashable {
        /// The SHA-256 of its bytes.
        package let sha256: Digest
        /// Its length in bytes.
        package let size: Int64
    }

    /// What leads from a file that may be here to the wanted one.
    package struct Patch: Codable, Sendable, Hashable {
        /// The SHA-256 of the file that it starts from.
        package let from: Digest
        /// The SHA-256 of the patch.
        package let sha256: Digest
        /// Its length in bytes.
        package let size: Int64
    }

    /// The block index.
    package var blocks: Sidecar?
    /// The file, compressed with zstd.
    package var zstd: Sidecar?
    /// Patches from other files.
    package var patches: [Patch] = []

    package init() {}

    package var isEmpty: Bool { blocks == nil && zstd == nil && patches.isEmpty }
}
