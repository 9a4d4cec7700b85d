/// One published version as resolving sees it: a release that may be taken, or the obstacle in its way.
public struct Candidate: Sendable, Hashable {
    /// What resolving found.
    public enum Verdict: Sendable, Hashable {
        /// The release may be taken as far as its source and the desired state are concerned.
        case eligible(Release)
        /// It may not; its release is there when it had to be read to know that.
        case excluded(Obstacle, Release?)
    }
    /// The version.
    public let version: Version
    /// What resolving found.
    public let verdict: Verdict
    /// Whether a person named this release: the lock pins it, so that no approval is asked for.
    public let isLocked: Bool

    /// A candidate.
    public init(version: Version, verdict: Verdict, isLocked: Bool = false) {
        (self.version, self.verdict, self.isLocked) = (version, verdict, isLocked)
    }
}

/// Why a newer release is not taken now, and thereby what would release it. The cases will grow.
public enum Obstacle: Codable, Sendable, Hashable {
    /// Its publisher withdrew it.
    case yanked
    /// It is on a channel that the policy does not admit.
    case channel(name: String)
    /// It needs a fact that differs here or is not declared.
    case factDiffers(name: String, needed: String, found: String?)
    /// It needs another model at a version it is not at.
    case modelDiffers(repository: String, needed: String, found: String?)
    /// It is listed, but none of its files is there.
    case incomplete
    /// Its licence, if it says one, is not one of those that are allowed.
    case license(found: String?)
    /// It was published too recently.
    case tooYoung(until: Timestamp)
    /// It does not say when it was published, but a minimum age is asked for.
    case ageUnknown
    /// The version was known with other content.
    case republished(known: Digest)
    /// The step is larger than what is taken without a person.
    case needsApproval(size: StepSize)
    /// The desired state names a later moment.
    case notBefore(time: Timestamp)
    /// It did not work here.
    case quarantined(cause: String, at: Timestamp, until: Timestamp? = nil)
    /// A trial could not tell whether it works; it is tried again.
    case undecided(cause: String, retryAt: Timestamp)
    /// A person ordered the model to stay.
    case held(by: String, reason: String?, until: Timestamp?, version: Version)
    /// It is older than one that did not work.
    case olderThanFailed(version: Version)
    /// No window is open; `nil` when none opens within eight years.
    case window(opens: Timestamp?)
    /// A model that it depends on does not work, or is about to change.
    case dependency(model: ModelName, state: DependencyState)
    /// Another model of its group cannot change now.
    case group(name: String, model: ModelName)
    /// What it requires of other models, or they of it, cannot be had together.
    case conflict([Conflict])

    /// Whether a person can release it by `reconcile approve`.
    public var isApprovable: Bool {
        switch self {
        case .needsApproval, .republished, .ageUnknown: true
        default: false
        }
    }

    /// Whether what is declared contradicts itself, or what a model depends on does not work: somebody must look.
    public var isConflict: Bool {
        switch self {
        case .conflict, .dependency(_, .failing), .dependency(_, .absent): true
        default: false
        }
    }

    /// The moment at which it ends by itself, when that is known.
    public var endsAt: Timestamp? {
        switch self {
        case .tooYoung(let until): until
        case .notBefore(let time): time
        case .undecided(_, let retryAt): retryAt
        case .quarantined(_, _, let until): until
        case .held(_, _, let until, _): until
        case .window(let opens): opens
        default: nil
        }
    }

    /// Whether it is only a matter of time, of a person, or of other models until the release is taken: then its group
    /// waits for it. What can never be taken holds nobody up.
    var isWaiting: Bool {
        switch self {
        case .yanked, .channel, .factDiffers, .modelDiffers, .olderThanFailed, .conflict, .license: false
        default: true
        }
    }

    /// Whether something is broken, rather than waiting for a person or a moment.
    public var isProblem: Bool {
        switch self {
        case .quarantined, .undecided, .republished: true
        default: false
        }
    }
}

/// Why a model has to wait for one that it depends on.
public enum DependencyState: String, Codable, Sendable, Hashable {
    /// It is not installed.
    case absent
    /// It does not work, or cannot be looked at.
    case failing
    /// It changes first, when its window opens.
    case changing
}

/// One step of the explanation of why releases do not fit together.
public enum Conflict: Codable, Sendable, Hashable {
    /// It requires a repository in a range, and no model that is declared takes that repository.
    case undeclared(repository: String, needed: String)
    /// It requires a repository in a range, and these are the versions that can be had.
    case requires(repository: String, needed: String, model: ModelName, available: [Version])
    /// A version that would fit is itself not to be had, for this obstacle.
    case waits(model: ModelName, version: Version, obstacle: String)
    /// Another model requires otherwise.
    case contended(by: ModelName, version: Version, repository: String, needed: String)
}

/// What resolving yields for one model.
public enum Resolution: Sendable, Hashable {
    /// The candidates, highest precedence first, down to the first below which nothing would be taken; and every version
    /// that the source lists, `nil` when it was not asked.
    case candidates([Candidate], listed: Set<Version>?)
    /// Nothing is known: the source did not answer or what it says cannot be used. The model stays as it is.
    case unknown(Fault)
}

/// A release that was seen before under a version, so that other bytes under that version are noticed.
public struct KnownRelease: Sendable, Hashable {
    /// Where it came from.
    public let origin: Origin
    /// Which globs chose its files.
    public let include: [String]
    /// What it was.
    public let id: ReleaseID

    /// A known release.
    public init(origin: Origin, include: [String], id: ReleaseID) {
        (self.origin, self.include, self.id) = (origin, include, id)
    }
}

extension ObservedModel {
    /// Every release of this model that this machine has seen with its content.
    public var known: [KnownRelease] {
        generations.map { KnownRelease(origin: $0.release.origin, include: $0.release.include, id: $0.release.id) }
            + memory.confirmed.map { KnownRelease(origin: $0.origin, include: $0.include, id: $0.release) }
    }
}

extension [KnownRelease] {
    /// The other content that a release's version was last known with, if there is such.
    ///
    /// - Parameter active: What is active: for its own version it alone counts.
    public func contradiction(to release: Release, active: Release?) -> Digest? {
        if let active, active.version == release.version, active.include == release.include,
            active.origin.repository == release.origin.repository
        {
            return active.contentDigest == release.contentDigest ? nil : active.contentDigest
        }
        let latest = last {
            $0.origin.repository == release.origin.repository && $0.include == release.include
                && $0.id.version == release.version
        }
        guard let latest, latest.id.contentDigest != release.contentDigest else { return nil }
        return latest.id.contentDigest
    }
}
