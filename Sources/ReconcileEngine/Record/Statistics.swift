public import ReconcileCore

/// Figures over time, from the history.
public struct Statistics: Codable, Sendable {
    /// The figures of one model, or of all.
    public struct Row: Codable, Sendable {
        /// The model; `nil` for the sum.
        public let model: String?
        /// First installations that were confirmed.
        public var installs = 0
        /// Other releases that were confirmed.
        public var updates = 0
        /// Changes that failed before anything was activated.
        public var failures = 0
        /// Trials that were rolled back by themselves.
        public var rollbacks = 0
        /// Rollbacks that a person ordered.
        public var ordered = 0
        /// Files put right.
        public var repairs = 0
        /// Bytes received.
        public var receivedBytes: Int64 = 0
        /// Bytes that need not be received, because they were here.
        public var savedBytes: Int64 = 0
        /// The median time from when an update was first seen to its confirmation, in seconds; `nil` when none was measured.
        public var secondsToUpdate: Int64?

        init(model: String?) { self.model = model }
    }

    /// The format of the JSON.
    public var formatVersion = 1
    /// From when on.
    public let since: Timestamp?
    /// A row for each model, by name.
    public let models: [Row]
    /// The sum.
    public let total: Row

    /// Counts acts.
    ///
    /// - Parameter acts: Oldest first.
    init(_ acts: [Act], since: Timestamp?) {
        self.since = since
        var rows: [String: Row] = [:]
        var total = Row(model: nil)
        var firstSeen: [String: Timestamp] = [:]
        var times: [String?: [Int64]] = [:]
        for act in acts where !act.model.isEmpty {
            let key = "\(act.model) \(act.to ?? "")"
            if act.kind == "available" { firstSeen[key] = firstSeen[key] ?? act.at }
            rows[act.model, default: Row(model: act.model)].count(act)
            total.count(act)
            if act.kind == "confirmed", act.from != nil {
                // What was taken by the pass that saw it took as long as its change.
                let time =
                    firstSeen.removeValue(forKey: key).map { max(0, act.at.seconds - $0.seconds) }
                    ?? (act.milliseconds ?? 0) / 1000
                times[act.model, default: []].append(time)
                times[nil, default: []].append(time)
            }
        }
        for model in rows.keys { rows[model]?.secondsToUpdate = Self.median(times[model]) }
        total.secondsToUpdate = Self.median(times[nil])
        models = rows.values.sorted { ($0.model ?? "") < ($1.model ?? "") }
        self.total = total
    }

    private static func median(_ times: [Int64]?) -> Int64? {
        guard let times, !times.isEmpty else { return nil }
        return times.sorted()[times.count / 2]
    }
}

extension Statistics.Row {
    fileprivate mutating func count(_ act: Act) {
        switch act.kind {
        case "confirmed": if act.from == nil { installs += 1 } else { updates += 1 }
        case "failed": failures += 1
        case "rolledBack": rollbacks += 1
        case "rollback": ordered += 1
        case "repaired": repairs += 1
        default: break
        }
        receivedBytes = saturatingSum(receivedBytes, act.bytes ?? 0)
        if act.kind == "confirmed" || act.kind == "prepared" {
            savedBytes = saturatingSum(savedBytes, act.reusedBytes ?? 0)
        }
    }
}
