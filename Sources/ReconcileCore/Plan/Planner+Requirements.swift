// What releases require of other models: which releases may be had together, and which must wait for others.
extension Planner {
    typealias Decisions = [ModelName: ModelPlanner.Decision]
    typealias Rejections = [ModelName: [Digest: Obstacle]]

    /// Decides for all models, so that what is taken fits together.
    ///
    /// - Parameter includes: Whether a model may move; what is left out of a plan stays as it is.
    func satisfyRequirements(
        _ planners: [ModelName: ModelPlanner], includes: (ModelName) -> Bool
    ) -> (Decisions, rejected: Rejections) {
        let decisions = planners.mapValues { $0.decide() }
        guard isAnythingRequired else { return (decisions, [:]) }
        let versions = activeVersions
        let variables = planners.keys.sorted().compactMap { name -> Solver.Variable? in
            guard let planner = planners[name], let decision = decisions[name] else { return nil }
            return variable(name, planner, decision, mayMove: includes(name), versions)
        }
        let solver = Solver(variables)
        let solution = solver.solve()
        var rejected: Rejections = [:]
        for (index, variable) in variables.enumerated() where solution[index] > 0 {
            for (choice, value) in variable.choices.enumerated().prefix(solution[index]) {
                guard let digest = value.contentDigest else { continue }
                let steps = solver.explain(index, choice, in: solution)
                rejected[variable.name, default: [:]][digest] = Self.obstacle(from: steps)
            }
        }
        var final = decisions
        for name in rejected.keys { final[name] = planners[name]?.decide(rejecting: rejected[name] ?? [:]) }
        return (final, rejected)
    }

    /// One plain reason is told plainly.
    private static func obstacle(from steps: [Conflict]) -> Obstacle {
        guard steps.count == 1 else { return .conflict(steps) }
        switch steps[0] {
        case .undeclared(let repository, let needed):
            return .modelDiffers(repository: repository, needed: needed, found: nil)
        case .requires(let repository, let needed, _, let available):
            return .modelDiffers(repository: repository, needed: needed, found: available.max()?.description)
        case .waits, .contended: return .conflict(steps)
        }
    }

    var isAnythingRequired: Bool {
        func requires(_ release: Release?) -> Bool { !(release?.requires?.models.isEmpty ?? true) }
        let isOffered = resolutions.values.contains { resolution in
            guard case .candidates(let candidates, _) = resolution else { return false }
            return candidates.contains { requires($0.release) }
        }
        return isOffered || observed.models.values.contains { requires($0.slot.generation?.release) }
    }

    /// All that a model may be: what it would take by itself, what it would take without that, and so on; last what it is.
    private func variable(
        _ name: ModelName, _ planner: ModelPlanner, _ first: ModelPlanner.Decision, mayMove: Bool,
        _ versions: [String: [Version]]
    ) -> Solver.Variable? {
        guard let model = desired.models[name] else { return nil }
        var choices: [Solver.Choice] = []
        var rejecting: [Digest: Obstacle] = [:]
        var decision = first
        while mayMove, let change = decision.change, let release = change.release,
            change.startsTrial || change.action == .relabel,
            choices.count < 64, rejecting[release.contentDigest] == nil
        {
            choices.append(
                Solver.Choice(
                    version: release.version, contentDigest: release.contentDigest,
                    requires: release.requires?.models ?? [:]))
            rejecting[release.contentDigest] = .conflict([])
            decision = planner.decide(rejecting: rejecting)
        }
        // What a person ordered, a trial or a repair leads to is as fixed as what is active.
        let fixed = choices.isEmpty && mayMove ? first.change?.release : nil
        let active = fixed ?? observed.models[name]?.slot.generation?.release
        choices.append(
            Solver.Choice(
                version: active?.version, contentDigest: nil,
                requires: active.map { requirementsMet($0, versions) } ?? [:]))
        let waiting = first.blocked.filter { $0.obstacle.isWaiting }.map { ($0.version, $0.obstacle.word) }
        return Solver.Variable(
            name: name, repository: model.origin.repository, choices: choices, waiting: waiting)
    }

    /// What an active release requires and has: a change must not take it away. What it lacks already decides nothing.
    private func requirementsMet(
        _ release: Release, _ versions: [String: [Version]]
    ) -> [String: VersionRange] {
        (release.requires?.models ?? [:]).filter { repository, range in
            (versions[repository] ?? []).contains { range.contains($0, admittingPrereleases: true) }
        }
    }

    private var activeVersions: [String: [Version]] {
        var versions: [String: [Version]] = [:]
        for (name, model) in desired.models {
            guard let version = observed.models[name]?.slot.generation?.release.version else { continue }
            versions[model.origin.repository, default: []].append(version)
        }
        return versions
    }

    /// A change that waits makes those wait that fit only to what it leads to, and so on.
    ///
    /// - Parameter waiting: The models whose change is not activated now.
    func holdUnfitting(_ decisions: inout Decisions, waiting: inout Set<ModelName>) {
        guard isAnythingRequired else { return }
        while let (name, obstacle) = unfitting(decisions, waiting) {
            waiting.insert(name)
            for member in desired.companions(of: name) where decisions[member]?.change?.isSwitch == true {
                waiting.insert(member)
                decisions[member]?.postpone(obstacle)
            }
        }
    }

    private func unfitting(_ decisions: Decisions, _ waiting: Set<ModelName>) -> (ModelName, Obstacle)? {
        var versions: [String: [Version]] = [:]
        var releases: [ModelName: Release] = [:]
        for (name, model) in desired.models {
            let active = observed.models[name]?.slot.generation?.release
            let release = waiting.contains(name) ? active : decisions[name]?.change?.release ?? active
            guard let release else { continue }
            releases[name] = release
            versions[model.origin.repository, default: []].append(release.version)
        }
        let active = activeVersions
        for name in releases.keys.sorted() {
            guard let release = releases[name] else { continue }
            let isChanging = decisions[name]?.change?.startsTrial == true && !waiting.contains(name)
            for (repository, range) in (release.requires?.models ?? [:]).sorted(by: { $0.key < $1.key }) {
                func isMet(_ versions: [String: [Version]]) -> Bool {
                    (versions[repository] ?? []).contains { range.contains($0, admittingPrereleases: true) }
                }
                guard !isMet(versions) else { continue }
                if isChanging {
                    let holder = desired.models.values.filter { $0.origin.repository == repository }.map(\.name).min()
                    guard let holder else { continue }
                    return (name, .dependency(model: holder, state: .changing))
                }
                // An active release would lose what it has: the one that takes it away waits.
                guard isMet(active), release.id == observed.models[name]?.slot.generation?.release.id else { continue }
                let taker = desired.models.values.filter {
                    $0.origin.repository == repository && !waiting.contains($0.name)
                        && decisions[$0.name]?.change?.startsTrial == true
                }.map(\.name).min()
                if let taker { return (taker, .dependency(model: name, state: .changing)) }
            }
        }
        return nil
    }
}

extension Obstacle {
    /// One word for the explanation of a conflict.
    fileprivate var word: String {
        switch self {
        case .needsApproval: "waiting for approval"
        case .held: "held back by an order"
        case .quarantined: "quarantined"
        case .undecided: "could not be tested"
        case .tooYoung: "too young"
        case .ageUnknown: "of unknown age"
        case .notBefore: "not before its time"
        case .republished: "published again with other bytes"
        default: "not to be had"
        }
    }
}
