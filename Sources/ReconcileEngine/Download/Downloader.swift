package import ReconcileCore
import Synchronization
import SystemPackage

/// Brings blobs into the store: locations, size, digest and perhaps a block index in; verified blob out.
///
/// Small files come whole into memory and share one synchronisation; large ones are put together from ranges, hashed while they
/// stream and resumed from what is safely on disk. The next location is tried when one fails, and one whose bytes are wrong is
/// not asked again for that file. Nothing enters `blobs/` unverified.
package struct Downloader: Sendable {
    /// A file that is wanted.
    package struct Wanted: Sendable {
        package let file: ReleaseFile
        package let locations: [Location]
        /// What it consists of, when that is known already.
        var index: BlockIndex?
        /// How to learn that while it is fetched, otherwise.
        var lateIndex: IndexRequest?
        /// What of it is copied from this machine.
        var reuse: ReusePlan?
        /// Which of its locations is a file that the plan counts as here.
        var seed: FilePath?

        /// Whether an answer with it waits already.
        var isOpened: Bool {
            locations.contains { if case .web(let location) = $0 { location.opened != nil } else { false } }
        }

        /// Whether a location is a file that was here already: what comes from there counts as nothing that came.
        func isSeed(_ location: Location) -> Bool { seed.map { location == .file($0) } ?? false }

        /// Something smaller that it is made of, and where that is.
        var recipe: (Recipe, locations: [Location])?

        init(
            _ file: ReleaseFile, from locations: [Location], index: BlockIndex? = nil, reuse: ReusePlan? = nil
        ) {
            (self.file, self.locations, self.index, self.reuse) = (file, locations, index, reuse)
        }
    }

    /// Files of at most so many bytes come in one request and one piece.
    package static let smallBytes = Int64(Block.bytes)

    let layout: StoreLayout
    let engine: DownloadEngine
    let incoming: Incoming
    private let holder: String
    private let gate: DigestGate
    private let patience: Duration
    private let warn: @Sendable (String) -> Void

    /// - Parameters:
    ///   - patience: How long to wait for another process that fetches the same blob.
    ///   - warn: Told of servers that sent wrong bytes.
    package init(
        layout: StoreLayout, engine: DownloadEngine, holder: String, gate: DigestGate = DigestGate(),
        patience: Duration = .seconds(10), warn: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        (self.layout, self.engine, self.holder, self.gate, self.patience) = (layout, engine, holder, gate, patience)
        self.warn = warn
        incoming = Incoming(layout: layout)
    }

    /// The limits that are kept.
    package var policy: DownloadPolicy { engine.policy }

    /// Fetches files, all of them durably when it returns.
    ///
    /// - Parameter received: Told about bytes as they come, never counted twice; at most ten times a second for a file.
    /// - Returns: Bytes that were received.
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceLacks`, `sourceInvalid`, `digestMismatch`, `sizeMismatch`,
    ///   `diskFull`, `busy` or `system`; `CancellationError`, after which what came is kept.
    @concurrent
    package func fetch(
        _ files: [Wanted], received: @escaping @Sendable (ReleaseFile, Int) -> Void
    ) async throws -> Int64 {
        do {
            // Small files do not wait for large ones.
            async let _ = incoming.commitRegularly()
            let bytes = try await fetchAll(files, received)
            try await incoming.commit()
            return bytes
        } catch {
            // What came whole before something failed is not fetched again.
            try? await incoming.commit()
            throw error
        }
    }

    private func fetchAll(
        _ files: [Wanted], _ received: @escaping @Sendable (ReleaseFile, Int) -> Void
    ) async throws -> Int64 {
        let small = Progress(received)
        defer { small.flush() }
        return try await withThrowingTaskGroup(of: Int64.self) { group in
            var bytes: Int64 = 0
            for (index, wanted) in files.enumerated() {
                if index >= max(4, engine.slots.limit * 2) { bytes += try await group.next() ?? 0 }
                group.addTask { try await fetch(wanted, small, received) }
            }
            for try await count in group { bytes += count }
            return bytes
        }
    }

    private func fetch(
        _ wanted: Wanted, _ small: Progress, _ received: @escaping @Sendable (ReleaseFile, Int) -> Void
    ) async throws -> Int64 {
        let file = wanted.file
        // Small files share one, so that there are not as many messages as files.
        let progress = file.size > Self.smallBytes ? Progress(received) : small
        defer { if progress !== small { progress.flush() } }
        await gate.enter(file.sha256)
        do {
            let bytes = try await fetchAlone(wanted, isNested: false) { progress.add($0, of: file) }
            await gate.leave(file.sha256)
            return bytes
        } catch {
            await gate.leave(file.sha256)
            throw error
        }
    }

    /// Notes that a server sent wrong bytes, and says so once.
    func distrust(_ location: Location) {
        guard engine.health.lied(location) else { return }
        warn(
            location.isLocal
                ? "\(location.shown) holds wrong bytes; in this pass it is asked last"
                : "\(location.shown) sent wrong bytes; in this pass that server is asked last")
    }

    /// Reads the index that was put off, and keeps it for the next version.
    func keptIndex(of wanted: Wanted) async -> BlockIndex? {
        guard let index = await wanted.lateIndex?.read() else { return nil }
        // It helps the next time only: where it cannot be kept, this time goes on without.
        try? IndexStore(layout: layout).keep(index)
        return index
    }

    private var isHere: (ReleaseFile) -> Bool {
        { DiskReader.entry(at: layout.blob($0.sha256))?.size == $0.size }
    }

    /// Takes over a file of this machine without copying it, where the file system can share its blocks.
    ///
    /// - Returns: Whether it was the wanted one; the clone itself was hashed.
    private func clone(_ path: FilePath, of file: ReleaseFile, _ partial: PartialFile) async throws -> Bool {
        guard DiskReader.entry(at: path)?.size == file.size, let clone = partial.clone(of: path) else { return false }
        guard try await Hashing.digest(ofFile: clone).digest == file.sha256 else {
            try Disk().remove(clone)
            return false
        }
        try partial.promote(clone, to: layout.blob(file.sha256))
        return true
    }

    /// - Parameter isNested: Whether it is part of another fetch, which has its turn already.
    private func fetchAlone(
        _ wanted: Wanted, isNested: Bool, _ received: @escaping @Sendable (Int) -> Void
    ) async throws -> Int64 {
        let file = wanted.file
        guard !isHere(file) else { return 0 }
        guard file.size > Self.smallBytes else {
            return try await SmallFetch(wanted, self, report: received).run()
        }
        if !isNested { try await engine.files.take("") }
        defer { if !isNested { engine.files.give("") } }
        let partial = try await PartialFile.open(
            layout.partial(file.sha256), holder: holder, patience: patience,
            isDirect: engine.writesDirect(layout))
        guard !isHere(file) else {
            // Another process brought it while we waited for the partial file.
            partial.discard()
            return 0
        }
        if case .file(let path)? = wanted.locations.first, try await clone(path, of: file, partial) {
            _ = await keptIndex(of: wanted)
            guard !wanted.isSeed(.file(path)) else { return 0 }
            received(Int(clamping: file.size))
            return file.size
        }
        var (bytes, recipe): (Int64, (Recipe, FilePath)?) = (0, nil)
        var isOurs = false
        if let (method, locations) = wanted.recipe {
            let ingredient = ReleaseFile(path: file.path, size: method.size, sha256: method.sha256)
            isOurs = !isHere(ingredient)
            do {
                bytes = try await fetchAlone(Wanted(ingredient, from: locations), isNested: true, received)
                try await incoming.commit()
                recipe = (method, layout.blob(method.sha256))
            } catch let fault as Fault {
                // What helps only helps: without it the file itself is fetched.
                if case .diskFull = fault.kind { throw fault }
            }
        }
        let fetched = try await FileFetch(wanted, partial, self, report: received).run(recipe)
        // Whoever is interrupted needs it again; what nobody comes back for is swept by `gc`.
        if isOurs, let recipe { try? Disk().remove(recipe.1) }
        return fetched + bytes
    }
}

/// Passes counts of bytes on, at most ten times a second.
private final class Progress: Sendable {
    private let state: Mutex<(bytes: Int, file: ReleaseFile?, told: ContinuousClock.Instant)>
    private let tell: @Sendable (ReleaseFile, Int) -> Void

    private static let interval = Duration.milliseconds(100)

    init(_ tell: @escaping @Sendable (ReleaseFile, Int) -> Void) {
        self.tell = tell
        state = Mutex((0, nil, .now))
    }

    /// Counts bytes of a file.
    @Sendable func add(_ bytes: Int, of file: ReleaseFile) {
        let due = state.withLock { state -> Int? in
            let sum = state.bytes + bytes
            let now = ContinuousClock.now
            guard now - state.told >= Self.interval else {
                (state.bytes, state.file) = (sum, file)
                return nil
            }
            state = (0, nil, now)
            return sum
        }
        if let due { tell(file, due) }
    }

    /// Tells what was not told yet.
    func flush() {
        let (bytes, file) = state.withLock { state in
            defer { (state.bytes, state.file) = (0, nil) }
            return (state.bytes, state.file)
        }
        if let file, bytes > 0 { tell(file, bytes) }
    }
}
