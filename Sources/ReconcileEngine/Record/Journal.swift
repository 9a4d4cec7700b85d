import ReconcileCore

/// Writes down what a pass did and found, and tells it: history, conditions, events, news. For people; no pass depends on it.
struct Journal: Sendable {
    private let survey: Survey
    private let plan: Plan
    private let settings: Settings
    private let info: PassInfo
    /// What the acts say beside what they are about.
    private let planDigest: Digest?

    /// The journal of one pass.
    init(survey: Survey, plan: Plan, settings: Settings, planDigest: Digest? = nil) {
        (self.survey, self.plan, self.settings, self.planDigest) = (survey, plan, settings, planDigest)
        info = PassInfo(
            id: String(Hashing.digest(of: "\(survey.now) \(UInt64.random(in: 0...UInt64.max))").short),
            desiredState: survey.declaration.desired.digest, commit: survey.declaration.commit, at: survey.now)
    }

    private var history: History { History(path: survey.layout.history) }
    private var hasStore: Bool { DiskReader.entry(at: survey.layout.control) != nil }

    /// The pass begins: what it found newer, and what it is about to change.
    func begin() {
        settings.report(.passBegan(info))
        let names = plan.changes.filter { $0.startsTrial && !$0.onlyPrepares }.map(\.model)
        guard hasStore, !names.isEmpty else { return }
        let page = ConditionBook(history).page()
        // What was broken stays so until the pass has shown otherwise.
        update(
            page, names: names, changing: Set(names), failures: [:], states: survey.observation.state.models,
            kinds: [.ready, .progressing])
    }

    /// Changes came to their end: written down and put down as news at once, because the pass may go on for hours.
    func note(_ outcomes: [Outcome]) {
        guard hasStore else { return }
        let acts = outcomes.compactMap(act(of:))
        if let warning = history.append(acts) { settings.report(.warning(warning)) }
        let desk = NewsDesk(survey: survey, plan: plan, info: info)
        notifier.post(outcomes.compactMap(desk.news(of:)), ending: desk.ended([], outcomes))
    }

    private var notifier: Notifier {
        Notifier(history: history, receivers: survey.declaration.receivers, settings: settings)
    }

    /// The pass has ended: what became of its changes, and what is true now.
    ///
    /// - Parameter newsPatience: How long to wait for receivers.
    func end(_ applied: Applier.Result, _ status: ExitStatus, newsPatience: Duration) async {
        defer { settings.report(.passEnded(info, status)) }
        guard hasStore else { return }
        var states = survey.observation.state.models
        let observer = Observer(reader: StoreReader(layout: survey.layout))
        for model in Set(applied.outcomes.map(\.change.model)).union(survey.observation.restamps.keys) {
            if let observed = try? await observer.observe(model).0 { states[model] = observed }
        }
        let page = ConditionBook(history).page()
        let failures = Dictionary(
            applied.outcomes.compactMap { outcome in
                outcome.failure.map { (outcome.change.model, $0) }
            }
        ) { $1 }
        let names = survey.declaration.desired.models.keys.filter { survey.options.includes($0) }.sorted()
        let transitions = update(
            page, names: names, changing: [], failures: failures, states: states, inspections: applied.inspections)
        let available = announce(transitions)
        let acts = available.compactMap { blocked -> Act? in
            guard let digest = blocked.contentDigest else { return nil }
            let to = ReleaseID(version: blocked.version, contentDigest: digest).words
            return act("available", blocked.model, to: to, detail: Wording.words(for: blocked).why)
        }
        if let warning = history.append(acts) { settings.report(.warning(warning)) }
        let desk = NewsDesk(survey: survey, plan: plan, info: info)
        let notifier = notifier
        notifier.post(
            desk.news(available: available, transitions, told: applied.outcomes), ending: desk.ended(transitions, []))
        notifier.remind(of: desk.troubles(names, transitions, page), at: survey.now)
        if newsPatience > .zero { await notifier.deliver(within: newsPatience) }
    }

    /// Compares what is true with what is written down, and writes down what changed.
    ///
    /// - Returns: The conditions whose status, reason or message changed, with what they were.
    @discardableResult
    private func update(
        _ page: ConditionBook.Page, names: [ModelName], changing: Set<ModelName>, failures: [ModelName: String],
        states: [ModelName: ObservedModel], inspections: [Inspection] = [],
        kinds: Set<Condition.Kind> = Set(Condition.Kind.allCases)
    ) -> [Transition] {
        let desired = survey.declaration.desired
        let observed = ObservedState(models: states)
        let blocked = Dictionary(grouping: plan.blocked, by: \.model)
        let problems = Dictionary(grouping: plan.problems.filter { $0.model != nil }) { $0.model }
        var transitions: [Transition] = []
        var changed: [ModelName: [Condition]] = [:]
        for name in names {
            let conditions = Conditions(
                desired: desired.models[name], observed: states[name] ?? ObservedModel(),
                hold: desired.hold(of: name, observed, survey.selectors, at: survey.now), blocked: blocked[name] ?? [],
                problems: problems[name] ?? [],
                failure: failures[name], isChanging: changing.contains(name), now: survey.now
            ).all
            let before = page.models[name] ?? []
            for var condition in conditions where kinds.contains(condition.type) {
                let old = before.first { $0.type == condition.type }
                if let old, old.status == condition.status { condition.since = old.since }
                guard old != condition else { continue }
                changed[name, default: []].append(condition)
                transitions.append(Transition(model: name, before: old, now: condition))
            }
        }
        let isWhole = survey.options.only.isEmpty
        let gone = isWhole ? page.models.keys.filter { survey.declaration.desired.models[$0] == nil } : []
        let isNew = page.desiredState != info.desiredState || page.commit != info.commit
        if !changed.isEmpty || !gone.isEmpty || !inspections.isEmpty || (isNew && isWhole && changing.isEmpty) {
            let warning = ConditionBook(history).write(
                changed, gone: gone, inspections: inspections,
                desiredState: isWhole && changing.isEmpty ? info.desiredState : nil, commit: info.commit)
            if let warning { settings.report(.warning(warning)) }
        }
        for transition in transitions where transition.before?.status != transition.now.status {
            settings.report(.condition(model: transition.model, transition.now))
        }
        return transitions
    }

    /// Releases that were not known to be there before.
    private func announce(_ transitions: [Transition]) -> [Plan.Blocked] {
        // Only where something changed can there be anything new: the history is asked about nothing else.
        let moved = Set(transitions.map(\.model))
        let found = plan.blocked.filter { blocked in
            guard moved.contains(blocked.model), blocked.obstacle.isAnnounced, let digest = blocked.contentDigest,
                survey.declaration.desired.models[blocked.model] != nil
            else { return false }
            return !isKnown(blocked.model, ReleaseID(version: blocked.version, contentDigest: digest))
        }
        for blocked in found { settings.report(.updateAvailable(blocked)) }
        return found
    }

    private func isKnown(_ model: ModelName, _ release: ReleaseID) -> Bool {
        (try? history.hasAct("available", model, to: release.words)) ?? false
    }

    private func act(of outcome: Outcome) -> Act? {
        guard let kind = outcome.actKind else { return nil }
        let change = outcome.change
        var made = act(
            kind, change.model, from: change.from?.words, to: change.to?.words, detail: outcome.actDetail)
        if let reason = survey.options.windowOverride, change.startsTrial {
            made.detail = [made.detail, "windows overridden: \(reason)"].compactMap(\.self).joined(separator: "; ")
        }
        (made.rollout, made.milliseconds) = (
            "\(info.id)-\(change.group ?? change.model.description)", outcome.milliseconds
        )
        (made.bytes, made.reusedBytes) = (outcome.receivedBytes, change.bytes.reused)
        return made
    }

    private func act(
        _ kind: String, _ model: ModelName, from: String? = nil, to: String? = nil, detail: String? = nil
    ) -> Act {
        var act = Act(
            at: settings.clock(), kind: kind, model: model.description, who: settings.user, from: from, to: to,
            detail: detail)
        (act.planDigest, act.commit, act.pass) = ((planDigest ?? plan.planDigest).description, info.commit, info.id)
        return act
    }
}

/// A condition that changed.
struct Transition: Sendable {
    let model: ModelName
    let before: Condition?
    let now: Condition
}

extension Outcome {
    /// What the history calls it; `nil` when nothing happened.
    var actKind: String? {
        switch result {
        case .skipped: nil
        case .interrupted: "interrupted"
        case .done:
            switch change.action {
            case .remove: "removed"
            case .repair: "repaired"
            case .install, .replace, .relabel: change.onlyPrepares ? "prepared" : "confirmed"
            }
        case .failed(let fault):
            switch fault.kind {
            // Another process is at work: that says nothing about the release.
            case .busy: nil
            case .heldBack: "heldBack"
            default: "failed"
            }
        case .rolledBack: "rolledBack"
        case .halted: "halted"
        }
    }

    fileprivate var actDetail: String? {
        switch result {
        case .done(let warning): warning
        case .failed(let fault): fault.historyText
        case .rolledBack(let cause, _, _), .halted(let cause): cause
        case .skipped, .interrupted: nil
        }
    }

    /// Why the change did not come to its end, for the conditions; `nil` when it did.
    fileprivate var failure: String? {
        switch result {
        case .done, .skipped, .interrupted: nil
        case .failed(let fault): if case .busy = fault.kind { nil } else { Wording.message(for: fault).summary }
        case .rolledBack(let cause, _, _): "\(change.to?.version.description ?? "") was rolled back: \(cause)"
        case .halted(let cause): cause
        }
    }
}
