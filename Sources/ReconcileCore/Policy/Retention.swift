/// Decides which generations may be deleted: a pure function of what is on disk and the time.
public enum Retention {
    /// Readers may still use a generation this long after it was left.
    public static let graceSeconds: Int64 = 3600

    /// What is left of a removed model stays this long, for readers and for second thoughts.
    public static let removedSeconds: Int64 = 86400

    /// The generations of a model that nothing asks to keep, oldest first.
    ///
    /// Kept are the active and the last good one, a held one, the `keep.last` most recently used, those used within
    /// `keep.within`, and all that were used within the grace period. Quarantined ones are of no use for a rollback: they
    /// count for neither rule.
    public static func expired(_ model: ObservedModel, keep: Policy.Keep, now: Timestamp) -> [Generation] {
        guard model.isPresent else {
            return model.generations.filter { $0.usedAt.advanced(bySeconds: removedSeconds) < now }
        }
        let active = model.slot.generation?.directory
        let byUse = model.generations.sorted {
            ($0.directory == active ? 1 : 0, $0.usedAt, $0.directory) > (
                $1.directory == active ? 1 : 0, $1.usedAt, $1.directory
            )
        }
        let useless = Set(model.memory.quarantine.filter { $0.set == nil }.map(\.release))
        // What waits for its window was fetched for that.
        let prepared = Set((model.memory.checked ?? []).map(\.release))
        let recent = Set(byUse.filter { !useless.contains($0.release.id) }.prefix(keep.last).map(\.directory))
        let expired = byUse.filter { generation in
            let limit = useless.contains(generation.release.id) ? graceSeconds : max(keep.withinSeconds, graceSeconds)
            return generation.directory != active && generation.directory != model.good
                && generation.release.id != model.memory.hold?.release && !prepared.contains(generation.release.id)
                && !recent.contains(generation.directory)
                && generation.usedAt.advanced(bySeconds: limit) < now
        }
        return expired.reversed()
    }
}
