/// When activation is allowed: within a window that allows, if there is one, and within none that denies.
public struct Schedule: Hashable, Sendable {
    /// The windows.
    public let windows: [Window]

    /// A schedule; without windows it is always open.
    public init(_ windows: [Window] = []) { self.windows = windows }

    private var allowing: [Window] { windows.filter { $0.kind == .allow } }
    private var denying: [Window] { windows.filter { $0.kind == .deny } }

    /// Whether activation is allowed at a moment. Deny beats allow.
    public func isOpen(at moment: Timestamp) -> Bool {
        guard !windows.isEmpty else { return true }
        guard !denying.contains(where: { $0.covers(moment) }) else { return false }
        let allowing = allowing
        return allowing.isEmpty || allowing.contains { $0.covers(moment) }
    }

    /// How many spans are looked at before it is taken that none opens (LAW 7).
    private static let effort = 8192

    /// The first moment from `moment` on at which it is open; `nil` when none is found within eight years, or among so many
    /// spans that deny that nobody can mean it.
    public func opening(atOrAfter moment: Timestamp) -> Timestamp? {
        let (allowing, denying) = (allowing, denying)
        var candidate = moment
        // Each round moves past a whole span that denies, or to the next beginning of one that allows.
        for _ in 0..<max(16, Self.effort / max(1, windows.count * 8)) {
            if !allowing.isEmpty, !allowing.contains(where: { $0.covers(candidate) }) {
                let starts = allowing.filter { $0.durationSeconds > 0 }.compactMap { $0.beginning(after: candidate) }
                guard let next = starts.min() else { return nil }
                candidate = next
            }
            let ends = denying.compactMap { $0.end(ofSpanAt: candidate) }
            guard let end = ends.max() else { return candidate }
            candidate = end
            guard candidate < moment.advanced(bySeconds: 8 * 366 * 86400) else { return nil }
        }
        return nil
    }
}
