import Foundation
import ReconcileCore
import ReconcileTesting
import Synchronization
import SystemPackage
import Testing

@testable import ReconcileEngine

private let mebibyte = 1 << 20

/// Reproducible bytes.
private func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var random = SeededRandom(state: seed)
    return (0..<count / 8).flatMap { _ in withUnsafeBytes(of: random.next()) { Array($0) } }
}

@Suite struct `A program that steers downloads` {
    private let content = bytes(24 * mebibyte)

    /// What a test has: a store, a file on a server, and what steers its download.
    private struct Bench {
        let work: Workspace
        let file: ReleaseFile
        let server: LoopbackServer
        let control = DownloadControl()
        let received = Received()

        init(_ content: [UInt8]) async throws {
            work = try Workspace()
            server = try await LoopbackServer(content)
            file = ReleaseFile(
                path: try #require(ReleasePath("model.bin")), size: Int64(content.count),
                sha256: Hashing.digest(of: content))
        }

        var layout: StoreLayout { StoreLayout(root: FilePath(work.url("store").path())) }

        /// Begins to fetch the file, and cancels that once so many bytes came.
        func cancelled(after count: Int) async throws {
            control.limit(to: 8 << 20)
            let task = Task { try await fetch() }
            while received.bytes < count { try await Task.sleep(for: .milliseconds(10)) }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            control.followPolicy()
            control.limit(to: nil)
        }

        /// Fetches the file with an engine of its own, as another process would.
        func fetch(first other: LoopbackServer? = nil, index: BlockIndex? = nil) async throws -> Int64 {
            let engine = DownloadEngine(DownloadPolicy(), control: control, clock: { Timestamp(seconds: 0) })
            let locations = [other, server].compactMap(\.self).map {
                Location.web(WebLocation(url: $0.url, shown: $0.url))
            }
            return try await Downloader(layout: layout, engine: engine, holder: "test").fetch(
                [Downloader.Wanted(file, from: locations, index: index)]
            ) { received.add($1) }
        }

        var isHere: Bool { DiskReader.entry(at: layout.blob(file.sha256)) != nil }
    }

    private final class Received: Sendable {
        private let count = Mutex(0)
        var bytes: Int { count.withLock { $0 } }
        func add(_ more: Int) { count.withLock { $0 += more } }
    }

    @Test func `pauses and resumes them`() async throws {
        let bench = try await Bench(content)
        bench.control.pause()
        async let fetched = bench.fetch()
        try await Task.sleep(for: .seconds(1))
        // What was in sockets has come; nothing more was asked for.
        #expect(bench.received.bytes < 4 * mebibyte && !bench.isHere)
        bench.control.resume()
        #expect(try await fetched == bench.file.size)
        #expect(bench.isHere)
    }

    @Test func `cancels them while they are paused`() async throws {
        let bench = try await Bench(content)
        let task = Task { try await bench.fetch() }
        while bench.received.bytes < 4 * mebibyte { try await Task.sleep(for: .milliseconds(1)) }
        bench.control.pause()
        try await Task.sleep(for: .milliseconds(300))
        task.cancel()
        let result = await task.result
        // It may have been done before it was paused.
        if case .failure(let error) = result { #expect(error is CancellationError) }
        #expect(bench.isHere == ((try? result.get()) != nil))
    }

    @Test func `limits them, and takes the limit away`() async throws {
        let bench = try await Bench(content)
        // With it, all of the file would take minutes.
        bench.control.limit(to: 128 << 10)
        async let fetched = bench.fetch()
        try await Task.sleep(for: .seconds(1.5))
        #expect(bench.received.bytes < 8 * mebibyte && !bench.isHere)
        let start = ContinuousClock.now
        bench.control.limit(to: nil)
        #expect(try await fetched == bench.file.size)
        #expect(ContinuousClock.now - start < .seconds(60))
    }

    @Test func `cancels them, and keeps what came`() async throws {
        let bench = try await Bench(content)
        try await bench.cancelled(after: 12 * mebibyte)
        #expect(!bench.isHere)
        let rest = try await bench.fetch()
        #expect(rest < bench.file.size - 2 * Int64(mebibyte) && bench.isHere)
    }

    @Test func `go on with another server when the first one lies about the rest of what was begun`() async throws {
        let bench = try await Bench(content)
        try await bench.cancelled(after: 4 * mebibyte)
        var wrong = content
        wrong[20 * mebibyte + 5] ^= 1
        let pieces = stride(from: 0, to: content.count, by: mebibyte).map { content[$0..<$0 + mebibyte] }
        let index = BlockIndex(
            file: bench.file.sha256, lengths: pieces.map { Int64($0.count) },
            digests: pieces.map { Hashing.digest(of: Array($0)) })
        _ = try await bench.fetch(first: LoopbackServer(wrong), index: index)
        #expect(bench.isHere)
    }
}

@Suite struct `A check of long blocks` {
    private let content = bytes(7 * mebibyte)

    private var index: BlockIndex {
        let lengths: [Int64] = [3, 3, 1].map { $0 * Int64(mebibyte) }
        var position = 0
        let digests = lengths.map { length in
            defer { position += Int(length) }
            return Hashing.digest(of: Array(content[position..<position + Int(length)]))
        }
        return BlockIndex(file: Hashing.digest(of: content), lengths: lengths, digests: digests)
    }

    /// Takes the file in pieces of one mebibyte, from one of them on; tells which were found wrong.
    private func wrong(_ content: [UInt8], from first: Int = 0, isWanted: Bool = true) -> [Int] {
        let index = isWanted ? index : nil
        var check = PieceCheck()
        return (first..<7).filter { piece in
            let start = piece * mebibyte
            return !content[start..<start + mebibyte].withUnsafeBytes {
                check.take($0, at: Int64(start), index: index)
            }
        }
    }

    @Test func `finds nothing in the right file`() { #expect(wrong(content) == []) }

    @Test func `finds a wrong byte at the end of its block`() {
        var changed = content
        changed[4 * mebibyte] ^= 1
        #expect(wrong(changed) == [5])
    }

    @Test func `finds a wrong byte of a block that ends within a piece of memory`() {
        let digests = [content[..<(2 * mebibyte + 10)], content[(2 * mebibyte + 10)...]].map {
            Hashing.digest(of: Array($0))
        }
        let index = BlockIndex(
            file: Hashing.digest(of: content), lengths: [Int64(2 * mebibyte + 10), Int64(5 * mebibyte - 10)],
            digests: digests)
        for isChanged in [false, true] {
            var check = PieceCheck()
            var changed = content
            if isChanged { changed[5] ^= 1 }
            let found = (0..<3).map { piece in
                changed[piece * mebibyte..<(piece + 1) * mebibyte].withUnsafeBytes {
                    check.take($0, at: Int64(piece * mebibyte), index: index)
                }
            }
            #expect(found == [true, true, !isChanged])
        }
    }

    @Test func `begins at the next block when it begins in the middle of one`() {
        var changed = content
        changed[mebibyte] ^= 1
        #expect(wrong(changed, from: 1) == [])
        changed[6 * mebibyte + 5] ^= 1
        #expect(wrong(changed, from: 1) == [6])
    }

    @Test func `is left out where the hash of the file will tell`() {
        var changed = content
        changed[0] ^= 1
        #expect(wrong(changed, isWanted: false) == [])
    }

    @Test func `is left out for blocks that memory holds, which are checked whole`() {
        let index = BlockIndex(file: Hashing.digest(of: "f"), lengths: [5], digests: [Hashing.digest(of: "b")])
        var check = PieceCheck()
        #expect([UInt8](repeating: 0, count: 5).withUnsafeBytes { check.take($0, at: 0, index: index) })
    }
}
