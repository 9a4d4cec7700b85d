import ReconcileCore

/// Says of a model what is true of it: a pure function of what is declared, observed and decided.
struct Conditions {
    let desired: DesiredModel?
    let observed: ObservedModel
    /// The hold in effect.
    let hold: Memory.Hold?
    /// What waits, as the last pass found.
    let blocked: [Plan.Blocked]
    /// What is broken, as the last pass found.
    let problems: [Fault]
    /// Why the last pass could not do what it meant to.
    let failure: String?
    /// Whether a pass is at work on the model.
    let isChanging: Bool
    let now: Timestamp

    /// All conditions, in the order of their kinds.
    var all: [Condition] { [ready, progressing, degraded, held, drifted] }

    private func condition(_ type: Condition.Kind, _ status: Bool, _ reason: String, _ message: String = "")
        -> Condition
    {
        Condition(type: type, status: status, reason: reason, message: message, since: now)
    }

    private var ready: Condition {
        guard let active = observed.slot.generation else {
            return condition(.ready, false, "NotInstalled", problems.first.map(words) ?? failure ?? "nothing is active")
        }
        let version = active.release.version
        if let halted = observed.memory.trial?.halted, observed.trial != nil {
            return condition(.ready, false, "Halted", halted)
        }
        if observed.trial != nil { return condition(.ready, false, "OnTrial", "\(version) is not confirmed yet") }
        if case .damaged(_, let damage) = observed.slot {
            return condition(.ready, false, "Damaged", Wording.count(damage.count, "file") + " differ from \(version)")
        }
        if isChanging { return condition(.ready, false, "Changing", "\(version) is about to be replaced") }
        if let failure { return condition(.ready, false, "Failed", failure) }
        if let problem = problems.first(where: { !$0.isOfSource }) {
            return condition(.ready, false, "Problem", words(problem))
        }
        if let bad = blocked.first(where: { $0.obstacle.isProblem }) {
            return condition(.ready, false, "DidNotWork", "\(bad.version) \(Wording.words(for: bad).why)")
        }
        if hold == nil, let desired, !desired.range.contains(version, admittingPrereleases: true) {
            return condition(
                .ready, false, "NotAsDeclared", problems.first.map(words) ?? "\(version) is not in the range")
        }
        if hold == nil, let desired, !problems.isEmpty, desired.origin != active.release.origin {
            return condition(.ready, false, "NotAsDeclared", "\(version) is from \(active.release.origin)")
        }
        if let problem = problems.first { return condition(.ready, true, "SourceUnknown", words(problem)) }
        if let waiting = blocked.first(where: { $0.obstacle.isAnnounced }) {
            return condition(.ready, true, "UpdateWaits", "\(waiting.version) \(Wording.words(for: waiting).why)")
        }
        return condition(.ready, true, "AsDeclared", "\(version) is active")
    }

    private var progressing: Condition {
        if isChanging { return condition(.progressing, true, "Changing", "a pass is at work") }
        guard observed.trial != nil, observed.memory.trial?.halted == nil else {
            return condition(.progressing, false, "Idle")
        }
        return condition(.progressing, true, "OnTrial", "the next pass finishes its trial")
    }

    private var degraded: Condition {
        if let failure { return condition(.degraded, true, "Failed", failure) }
        if let problem = problems.first {
            return condition(
                .degraded, true, problem.isOfSource && problem.mayPass ? "SourceUnknown" : "Problem", words(problem))
        }
        if let bad = blocked.first(where: { $0.obstacle.isProblem }) {
            return condition(.degraded, true, "DidNotWork", "\(bad.version) \(Wording.words(for: bad).why)")
        }
        return condition(.degraded, false, "AllIsWell")
    }

    private var held: Condition {
        guard let hold else {
            return condition(.held, false, "NotHeld")
        }
        let reason = hold.reason.map { ": \($0)" } ?? ""
        let end = hold.until.map { " until \($0.minute)" } ?? ""
        return condition(.held, true, "Ordered", "at \(hold.release.version) by \(hold.by)\(end)\(reason)")
    }

    private var drifted: Condition {
        guard case .damaged(_, let damage) = observed.slot else { return condition(.drifted, false, "AsReleased") }
        return condition(
            .drifted, true, "FilesDiffer", damage.prefix(3).map(\.path.description).joined(separator: ", "))
    }

    private func words(_ fault: Fault) -> String { Wording.message(for: fault).summary }
}

extension Obstacle {
    /// Whether people are told that a release is there: it waits for one of them, or for a moment.
    var isAnnounced: Bool {
        switch self {
        case .yanked, .channel, .olderThanFailed, .quarantined, .undecided: false
        default: true
        }
    }
}

extension Health {
    /// The health of a model.
    ///
    /// - Parameter inspections: What was found out about it; what is about other content than is active does not count.
    init(_ observed: ObservedModel, isDegraded: Bool, inspections: [Inspection]) {
        guard observed.fault == nil, let active = observed.slot.generation else {
            self = .unhealthy
            return
        }
        let own = inspections.filter { $0.contentDigest == active.release.contentDigest }
        let isBroken = own.contains { !$0.isGood && $0.kind != .deepVerification }
        if isBroken || observed.memory.trial?.halted != nil && observed.trial != nil {
            self = .unhealthy
        } else if case .damaged = observed.slot {
            self = .degraded
        } else if isDegraded || own.contains(where: { !$0.isGood }) {
            self = .degraded
        } else {
            self = own.isEmpty ? .unknown : .healthy
        }
    }
}
