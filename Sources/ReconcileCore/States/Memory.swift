/// What cannot be observed about a model: holds, quarantine, approvals, attempts. One file a model, `memory/<model>.json`.
public struct Memory: Codable, Hashable, Sendable {
    /// The format of the file.
    public static let formatVersion = 1

    /// The format this was written in.
    public var formatVersion = Memory.formatVersion
    /// The order that the model stays where it is.
    public var hold: Hold?
    /// Content that did not work here.
    public var quarantine: [Quarantine] = []
    /// Content of which a trial could not tell whether it works.
    public var undecided: [Undecided] = []
    /// Changes a person said yes to.
    public var approvals: [Approval] = []
    /// Releases that worked here, oldest first; the last 64.
    public var confirmed: [Confirmed] = []
    /// The staged release that passed its check and waits to be activated; `nil` when there is none.
    public var checked: [Checked]?
    /// The trial that is open, if one was started.
    public var trial: Trial?
    /// Whether the model must not be pruned; kept here because the block that says so may be gone.
    public var isProtected = false

    /// Nothing is remembered.
    public init() {}

    /// A person's order that a model stays at a version.
    public struct Hold: Codable, Hashable, Sendable {
        /// Which command made it.
        public enum Kind: String, Codable, Hashable, Sendable {
            /// `reconcile hold`: ends by `resume` or at `until` only.
            case hold
            /// `reconcile rollback`: ends also when the model's selector or lock entry changes.
            case rollback
        }
        /// Which command made it.
        public let kind: Kind
        /// What is held.
        public let release: ReleaseID
        /// Who gave the order.
        public let by: String
        /// Why.
        public let reason: String?
        /// When.
        public let at: Timestamp
        /// When it ends by itself.
        public let until: Timestamp?
        /// The selector and lock entry of the model at that time.
        public let selector: Digest
        /// What the order says of every model of the group, so that it is one order even when a crash came between writing
        /// it down for one and for the next.
        public var set: [ModelName: ReleaseID]?

        /// An order.
        public init(
            kind: Kind, release: ReleaseID, by: String, reason: String?, at: Timestamp, until: Timestamp?,
            selector: Digest, set: [ModelName: ReleaseID]? = nil
        ) {
            self.set = set
            self.kind = kind
            self.release = release
            self.by = by
            self.reason = reason
            self.at = at
            self.until = until
            self.selector = selector
        }
    }

    /// The memory that a content digest did not work for this model here.
    public struct Quarantine: Codable, Hashable, Sendable {
        /// What did not work.
        public let release: ReleaseID
        /// Why it is believed not to work.
        public let cause: String
        /// Since when.
        public let at: Timestamp
        /// The model's hooks and facts at that time; the quarantine ends when they change.
        public let trialInputs: Digest
        /// When it ends by itself, as the file asked for at that time.
        public var until: Timestamp?
        /// The set of a group that did not work together; `nil` when the release did not work by itself.
        public var set: [ModelName: Digest]?

        /// A quarantine.
        public init(
            release: ReleaseID, cause: String, at: Timestamp, trialInputs: Digest, until: Timestamp? = nil,
            set: [ModelName: Digest]? = nil
        ) {
            (self.release, self.cause, self.at, self.trialInputs) = (release, cause, at, trialInputs)
            (self.until, self.set) = (until, set)
        }

        /// Whether it is in effect.
        func holds(_ inputs: Digest, at now: Timestamp) -> Bool {
            trialInputs == inputs && until.map { now < $0 } ?? true
        }
    }

    /// A trial that told nothing: the environment was at fault.
    public struct Undecided: Codable, Hashable, Sendable {
        /// What was tried.
        public let release: ReleaseID
        /// What happened.
        public let cause: String
        /// How often it was tried without an answer.
        public let attempts: Int
        /// When it is tried again.
        public let retryAt: Timestamp
        /// The model's hooks and facts at that time; it is tried again at once when they change.
        public let trialInputs: Digest

        /// A trial without an answer.
        public init(release: ReleaseID, cause: String, attempts: Int, retryAt: Timestamp, trialInputs: Digest) {
            (self.release, self.cause, self.attempts, self.retryAt, self.trialInputs) =
                (release, cause, attempts, retryAt, trialInputs)
        }
    }

    /// A person's yes to one exact change.
    public struct Approval: Codable, Hashable, Sendable {
        /// What was active; `nil` when nothing was.
        public let from: Digest?
        /// What may become active.
        public let to: Digest
        /// Who said yes.
        public let by: String
        /// When.
        public let at: Timestamp
        /// The digest of the saved plan that was applied, when that was the yes.
        public let plan: Digest?
        /// When it ends.
        public var until: Timestamp?

        /// A yes.
        public init(from: Digest?, to: Digest, by: String, at: Timestamp, plan: Digest? = nil, until: Timestamp? = nil)
        {
            (self.from, self.to, self.by, self.at, self.plan) = (from, to, by, at, plan)
            self.until = until
        }
    }

    /// A release that worked here.
    public struct Confirmed: Codable, Hashable, Sendable {
        /// What worked.
        public let release: ReleaseID
        /// Where it came from.
        public let origin: Origin
        /// Which globs chose its files.
        public let include: [String]
        /// When it was confirmed first.
        public let at: Timestamp

        /// A release that worked.
        public init(release: ReleaseID, origin: Origin, include: [String], at: Timestamp) {
            (self.release, self.origin, self.include, self.at) = (release, origin, include, at)
        }
    }

    /// A staged release that passed its check.
    public struct Checked: Codable, Hashable, Sendable {
        /// What passed.
        public let release: ReleaseID
        /// When.
        public let at: Timestamp
        /// The model's hooks and facts at that time; when they change it is checked again.
        public let trialInputs: Digest

        /// A release that passed its check.
        public init(release: ReleaseID, at: Timestamp, trialInputs: Digest) {
            (self.release, self.at, self.trialInputs) = (release, at, trialInputs)
        }
    }

    /// A trial: from activate until confirm or revert.
    public struct Trial: Codable, Hashable, Sendable {
        /// What is tried.
        public let release: ReleaseID
        /// How often its probe was begun, interrupted ones included.
        public var attempts: Int
        /// Why it was halted, when the policy says that a failure leaves it as it is.
        public var halted: String?

        /// A trial.
        public init(release: ReleaseID, attempts: Int, halted: String? = nil) {
            (self.release, self.attempts, self.halted) = (release, attempts, halted)
        }
    }
}

extension Memory {
    /// The hold that is in effect at a moment.
    ///
    /// - Parameter selector: The model's selector and lock entry now; `nil` when it is not declared.
    public func hold(at now: Timestamp, selector current: Digest?) -> Hold? {
        guard let hold, hold.until.map({ now < $0 }) ?? true else { return nil }
        switch hold.kind {
        case .hold: return hold
        case .rollback: return current == nil || current == hold.selector ? hold : nil
        }
    }

    /// The quarantine in effect for some content.
    public func quarantine(of digest: Digest, trialInputs: Digest, at now: Timestamp) -> Quarantine? {
        quarantine.first {
            $0.set == nil && $0.release.contentDigest == digest && $0.holds(trialInputs, at: now)
        }
    }

    /// The quarantine in effect for a set of a group.
    public func quarantine(ofSet set: [ModelName: Digest], trialInputs: Digest, at now: Timestamp) -> Quarantine? {
        quarantine.first { $0.set == set && $0.holds(trialInputs, at: now) }
    }

    /// Whether a staged release passed the check that it would have to pass now.
    public func isChecked(_ release: ReleaseID, trialInputs: Digest) -> Bool {
        checked?.contains { $0.release == release && $0.trialInputs == trialInputs } ?? false
    }

    /// Remembers that a staged release passed its check; it takes the place of one that waited before it.
    public mutating func noteChecked(_ release: ReleaseID, trialInputs: Digest, at now: Timestamp) {
        checked = [Checked(release: release, at: now, trialInputs: trialInputs)]
    }

    /// The trial without an answer that must not be repeated yet.
    public func undecided(_ digest: Digest, trialInputs: Digest, at now: Timestamp) -> Undecided? {
        undecided.first { $0.release.contentDigest == digest && $0.trialInputs == trialInputs && now < $0.retryAt }
    }

    /// Whether some content ever worked here; such content is not quarantined by a trial.
    public func wasConfirmed(_ digest: Digest) -> Bool { confirmed.contains { $0.release.contentDigest == digest } }

    /// Remembers that a release worked here: its trial is over and what was held against it is gone.
    ///
    /// Approvals stay: each is bound to one exact change, and a rollback that is resumed needs no second yes.
    public mutating func confirm(_ release: Release, at now: Timestamp) {
        trial = nil
        checked?.removeAll { $0.release == release.id }
        if checked?.isEmpty == true { checked = nil }
        undecided.removeAll { $0.release.contentDigest == release.contentDigest }
        quarantine.removeAll { $0.release.contentDigest == release.contentDigest }
        approvals = approvals.suffix(64)
        guard !confirmed.contains(where: { $0.release == release.id && $0.origin == release.origin }) else { return }
        confirmed.append(Confirmed(release: release.id, origin: release.origin, include: release.include, at: now))
        confirmed = confirmed.suffix(64)
    }

    /// Whether a person said yes to this change.
    public func approves(from: Digest?, to: Digest, at now: Timestamp) -> Bool {
        approvals.contains { $0.from == from && $0.to == to && $0.until.map { now < $0 } ?? true }
    }
}
