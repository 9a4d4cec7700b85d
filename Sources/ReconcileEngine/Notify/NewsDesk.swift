import ReconcileCore

/// Turns what a pass did into news: one sentence each, with what helps.
struct NewsDesk: Sendable {
    let survey: Survey
    let plan: Plan
    let info: PassInfo

    /// What is told after a pass, beside what became of its changes.
    ///
    /// - Parameters:
    ///   - available: Releases that were not known before and wait.
    ///   - transitions: Conditions that changed.
    ///   - outcomes: What was told already; it is not told again as a condition.
    func news(available: [Plan.Blocked], _ transitions: [Transition], told outcomes: [Outcome]) -> [News] {
        let told = Set(outcomes.compactMap { $0.newsKind == nil ? nil : $0.change.model })
        return available.map(news) + transitions.filter { !told.contains($0.model) }.compactMap(news)
    }

    /// The models whose trouble is over.
    func ended(_ transitions: [Transition], _ outcomes: [Outcome]) -> [ModelName] {
        let recovered = transitions.filter { $0.now.type == .degraded && !$0.now.status && $0.before?.status == true }
        let confirmed = outcomes.filter { $0.actKind == "confirmed" }
        return Set(recovered.map(\.model) + confirmed.map(\.change.model)).sorted()
    }

    /// What is still broken, for receivers that want to be reminded.
    func troubles(_ names: [ModelName], _ transitions: [Transition], _ page: ConditionBook.Page) -> [News] {
        let moved = Set(transitions.filter { $0.now.type == .degraded }.map(\.model))
        return names.compactMap { name in
            guard !moved.contains(name),
                let condition = page.models[name]?.first(where: { $0.type == .degraded && $0.status })
            else { return nil }
            return news(
                .reminder, name,
                message: "still: \(condition.message) (since \(condition.since.minute), told \(survey.now.minute))")
        }
    }

    private func news(_ blocked: Plan.Blocked) -> News {
        let (why, command) = Wording.words(for: blocked)
        let active = survey.observation.state.models[blocked.model]?.slot.generation?.release.id
        let to = blocked.contentDigest.map { ReleaseID(version: blocked.version, contentDigest: $0) }
        return news(
            .updateAvailable, blocked.model, from: active, to: to, priority: blocked.priority,
            message: "\(blocked.version) is available: \(why)", command: command,
            changelog: changelog(blocked.model, to))
    }

    private func changelog(_ model: ModelName, _ release: ReleaseID?) -> String? {
        guard case .candidates(let candidates, _)? = survey.resolutions[model] else { return nil }
        return candidates.compactMap(\.release).first { $0.id == release }?.changelog
    }

    /// What became of a change; `nil` when that is no news.
    func news(of outcome: Outcome) -> News? {
        guard let kind = outcome.newsKind else { return nil }
        let change = outcome.change
        let to = change.to?.version.description ?? ""
        let from = change.from?.version.description
        var command: String? = "reconcile retry \(change.model)"
        let message: String
        switch outcome.result {
        case .done:
            message = from.map { "\($0) → \(to) is active and works" } ?? "\(to) is active and works"
            command = nil
        case .failed(let fault):
            let words = Wording.message(for: fault)
            message = "\(to) was not activated: \(words.summary)"
            command = words.command
        case .rolledBack(let cause, _, let active):
            message =
                "\(to) did not work and \(active.map { "\($0) is active again" } ?? "nothing is active"): \(cause)"
        case .halted(let cause):
            message = "\(to) does not work and is left active, as onFailure: halt asks for: \(cause)"
            command = "reconcile rollback \(change.model)"
        case .skipped, .interrupted: return nil
        }
        return news(
            kind, change.model, from: change.from, to: change.to, mayRecur: outcome.isVerdict,
            priority: change.release?.priority(from: change.from?.version), message: message, command: command,
            changelog: kind == .confirmed ? change.release?.changelog : nil)
    }

    private func news(of transition: Transition) -> News? {
        let condition = transition.now
        let changed = transition.before?.status != condition.status
        switch (condition.type, condition.status) {
        case (.degraded, true)
        where changed || (transition.before?.reason == "SourceUnknown" && condition.reason != "SourceUnknown"):
            return news(
                .degraded, transition.model, message: condition.message,
                command: "reconcile explain \(transition.model)")
        case (.degraded, false) where transition.before?.status == true:
            return news(
                .recovered, transition.model, message: "all is well again; before: \(transition.before?.message ?? "")")
        case (.drifted, true) where changed:
            return news(
                .drifted, transition.model, message: "files differ from the release: \(condition.message)",
                command: "reconcile verify \(transition.model) --repair")
        default: return nil
        }
    }

    private func news(
        _ kind: News.Kind, _ model: ModelName, from: ReleaseID? = nil, to: ReleaseID? = nil, mayRecur: Bool = false,
        priority: Priority? = nil, message: String, command: String? = nil, changelog: String? = nil
    ) -> News {
        News(
            kind: kind, at: survey.now, host: Platform.host(), model: model, from: from, to: to, priority: priority,
            message: message, command: command, changelog: changelog.map { String($0.prefix(4000)) },
            commit: info.commit, pass: mayRecur || kind == .recovered ? info.id : nil)
    }
}

extension Outcome {
    /// Whether it is the end of a trial, which is news each time: nothing is tried twice unless somebody asks for it. A
    /// download that fails is tried again by itself, and told once.
    fileprivate var isVerdict: Bool {
        guard case .failed(let fault) = result else { return true }
        if case .hookFailed = fault.kind { return true }
        return false
    }

    /// What it is as news; `nil` when it is none.
    fileprivate var newsKind: News.Kind? {
        switch actKind {
        case "confirmed": change.reason == .held || change.action == .relabel ? nil : .confirmed
        case "failed": .failed
        case "rolledBack": .rolledBack
        case "halted": .halted
        default: nil
        }
    }
}
