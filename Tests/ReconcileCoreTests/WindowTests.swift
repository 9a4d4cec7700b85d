import ReconcileCore
import Testing

private func moment(_ text: String) throws -> Timestamp { try #require(Timestamp(text)) }

/// Berlin in 2026 and 2027: summer time begins on the last Sunday of March and ends on the last Sunday of October, at 01:00 UTC.
private func berlin() throws -> ZoneRules {
    ZoneRules(
        name: "Europe/Berlin", first: 3600,
        transitions: [
            .init(at: try moment("2026-03-29T01:00:00Z"), offset: 7200),
            .init(at: try moment("2026-10-25T01:00:00Z"), offset: 3600),
            .init(at: try moment("2027-03-28T01:00:00Z"), offset: 7200),
            .init(at: try moment("2027-10-31T01:00:00Z"), offset: 3600),
        ])
}

private func window(
    _ kind: Window.Kind, _ cron: String, hours: Int64, zone: ZoneRules = .utc
) throws -> Window {
    Window(kind, begins: try CronExpression(cron), durationSeconds: hours * 3600, zone: zone)
}

@Suite struct `A cron expression` {
    @Test(arguments: [
        "0 2 * * 6", "*/15 0-6 1,15 jan-mar MON-FRI", "0 0 29 2 *", "@daily", "@Weekly", "0 12 * * fri-sun",
        "5-59/10 * * * 7",
    ])
    func `is read as crontab(5) writes it`(text: String) throws { _ = try CronExpression(text) }

    @Test(arguments: [
        ("", "0 fields"), ("0 2 * *", "4 fields"), ("60 * * * *", "minute"), ("0 24 * * *", "hour"),
        ("0 0 0 * *", "day"),
        ("0 0 * 13 *", "month"), ("0 0 * * 8", "day of week"), ("0 0 * * freitag", "not a number"),
        ("5-1 * * * *", "backwards"),
        ("*/0 * * * *", "above 0"), ("5/10 * * * *", "needs a range"), ("0 0 30 2 *", "no year"),
        ("0 0 31 4,6 *", "no year"),
        ("@fortnightly", "@daily"), ("0 0 L * *", "not a number"), ("1,,2 * * * *", "not a number"),
    ])
    func `that is none is refused, with the reason`(text: String, reason: String) {
        #expect {
            _ = try CronExpression(text)
        } throws: { error in
            (error as? CronExpression.SyntaxError).map { "\($0.part) \($0.reason)".contains(reason) } ?? false
        }
    }
}

@Suite struct `A window` {
    @Test func `is open from its beginning until its duration has passed`() throws {
        let window = try window(.allow, "0 2 * * 6", hours: 4)
        #expect(!window.covers(try moment("2026-11-21T01:59:59Z")))
        #expect(window.covers(try moment("2026-11-21T02:00:00Z")))
        #expect(window.covers(try moment("2026-11-21T05:59:59Z")))
        #expect(!window.covers(try moment("2026-11-21T06:00:00Z")))
    }

    @Test func `follows the clock of its zone`() throws {
        let window = try window(.allow, "0 2 * * *", hours: 1, zone: berlin())
        #expect(window.covers(try moment("2026-01-10T01:00:00Z")))
        #expect(window.covers(try moment("2026-07-10T00:00:00Z")))
        #expect(!window.covers(try moment("2026-07-10T01:00:00Z")))
    }

    @Test func `that would begin in the hour that summer time skips begins at the change`() throws {
        let window = try window(.allow, "30 2 * * *", hours: 1, zone: berlin())
        #expect(!window.covers(try moment("2026-03-29T00:59:59Z")))
        #expect(window.covers(try moment("2026-03-29T01:00:00Z")))
        #expect(!window.covers(try moment("2026-03-29T02:00:00Z")))
    }

    @Test func `that begins in the hour that the clock shows twice begins once`() throws {
        let window = try window(.allow, "30 2 * * *", hours: 1, zone: berlin())
        #expect(window.covers(try moment("2026-10-25T00:30:00Z")))
        #expect(!window.covers(try moment("2026-10-25T01:30:00Z")))
    }

    @Test func `with an open hour begins in both`() throws {
        let window = Window(
            .allow, begins: try CronExpression("30 * * * *"), durationSeconds: 60, zone: try berlin())
        #expect(window.covers(try moment("2026-10-25T00:30:00Z")))
        #expect(window.covers(try moment("2026-10-25T01:30:00Z")))
    }

    @Test func `of no length is never open`() throws {
        let schedule = Schedule([try window(.allow, "* * * * *", hours: 0)])
        #expect(!schedule.isOpen(at: try moment("2026-11-21T02:00:00Z")))
        #expect(schedule.opening(atOrAfter: try moment("2026-11-21T02:00:00Z")) == nil)
    }

    @Test func `on a leap day is found across years without one`() throws {
        let schedule = Schedule([try window(.allow, "0 0 29 2 *", hours: 1)])
        #expect(schedule.opening(atOrAfter: try moment("2096-03-01T00:00:00Z")) == (try moment("2104-02-29T00:00:00Z")))
    }
}

@Suite struct `A schedule` {
    @Test func `without windows is open`() throws {
        #expect(Schedule().isOpen(at: try moment("2026-11-21T02:00:00Z")))
    }

    @Test func `that only denies is open otherwise`() throws {
        let schedule = Schedule([try window(.deny, "0 0 24 12 *", hours: 240)])
        #expect(schedule.isOpen(at: try moment("2026-12-23T23:59:59Z")))
        #expect(!schedule.isOpen(at: try moment("2027-01-02T23:59:59Z")))
        #expect(schedule.opening(atOrAfter: try moment("2026-12-24T00:00:00Z")) == (try moment("2027-01-03T00:00:00Z")))
    }

    @Test func `denies where both apply`() throws {
        let schedule = Schedule([
            try window(.allow, "0 2 * * 6", hours: 4), try window(.deny, "0 0 24 12 *", hours: 240),
        ])
        #expect(!schedule.isOpen(at: try moment("2026-12-26T03:00:00Z")))
        #expect(schedule.opening(atOrAfter: try moment("2026-12-21T00:00:00Z")) == (try moment("2027-01-09T02:00:00Z")))
    }

    @Test(arguments: ["* * * * *", "*/4 * * * *", "0,5,10,15,20,25,30,35,40,45,50,55 0-23 * * *"])
    func `that is denied by spans without a pause never opens, and says so at once`(cron: String) throws {
        let deny = Window(.deny, begins: try CronExpression(cron), durationSeconds: 4 * 3600, zone: try berlin())
        let schedule = Schedule([try window(.allow, "0 2 * * *", hours: 1, zone: berlin()), deny])
        let start = ContinuousClock.now
        #expect(schedule.opening(atOrAfter: try moment("2026-12-21T00:00:00Z")) == nil)
        #expect(ContinuousClock.now - start < .milliseconds(200))
    }

    @Test func `that is denied always never opens`() throws {
        let schedule = Schedule([try window(.allow, "0 2 * * 6", hours: 4), try window(.deny, "@daily", hours: 24)])
        #expect(schedule.opening(atOrAfter: try moment("2026-12-21T00:00:00Z")) == nil)
    }

    @Test func `opens, closes and says when as a walk through every minute does`() throws {
        var random = Seeded(state: 20_261_121)
        let zones = [ZoneRules.utc, try berlin()]
        for _ in 0..<8 {
            let windows = try (0...Int.random(in: 0...2, using: &random)).map { _ in
                Window(
                    Bool.random(using: &random) ? .allow : .deny, begins: try CronExpression(random.expression()),
                    durationSeconds: [0, 60, 1800, 3600, 4 * 3600, 30 * 3600].randomElement(using: &random) ?? 0,
                    zone: zones.randomElement(using: &random) ?? .utc)
            }
            let start = try moment(
                ["2026-03-27T12:00:00Z", "2026-10-23T12:00:00Z", "2028-02-27T12:00:00Z"]
                    .randomElement(using: &random) ?? "")
            try compare(Schedule(windows), from: start)
        }
    }

    /// Two days, minute by minute. Sixty such schedules of five days agreed when this was written; eight keep it quick.
    private func compare(_ schedule: Schedule, from start: Timestamp) throws {
        let walk = MinuteWalk(schedule, from: start, minutes: 2 * 1440)
        var opening: Timestamp?
        for index in walk.isOpen.indices.reversed() {
            let now = start.advanced(bySeconds: Int64(index) * 60)
            if walk.isOpen[index] { opening = now }
            let isRight =
                schedule.isOpen(at: now) == walk.isOpen[index]
                && (index % 97 != 0 || opening == nil || schedule.opening(atOrAfter: now) == opening)
            guard !isRight else { continue }
            let words = schedule.windows.map { "\($0.kind) \($0.begins) \($0.durationSeconds)s \($0.zone.name)" }
            Issue.record("\(words) at \(now)")
        }
    }
}

/// The rules of windows said in the plainest way: look at every minute, and keep what has begun.
private struct MinuteWalk {
    var isOpen: [Bool]

    init(_ schedule: Schedule, from start: Timestamp, minutes: Int) {
        // Long enough before to see what is still open.
        let lead = 32 * 60
        var begun: [[Bool]] = schedule.windows.map { _ in Array(repeating: false, count: lead + minutes) }
        for (index, window) in schedule.windows.enumerated() {
            let fields = PlainCron(window.begins.description)
            for minute in 0..<(lead + minutes) {
                let now = start.advanced(bySeconds: Int64(minute - lead) * 60)
                let offset = window.zone.offset(at: now)
                let before = window.zone.offset(at: now.advanced(bySeconds: -60))
                var begins = fields.fits(now.seconds + offset)
                if !fields.isHourly {
                    // Shown a second time: the clock was set back less than that ago.
                    for back in [3600] where begins {
                        let earlier = now.advanced(bySeconds: Int64(-back))
                        if earlier.seconds + window.zone.offset(at: earlier) == now.seconds + offset { begins = false }
                    }
                    // Skipped a minute ago: what would have begun meanwhile begins now.
                    if offset > before {
                        let shown = now.seconds + before
                        begins =
                            begins || stride(from: shown, to: now.seconds + offset, by: 60).contains { fields.fits($0) }
                    }
                }
                begun[index][minute] = begins
            }
        }
        isOpen = (0..<minutes).map { minute in
            func covers(_ index: Int) -> Bool {
                let length = Int(schedule.windows[index].durationSeconds / 60)
                return length > 0 && begun[index][max(0, minute + lead - length + 1)...(minute + lead)].contains(true)
            }
            let indices = schedule.windows.indices
            if indices.contains(where: { schedule.windows[$0].kind == .deny && covers($0) }) { return false }
            let allowing = indices.filter { schedule.windows[$0].kind == .allow }
            return allowing.isEmpty || allowing.contains(where: covers)
        }
    }
}

/// A second, slower reading of the expressions that ``Seeded`` makes.
private struct PlainCron {
    let fields: [String]
    var isHourly: Bool { fields[1].hasPrefix("*") }

    init(_ text: String) { fields = text.split(separator: " ").map(String.init) }

    func fits(_ local: Int64) -> Bool {
        let date = Timestamp(seconds: local).description
        let parts = date.split { "-T:Z".contains($0) }.compactMap { Int($0) }
        let weekday = Int(((local / 86400) + 4) % 7)
        let fitsDays = (fits(2, parts[2]), fits(4, weekday) || (weekday == 0 && fits(4, 7)))
        let either = !fields[2].hasPrefix("*") && !fields[4].hasPrefix("*")
        return fits(0, parts[4]) && fits(1, parts[3]) && fits(3, parts[1])
            && (either ? fitsDays.0 || fitsDays.1 : fitsDays.0 && fitsDays.1)
    }

    private func fits(_ field: Int, _ value: Int) -> Bool {
        let first = [0, 0, 1, 1, 0][field]
        return fields[field].split(separator: ",").contains { item in
            let parts = item.split(separator: "/")
            let step = parts.count == 2 ? Int(parts[1]) ?? 1 : 1
            if parts[0] == "*" { return (value - first) % step == 0 }
            let ends = parts[0].split(separator: "-").compactMap { Int($0) }
            guard let low = ends.first, let high = ends.last else { return false }
            return (low...high).contains(value) && (value - low) % step == 0
        }
    }
}

/// A generator of random numbers that gives the same ones each time (SplitMix64).
private struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func expression() -> String {
        func pick(_ choices: [String]) -> String { choices.randomElement(using: &self) ?? "*" }
        return [
            pick(["0", "30", "*", "*/15", "5,35", "10-50/20"]), pick(["*", "2", "0", "1-3", "*/6", "23", "2,3"]),
            pick(["*", "*", "29", "1-28", "25"]), pick(["*", "*", "2-10", "3"]), pick(["*", "*", "0", "6,7", "1-5"]),
        ].joined(separator: " ")
    }
}
