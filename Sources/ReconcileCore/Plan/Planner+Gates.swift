// What a change waits for besides its own release: the models of its group, those it depends on, and windows.
extension Planner {
    // MARK: Groups

    /// Makes the models of each group switch together or not at all.
    func uniteGroups(_ decisions: inout Decisions) {
        for (group, members) in desired.groups.sorted(by: { $0.key < $1.key }) { unite(group, members, &decisions) }
    }

    private func unite(_ group: String, _ members: [ModelName], _ decisions: inout Decisions) {
        let switching = members.filter { decisions[$0]?.change?.isSwitch == true }
        guard !switching.isEmpty else { return }
        func block(_ names: [ModelName], _ obstacle: Obstacle) {
            for name in names { decisions[name]?.block(obstacle) }
        }
        // A trial that is open, or an order, comes first; the others look again in the next pass.
        let first = switching.filter { [.openTrial, .held].contains(decisions[$0]?.change?.reason) }
        guard first.isEmpty else {
            for name in switching where !first.contains(name) { decisions[name]?.change = nil }
            for name in first { decisions[name]?.join(group) }
            return
        }
        if let culprit = members.first(where: { holdsUp($0, decisions[$0]) }) {
            return block(switching, .group(name: group, model: culprit))
        }
        let set = wantedSet(members, decisions)
        for name in members {
            guard let inputs = desired.models[name]?.trialInputs,
                let found = observed.models[name]?.memory.quarantine(ofSet: set, trialInputs: inputs, at: now)
            else { continue }
            return block(switching, .quarantined(cause: found.cause, at: found.at, until: found.until))
        }
        for name in switching { decisions[name]?.join(group) }
    }

    /// Whether a model keeps its group from changing: it cannot change now, or it would be missing.
    private func holdsUp(_ name: ModelName, _ decision: ModelPlanner.Decision?) -> Bool {
        guard let decision, decision.change?.isSwitch != true else { return false }
        let model = observed.models[name] ?? ObservedModel()
        return !decision.problems.isEmpty || decision.blocked.contains { $0.obstacle.isWaiting }
            || model.slot.generation == nil
            || desired.hold(of: name, observed, selectors, at: now) != nil
    }

    /// What each model of a group would be, by content.
    func wantedSet(_ members: [ModelName], _ decisions: Decisions) -> [ModelName: Digest] {
        var set: [ModelName: Digest] = [:]
        for name in members {
            let change = decisions[name]?.change
            set[name] =
                change?.isSwitch == true
                ? change?.to?.contentDigest : observed.models[name]?.slot.generation?.release.contentDigest
        }
        return set
    }

    // MARK: Dependencies

    /// Holds back what depends on a model that is missing or does not work.
    ///
    /// - Parameter includes: Whether a model may change; what is left out of a plan is not installed by it.
    func holdDependents(_ decisions: inout Decisions, includes: (ModelName) -> Bool) {
        for name in desired.inOrderOfDependence {
            guard decisions[name]?.change?.startsTrial == true else { continue }
            for other in companions(name).flatMap({ desired.models[$0]?.dependsOn ?? [] }).sorted() {
                guard !companions(name).contains(other),
                    let state = failure(of: other, decisions[other], mayChange: includes(other))
                else {
                    continue
                }
                for member in companions(name) where decisions[member]?.change?.startsTrial == true {
                    decisions[member]?.block(.dependency(model: other, state: state))
                }
                break
            }
        }
    }

    private func failure(
        of name: ModelName, _ decision: ModelPlanner.Decision?, mayChange: Bool
    ) -> DependencyState? {
        guard let decision else { return .absent }
        if resting.contains(name) { return .failing }
        let isFailing =
            decision.problems.contains { !$0.isOfSource }
            || decision.blocked.contains {
                switch $0.obstacle {
                case .quarantined, .undecided: true
                case .dependency(_, let state): state == .failing
                default: false
                }
            }
        if isFailing { return .failing }
        return (decision.change == nil || !mayChange) && observed.models[name]?.slot.generation == nil ? .absent : nil
    }

    // MARK: Windows

    /// Turns what may not be activated now into what can be prepared now.
    func waitForWindows(_ decisions: inout Decisions) {
        var waiting: Set<ModelName> = []
        let order = desired.inOrderOfDependence
        var closed: [[Schedule]: Obstacle?] = [:]
        // What waits makes others wait, by dependence or by what they require, until nothing more does.
        while true {
            let before = waiting.count
            waitForWindows(&decisions, order, &waiting, &closed)
            holdUnfitting(&decisions, waiting: &waiting)
            guard waiting.count > before else { return }
        }
    }

    private func waitForWindows(
        _ decisions: inout Decisions, _ order: [ModelName], _ waiting: inout Set<ModelName>,
        _ known: inout [[Schedule]: Obstacle?]
    ) {
        for name in order {
            guard decisions[name]?.change?.startsTrial == true, !waiting.contains(name) else { continue }
            let companions = companions(name)
            var obstacle = overridesWindows ? nil : closed(companions, &known)
            let needed = companions.flatMap { desired.models[$0]?.dependsOn ?? [] }.sorted()
            if obstacle == nil, let other = needed.first(where: { waiting.contains($0) && !companions.contains($0) }) {
                obstacle = .dependency(model: other, state: .changing)
            }
            guard let obstacle else { continue }
            for member in companions where decisions[member]?.change?.isSwitch == true {
                waiting.insert(member)
                decisions[member]?.postpone(obstacle)
            }
        }
    }

    /// A model with those that switch together with it.
    private func companions(_ name: ModelName) -> [ModelName] { desired.companions(of: name) }

    /// Most models share their windows, so what was computed for some is known for the others.
    private func closed(_ names: [ModelName], _ known: inout [[Schedule]: Obstacle?]) -> Obstacle? {
        let schedules = names.compactMap { desired.models[$0]?.policy.schedule }
        if let found = known[schedules] { return found }
        let found: Obstacle? =
            desired.isOpen(names, at: now) ? nil : .window(opens: desired.opening(names, atOrAfter: now))
        known[schedules] = .some(found)
        return found
    }

    /// A blocked release with the moment at which it can be activated, where that is only a matter of time.
    func withMoment(_ blocked: Plan.Blocked) -> Plan.Blocked {
        guard blocked.possibleAt == nil, let end = blocked.obstacle.endsAt else { return blocked }
        var blocked = blocked
        blocked.possibleAt = desired.opening(companions(blocked.model), atOrAfter: max(now, end))
        return blocked
    }
}

extension DesiredState {
    /// The hold that is in effect for a model: its own, else one of its group.
    public func hold(
        of name: ModelName, _ observed: ObservedState, _ selectors: [ModelName: Digest], at now: Timestamp
    ) -> Memory.Hold? {
        let selector = selectors[name] ?? models[name]?.selector
        return observed.models[name]?.memory.hold(at: now, selector: selector)
            ?? groupHold(of: name, observed, selectors, at: now)
    }

    /// What the holds of the other models of its group say of a model, the latest first; `nil` when they say nothing.
    public func groupHold(
        of name: ModelName, _ observed: ObservedState, _ selectors: [ModelName: Digest], at now: Timestamp
    ) -> Memory.Hold? {
        guard models[name]?.group != nil else { return nil }
        let holds = companions(of: name).compactMap { other -> Memory.Hold? in
            guard other != name, let selector = selectors[other] ?? models[other]?.selector,
                let hold = observed.models[other]?.memory.hold(at: now, selector: selector),
                let release = hold.set?[name]
            else { return nil }
            return Memory.Hold(
                kind: hold.kind, release: release, by: hold.by, reason: hold.reason, at: hold.at, until: hold.until,
                selector: hold.selector, set: hold.set)
        }
        return holds.max { $0.at < $1.at }
    }

    /// Whether the windows of all of these models are open.
    public func isOpen(_ names: [ModelName], at moment: Timestamp) -> Bool {
        names.allSatisfy { models[$0]?.policy.schedule.isOpen(at: moment) ?? true }
    }

    /// The first moment at which the windows of all of these models are open; `nil` when none is found.
    public func opening(_ names: [ModelName], atOrAfter moment: Timestamp) -> Timestamp? {
        let schedules = Set(names.compactMap { models[$0]?.policy.schedule })
        var candidate = moment
        for _ in 0..<1024 {
            var latest = candidate
            for schedule in schedules {
                guard let opening = schedule.opening(atOrAfter: candidate) else { return nil }
                latest = max(latest, opening)
            }
            if latest == candidate { return candidate }
            candidate = latest
        }
        return nil
    }

    /// The models, each after those that it depends on, else by name.
    public var inOrderOfDependence: [ModelName] {
        guard models.values.contains(where: { !$0.dependsOn.isEmpty }) else { return models.keys.sorted() }
        var order: [ModelName] = []
        var seen: Set<ModelName> = []
        func visit(_ name: ModelName) {
            guard let model = models[name], seen.insert(name).inserted else { return }
            for other in companions(of: name).flatMap({ models[$0]?.dependsOn ?? [] }).sorted() { visit(other) }
            order.append(model.name)
        }
        for name in models.keys.sorted() { visit(name) }
        return order
    }

    /// A circle of models that depend on each other, `["a", "b", "a"]`; `nil` when there is none. The models of a group are
    /// one: what one of them depends on, all do.
    public var dependencyCycle: [ModelName]? {
        var done: Set<ModelName> = []
        var path: [ModelName] = []
        func visit(_ name: ModelName) -> [ModelName]? {
            if let start = path.firstIndex(where: { $0 == name || companions(of: $0).contains(name) && $0 != name }) {
                return Array(path[start...]) + [name]
            }
            guard !done.contains(name), models[name] != nil else { return nil }
            path.append(name)
            defer { path.removeLast() }
            let members = companions(of: name)
            for member in members {
                for other in models[member]?.dependsOn.sorted() ?? [] where other == member || !members.contains(other)
                {
                    if let cycle = visit(other) { return cycle }
                }
            }
            done.insert(name)
            return nil
        }
        for name in models.keys.sorted() { if let cycle = visit(name) { return cycle } }
        return nil
    }
}

extension Change {
    /// Whether it moves a model's link, so that its group moves with it.
    var isSwitch: Bool { action == .install || action == .replace || action == .relabel }
}

extension ModelPlanner.Decision {
    /// Takes the change away and says why.
    mutating func block(_ obstacle: Obstacle) {
        guard let change, let to = change.to else { return }
        blocked.insert(
            Plan.Blocked(
                model: change.model, active: change.from?.version, version: to.version, contentDigest: to.contentDigest,
                obstacle: obstacle, priority: change.release?.priority(from: change.from?.version)), at: 0)
        self.change = nil
    }

    /// Leaves of the change what can be done before it is activated, and says why the rest waits.
    mutating func postpone(_ obstacle: Obstacle) {
        guard let change else { return }
        block(obstacle)
        self.change = change.action == .relabel ? nil : change.preparation
    }

    /// Makes the change one of a group's.
    mutating func join(_ group: String) { change = change?.with(group: group) }
}
