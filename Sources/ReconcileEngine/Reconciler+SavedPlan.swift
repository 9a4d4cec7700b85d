public import ReconcileCore
import SystemPackage

// Saved plans: made on one machine or at one time, reviewed, and applied later; never when something moved meanwhile.
extension Reconciler {
    /// A plan in which changes that wait for a person are approved.
    ///
    /// - Parameters:
    ///   - options: What the plan is limited to.
    ///   - approving: Models whose waiting change is moved into the changes.
    ///   - status: The status of another machine to plan for, instead of this one's store.
    /// - Throws: ``Fault`` of kind `nothingToApprove`.
    public func plan(
        _ options: PassOptions, approving: Set<ModelName>, against status: Status? = nil
    ) async throws -> Plan {
        var survey = try await survey(options, isDryRun: true, observing: status?.observed)
        let plan = survey.plan()
        try checkNames(approving, survey.declaration)
        for name in approving.sorted() {
            guard let item = plan.blocked.first(where: { $0.model == name && $0.obstacle.isApprovable }),
                let digest = item.contentDigest
            else { throw Fault(.nothingToApprove, model: name) }
            let from = survey.observation.state.models[name]?.slot.generation?.release.contentDigest
            survey.observation.state.models[name, default: ObservedModel()].memory.approvals.append(
                Memory.Approval(from: from, to: digest, by: settings.user, at: survey.now))
        }
        return approving.isEmpty ? plan : survey.plan()
    }

    /// Reads a saved plan and checks that nobody edited it.
    ///
    /// - Throws: ``Fault`` of kind `fileMissing`, `fileDamaged` or `formatUnknown`.
    public static func readPlan(_ path: String) throws -> Plan {
        guard let bytes = try DiskReader.contents(of: FilePath(path), limit: 512 << 20) else {
            throw Fault(.fileMissing(path: path))
        }
        let plan = try JSONFile.value(Plan.self, from: bytes, name: path, format: Plan.formatVersion)
        guard plan.planDigest == Hashing.digest(of: Plan.digestText(of: plan.changes)),
            plan.changes.allSatisfy(\.isConsistent)
        else {
            throw Fault(.fileDamaged(path: path, detail: "its changes are not those of its planDigest"))
        }
        return plan
    }

    /// Saves a plan.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    public static func write(_ plan: Plan, to path: String) throws {
        try Disk().save(JSONFile.bytes(of: plan), to: FilePath(path))
    }

    /// Applies a saved plan: releases come from the plan, everything else is observed again.
    ///
    /// Applying is the yes to its changes, recorded with the plan's digest and the user.
    /// - Parameter windowOverride: Why windows do not count this time; `nil` when the plan decides that.
    /// - Throws: ``Fault`` of kind `stalePlan` naming what moved; then nothing was done.
    public func apply(_ plan: Plan, windowOverride given: String? = nil) async throws -> PassResult {
        let windowOverride = given ?? plan.windowOverride
        let declaration = try load()
        var survey = try await localSurvey(declaration)
        survey.options = PassOptions(only: Set(plan.changes.map(\.model)), windowOverride: windowOverride)
        let ledger = AppliedPlans(layout: survey.layout)
        try checkStaleness(of: plan, survey, ledger)
        let pending = plan.changes.filter { !isDone($0, survey) }
        if !pending.isEmpty { try await recordApproval(of: plan, pending, survey) }
        let fixed = survey
        let result = try await carryOut(plan, of: fixed, planDigest: plan.planDigest) { journal in
            guard !pending.isEmpty else { return .nothing }
            let applier = Applier(
                layout: fixed.layout, desired: declaration.desired, sources: fixed.sources, settings: settings,
                judge: Applier.Judge(overridesWindows: windowOverride != nil) { change, observed in
                    Self.movement(of: change, observed, fixed) == nil && !Self.isDone(change, observed) ? change : nil
                }, note: { journal.note($0) })
            return try await applier.apply(pending)
        }
        if result.outcomes.allSatisfy(\.isDone), !plan.changes.isEmpty {
            try await ledger.add(plan, at: survey.now, settings)
        }
        return result
    }

    private func checkStaleness(of plan: Plan, _ survey: Survey, _ ledger: AppliedPlans) throws {
        if let ran = try ledger.time(of: plan) {
            throw Fault(.stalePlan(moved: ["it already ran to its end here on \(ran.minute)"]))
        }
        let moved = plan.changes.compactMap { change -> String? in
            let observed = survey.observation.state.models[change.model] ?? ObservedModel()
            guard !Self.isDone(change, observed) else { return nil }
            return Self.movement(of: change, observed, survey).map { "\(change.model): \($0)" }
        }
        guard moved.isEmpty else { throw Fault(.stalePlan(moved: moved)) }
    }

    private func isDone(_ change: Change, _ survey: Survey) -> Bool {
        Self.isDone(change, survey.observation.state.models[change.model] ?? ObservedModel())
    }

    /// Whether a model is already where a change leads.
    private static func isDone(_ change: Change, _ observed: ObservedModel) -> Bool {
        guard let to = change.to else { return !observed.isPresent }
        if change.onlyPrepares {
            return observed.generations.contains { $0.release.id == to } && !change.steps.contains(.check)
        }
        guard case .intact(let active) = observed.slot else { return false }
        if change.reason == .notHandedOver, observed.handedOver?.generation != active.directory { return false }
        return active.release.id == to && observed.good == active.directory
    }

    /// What moved since a change was planned; `nil` when it still fits.
    private static func movement(
        of change: Change, _ observed: ObservedModel, _ survey: Survey
    ) -> String? {
        let declared = survey.declaration.desired.models[change.model]
        if let fault = observed.fault { return "\(fault.kind)" }
        let active = observed.slot.generation?.release.id
        guard let to = change.to else {
            return declared == nil ? active == change.from ? nil : "\(words(active)) is active" : "it is declared again"
        }
        guard let declared else { return "it is no longer declared" }
        let isHere = observed.generations.contains { $0.release.id == to }
        if change.steps.contains(.activate), !change.steps.contains(.stage), !isHere {
            return "\(to.version) is no longer on disk"
        }
        if active != change.from, active != to {
            return "the plan starts from \(words(change.from)), but \(words(active)) is active"
        }
        if let hold = observed.memory.hold(at: survey.now, selector: survey.selectors[change.model]), hold.release != to
        {
            return "it is held at \(hold.release.version) by \(hold.by)"
        }
        if observed.memory.quarantine(of: to.contentDigest, trialInputs: declared.trialInputs, at: survey.now) != nil {
            return "\(to.version) is quarantined"
        }
        if change.group != declared.group, change.group != nil {
            return "it is no longer in the group \(change.group ?? "")"
        }
        let desired = survey.declaration.desired
        let companions = desired.companions(of: change.model)
        if change.startsTrial, change.steps.contains(.activate), survey.options.windowOverride == nil,
            !desired.isOpen(companions, at: survey.now)
        {
            let opening = desired.opening(companions, atOrAfter: survey.now)
            return "its window is closed" + (opening.map { "; it opens \($0.weekdayMinute)" } ?? "")
        }
        return nil
    }

    private static func words(_ id: ReleaseID?) -> String { id.map(\.version.description) ?? "nothing" }

    private func recordApproval(of plan: Plan, _ changes: [Change], _ survey: Survey) async throws {
        let writer = try await StoreWriter.open(survey.layout, holder: settings.holder, patience: settings.lockPatience)
        for change in changes {
            guard let to = change.to, change.action == .replace else { continue }
            var memory = try writer.reader.memory(of: change.model)
            memory.approvals.removeAll { $0.to == to.contentDigest }
            memory.approvals.append(
                Memory.Approval(
                    from: change.from?.contentDigest, to: to.contentDigest, by: settings.user, at: survey.now,
                    plan: plan.planDigest))
            try writer.remember(memory, of: change.model)
        }
        let acts = changes.map {
            var act = Act(
                at: survey.now, kind: "approved", model: $0.model.description, who: settings.user, to: $0.to?.words,
                detail: "by applying a saved plan")
            act.planDigest = plan.planDigest.description
            return act
        }
        record(acts, in: survey.layout)
    }
}

extension Change {
    /// Whether the release is the one the change leads to, with the digest that its files have.
    fileprivate var isConsistent: Bool {
        guard let release else { return action == .remove && to == nil }
        guard release.id == to, Hashing.digest(of: release.contentText) == release.contentDigest else { return false }
        do {
            if !release.isPacked || !release.files.isEmpty { try checkFileList(release.files) }
            return true
        } catch {
            return false
        }
    }
}

/// Which saved plans ran to their end in a store: a plan is applied once. The last 200 are remembered.
struct AppliedPlans {
    private struct Entry: Codable {
        let planDigest: Digest
        let createdAt: Timestamp
        let appliedAt: Timestamp
    }

    let layout: StoreLayout

    /// When a plan ran to its end here.
    func time(of plan: Plan) throws -> Timestamp? {
        try entries().first { $0.planDigest == plan.planDigest && $0.createdAt == plan.createdAt }?.appliedAt
    }

    func add(_ plan: Plan, at now: Timestamp, _ settings: Settings) async throws {
        let writer = try await StoreWriter.open(layout, holder: settings.holder, patience: settings.lockPatience)
        let entry = Entry(planDigest: plan.planDigest, createdAt: plan.createdAt, appliedAt: now)
        try writer.write(appliedPlans: JSONFile.bytes(of: (try entries() + [entry]).suffix(200).map(\.self)))
    }

    private func entries() throws -> [Entry] {
        guard let bytes = try DiskReader.contents(of: layout.appliedPlans, limit: 16 << 20) else { return [] }
        return try JSONFile.value([Entry].self, from: bytes, name: layout.appliedPlans.string)
    }
}

extension StoreWriter {
    /// Writes down which saved plans ran to their end.
    func write(appliedPlans bytes: [UInt8]) throws { try Disk().write(bytes, to: layout.appliedPlans) }
}
