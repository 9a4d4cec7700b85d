package import ReconcileCore
import SystemPackage

/// One model of a rollout: a model alone, or one of a group that switches together.
package struct RolloutMember: Sendable {
    /// What must happen to it; `nil` for a model of the group that stays as it is and is only asked whether it still works.
    package let change: Change?
    package let desired: DesiredModel?
    package let observed: ObservedModel
    package let fetched: Fetcher.Fetched?
    package let model: ModelName

    var memory: Memory
    /// The directory of the wanted release, once it is known.
    var directory: String?

    package init(
        model: ModelName, change: Change?, desired: DesiredModel?, observed: ObservedModel, fetched: Fetcher.Fetched?
    ) {
        self.model = model
        self.change = change
        self.desired = desired
        self.observed = observed
        self.fetched = fetched
        memory = observed.memory
        let wanted = change?.to ?? observed.slot.generation?.release.id
        directory = observed.generations.first { $0.release.id == wanted }?.directory
    }

    /// Whether the change begins with the link already moved: an open trial.
    var isTrial: Bool { change != nil && observed.trial?.release.id == change?.to }

    /// What was active before: in a trial that is finished the last good one.
    var predecessor: Generation? {
        guard change != nil else { return observed.slot.generation }
        return isTrial ? observed.goodGeneration : observed.slot.generation ?? observed.goodGeneration
    }

    /// Whether the wanted content once worked here.
    var wasConfirmed: Bool {
        guard let digest = change?.to?.contentDigest else { return true }
        return memory.wasConfirmed(digest) || observed.goodGeneration?.release.contentDigest == digest
    }

    /// The wanted release; of one that comes packed, with the files that a generation of the same content has.
    var wantedRelease: Release? {
        guard let release = change?.release, release.isPacked,
            let same = observed.generations.first(where: { $0.release.contentDigest == release.contentDigest }),
            let archives = same.release.archives
        else { return change?.release }
        return release.with(archives: archives)
    }

    /// How often its trial was attempted by passes that were interrupted.
    var probesBegun: Int { isTrial && memory.trial?.release == change?.to ? min(memory.trial?.attempts ?? 0, 1000) : 0 }

    /// The hook of a stage, if it has one.
    func hook(_ stage: HookStage) -> Hook? {
        switch stage {
        case .check: desired?.check
        case .reload: desired?.reload
        case .probe: desired?.probe
        }
    }

    /// The hooks and facts that a verdict depends on.
    var trialInputs: Digest { desired?.trialInputs ?? Hashing.digest(of: "") }

    /// The wanted release with its directory.
    ///
    /// - Throws: ``Fault`` of kind `notKept` when it is not on disk.
    func staged() throws -> (release: ReleaseID, directory: String) {
        guard let directory, let release = change?.to ?? observed.slot.generation?.release.id else {
            throw Fault(.notKept(version: change?.to?.version.description, kept: []), model: model)
        }
        return (release, directory)
    }

    /// Remembers what a trial told about the wanted release.
    ///
    /// - Parameter set: The set of the group that was tried together.
    mutating func note(
        _ note: Rollout.Note, attempts: Int, set: [ModelName: Digest]?, at now: Timestamp
    ) {
        guard let release = change?.to else { return }
        memory.quarantine.removeAll { $0.release.contentDigest == release.contentDigest && $0.set == set }
        switch note {
        case .quarantined(let cause):
            let until = desired?.policy.quarantineSeconds.map { now.advanced(bySeconds: $0) }
            memory.quarantine.append(
                Memory.Quarantine(
                    release: release, cause: cause, at: now, trialInputs: trialInputs, until: until, set: set))
            memory.quarantine = memory.quarantine.suffix(64)
        case .undecided(let cause):
            let before = min(memory.undecided.first { $0.release == release }?.attempts ?? 0, 1000) + 1
            memory.undecided.removeAll { $0.release.contentDigest == release.contentDigest }
            let hours = Int64(min(24, 1 << min(before - 1, 5)))
            memory.undecided.append(
                Memory.Undecided(
                    release: release, cause: cause, attempts: before, retryAt: now.advanced(bySeconds: hours * 3600),
                    trialInputs: trialInputs))
        case .halted(let cause):
            memory.trial = Memory.Trial(release: release, attempts: attempts, halted: cause)
        }
    }
}
