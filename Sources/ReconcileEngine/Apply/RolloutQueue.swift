import ReconcileCore

/// Which prepared change may be rolled out next: in the order in which their bytes came, except that a release goes after
/// the changes of the models that it requires.
struct RolloutQueue<Element> {
    private let repositories: [ModelName: String]
    private var pending: [ModelName: Change]
    private var pendingRepositories: [String: Int] = [:]
    private var free: ArraySlice<(change: Change, element: Element)> = []
    private var held: [(change: Change, element: Element)] = []

    /// - Parameter repositories: The repository of each declared model.
    init(_ changes: [Change], repositories: [ModelName: String]) {
        self.repositories = repositories
        pending = Dictionary(changes.map { ($0.model, $0) }, uniquingKeysWith: { first, _ in first })
        for model in pending.keys { count(model, 1) }
    }

    /// The changes that have not ended.
    var unfinished: [ModelName: Change] { pending }

    /// Takes a change whose bytes are here.
    mutating func append(_ change: Change, _ element: Element) {
        if mayGo(change) { free.append((change, element)) } else { held.append((change, element)) }
    }

    /// The next change that waits for no other; `nil` when there is none.
    mutating func popFree() -> (change: Change, element: Element)? { free.popFirst() }

    /// A change that waits for others that wait for it: somebody must go first.
    mutating func popHeld() -> (change: Change, element: Element)? { held.isEmpty ? nil : held.removeFirst() }

    /// Notes that a change has ended, however it did.
    mutating func finish(_ model: ModelName) {
        guard pending.removeValue(forKey: model) != nil else { return }
        count(model, -1)
        guard !held.isEmpty else { return }
        let waiting = held
        free.append(contentsOf: waiting.filter { mayGo($0.change) })
        held = waiting.filter { !mayGo($0.change) }
    }

    private mutating func count(_ model: ModelName, _ delta: Int) {
        guard let repository = repositories[model] else { return }
        pendingRepositories[repository, default: 0] += delta
    }

    private func mayGo(_ change: Change) -> Bool {
        (change.release?.requires?.models ?? [:]).keys.allSatisfy { repository in
            let own = repositories[change.model] == repository ? 1 : 0
            return pendingRepositories[repository, default: 0] <= own
        }
    }
}
