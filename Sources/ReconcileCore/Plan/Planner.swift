/// Computes the plan of all models from what is wanted, observed and remembered: the same pure function for `--dry-run`,
/// `plan`, `apply`, the daemon and the web page (LAW 2).
public struct Planner: Sendable {
    let desired: DesiredState
    let observed: ObservedState
    let resolutions: [ModelName: Resolution]
    let selectors: [ModelName: Digest]
    let now: Timestamp
    /// Whether a person said that windows do not count now.
    let overridesWindows: Bool
    /// Models that failed a moment ago and are left alone for now.
    let resting: Set<ModelName>

    /// Bytes that are never planned with, so that the store can still write its records and its history.
    public static let reserveBytes: Int64 = 16 << 20

    /// Plans for these states at this moment.
    ///
    /// - Parameter selectors: Each model's selector together with its lock entry.
    public init(
        desired: DesiredState, observed: ObservedState, resolutions: [ModelName: Resolution],
        selectors: [ModelName: Digest], now: Timestamp, overridesWindows: Bool = false,
        resting: Set<ModelName> = []
    ) {
        self.resting = resting
        self.overridesWindows = overridesWindows
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
    /// - Parameters:
    ///   - isWhole: Whether models that are no longer declared are looked at too.
    ///   - includes: Whether a model is planned.
    public func plan(isWhole: Bool = true, includes: (ModelName) -> Bool = { _ in true }) -> Result {
        var result = Result()
        let planners = makePlanners()
        var (decisions, rejected) = satisfyRequirements(planners, includes: includes)
        result.rejected = rejected
        uniteGroups(&decisions)
        holdDependents(&decisions, includes: includes)
        waitForWindows(&decisions)
        for name in decisions.keys.sorted() where includes(name) {
            guard let decision = decisions[name] else { continue }
            if let change = decision.change { result.changes.append(change) }
            result.blocked += decision.blocked.map(withMoment)
            result.problems += decision.problems
            result.notices += decision.notices
            if decision.change == nil, decision.problems.isEmpty, observed.models[name]?.slot.generation != nil {
                result.inSync.append(name)
            }
        }
        if isWhole { planUndeclared(into: &result) }
        result.changes.sort { $0.model < $1.model }
        result.blocked.sort { $0.model < $1.model }
        count(&result)
        return result
    }

    private func makePlanners() -> [ModelName: ModelPlanner] {
        var planners: [ModelName: ModelPlanner] = [:]
        for (name, model) in desired.models {
            planners[name] = ModelPlanner(
                desired: model, observed: observed.models[name] ?? ObservedModel(),
                resolution: resolutions[name] ?? .candidates([], listed: nil),
                selector: selectors[name] ?? model.selector,
                groupHold: desired.groupHold(of: name, observed, selectors, at: now), now: now)
        }
        return planners
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
        let closed =
            overridesWindows || desired.schedule.isOpen(at: now) ? nil : desired.schedule.opening(atOrAfter: now)
        for (name, model) in undeclared {
            let active = model.slot.generation?.release
            if isSafe(model) {
                result.notices.append(desired.prune ? .protected(model: name) : .undeclared(model: name))
            } else if !desired.prune || isMistake || model.fault != nil || model.slot == .foreign {
                result.notices.append(.undeclared(model: name))
            } else if !overridesWindows, !desired.schedule.isOpen(at: now), let active {
                result.blocked.append(
                    Plan.Blocked(
                        model: name, active: active.version, version: active.version,
                        contentDigest: active.contentDigest, obstacle: .window(opens: closed), possibleAt: closed))
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
            if let free = room, bytes.disk > 0 {
                // Changes are admitted while they fit: a small one need not wait because of a large one.
                guard bytes.disk <= free else {
                    counted = before
                    result.problems.append(
                        Fault(
                            .diskFull(
                                neededBytes: saturatingSum(bytes.disk, Self.reserveBytes),
                                freeBytes: saturatingSum(free, Self.reserveBytes)), model: change.model))
                    continue
                }
                room = free - bytes.disk
            }
            changes.append(change.with(bytes: bytes))
        }
        result.changes = changes
    }

    private func bytes(of change: Change, counted: inout Set<Digest>) -> Change.Bytes {
        var bytes = Change.Bytes()
        guard change.steps.contains(.fetch), let release = change.release else { return bytes }
        let needed = neededDeliveries(of: release, only: damagedPaths(of: change))
        for file in needed.files {
            let isNew = counted.insert(file.sha256).inserted
            let local = isNew ? min(observed.localBytes[file.sha256] ?? 0, file.size) : file.size
            bytes.download = saturatingSum(bytes.download, file.size - local)
            bytes.reused = saturatingSum(bytes.reused, local)
            let held = isNew ? observed.heldBytes[file.sha256] ?? local : file.size
            bytes.disk = saturatingSum(bytes.disk, max(0, file.size - held))
        }
        // An archive and what is in it are on the disk together for a while.
        for archive in needed.archives {
            bytes.disk = saturatingSum(
                bytes.disk, archive.files?.reduce(0) { saturatingSum($0, $1.size) } ?? archive.size)
        }
        return bytes
    }

    /// What a repair is about; `nil` when all of a release is needed.
    private func damagedPaths(of change: Change) -> Set<ReleasePath>? {
        guard change.action == .repair, case .damaged(_, let damage) = observed.models[change.model]?.slot else {
            return nil
        }
        return Set(damage.map(\.path))
    }

    /// What is fetched of a release, and which archives are taken apart for it: of one whose needed files are here nothing is
    /// fetched, they are simply used.
    private func neededDeliveries(
        of release: Release, only: Set<ReleasePath>?
    ) -> (files: [ReleaseFile], archives: [Archive]) {
        func isNeeded(_ file: ReleaseFile) -> Bool { only?.contains(file.path) ?? true }
        var files = release.looseFiles.filter(isNeeded)
        var archives: [Archive] = []
        for archive in release.archives ?? [] {
            let wanted = archive.files?.filter(isNeeded)
            if let wanted, isHere(wanted) {
                files += wanted
            } else {
                archives.append(archive)
                files += [archive.asFile].compactMap(\.self)
            }
        }
        return (files, archives)
    }

    private func isHere(_ files: [ReleaseFile]) -> Bool {
        files.allSatisfy { observed.localBytes[$0.sha256] ?? 0 >= $0.size }
    }
}
