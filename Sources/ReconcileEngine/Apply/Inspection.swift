public import ReconcileCore

/// What somebody found out about a model that is on disk: an input of its health, for people, never for decisions.
public struct Inspection: Codable, Sendable, Hashable {
    /// How it was found out.
    public enum Kind: String, Codable, Sendable, CaseIterable {
        /// By the check of the staged release.
        case check
        /// By asking the serving program.
        case probe
        /// By hashing every file.
        case deepVerification
    }

    /// The model.
    public let model: ModelName
    /// How it was found out.
    public let kind: Kind
    /// When.
    public let at: Timestamp
    /// Of which content.
    public let contentDigest: Digest
    /// Whether all was well.
    public let isGood: Bool
    /// What was said, when it was not.
    public let detail: String?

    init(model: ModelName, kind: Kind, at: Timestamp, contentDigest: Digest, isGood: Bool, detail: String?) {
        (self.model, self.kind, self.at, self.contentDigest) = (model, kind, at, contentDigest)
        (self.isGood, self.detail) = (isGood, detail)
    }

    /// Every file of a release was hashed before it was staged.
    static func verified(_ model: ModelName, _ release: ReleaseID, at now: Timestamp) -> Inspection {
        Inspection(
            model: model, kind: .deepVerification, at: now, contentDigest: release.contentDigest, isGood: true,
            detail: nil)
    }

    /// What a hook said.
    init(_ model: ModelName, _ stage: HookStage, of release: ReleaseID, _ answer: HookRunner.Answer, at now: Timestamp)
    {
        let detail: String? =
            switch answer {
            case .works: nil
            case .broken(let text), .timedOut(let text), .undecided(let text): text
            }
        self.init(
            model: model, kind: stage == .check ? .check : .probe, at: now, contentDigest: release.contentDigest,
            isGood: detail == nil, detail: detail)
    }
}
