// How long a window computation takes: compiled together with ReconcileCore by run.py, so that it is the optimised code.

@main
enum Windows {
    static func main() throws {
        let summer = (2020..<2100).flatMap { year -> [ZoneRules.Transition] in
            guard let begins = Timestamp("\(year)-03-28T01:00:00Z"), let ends = Timestamp("\(year)-10-28T01:00:00Z")
            else {
                return []
            }
            return [.init(at: begins, offset: 7200), .init(at: ends, offset: 3600)]
        }
        let zone = ZoneRules(name: "Europe/Berlin", first: 3600, transitions: summer)
        let schedule = Schedule([
            Window(.allow, begins: try CronExpression("0 2 * * 6"), durationSeconds: 4 * 3600, zone: zone),
            Window(.allow, begins: try CronExpression("30 22 * * mon-thu"), durationSeconds: 2 * 3600, zone: zone),
            Window(.deny, begins: try CronExpression("0 0 24 12 *"), durationSeconds: 10 * 86400, zone: zone),
        ])
        let start = Timestamp(seconds: 1_795_240_800)
        let rounds = 20_000
        var found: Int64 = 0
        let clock = ContinuousClock()
        // A moment every seven hours, over sixteen years: summer and winter, open and closed.
        let time = clock.measure {
            for round in 0..<rounds {
                let now = start.advanced(bySeconds: Int64(round) * 25_200)
                if schedule.isOpen(at: now) { found += 1 }
                found += schedule.opening(atOrAfter: now)?.seconds ?? 0
            }
        }
        let seconds = Double(time.components.seconds) + Double(time.components.attoseconds) / 1e18
        print(seconds / Double(rounds * 2) * 1e6, found)
    }
}
