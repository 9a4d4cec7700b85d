import ReconcileCore
import ReconcileTesting
import Testing

private let start = Timestamp(seconds: 1_000_000)

/// Random numbers that are always the largest.
private struct Largest: RandomNumberGenerator { func next() -> UInt64 { .max } }

@Suite struct `The timetable of watch` {
    private var random = Largest()
    private var table = Timetable(intervalSeconds: 300, jitterPercent: 0, now: start)
    private let vad: ModelName
    private let other: ModelName

    init() throws {
        vad = try Sample.unwrap(ModelName("vad"))
        other = try Sample.unwrap(ModelName("other"))
    }

    private mutating func pass(at now: Timestamp, edge: Timestamp? = nil, failed: Set<ModelName> = []) {
        table.passed(at: now, edge: edge, failed: failed, looked: [vad, other], using: &random)
    }

    @Test mutating func `asks for a pass at once, then after the interval`() {
        #expect(table.due == start)
        pass(at: start)
        #expect(table.due == start.advanced(bySeconds: 300))
    }

    @Test mutating func `asks for one at the next moment that something waits for`() {
        pass(at: start, edge: start.advanced(bySeconds: 42))
        #expect(table.due == start.advanced(bySeconds: 42))
    }

    @Test mutating func `does not miss a moment that came while a pass was running`() {
        pass(at: start, edge: start.advanced(bySeconds: -7))
        #expect(table.due == start.advanced(bySeconds: 1))
    }

    @Test mutating func `leaves no model alone for an hour that the clock was set back`() {
        for _ in 0..<12 { pass(at: start, failed: [vad]) }
        let back = start.advanced(bySeconds: -86400)
        table.clockMoved(to: back)
        #expect(table.resting(at: back) == [vad])
        #expect(table.resting(at: back.advanced(bySeconds: 3600)).isEmpty)
    }

    @Test mutating func `leaves a model alone that failed, longer each time`() {
        var now = start
        var pauses: [Int64] = []
        for _ in 0..<10 {
            pass(at: now, failed: [vad])
            #expect(table.resting(at: now) == [vad])
            var next = now
            while table.resting(at: next) == [vad] { next = next.advanced(bySeconds: 1) }
            pauses.append(next.seconds - now.seconds)
            now = next
        }
        #expect(pauses == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600])
    }

    @Test mutating func `begins anew after a success`() {
        for _ in 0..<5 { pass(at: start, failed: [vad]) }
        pass(at: start)
        #expect(table.resting(at: start).isEmpty)
        pass(at: start, failed: [vad])
        #expect(table.due == start.advanced(bySeconds: 10))
    }

    @Test mutating func `ends all waits for a new desired state`() {
        for _ in 0..<5 { pass(at: start, failed: [vad, other]) }
        table.begin(at: start.advanced(bySeconds: 1))
        #expect(table.resting(at: start.advanced(bySeconds: 1)).isEmpty)
        #expect(table.due == start.advanced(bySeconds: 1))
    }

    @Test mutating func `does not wait an hour longer when the clock is set back by one`() {
        pass(at: start)
        let back = start.advanced(bySeconds: -3600)
        table.clockMoved(to: back)
        #expect(table.due == back.advanced(bySeconds: 300))
    }

    @Test mutating func `tries a pass that came to nothing again, with growing pauses up to the interval`() {
        var pauses: [Int64] = []
        for _ in 0..<9 {
            table.lost(at: start, using: &random)
            pauses.append(table.due.seconds - start.seconds)
        }
        #expect(pauses == [5, 10, 20, 40, 80, 160, 300, 300, 300])
    }

    @Test func `spreads the machines of a fleet`() {
        var random = SystemRandomNumberGenerator()
        var moments: Set<Int64> = []
        for _ in 0..<200 {
            var table = Timetable(intervalSeconds: 1000, jitterPercent: 20, now: start)
            table.passed(at: start, edge: nil, failed: [], looked: [], using: &random)
            moments.insert(table.due.seconds - start.seconds)
        }
        #expect(moments.allSatisfy { (800...1200).contains($0) })
        #expect(moments.count > 50)
    }
}
