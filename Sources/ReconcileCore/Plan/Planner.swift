/// Computes the plan of all models from what is wanted, observed and remembered: the same pure function for `--dry-run`,
/// `plan`, `apply`, the daemon and the web page (LAW 2).
public struct Planner: Sendable {
    private let desired: DesiredState
    private let observed: ObservedState
    private let resolutions: [ModelName: Resolution]
    private let selectors: [ModelName: Digest]
    private let now: Timestamp

    /// Bytes that are never planned with, so that the store can still write its records and its history.
    public static let reserveBytes: Int64 = 16 << 20

    /// Plans for these states at this moment.
    ///
    /// - Parameter selectors: Each model's selector together with its lock entry.
    public init(
        desired: DesiredState, observed: ObservedState, resolutions: [ModelName: Resolution],
        selectors: [ModelName: Digest], now: Timestamp
    ) {
        (self.desired, self.observed, self.resolutions, self.selectors, self.now) =
            (desired, observed, resolutions, selectors, now)
    }

    /// What was decided for all models; the caller adds digests, dates and names to make it a ``Plan``.
    public struct Result: Sendable {
        /// Sorted by model.
        public var changes: [Change] = []
        /// Sorted by model.
        public var blocked: [Plan.Blocked] = []
        /// Sorted by model.
        public var problems: [Fault] = []
        /// Sorted by model.
        public var notices: [Plan.Notice] = []
        /// Sorted.
        public var inSync: [ModelName] = []
        /// What other models put in the way of releases, by model and content digest.
        public var rejected: [ModelName: [Digest: Obstacle]] = [:]
    }

    /// The plan's content.
    ///
    /// - Parameter only: The models to plan; all when empty.
    public func plan(only: Set<ModelName> = []) -> Result {
        var result = Result()
        let (decisions, rejected) = settle()
        result.rejected = rejected
        for name in decisions.keys.sorted() where only.isEmpty || only.contains(name) {
            guard let decision = decisions[name] else { continue }
            if let change = decision.change { result.changes.append(change) }
            result.blocked += decision.blocked
            result.problems += decision.problems
            result.notices += decision.notices
            if decision.change == nil, decision.problems.isEmpty, observed.models[name]?.slot.generation != nil {
                result.inSync.append(name)
            }
        }
        if only.isEmpty { planUndeclared(into: &result) }
        result.changes.sort { $0.model < $1.model }
        count(&result)
        return result
    }

    private func makePlanners() -> [ModelName: ModelPlanner] {
        var planners: [ModelName: ModelPlanner] = [:]
        for (name, model) in desired.models {
            planners[name] = ModelPlanner(
                desired: model, observed: observed.models[name] ?? ObservedModel(),
                resolution: resolutions[name] ?? .candidates([], listed: nil),
                selector: selectors[name] ?? model.selector, now: now)
        }
        return planners
    }

    /// Takes decisions until no release that is taken lacks another model it requires. Each round rejects at least one
    /// more release, so it ends.
    private func settle() -> ([ModelName: ModelPlanner.Decision], rejected: [ModelName: [Digest: Obstacle]]) {
        let planners = makePlanners()
        var rejected: [ModelName: [Digest: Obstacle]] = [:]
        var decisions = planners.mapValues { $0.decide() }
        while true {
            let versions = wantedVersions(decisions)
            var changed: [ModelName] = []
            for (name, decision) in decisions {
                guard let release = decision.change?.release, decision.change?.reason != .openTrial,
                    decision.change?.action != .repair, decision.change?.reason != .held,
                    let missing = missing(release, versions)
                else { continue }
                rejected[name, default: [:]][release.contentDigest] = missing
                changed.append(name)
            }
            guard !changed.isEmpty else { return (decisions, rejected) }
            for name in changed { decisions[name] = planners[name]?.decide(rejecting: rejected[name] ?? [:]) }
        }
    }

    /// The version of each repository after the plan: what is wanted, else what is active.
    private func wantedVersions(_ decisions: [ModelName: ModelPlanner.Decision]) -> [String: [Version]] {
        var versions: [String: [Version]] = [:]
        for (name, model) in desired.models {
            let wanted = decisions[name]?.change?.release ?? observed.models[name]?.slot.generation?.release
            if let wanted { versions[model.origin.repository, default: []].append(wanted.version) }
        }
        return versions
    }

    private func missing(_ release: Release, _ versions: [String: [Version]]) -> Obstacle? {
        release.unmetRequirement(by: versions)
    }

    /// Models on disk that are not declared: reported, or removed when `prune` is on. A prune that would take more than
    /// half of three or more models looks like a mistake and is refused; so is one by an empty desired state.
    private func planUndeclared(into result: inout Result) {
        let undeclared = observed.models.filter { desired.models[$0.key] == nil && $0.value.isPresent }.sorted {
            $0.key < $1.key
        }
        guard !undeclared.isEmpty else { return }
        let present = observed.models.count { $0.value.isPresent }
        let candidates = undeclared.filter {
            !isSafe($0.value) && $0.value.fault == nil && $0.value.slot != .foreign
        }
        let isMistake = desired.models.isEmpty || (candidates.count >= 3 && candidates.count * 2 > present)
        if desired.prune, !candidates.isEmpty, isMistake {
            result.problems.append(Fault(.pruneRefused(count: candidates.count, of: present)))
        }
        for (name, model) in undeclared {
            let active = model.slot.generation?.release
            if isSafe(model) {
                result.notices.append(desired.prune ? .protected(model: name) : .undeclared(model: name))
            } else if !desired.prune || isMistake || model.fault != nil || model.slot == .foreign {
                result.notices.append(.undeclared(model: name))
            } else {
                result.changes.append(
                    Change(
                        model: name, action: .remove, from: active?.id, to: nil, release: nil, reason: .undeclared,
                        steps: [.retire]))
            }
        }
    }

    /// Whether a model that is no longer declared must stay: it was protected, or a person holds it.
    private func isSafe(_ model: ObservedModel) -> Bool {
        model.memory.isProtected || model.memory.hold(at: now, selector: nil) != nil
    }

    /// Adds the bytes to each change, content that several models share once, and checks that the disk has room.
    private func count(_ result: inout Result) {
        var counted: Set<Digest> = []
        var changes: [Change] = []
        var room = observed.freeBytes.map { $0 - Self.reserveBytes }
        for change in result.changes {
            let before = counted
            let bytes = bytes(of: change, counted: &counted)
            if let free = room, bytes.download > 0 {
                // Changes are admitted while they fit: a small one need not wait because of a large one.
                guard bytes.download <= free else {
                    counted = before
                    result.problems.append(
                        Fault(
                            .diskFull(
                                neededBytes: saturatingSum(bytes.download, Self.reserveBytes),
                                freeBytes: saturatingSum(free, Self.reserveBytes)), model: change.model))
                    continue
                }
                room = free - bytes.download
            }
            changes.append(
                Change(
                    model: change.model, action: change.action, from: change.from, to: change.to,
                    release: change.release,
                    reason: change.reason, steps: change.steps, bytes: bytes))
        }
        result.changes = changes
    }

    private func bytes(of change: Change, counted: inout Set<Digest>) -> Change.Bytes {
        var bytes = Change.Bytes()
        guard change.steps.contains(.fetch), let release = change.release else { return bytes }
        var files = release.files
        if change.action == .repair, case .damaged(_, let damage) = observed.models[change.model]?.slot {
            let damaged = Set(damage.map(\.path))
            files = files.filter { damaged.contains($0.path) }
        }
        for file in files {
            let isNew = counted.insert(file.sha256).inserted
            let local = isNew ? min(observed.localBytes[file.sha256] ?? 0, file.size) : file.size
            bytes.download = saturatingSum(bytes.download, file.size - local)
            bytes.reused = saturatingSum(bytes.reused, local)
        }
        return bytes
    }
}
