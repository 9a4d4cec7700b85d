import ReconcileCore
import Synchronization
import SystemPackage

/// Small files that came and were verified, and wait to become blobs together: written one by one, synchronised all at once,
/// then renamed. A crash leaves them in `partial/incoming/`, where the next pass finds them and hashes them again.
final class Incoming: Sendable {
    private struct State {
        var files: [Digest] = []
        var bytes: Int64 = 0
    }

    private let layout: StoreLayout
    private let disk = Disk()
    private let state = Mutex(State())

    /// Files that wait at most, and their bytes: what a power cut may cost.
    private static let countLimit = 4096
    private static let bytesLimit: Int64 = 64 << 20

    init(layout: StoreLayout) { self.layout = layout }

    private func place(_ digest: Digest) -> FilePath { layout.incoming.appending(digest.description) }

    /// Takes over a file that an earlier process left; `false` when there is none that is right.
    func recover(_ file: ReleaseFile) async throws -> Bool {
        guard let entry = DiskReader.entry(at: place(file.sha256)), entry.kind == .file, entry.size == file.size,
            try await Hashing.digest(ofFile: place(file.sha256)).digest == file.sha256
        else { return false }
        try await add(file)
        return true
    }

    /// Takes the verified bytes of a file.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func hold(_ bytes: [UInt8], of file: ReleaseFile) async throws {
        try disk.write(bytes, unsynchronisedTo: place(file.sha256))
        try await add(file)
    }

    private func add(_ file: ReleaseFile) async throws {
        let isFull = state.withLock { state in
            state.files.append(file.sha256)
            state.bytes += file.size
            return state.files.count >= Self.countLimit || state.bytes >= Self.bytesLimit
        }
        if isFull { try await commit() }
    }

    /// Makes all that waits durable blobs.
    ///
    /// - Throws: ``Fault`` of kind `system`; those that are no blobs yet stay where they are.
    @concurrent
    func commit() async throws {
        let files = state.withLock { state in
            defer { state = State() }
            return state.files
        }
        guard !files.isEmpty else { return }
        try disk.moveTogether(files.map { (place($0), layout.blob($0)) })
    }
}
