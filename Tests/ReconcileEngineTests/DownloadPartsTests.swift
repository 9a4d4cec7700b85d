import Foundation
import NIOHTTP1
import ReconcileCore
import ReconcileTesting
import SystemPackage
import Testing

@testable import ReconcileEngine

private let mebibyte: Int64 = 1 << 20

@Suite struct `A book of ranges` {
    /// Every byte of the file is missing, under way or there, and in one of these only.
    private func expectWhole(_ book: RangeBook, there: Int64, size: Int64) {
        let flights = book.flights.values.reduce(0) { $0 + $1.end - $1.position }
        #expect(book.missingBytes + flights + there == size)
    }

    @Test func `gives bytes to one connection at a time, whatever happens`() {
        var random = SeededRandom(state: 7)
        for _ in 0..<300 {
            let size = Int64.random(in: 1...80 * mebibyte, using: &random)
            var book = RangeBook(missing: [0..<size])
            var seen = [Range<Int64>]()
            var there: Int64 = 0
            for _ in 0..<5000 where !book.isComplete {
                let id = Int.random(in: 0..<5, using: &random)
                if let flight = book.flights[id] {
                    if Int.random(in: 0..<12, using: &random) == 0 {
                        book.land(id)
                    } else {
                        let count = Int64.random(in: 1...3 * mebibyte, using: &random)
                        let useful = book.advance(id, by: count)
                        seen.append(flight.position..<flight.position + useful)
                        there += useful
                        if book.flights[id]?.position == book.flights[id]?.end { book.land(id) }
                    }
                } else {
                    _ = book.next(for: id, wanted: 4 * mebibyte, connections: 3, rates: [:])
                }
                expectWhole(book, there: there, size: size)
            }
            let sorted = seen.filter { !$0.isEmpty }.sorted { $0.lowerBound < $1.lowerBound }
            #expect(zip(sorted, sorted.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
            #expect(sorted.first?.lowerBound == 0 && sorted.last?.upperBound == size)
        }
    }

    @Test func `splits what the slowest still has to bring`() throws {
        var book = RangeBook(missing: [0..<64 * mebibyte])
        _ = book.next(for: 0, wanted: 32 * mebibyte, connections: 1, rates: [:])
        _ = book.next(for: 1, wanted: 32 * mebibyte, connections: 1, rates: [:])
        let next = book.next(for: 2, wanted: mebibyte, connections: 3, rates: [0: 100, 1: 1])
        let taken = try #require(next)
        #expect(taken.end == 64 * mebibyte && taken.position > 32 * mebibyte)
        #expect(book.flights[1]?.end == taken.position)
        #expect(book.flights[0]?.end == 32 * mebibyte)
    }

    @Test
    func `gives several connections three quarters of an even share first, at most 32 MiB, and then less and less`() {
        var book = RangeBook(missing: [0..<128 * mebibyte])
        for id in 0..<16 { _ = book.next(for: id, wanted: 32 * mebibyte, connections: 16, rates: [:]) }
        let lengths = book.flights.sorted { $0.key < $1.key }.map { $0.value.end - $0.value.position }
        #expect(lengths.first == 6 * mebibyte)
        #expect(zip(lengths, lengths.dropFirst()).allSatisfy { $0 >= $1 })
        #expect(book.missingBytes > 48 * mebibyte)
        book = RangeBook(missing: [0..<512 * mebibyte])
        _ = book.next(for: 0, wanted: 99 * mebibyte, connections: 2, rates: [:])
        #expect(book.flights[0]?.end == 32 * mebibyte)
    }

    @Test func `gives one connection alone as much as a request should bring`() {
        var book = RangeBook(missing: [0..<128 * mebibyte])
        _ = book.next(for: 0, wanted: 99 * mebibyte, connections: 1, rates: [:])
        #expect(book.flights[0]?.end == 64 * mebibyte)
    }

    @Test func `splits so that both end together`() throws {
        var book = RangeBook(missing: [0..<32 * mebibyte])
        _ = book.next(for: 0, wanted: 32 * mebibyte, connections: 1, rates: [:])
        // One brings a mebibyte a second, the other three.
        let next = book.next(for: 1, wanted: 6 * mebibyte, connections: 2, rates: [0: Double(mebibyte)])
        let taken = try #require(next)
        #expect(taken.position == 8 * mebibyte && taken.end == 32 * mebibyte)
    }

    @Test func `takes out and puts back any bytes`() {
        var random = SeededRandom(state: 11)
        for _ in 0..<200 {
            var book = RangeBook(missing: [0..<400])
            var model = Set(Int64(0)..<400)
            for _ in 0..<60 {
                let start = Int64.random(in: 0..<400, using: &random)
                let range = start..<Int64.random(in: start...400, using: &random)
                if Bool.random(using: &random) {
                    let wasMissing = range.isEmpty || model.isSuperset(of: range)
                    guard !range.isEmpty else { continue }
                    #expect(book.remove(range) == wasMissing)
                    if wasMissing { model.subtract(range) }
                } else {
                    book.addMissing(range)
                    model.formUnion(range)
                }
                #expect(Set(book.missing.flatMap { Array($0) }) == model)
                #expect(zip(book.missing, book.missing.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
            }
        }
    }

    @Test func `does not divide a file that comes whole`() {
        var book = RangeBook(missing: [0..<64 * mebibyte])
        _ = book.next(for: 0, wanted: mebibyte, connections: 1, rates: [:])
        let isTaken = book.takeAll(0, size: 64 * mebibyte)
        let next = book.next(for: 1, wanted: mebibyte, connections: 2, rates: [:])
        #expect(isTaken && next == nil)
        #expect(!book.canShare)
    }
}

@Suite struct `Patience with a server` {
    /// What is decided after each of some failures.
    private func decisions(
        _ failures: [(elapsed: Duration, retryAfter: Duration?)], progress: Bool = false
    ) -> [Persistence.Decision] {
        var persistence = Persistence()
        return failures.map { failure in
            defer { if progress { persistence.progressed() } }
            return persistence.failed(after: failure.elapsed, retryAfter: failure.retryAfter)
        }
    }

    @Test func `is spent by failures without progress, with longer pauses`() {
        let expected: [Persistence.Decision] = [250, 500, 1000, 2000, 4000].map { .waitUpTo(.milliseconds($0)) }
        #expect(decisions(Array(repeating: (.zero, nil), count: 6)) == expected + [.giveUp])
    }

    @Test func `begins anew with every progress`() {
        let found = decisions(Array(repeating: (.seconds(5), nil), count: 1000), progress: true)
        #expect(!found.contains(.giveUp))
    }

    @Test func `ends when a server is silent for a minute`() {
        #expect(decisions([(.seconds(30), nil), (.seconds(31), nil)]).last == .giveUp)
    }

    @Test func `waits as long as a server asks for, but not for ever`() {
        #expect(decisions([(.zero, .seconds(7)), (.zero, .seconds(86_400))]) == [.wait(.seconds(7)), .giveUp])
    }
}

@Suite struct `A token bucket` {
    @Test func `lets so many bytes through as the rate says`() {
        let bucket = TokenBucket()
        bucket.rate = 1_000_000
        let start = ContinuousClock.now
        var now = start
        for _ in 0..<100 { now = wait(for: bucket.take(100_000, at: now), at: now, in: bucket) }
        let seconds = (now - start).inSeconds
        #expect(seconds > 9.5 && seconds <= 10.01)
    }

    @Test func `has no limit unless one is set, and takes a new one at once`() {
        let bucket = TokenBucket()
        #expect(bucket.delay(of: bucket.take(1 << 30)) == .zero)
        bucket.rate = 1000
        let ticket = bucket.take(10_000)
        let start = ContinuousClock.now
        #expect(wait(for: ticket, at: start, in: bucket) > start + .seconds(5))
        bucket.rate = nil
        #expect(bucket.delay(of: ticket) == .zero)
        #expect(bucket.delay(of: bucket.take(1 << 30)) == .zero)
    }

    @Test func `lets whoever waits go on when the rate grows`() {
        let bucket = TokenBucket()
        bucket.rate = 1
        let ticket = bucket.take(1_000_000)
        #expect(bucket.delay(of: ticket) > .zero)
        bucket.rate = 1 << 40
        let start = ContinuousClock.now
        #expect(wait(for: ticket, at: start, in: bucket) < start + .seconds(1))
    }

    @Test func `serves those who came first`() {
        let bucket = TokenBucket()
        bucket.rate = 1000
        let start = ContinuousClock.now
        let (first, second) = (bucket.take(1000, at: start), bucket.take(9000, at: start))
        let middle = wait(for: first, at: start, in: bucket)
        #expect(middle < start + .seconds(2))
        #expect(wait(for: second, at: middle, in: bucket) > start + .seconds(9))
    }

    @Test func `lets nothing through while it is paused`() {
        let bucket = TokenBucket()
        bucket.isPaused = true
        let ticket = bucket.take(1)
        #expect(bucket.delay(of: ticket) > .zero)
        bucket.isPaused = false
        #expect(bucket.delay(of: ticket) == .zero)
    }

    /// When a ticket is paid for, by asking as often as it says.
    private func wait(
        for ticket: Int64, at start: ContinuousClock.Instant, in bucket: TokenBucket
    ) -> ContinuousClock.Instant {
        var now = start
        for _ in 0..<100_000 {
            let delay = bucket.delay(of: ticket, at: now)
            if delay == .zero { break }
            now += delay
        }
        return now
    }
}

@Suite struct `A journal of a download` {
    private func claims(_ text: String, size: Int64 = 1000) throws -> DownloadJournal.Claims {
        let work = try Workspace()
        try work.write(text, to: "journal")
        return DownloadJournal.claims(in: FilePath(work.url("journal").path()), size: size)
    }

    private let digest = String(repeating: "a", count: 64)

    @Test func `is believed line by line, up to the one that was cut off`() throws {
        let found = try claims("p 100 \(digest)\nb 300 50 \(digest)\np 200 \(digest)\nb 400 50 \(digest.dropLast())")
        #expect(found.prefixes.map(\.end) == [100, 200])
        #expect(found.blocks.map(\.range) == [300..<350])
        #expect(found.bytes == 250)
    }

    @Test func `is believed after a line that was cut off`() throws {
        let found = try claims("p 100 \(digest)\nb 300 5\(digest)\n\0\0\0b 1 2\np 200 \(digest)\nb 400 50 \(digest)\n")
        #expect(found.prefixes.map(\.end) == [100, 200])
        #expect(found.ranges == [0..<200, 400..<450])
    }

    @Test func `claims only what it is replaced with, and goes on from there`() throws {
        let work = try Workspace()
        let path = FilePath(work.url("journal").path())
        let journal = try DownloadJournal.open(path)
        let one = try #require(Digest(digest))
        try journal.claim(0..<50, one)
        try journal.claim(upTo: 90, one)
        try journal.replace(with: DownloadJournal.Claims(blocks: [(60..<80, one)]))
        try journal.claim(100..<120, one)
        #expect(DownloadJournal.claims(in: path, size: 1000).ranges == [60..<80, 100..<120])
        try journal.clear()
        try journal.claim(7..<9, one)
        #expect(DownloadJournal.claims(in: path, size: 1000).ranges == [7..<9])
    }

    @Test(arguments: [
        "p -1 X", "p 99999999999999999999 X", "b 900 200 X", "b 0 9223372036854775807 X", "b 5 0 X", "x 1 2 3", "", "p",
    ])
    func `claims nothing by nonsense`(line: String) throws {
        #expect(try claims(line.replacing("X", with: digest) + "\n").bytes == 0)
    }
}

@Suite struct `A block index` {
    private let index = BlockIndex(
        file: Hashing.digest(of: "file"), lengths: [10, 20, 30],
        digests: ["a", "b", "c"].map { Hashing.digest(of: $0) })

    @Test func `is read as it was written`() {
        #expect(BlockIndex(index.encoded, file: index.file, size: 60) == index)
    }

    @Test func `is of one file only`() {
        #expect(BlockIndex(index.encoded, file: Hashing.digest(of: "other"), size: 60) == nil)
        #expect(BlockIndex(index.encoded, file: index.file, size: 61) == nil)
    }

    @Test func `is refused when anything in it is damaged, without a trap`() {
        let good = index.encoded
        for length in good.indices { #expect(BlockIndex(Array(good[..<length]), file: index.file, size: 60) == nil) }
        var random = SeededRandom(state: 3)
        for _ in 0..<5000 {
            var bytes = good
            let place = Int.random(in: 0..<bytes.count, using: &random)
            bytes[place] ^= UInt8.random(in: 1...255, using: &random)
            let found = BlockIndex(bytes, file: index.file, size: 60)
            // Only the digests of blocks may differ: those are checked when bytes come.
            #expect(found == nil || found?.blocks.map(\.range) == index.blocks.map(\.range))
        }
    }

    @Test func `finds boundaries and whole blocks`() {
        #expect(
            [0, 9, 10, 29, 30, 59, 60, 99].map { index.boundary(atOrBefore: $0) } == [0, 0, 10, 10, 30, 30, 60, 60])
        #expect(index.blocks(in: 5..<60).map(\.range) == [10..<30, 30..<60])
        #expect(index.blocks(in: 10..<59).map(\.range) == [10..<30])
        #expect(index.blocks(in: 11..<29).isEmpty)
    }
}

@Suite struct `Waiting for a server` {
    @Test(
        arguments: [
            (["Retry-After": "7"], 7), (["Retry-After": "-1"], nil), (["Retry-After": "x"], nil),
            (["RateLimit": "\"api\";r=0;t=4"], 5), (["RateLimit": "\"api\";r=3;t=4"], nil), ([:], nil),
            (["Retry-After": "99999999"], 86_400),
            (["Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Fri, 31 Dec 1999 23:59:29 GMT"], 30),
            (["Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Sat, 01 Jan 2000 00:00:09 GMT"], 0),
            (["Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"], nil),
        ] as [([String: String], Int64?)])
    func `is as long as it asks for`(headers: [String: String], seconds: Int64?) {
        #expect(RetryAfter.wait(HTTPHeaders(headers.map { ($0.key, $0.value) })) == seconds.map { .seconds($0) })
    }
}

@Suite struct `A size` {
    @Test(
        arguments: [
            ("8MiB", 8 << 20), ("2GB", 2_000_000_000), ("1KiB", 1024), ("5B", 5), ("7", nil), ("-1MB", nil),
            ("9999999999GB", nil), ("MiB", nil), ("1.5MiB", nil),
        ] as [(String, Int64?)])
    func `is read with its unit`(text: String, bytes: Int64?) { #expect(Sizes.bytes(text) == bytes) }

    @Test func `of a rate is not zero`() {
        #expect(Sizes.rate("50MiB/s") == 50 << 20)
        #expect(Sizes.rate("0MB/s") == nil && Sizes.rate("50MiB") == nil)
    }
}

/// SplitMix64: the same numbers in every run.
struct SeededRandom: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
