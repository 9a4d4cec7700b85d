import ReconcileCore

/// Which prepared unit may be rolled out next: in the order in which their bytes came, except that a unit goes after those
/// that it depends on, and a release after the changes of the models that it requires.
struct RolloutQueue {
    private let desired: [ModelName: DesiredModel]
    private let dependencies: (RolloutUnit) -> Set<ModelName>
    private var pending: [ModelName: Change]
    private var pendingRepositories: [String: Int] = [:]
    private var free: ArraySlice<RolloutUnit> = []
    private var held: [RolloutUnit] = []

    /// - Parameter dependencies: The models that a unit must wait for.
    init(
        _ units: [RolloutUnit], desired: [ModelName: DesiredModel],
        dependencies: @escaping (RolloutUnit) -> Set<ModelName>
    ) {
        self.desired = desired
        self.dependencies = dependencies
        pending = [:]
        for change in units.flatMap(\.changes) {
            pending[change.model] = change
            count(change.model, 1)
        }
    }

    /// The changes that have not ended.
    var unfinished: [ModelName: Change] { pending }

    /// Takes a unit whose bytes are here.
    mutating func append(_ unit: RolloutUnit) {
        if mayGo(unit) { free.append(unit) } else { held.append(unit) }
    }

    /// The next unit that waits for no other; `nil` when there is none.
    mutating func popFree() -> RolloutUnit? { free.popFirst() }

    /// A unit that waits for others that wait for it: somebody must go first.
    mutating func popHeld() -> RolloutUnit? { held.isEmpty ? nil : held.removeFirst() }

    /// Notes that a unit has ended, however it did.
    mutating func finish(_ unit: RolloutUnit) {
        for change in unit.changes where pending.removeValue(forKey: change.model) != nil { count(change.model, -1) }
        guard !held.isEmpty else { return }
        let waiting = held
        free.append(contentsOf: waiting.filter(mayGo))
        held = waiting.filter { !mayGo($0) }
    }

    private mutating func count(_ model: ModelName, _ delta: Int) {
        guard let repository = desired[model]?.origin.repository else { return }
        pendingRepositories[repository, default: 0] += delta
    }

    private func mayGo(_ unit: RolloutUnit) -> Bool {
        guard dependencies(unit).allSatisfy({ pending[$0] == nil }) else { return false }
        return unit.changes.allSatisfy { change in
            (change.release?.requires?.models ?? [:]).keys.allSatisfy { repository in
                let own = unit.changes.count { desired[$0.model]?.origin.repository == repository }
                return pendingRepositories[repository, default: 0] <= own
            }
        }
    }
}

/// Changes that are rolled out together: those of a group, or one alone.
struct RolloutUnit: Sendable {
    /// The group, when it is one.
    let group: String?
    /// Sorted by model; not empty.
    var changes: [Change]

    /// Whether a model's change is one of them.
    func contains(_ model: ModelName) -> Bool { changes.contains { $0.model == model } }

    /// The units of a plan, in the order of their first models.
    static func units(of changes: [Change]) -> [RolloutUnit] {
        var units: [RolloutUnit] = []
        var places: [String: Int] = [:]
        for change in changes {
            if let group = change.group, let place = places[group] {
                units[place].changes.append(change)
            } else {
                if let group = change.group { places[group] = units.count }
                units.append(RolloutUnit(group: change.group, changes: [change]))
            }
        }
        return units
    }
}
