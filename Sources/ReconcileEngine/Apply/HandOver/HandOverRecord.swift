import ReconcileCore
import SystemPackage

/// `handovers/<model>.json`: what other programs were given last. Losing it means that it is handed over again.
struct HandOverRecord: Codable, Sendable {
    static let currentFormat = 1
    private static let limitBytes = 1 << 20

    var formatVersion = HandOverRecord.currentFormat
    /// The declared hand-over.
    var declared: Digest
    /// The directory of the generation.
    var generation: String
    /// Whose form it is, where, and under which name: enough to take it back when nothing declares it any more.
    var form: Form
    var root: String
    var name: String
    /// What must be there as long as this is true.
    var places: [String]
    /// Whether the program that loads it said that it works; false from before it is asked until then.
    var isLoaded = true
    /// The small file that readers start from, and what must stand in it.
    var pointer: Pointer?
    /// What stood in it before anything was handed over here.
    var before: String?
    /// The integer versions of a Triton repository that were made here, by number, with their generations.
    var versions: [Int: String]?
    /// The snapshots of a Hugging Face cache that were made here, by commit, with their generations.
    var snapshots: [String: String]?

    /// Whose form it is.
    enum Form: String, Codable, Sendable { case huggingfaceCache, triton, ollama }

    /// A small file and its content.
    struct Pointer: Codable, Sendable, Hashable {
        let path: String
        let content: String

        /// What stands in a file; `nil` when there is none that can be read.
        static func content(of path: FilePath) -> String? {
            (try? DiskReader.contents(of: path, limit: 1 << 20)).flatMap {
                $0.map { String(decoding: $0, as: UTF8.self) }
            }
        }
    }

    /// Reads a record; one that cannot be read is as good as none.
    static func read(_ path: FilePath) -> HandOverRecord? {
        guard let bytes = try? DiskReader.contents(of: path, limit: limitBytes) else { return nil }
        return try? JSONFile.value(HandOverRecord.self, from: bytes, name: path.string, format: currentFormat)
    }

    /// What is still there; `nil` when something of it is gone.
    var asObserved: HandedOver? {
        // A link that leads nowhere is not there.
        guard isLoaded, places.allSatisfy({ DiskReader.realPath(FilePath($0)) != nil }) else { return nil }
        if let pointer, Pointer.content(of: FilePath(pointer.path)) != pointer.content { return nil }
        return HandedOver(declared: declared, generation: generation)
    }
}
