/// All changes, plus all that is blocked and why. Three views render this one value; `apply` runs its steps.
///
/// A plan is a function of candidates, observed state, memory and time alone: the same inputs give the same plan, byte for byte.
public struct Plan: Codable, Hashable, Sendable {
    /// The format of a saved plan.
    public static let formatVersion = 1

    /// What a plan was made from, so that `apply` can say what moved.
    public struct Inputs: Codable, Hashable, Sendable {
        /// The digest of the desired-state files.
        public let desiredState: Digest
        /// The digest of the lock; `nil` without one.
        public let lock: Digest?
        /// The digest of what was observed.
        public let observedState: Digest
        /// The digest of what was remembered.
        public let memory: Digest
        /// The commit that the desired state was read from, when it is read from git.
        public let commit: String?

        /// Digests of inputs.
        public init(
            desiredState: Digest, lock: Digest?, observedState: Digest, memory: Digest, commit: String? = nil
        ) {
            (self.desiredState, self.lock, self.observedState, self.memory) = (
                desiredState, lock, observedState, memory
            )
            self.commit = commit
        }
    }

    /// A release that is newer than what runs, and is not taken now.
    public struct Blocked: Codable, Hashable, Sendable {
        /// The model.
        public let model: ModelName
        /// What is active; `nil` when nothing is.
        public let active: Version?
        /// What is not taken.
        public let version: Version
        /// Its content, when it is known.
        public let contentDigest: Digest?
        /// Why.
        public let obstacle: Obstacle
        /// The first moment at which it can be activated, when that is only a matter of time.
        public var possibleAt: Timestamp?
        /// The publisher's word on how urgent it is, or what follows from the size of the step.
        public var priority: Priority?

        /// A blocked release.
        public init(
            model: ModelName, active: Version?, version: Version, contentDigest: Digest?, obstacle: Obstacle,
            possibleAt: Timestamp? = nil, priority: Priority? = nil
        ) {
            (self.model, self.active, self.version, self.contentDigest, self.obstacle) =
                (model, active, version, contentDigest, obstacle)
            (self.possibleAt, self.priority) = (possibleAt, priority)
        }
    }

    /// Something a person should know, though nothing is wrong.
    public enum Notice: Codable, Hashable, Sendable {
        /// The active release was withdrawn by its publisher, and stays.
        case activeYanked(model: ModelName, version: Version)
        /// The active release is no longer listed, and stays.
        case activeUnlisted(model: ModelName, version: Version)
        /// The active release needs something that this machine no longer has; it stays.
        case activeUnfit(model: ModelName, version: Version, obstacle: Obstacle)
        /// A model is on disk but not declared.
        case undeclared(model: ModelName)
        /// A model that would be pruned is protected.
        case protected(model: ModelName)
        /// The lock does not answer what is declared for a model, so it was resolved afresh.
        case lockSilent(model: ModelName)
    }

    /// The totals, for people and the last line.
    public struct Summary: Codable, Hashable, Sendable {
        /// Changes by action, zero included.
        public var changes: [String: Int] = [:]
        /// Models that are as declared.
        public var inSync = 0
        /// Blocked releases.
        public var blocked = 0
        /// Problems.
        public var problems = 0
        /// Bytes to fetch.
        public var downloadBytes: Int64 = 0
        /// Bytes that are already here.
        public var reusedBytes: Int64 = 0
        /// Bytes of disk that the changes need.
        public var diskBytes: Int64 = 0
    }

    /// The format this was written in.
    public var formatVersion = Plan.formatVersion
    /// The version of the program that made it.
    public var toolVersion: String
    /// When it was made.
    public var createdAt: Timestamp
    /// What it was made from.
    public var inputs: Inputs
    /// What must happen, sorted by model.
    public var changes: [Change]
    /// What waits, sorted by model.
    public var blocked: [Blocked]
    /// What is broken, sorted by model.
    public var problems: [Fault]
    /// What people should know.
    public var notices: [Notice]
    /// Models that are as declared.
    public var inSync: [ModelName]
    /// The totals.
    public var summary: Summary
    /// The digest over ``digestText``.
    public var planDigest: Digest
    /// Why windows did not count when it was made; `nil` when they did.
    public var windowOverride: String?

    /// A plan of these parts; its totals are counted here.
    public init(
        toolVersion: String, createdAt: Timestamp, inputs: Inputs, changes: [Change], blocked: [Blocked],
        problems: [Fault],
        notices: [Notice], inSync: [ModelName], planDigest: Digest
    ) {
        self.toolVersion = toolVersion
        self.createdAt = createdAt
        self.inputs = inputs
        self.changes = changes
        self.blocked = blocked
        self.problems = problems
        self.notices = notices
        self.inSync = inSync
        self.planDigest = planDigest
        summary = Summary(changes: changes, inSync: inSync.count, blocked: blocked.count, problems: problems.count)
    }

    /// Whether there is anything to do: the one answer that text, exit status and the applier use.
    public var isActionable: Bool { !changes.isEmpty }

    /// The next moment at which something that waits may go on by itself; `nil` when nothing waits for a moment.
    public var nextEdge: Timestamp? {
        blocked.flatMap { [$0.possibleAt, $0.obstacle.endsAt] }.compactMap(\.self).filter { $0 > createdAt }.min()
    }

    /// Whether something is broken: a problem, or a release that is blocked by one.
    public var hasProblems: Bool {
        !problems.isEmpty || blocked.contains { $0.obstacle.isProblem || $0.obstacle.isConflict }
    }

    /// What identifies what a plan does: model, action, from, to and steps of every change, a line each.
    public static func digestText(of changes: [Change]) -> String {
        changes.map { change in
            let from = change.from.map { "\($0.version) \($0.contentDigest)" } ?? "-"
            let to = change.to.map { "\($0.version) \($0.contentDigest)" } ?? "-"
            let steps = change.steps.map(\.rawValue).joined(separator: ",")
            let group = change.group.map { " in \($0)" } ?? ""
            return "\(change.model) \(change.action.rawValue) \(from) \(to) \(steps)\(group)\n"
        }.joined()
    }
}

extension Plan.Summary {
    /// Counts what a plan holds.
    public init(changes: [Change], inSync: Int, blocked: Int, problems: Int) {
        for action in Change.Action.allCases {
            self.changes[action.rawValue] = changes.count { $0.action == action && !$0.onlyPrepares }
        }
        self.changes["prepare"] = changes.count(where: \.onlyPrepares)
        (self.inSync, self.blocked, self.problems) = (inSync, blocked, problems)
        for change in changes {
            downloadBytes = saturatingSum(downloadBytes, change.bytes.download)
            reusedBytes = saturatingSum(reusedBytes, change.bytes.reused)
            diskBytes = saturatingSum(diskBytes, change.bytes.disk)
        }
    }
}
