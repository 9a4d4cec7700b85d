import ReconcileCore
import Synchronization

/// Small files whose bytes were needed to learn their SHA-256 while a plan was made: kept for the fetch that follows in the same
/// pass, within a budget, so that they come only once.
final class HeldFiles: Sendable {
    private let kept = Mutex<(bytes: Int, contents: [Digest: HeldBytes])>((0, [:]))

    /// Bytes that are kept, and the longest file that may be one of them: what comes whole into memory anyway.
    private static let (budget, longest) = (16 << 20, Int64(Block.bytes))

    /// The bytes of a file that was read in this pass.
    subscript(digest: Digest) -> HeldBytes? { kept.withLock { $0.contents[digest] } }

    /// Whether a file of this size would be kept.
    func hasRoom(for size: Int64) -> Bool {
        size <= Self.longest && kept.withLock { $0.bytes } + Int(clamping: size) <= Self.budget
    }

    /// Keeps the bytes of a file, if there is room.
    func keep(_ content: [UInt8], _ digest: Digest) {
        kept.withLock { kept in
            guard Int64(content.count) <= Self.longest, kept.bytes + content.count <= Self.budget,
                kept.contents[digest] == nil
            else { return }
            kept.contents[digest] = HeldBytes(digest: digest, bytes: content)
            kept.bytes += content.count
        }
    }
}
