/// Something that went wrong, as facts; the sentences are the view's. The kinds will grow.
public struct Fault: Error, Codable, Hashable, Sendable {
    /// The model it is about; `nil` when it concerns the whole pass.
    public var model: ModelName?
    /// What happened.
    public var kind: Kind

    /// A fault.
    public init(_ kind: Kind, model: ModelName? = nil) { (self.kind, self.model) = (kind, model) }

    /// Whether it is about what is published, not about what is here: what is active goes on working.
    public var isOfSource: Bool {
        switch kind {
        case .sourceUnreachable, .sourceLacks, .sourceRefuses, .sourceInvalid, .noMatch, .ambiguous, .nothingIncluded,
            .secretMissing:
            true
        default: false
        }
    }

    /// Whether trying again later can help by itself; everything else needs a person or another release.
    public var mayPass: Bool {
        switch kind {
        case .sourceUnreachable, .sourceLacks, .sourceRefuses, .busy, .system, .diskFull, .digestMismatch,
            .sizeMismatch,
            .secretMissing,
            .sourceInvalid:
            true
        default: false
        }
    }

    /// The same fault, said of a model.
    public func about(_ model: ModelName) -> Fault { Fault(kind, model: self.model ?? model) }

    /// What happened.
    public enum Kind: Codable, Hashable, Sendable {
        /// A file that was named is not there.
        case fileMissing(path: String)
        /// A file's content is not what it must be: hand-edited, truncated, with conflict markers.
        case fileDamaged(path: String, detail: String)
        /// A file has a format number this program does not know.
        case formatUnknown(path: String, found: Int, supported: Int)
        /// The operating system refused something.
        case system(operation: String, path: String, detail: String)
        /// Another process holds a lock.
        case busy(path: String, holder: String)
        /// The disk has too little room.
        case diskFull(neededBytes: Int64, freeBytes: Int64)
        /// Something that is not ours stands where the model's link belongs.
        case occupied(path: String)

        /// A value that the desired state names is not there: an environment variable or a file.
        case secretMissing(name: String)
        /// A name was given that is not declared or not installed.
        case modelUnknown(name: String, nearest: String?)
        /// A model is still declared, so it cannot be removed.
        case stillDeclared(place: String)
        /// A model is protected.
        case protected
        /// A source's address is not allowed: plain HTTP beyond this machine.
        case insecureAddress(url: String)

        /// A source does not answer.
        case sourceUnreachable(url: String, detail: String)
        /// A source has no such thing.
        case sourceLacks(url: String)
        /// A source answers that it does not give this to us, or to nobody.
        case sourceRefuses(url: String, reason: AccessRefusal)
        /// A source answers with something that is not a catalog.
        case sourceInvalid(url: String, detail: String)
        /// No release is in the range.
        case noMatch(range: String, available: [String])
        /// Releases of equal precedence cannot be chosen between.
        case ambiguous(versions: [String])
        /// The include globs choose no file.
        case nothingIncluded(version: String)

        /// The lock is not there, but `--locked` asks for it.
        case lockMissing(path: String)
        /// The lock does not answer the desired state.
        case lockStale(path: String)
        /// A saved plan no longer fits this machine.
        case stalePlan(moved: [String])

        /// What came is not what was asked for.
        case digestMismatch(path: String, expected: Digest, received: Digest)
        /// What came has another length.
        case sizeMismatch(path: String, expectedBytes: Int64, receivedBytes: Int64)
        /// A hook says that the release does not work.
        case hookFailed(stage: HookStage, detail: String)
        /// A hook could not tell whether the release works.
        case hookUndecided(stage: HookStage, detail: String)
        /// A trial failed and the policy says that it stays as it is.
        case halted(detail: String)
        /// Files on disk differ and the policy says to report it.
        case drifted(damage: [Damage])
        /// A release needs another model at a version that it is not at.
        case requirementUnmet(repository: String, needed: String, found: String?)
        /// The record of the active generation is missing or unreadable.
        case recordLost(path: String)
        /// A model that it depends on, or one of its group, did not get through.
        case heldBack(by: ModelName)
        /// The held version is no longer on disk.
        case holdLost(version: String)
        /// A version that was asked for is not on disk.
        case notKept(version: String?, kept: [String])
        /// There is nothing that waits for an approval.
        case nothingToApprove
        /// Models did not get a condition in time.
        case waitedInVain(condition: String, seconds: Int64, models: [String])
        /// So many models would be pruned that it looks like a mistake.
        case pruneRefused(count: Int, of: Int)

        /// A version exists with other content, so it is not published again.
        case alreadyPublished(version: String, path: String)
        /// The input of a command cannot be used.
        case unusable(what: String, detail: String)
        /// The pass was ended by a signal or by its caller.
        case interrupted
        /// Our own mistake.
        case bug(detail: String)
    }
}
