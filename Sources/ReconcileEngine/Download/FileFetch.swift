import ReconcileCore
import Synchronization
import SystemPackage

/// Fetches one large file: takes over what is there, asks one location after the other for the rest, and judges the whole.
final class FileFetch: Sendable {
    private let wanted: Downloader.Wanted
    private let partial: PartialFile
    private let downloader: Downloader
    private let assembly: Assembly
    private let report: @Sendable (Int) -> Void
    /// Bytes that locations brought, and those of them that came from a source.
    private let total = Mutex<(brought: Int64, received: Int64)>((0, 0))

    init(
        _ wanted: Downloader.Wanted, _ partial: PartialFile, _ downloader: Downloader,
        report: @escaping @Sendable (Int) -> Void
    ) {
        (self.wanted, self.partial, self.downloader, self.report) = (wanted, partial, downloader, report)
        assembly = Assembly(
            size: wanted.file.size, index: wanted.index, partial: partial, pool: downloader.engine.pool,
            threads: downloader.engine.threads)
    }

    private var file: ReleaseFile { wanted.file }
    private var engine: DownloadEngine { downloader.engine }

    /// Fewer new bytes than these are no progress.
    static let progressBytes: Int64 = 64 << 10
    /// How long an index is waited for once everything else is there.
    private static let indexPatience = Duration.seconds(10)

    /// Where bytes came from since the file was begun, and which locations are left.
    private struct Course {
        var candidates: [Location]
        var contributors: Set<Location> = []
        /// Whether bytes of an earlier process are part of it.
        var hasOld: Bool
        /// The most that was there at the end of a location's turn.
        var best: Int64 = 0
        /// How often it was begun anew without anybody to blame.
        var restarts = 0
        /// What is known of the servers that were asked.
        var remotes: [Location: RemoteFile] = [:]
        /// Whether parts are being copied from this machine meanwhile.
        var isCopying = false
        var fault: Fault?
        /// Reads the index meanwhile.
        let index: Task<Void, Never>
    }

    /// Ends the copying of parts, because the file has to be begun anew.
    private struct MustBeginAnew: Error {}

    /// Fetches the file into the store.
    ///
    /// - Parameter recipe: What makes the file of something smaller that was fetched, and where that is.
    /// - Returns: Bytes that were received.
    /// - Throws: As ``Downloader/fetch(_:received:)``.
    func run(_ recipe: (Recipe, FilePath)?) async throws -> Int64 {
        do {
            try await fetch(recipe)
            return total.withLock { $0.received }
        } catch {
            await assembly.settle()
            assembly.end()
            // What came is kept, also through a power cut.
            try? partial.checkpoint()
            throw error
        }
    }

    /// Takes the index, if it was not there from the beginning: what comes from then on is checked by it.
    private func takeIndex() async {
        guard assembly.index == nil, let index = await downloader.keptIndex(of: wanted) else { return }
        assembly.take(index)
    }

    /// Waits for the index, for a while: the fetch can do without.
    private func wait(for index: Task<Void, Never>) async {
        guard wanted.lateIndex != nil, assembly.index == nil else { return }
        let timer = Task {
            try await Task.sleep(for: Self.indexPatience)
            index.cancel()
        }
        await withTaskCancellationHandler {
            await index.value
        } onCancel: {
            index.cancel()
        }
        timer.cancel()
    }

    private func fetch(_ recipe: (Recipe, FilePath)?) async throws {
        try partial.reserve(file.size)
        let found = try await Recovery.verify(partial, size: file.size, threads: engine.threads)
        assembly.adopt(hash: found.hash, upTo: found.end, pieces: found.pieces)
        var course = Course(
            candidates: wanted.locations, hasOld: found.end > 0 || !found.pieces.isEmpty,
            index: Task { await takeIndex() })
        defer { course.index.cancel() }
        if let (recipe, ingredient) = recipe {
            course.hasOld = true
            try await RecipeCook(recipe: recipe, assembly: assembly).run(ingredient)
        } else if let reuse = wanted.reuse {
            try await copyAndAsk(reuse, &course)
        }
        while true {
            if assembly.isComplete, try await judge(&course) {
                // The next version is compared by it, so that it is kept before anybody can come to rely on the file.
                await wait(for: course.index)
                assembly.end()
                return try partial.promote(to: downloader.layout.blob(file.sha256))
            }
            try await askNext(&course)
        }
    }

    /// Copies what is here while the rest is fetched.
    private func copyAndAsk(_ reuse: ReusePlan, _ course: inout Course) async throws {
        course.hasOld = true
        course.isCopying = true
        defer { course.isCopying = false }
        let copy = BlockCopy(reuse, assembly: assembly)
        do {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await copy.run() }
                while !assembly.hasAll { try await askNext(&course) }
                try await group.waitForAll()
            }
        } catch is MustBeginAnew {
            course.isCopying = false
            return try await beginAnew(&course)
        }
        await assembly.settle()
    }

    private func askNext(_ course: inout Course) async throws {
        guard let location = engine.health.ordered(course.candidates).first else {
            throw course.fault
                ?? Fault(.sourceUnreachable(url: file.path.description, detail: "it has no location"))
        }
        try await ask(location, &course)
    }

    private func ask(_ location: Location, _ course: inout Course) async throws {
        let isLast = course.candidates.count == 1
        let before = total.withLock { $0.brought }
        let ending: LargeFetch.Ending
        switch location {
        case .file, .part:
            ending = try await LocalCopy(location, into: assembly, report: wanted.isSeed(location) ? noteSeed : note)
                .run()
        case .held: ending = .failed(Fault(.bug(detail: "a large file was kept in memory")))
        case .web(let address):
            let remote = course.remotes[location] ?? RemoteFile(address)
            course.remotes[location] = remote
            ending = try await LargeFetch(
                remote, host: LocationHealth.key(location), into: assembly, engine: engine,
                mayRestart: !course.isCopying, attempts: isLast ? Persistence.attempts : Persistence.attemptsWithOthers,
                report: note
            ).run()
        }
        if total.withLock({ $0.brought }) > before { course.contributors.insert(location) }
        switch ending {
        case .complete: engine.health.worked(location)
        case .needsWhole:
            course.remotes[location]?.learn { $0.ignoresRanges = true }
            try await beginAnew(&course)
        case .failed(let fault):
            engine.health.failed(location)
            course.fault = fault
            course.candidates.removeAll { $0 == location }
        case .silent(let fault):
            engine.health.failed(location)
            course.fault = fault
            course.candidates.removeAll { $0 == location }
            // As long as it brings what never came before, it has its turn again after the others.
            if assembly.present >= course.best + Self.progressBytes {
                course.best = assembly.present
                course.candidates.append(location)
            }
        case .changed(let fault):
            course.fault = fault
            try await change(location, &course)
        case .unfit(let detail):
            course.fault = Fault(.sourceInvalid(url: location.shown, detail: detail))
            try await giveUp(location, &course)
        case .wrongBytes:
            strike(location, &course)
            course.fault = Fault(
                .sourceInvalid(url: location.shown, detail: "it sends wrong bytes for “\(file.path)”"))
        }
    }

    /// Does without a server whose answers do not fit. Some answer wrongly to ranges only: the last one is asked for the whole
    /// file before it is given up. What is there is only thrown away when it has promised that.
    private func giveUp(_ location: Location, _ course: inout Course) async throws {
        if course.candidates.count == 1, let remote = course.remotes[location], !remote.known.ignoresRanges,
            await offersWhole(remote)
        {
            remote.learn { $0.ignoresRanges = true }
            return try await beginAnew(&course)
        }
        course.candidates.removeAll { $0 == location }
    }

    /// Whether a server says that it would send the whole file, of the right size.
    private func offersWhole(_ remote: RemoteFile) async -> Bool {
        guard assembly.present > 0 else { return true }
        guard let answer = try? await engine.client.send(remote.request), answer.status == 200 else { return false }
        return answer.header("Content-Length").flatMap(Int64.init) == file.size
    }

    /// Goes on after a server's file changed. What it brought before may be of another file: an index can tell, otherwise it is
    /// fetched anew.
    private func change(_ location: Location, _ course: inout Course) async throws {
        course.restarts += 1
        guard course.restarts <= restartLimit else {
            course.candidates.removeAll { $0 == location }
            return
        }
        course.remotes[location]?.validator.forget()
        guard course.contributors.contains(location) else { return }
        await wait(for: course.index)
        if assembly.index == nil { try await beginAnew(&course) }
    }

    /// How often a file is begun anew without anybody to blame.
    private var restartLimit: Int { wanted.locations.count + 1 }

    @Sendable private func note(_ bytes: Int) {
        total.withLock { $0 = ($0.brought + Int64(bytes), $0.received + Int64(bytes)) }
        report(bytes)
    }

    @Sendable private func noteSeed(_ bytes: Int) { total.withLock { $0.brought += Int64(bytes) } }

    private func beginAnew(_ course: inout Course) async throws {
        guard !course.isCopying else { throw MustBeginAnew() }
        try await assembly.restart()
        for remote in course.remotes.values { remote.validator.forget() }
        (course.contributors, course.hasOld) = ([], false)
    }

    private func strike(_ location: Location, _ course: inout Course) {
        course.candidates.removeAll { $0 == location }
        downloader.distrust(location)
    }

    /// Compares the whole with what was published, and has what is wrong fetched again.
    ///
    /// - Returns: Whether it is right.
    private func judge(_ course: inout Course) async throws -> Bool {
        guard let digest = try await assembly.digest() else { return false }
        guard digest != file.sha256 else { return true }
        course.fault = Fault(.digestMismatch(path: file.path.description, expected: file.sha256, received: digest))
        // One that alone brought all of it is to blame; of several it cannot be told.
        if course.contributors.count == 1, !course.hasOld, let liar = course.contributors.first {
            strike(liar, &course)
        } else {
            course.restarts += 1
            if course.restarts > restartLimit { throw course.fault ?? Fault(.interrupted) }
        }
        await wait(for: course.index)
        guard try await assembly.dropWrongBlocks() else {
            try await beginAnew(&course)
            return false
        }
        (course.contributors, course.hasOld) = ([], true)
        return false
    }
}
