public import ReconcileCore

/// One thing that was done or found, as the history keeps it: who, what, from, to, why.
public struct Act: Codable, Sendable, Hashable {
    /// When.
    public let at: Timestamp
    /// What: `available`, `approved`, `held`, `rollback`, `resumed`, `retry`, `prepared`, `confirmed`, `repaired`, `removed`,
    /// `failed`, `rolledBack`, `halted`, `desiredState`.
    public let kind: String
    /// The model; empty when it is about none.
    public let model: String
    /// Who: a user on a machine.
    public let who: String
    /// Version and short digest of what was active.
    public var from: String?
    /// Version and short digest of what it is about.
    public var to: String?
    /// Why, or what was found.
    public var detail: String?
    /// The digest of the plan that was carried out.
    public var planDigest: String?
    /// The commit of the desired state.
    public var commit: String?
    /// The pass it happened in.
    public var pass: String?
    /// The rollout within the pass: the models of a group share it.
    public var rollout: String?
    /// How long it took.
    public var milliseconds: Int64?
    /// Bytes received for it.
    public var bytes: Int64?
    /// Bytes that were here already.
    public var reusedBytes: Int64?

    /// An act.
    public init(
        at: Timestamp, kind: String, model: String, who: String, from: String? = nil, to: String? = nil,
        detail: String? = nil
    ) {
        self.at = at
        self.kind = kind
        self.model = model
        self.who = who
        self.from = from
        self.to = to
        self.detail = detail
    }
}

extension ReleaseID {
    /// Version and short digest, as the history writes a release.
    var words: String { "\(version) \(contentDigest.short)" }
}
