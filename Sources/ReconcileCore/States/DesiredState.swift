/// What the YAML files say: version ranges and policies, before anything was looked at.
public struct DesiredState: Sendable {
    /// The digest of the files it was read from.
    public let digest: Digest
    /// What releases may require of this machine.
    public let facts: [String: String]
    /// Whether models that are no longer declared are removed.
    public let prune: Bool
    /// The declared models.
    public let models: [ModelName: DesiredModel]
    /// When models that are no longer declared may be removed: the windows of the common policy.
    public let schedule: Schedule
    /// How bytes are fetched.
    public let download: DownloadPolicy
    /// The models of each group, sorted.
    public let groups: [String: [ModelName]]

    /// A desired state.
    public init(
        digest: Digest, facts: [String: String], prune: Bool, models: [ModelName: DesiredModel],
        schedule: Schedule = Schedule(), download: DownloadPolicy = DownloadPolicy()
    ) {
        self.download = download
        (self.digest, self.facts, self.prune, self.models) = (digest, facts, prune, models)
        self.schedule = schedule
        var groups: [String: [ModelName]] = [:]
        for model in models.values { if let group = model.group { groups[group, default: []].append(model.name) } }
        self.groups = groups.mapValues { $0.sorted() }
    }

    /// A model with all that switch together with it, sorted; itself alone when it has no group.
    public func companions(of model: ModelName) -> [ModelName] {
        guard let group = models[model]?.group else { return [model] }
        return groups[group] ?? [model]
    }
}

/// What the file says of one model.
public struct DesiredModel: Sendable {
    /// The slot.
    public let name: ModelName
    /// Where it is published: the first that answers says what there is, any of them may deliver it. Never empty.
    public let origins: [Origin]
    /// Which versions are wanted; all when a revision is.
    public let range: VersionRange
    /// The branch, tag or address that is wanted instead of a version.
    public let revision: String?
    /// Which files are wanted.
    public let selection: FileSelection
    /// How it may change.
    public let policy: Policy
    /// No activation before this moment.
    public let notBefore: Timestamp?
    /// The test of a staged generation.
    public let check: Hook?
    /// What makes the serving program load the new generation.
    public let reload: Hook?
    /// The test of the serving program.
    public let probe: Hook?
    /// How it is handed over to programs that read it in a form of their own.
    public let handOver: HandOver?
    /// The group whose models switch together, if it is in one.
    public let group: String?
    /// The models that are activated before it.
    public let dependsOn: [ModelName]
    /// Whether it is never pruned, also when its block is gone.
    public let isProtected: Bool
    /// `file:line:column` of its block.
    public let place: String
    /// The digest of check, reload, probe and facts: when it changes, a quarantine ends.
    public let trialInputs: Digest
    /// The digest of from, version and include: when it or the lock entry changes, a rollback's hold ends.
    public let selector: Digest

    /// What the file says of one model.
    public init(
        name: ModelName, origin: Origin, alternatives: [Origin] = [], range: VersionRange, revision: String? = nil,
        selection: FileSelection = FileSelection(), policy: Policy, notBefore: Timestamp?,
        check: Hook?, reload: Hook?, probe: Hook?, handOver: HandOver? = nil, group: String? = nil,
        dependsOn: [ModelName] = [], isProtected: Bool,
        place: String, trialInputs: Digest, selector: Digest
    ) {
        self.handOver = handOver
        self.group = group
        self.dependsOn = dependsOn
        self.name = name
        origins = [origin] + alternatives
        self.origin = origin
        self.range = range
        self.revision = revision
        self.selection = selection
        self.policy = policy
        self.notBefore = notBefore
        self.check = check
        self.reload = reload
        self.probe = probe
        self.isProtected = isProtected
        self.place = place
        self.trialInputs = trialInputs
        self.selector = selector
    }

    /// The first place where it is published: its name for requirements and for people.
    public let origin: Origin

    /// What is wanted, as it is written: a range, or a revision.
    public var wanted: String { revision ?? range.description }

    /// Whether a release is one of those that are declared: from a declared repository, and in the range or of the revision.
    public func covers(_ release: Release) -> Bool {
        guard origins.contains(where: { $0.repository == release.origin.repository }) else { return false }
        guard let revision else { return range.contains(release.version, admittingPrereleases: true) }
        return release.version.isOf(revision: revision)
    }
}
