import ReconcileCore
import SystemPackage

/// Small files that came and were verified, and wait to become blobs together: written one by one, synchronised all at once,
/// then renamed. A crash leaves them in `partial/incoming/`, where the next pass finds them and hashes them again.
actor Incoming {
    private let layout: StoreLayout
    private let disk = Disk()
    private var files: [Digest] = []
    private var bytes: Int64 = 0

    /// Files that wait at most, their bytes, and how long: what a power cut may cost.
    private static let countLimit = 4096
    private static let bytesLimit: Int64 = 64 << 20
    private static let interval = Duration.seconds(5)

    init(layout: StoreLayout) { self.layout = layout }

    private nonisolated func place(_ digest: Digest) -> FilePath { layout.incoming.appending(digest.description) }

    /// Takes over a file that an earlier process left; `false` when there is none that is right.
    nonisolated func recover(_ file: ReleaseFile) async throws -> Bool {
        guard let entry = DiskReader.entry(at: place(file.sha256)), entry.kind == .file, entry.size == file.size,
            let found = try? await Hashing.digest(ofFile: place(file.sha256)), found.digest == file.sha256
        else { return false }
        try await add(file)
        return true
    }

    /// Takes the verified bytes of a file.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    nonisolated func hold(_ bytes: [UInt8], of file: ReleaseFile) async throws {
        // Only files belong there; anything else in the way can go.
        for path in [layout.incoming, place(file.sha256)] {
            guard let entry = DiskReader.entry(at: path), entry.kind != (path == layout.incoming ? .directory : .file)
            else { continue }
            try disk.removeTree(path)
        }
        try disk.write(bytes, unsynchronisedTo: place(file.sha256))
        try await add(file)
    }

    private func add(_ file: ReleaseFile) throws {
        files.append(file.sha256)
        bytes += file.size
        if files.count >= Self.countLimit || bytes >= Self.bytesLimit { try commit() }
    }

    /// Makes all that waits durable blobs.
    ///
    /// - Throws: ``Fault`` of kind `system`; those that are no blobs yet still wait.
    func commit() throws {
        guard !files.isEmpty else { return }
        try disk.moveTogether(files.map { (place($0), layout.blob($0)) })
        (files, bytes) = ([], 0)
    }

    /// Commits every few seconds until it is cancelled. What fails is tried again, at last by whoever waits for all.
    func commitRegularly() async {
        while (try? await Task.sleep(for: Self.interval)) != nil { try? commit() }
    }
}
