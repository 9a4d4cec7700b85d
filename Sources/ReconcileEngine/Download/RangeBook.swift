import ReconcileCore

/// Which bytes of a file are there, under way and missing, and who fetches what next. Touches no file, no network, no clock.
///
/// Laws, which tests hold: every byte is in exactly one of the three states; a connection is only given bytes that are missing;
/// a range that is split goes on at its first half.
struct RangeBook: Sendable {
    /// A range that a connection fetches.
    struct Flight: Sendable {
        /// The next byte that it will bring.
        var position: Int64
        /// Where it ends; moves when another connection takes over its tail.
        var end: Int64
    }

    /// The smallest range that is asked for, unless less is missing; a slow one is not split when it has less to bring.
    static let smallest: Int64 = 1 << 20
    /// The largest range that is asked for at once.
    static let largest: Int64 = 64 << 20
    /// The same where several connections share a file: what comes far ahead of the hash does not stay in memory for it.
    private static let largestShared: Int64 = 32 << 20

    /// How long a request should take: long against the way to the server, short against a change of speed.
    static let requestSeconds = 2.0
    private static let patienceSeconds = 0.5

    private(set) var missing: [Range<Int64>]
    private(set) var flights: [Int: Flight] = [:]
    /// Whether one connection brings the whole file, because its server knows no ranges.
    private(set) var isWhole = false
    /// Where a block ends at or before an offset; ranges are divided only there.
    var cut: @Sendable (Int64) -> Int64 = { $0 - $0 % RangeBook.smallest }

    /// A book of a file of which these ranges are missing.
    init(missing: [Range<Int64>]) {
        self.missing = missing.filter { !$0.isEmpty }.sorted { $0.lowerBound < $1.lowerBound }
    }

    /// Whether nothing is missing or under way.
    var isComplete: Bool { missing.isEmpty && flights.isEmpty }

    /// Bytes that nobody fetches yet.
    var missingBytes: Int64 { missing.reduce(0) { $0 + Int64($1.count) } }

    /// Gives a connection what to fetch next: the first missing bytes, or else half of what the slowest still has to bring.
    ///
    /// - Parameters:
    ///   - wanted: How many bytes the connection brings in ``requestSeconds``.
    ///   - connections: How many share what is missing, so that they end together.
    ///   - rates: Bytes per second of each flight, for the choice of the slowest.
    mutating func next(for id: Int, wanted: Int64, connections: Int, rates: [Int: Double]) -> Flight? {
        guard let first = missing.first else { return isWhole ? nil : steal(for: id, wanted: wanted, rates: rates) }
        // Several get three quarters of what would be even: who is done early takes of the rest, and nobody is left with much at
        // the end. With less, each request more costs a way there and back in which its connection brings nothing.
        let even = missingBytes / Int64(max(1, connections))
        let share = ((connections > 1 ? even / 4 * 3 : even) + Self.smallest - 1) / Self.smallest * Self.smallest
        let most = connections > 1 ? Self.largestShared : Self.largest
        let length = min(Int64(first.count), max(Self.smallest, min(wanted, share, most)))
        // Ranges end where blocks do, and no crumb is left behind that would be a request of its own.
        var end = cut(first.lowerBound + length)
        if end <= first.lowerBound { end = first.lowerBound + length }
        if first.upperBound - end < Self.smallest / 4 { end = first.upperBound }
        if end < first.upperBound { missing[0] = end..<first.upperBound } else { missing.removeFirst() }
        let flight = Flight(position: first.lowerBound, end: end)
        flights[id] = flight
        return flight
    }

    /// Takes over the tail of the one that would be done last, so that both end together.
    private mutating func steal(for id: Int, wanted: Int64, rates: [Int: Double]) -> Flight? {
        func secondsLeft(_ other: Int, _ flight: Flight) -> Double {
            Double(flight.end - flight.position) / max(1, rates[other] ?? 1)
        }
        // What comes soon anyway is not worth the connection that a split costs.
        let victims = flights.filter {
            $0.value.end - $0.value.position >= Self.smallest
                && rates[$0.key] != nil && secondsLeft($0.key, $0.value) > Self.patienceSeconds
        }
        guard
            let (victim, flight) = victims.max(by: {
                (secondsLeft($0.key, $0.value), $0.key) < (secondsLeft($1.key, $1.value), $1.key)
            })
        else { return nil }
        let (left, theirs) = (Double(flight.end - flight.position), max(1, rates[victim] ?? 1))
        let kept = Int64(left * theirs / (theirs + max(1, Double(wanted) / Self.requestSeconds)))
        var middle = cut(flight.position + kept)
        if middle <= flight.position { middle = cut(flight.position + Self.smallest) }
        guard middle > flight.position, middle < flight.end else { return nil }
        flights[victim]?.end = middle
        let taken = Flight(position: middle, end: flight.end)
        flights[id] = taken
        return taken
    }

    /// Notes that a connection brought bytes.
    ///
    /// - Returns: How many of them it should have brought: fewer when its tail was taken over.
    mutating func advance(_ id: Int, by count: Int64) -> Int64 {
        guard let flight = flights[id] else { return 0 }
        let useful = min(count, flight.end - flight.position)
        flights[id]?.position += useful
        return useful
    }

    /// Gives a connection whose server sends the whole file everything; `false` when it did not begin at the start, is not alone, or
    /// parts are there already.
    mutating func takeAll(_ id: Int, size: Int64) -> Bool {
        guard flights.count == 1, let flight = flights[id], flight.position == 0, missingBytes + flight.end == size
        else {
            return false
        }
        flights[id]?.end = size
        missing = []
        isWhole = true
        return true
    }

    /// Ends a connection's range; what it did not bring is missing again.
    mutating func land(_ id: Int) {
        isWhole = false
        guard let flight = flights.removeValue(forKey: id), flight.position < flight.end else { return }
        addMissing(flight.position..<flight.end)
    }

    /// Whether a further connection could be given something.
    var canShare: Bool {
        guard !isWhole else { return false }
        return !missing.isEmpty || flights.values.contains { $0.end - $0.position >= 2 * Self.smallest }
    }

    /// The place of the first missing range that ends behind an offset.
    private func place(endingAfter offset: Int64) -> Int { missing.firstPlace { $0.upperBound > offset } }

    /// Takes bytes out that come in another way.
    ///
    /// - Returns: Whether all of them were missing; if not, nothing changes.
    mutating func remove(_ range: Range<Int64>) -> Bool {
        let place = place(endingAfter: range.lowerBound)
        guard place < missing.count, missing[place].lowerBound <= range.lowerBound,
            range.upperBound <= missing[place].upperBound
        else { return false }
        let old = missing[place]
        let rest = [old.lowerBound..<range.lowerBound, range.upperBound..<old.upperBound].filter { !$0.isEmpty }
        missing.replaceSubrange(place...place, with: rest)
        return true
    }

    /// Takes everything out that nobody fetches yet.
    mutating func removeAll() { missing = [] }

    /// Notes that bytes have to be fetched again.
    mutating func addMissing(_ range: Range<Int64>) {
        guard !range.isEmpty else { return }
        let first = place(endingAfter: range.lowerBound - 1)
        var last = first
        var new = range
        while last < missing.count, missing[last].lowerBound <= range.upperBound {
            new = min(missing[last].lowerBound, new.lowerBound)..<max(missing[last].upperBound, new.upperBound)
            last += 1
        }
        missing.replaceSubrange(first..<last, with: [new])
    }
}
