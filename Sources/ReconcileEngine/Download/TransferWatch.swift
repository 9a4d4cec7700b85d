import ReconcileCore
import Synchronization

/// Watches the transfers of one fetch: their speed, and that they bring something.
final class TransferWatch: Sendable {
    private struct Record {
        let transfer: Transfer
        /// What it had brought, and how long it had been listened to, when it was last looked at for crumbs.
        var mark: (listened: Duration, bytes: Int)
    }

    private struct State {
        var records: [Int: Record] = [:]
        var rates: [Int: Double] = [:]
    }

    /// A connection that brings nothing for so long is replaced.
    private static let silence = Duration.seconds(30)
    /// Fewer bytes than these in that time are as good as nothing.
    private static let crumbs = 32 << 10
    /// One that was waited for so long, and is far slower than the others, is replaced.
    private static let laggardAfter = Duration.seconds(10)

    private let state = Mutex(State())

    /// Begins to watch a transfer.
    func add(_ id: Int, _ transfer: Transfer) {
        state.withLock { state in
            state.records[id] = Record(transfer: transfer, mark: (.zero, 0))
        }
    }

    /// Ends watching one, and notes how fast it was.
    func remove(_ id: Int) {
        state.withLock { state in
            guard let record = state.records.removeValue(forKey: id) else { return }
            state.rates[id] = Self.rate(record)
        }
    }

    private static func rate(_ record: Record) -> Double {
        Double(record.transfer.receiver.received) / max(0.001, (ContinuousClock.now - record.transfer.began).inSeconds)
    }

    /// How many transfers are watched.
    var count: Int { state.withLock { $0.records.count } }

    /// Bytes per second of a connection, in its last request.
    func rate(of id: Int) -> Double? { state.withLock { $0.rates[id] } }

    /// Bytes per second of each connection.
    var rates: [Int: Double] { state.withLock { $0.records.mapValues(Self.rate) } }

    /// Ends connections that bring nothing, or next to nothing while the others bring plenty.
    ///
    /// - Parameter isLimited: Whether so little bandwidth is allowed that a trickle is all there can be.
    func replaceSilent(isLimited: Bool) {
        let now = ContinuousClock.now
        let stalled = state.withLock { state -> [Transfer] in
            let rates = state.records.values.map(Self.rate).sorted()
            let median = rates.isEmpty ? 0 : rates[rates.count / 2]
            var stalled: [Transfer] = []
            for (id, record) in state.records {
                let receiver = record.transfer.receiver
                let listened = receiver.listened(at: now)
                var isStalled = receiver.silence(at: now) >= Self.silence
                if listened - record.mark.listened >= Self.silence {
                    isStalled = isStalled || (!isLimited && receiver.received - record.mark.bytes < Self.crumbs)
                    state.records[id]?.mark = (listened, receiver.received)
                }
                let isLaggard =
                    rates.count >= 4 && listened >= Self.laggardAfter && Self.rate(record) < median / 20
                if isStalled || isLaggard { stalled.append(record.transfer) }
            }
            return stalled
        }
        for transfer in stalled { transfer.cancel() }
    }
}

extension Duration {
    /// The duration in seconds.
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) / 1e18 }
}
