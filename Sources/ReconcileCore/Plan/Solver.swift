/// Chooses a release for each model so that what releases require of each other holds (the compatibility matrix).
///
/// Of all sets that fit, it takes the highest: the one with the fewest steps below what each model could have by itself,
/// ties by model name. What is active may always stay, so there is always a set; a hold is a model with one choice.
struct Solver {
    /// What a model may be.
    struct Choice: Hashable {
        /// `nil` when nothing would be active.
        let version: Version?
        /// Its content; `nil` when it is what is there already.
        let contentDigest: Digest?
        /// The repositories it requires.
        let requires: [String: VersionRange]
    }

    /// A model with its choices, best first; the last is that it stays as it is.
    struct Variable {
        let name: ModelName
        let repository: String
        let choices: [Choice]
        /// Versions that are newer than what may be chosen, with what is in their way.
        let waiting: [(version: Version, obstacle: String)]
    }

    private let variables: [Variable]
    private let holders: [String: [Int]]

    /// LAW 7: a puzzle that is too large is given up, and the best set found so far is taken.
    private static let testLimit = 20_000

    /// A puzzle.
    ///
    /// - Parameter variables: In order of their names.
    init(_ variables: [Variable]) {
        self.variables = variables
        var holders: [String: [Int]] = [:]
        for (index, variable) in variables.enumerated() { holders[variable.repository, default: []].append(index) }
        self.holders = holders
    }

    /// The index of the choice of each variable.
    func solve() -> [Int] {
        var solution = variables.map { $0.choices.count - 1 }
        for component in components() { solve(component, into: &solution) }
        return solution
    }

    /// Variables that have to do with each other.
    private func components() -> [[Int]] {
        var neighbours: [Set<Int>] = variables.map { _ in [] }
        for (index, variable) in variables.enumerated() {
            for repository in Set(variable.choices.flatMap(\.requires.keys)) {
                for other in holders[repository] ?? [] {
                    neighbours[index].insert(other)
                    neighbours[other].insert(index)
                }
            }
        }
        var seen: Set<Int> = []
        return variables.indices.compactMap { start in
            guard seen.insert(start).inserted else { return nil }
            var component: [Int] = []
            var open = [start]
            while let next = open.popLast() {
                component.append(next)
                for other in neighbours[next].sorted() where seen.insert(other).inserted { open.append(other) }
            }
            return component.sorted()
        }
    }

    private struct Search {
        let component: [Int]
        var assignment: [Int: Int] = [:]
        var best: [Int: Int]?
        var bestCost = Int.max
        var tests = 0
    }

    private func solve(_ component: [Int], into solution: inout [Int]) {
        var search = Search(component: component)
        descend(0, cost: 0, &search)
        for (index, choice) in search.best ?? [:] { solution[index] = choice }
        if search.tests >= Self.testLimit { improve(component, &solution) }
    }

    /// Of a puzzle that was given up: every model goes as far as it can while the others stay.
    private func improve(_ component: [Int], _ solution: inout [Int]) {
        for index in component {
            for choice in 0..<solution[index] {
                var assignment = Dictionary(component.map { ($0, solution[$0]) }) { $1 }
                assignment[index] = choice
                guard component.allSatisfy({ fits(assignment, lastAssigned: $0) }) else { continue }
                solution[index] = choice
                break
            }
        }
    }

    /// Depth first, best choices first; a branch that cannot beat the best one is left.
    private func descend(_ depth: Int, cost: Int, _ search: inout Search) {
        guard cost < search.bestCost, search.tests < Self.testLimit else { return }
        guard depth < search.component.count else {
            (search.best, search.bestCost) = (search.assignment, cost)
            return
        }
        let index = search.component[depth]
        for choice in variables[index].choices.indices {
            search.tests += 1
            search.assignment[index] = choice
            if fits(search.assignment, lastAssigned: index) { descend(depth + 1, cost: cost + choice, &search) }
        }
        search.assignment[index] = nil
    }

    /// Whether nothing that is assigned is violated for good: a requirement holds as long as some model that could meet it
    /// is not assigned.
    private func fits(_ assignment: [Int: Int], lastAssigned: Int) -> Bool {
        for (index, choice) in assignment {
            for (repository, range) in variables[index].choices[choice].requires {
                guard index == lastAssigned || variables[lastAssigned].repository == repository else { continue }
                guard isMet(repository, range, assignment) else { return false }
            }
        }
        return true
    }

    private func isMet(_ repository: String, _ range: VersionRange, _ assignment: [Int: Int]) -> Bool {
        (holders[repository] ?? []).contains { holder in
            // What is not decided yet may still become what fits, if it can.
            guard let choice = assignment[holder] else {
                return variables[holder].choices.contains { admits(range, $0) }
            }
            return admits(range, variables[holder].choices[choice])
        }
    }

    private func admits(_ range: VersionRange, _ choice: Choice) -> Bool {
        choice.version.map { range.contains($0, admittingPrereleases: true) } ?? false
    }

    /// Why a choice does not fit to what was chosen for the others, as a package manager would tell it.
    func explain(_ index: Int, _ choice: Int, in solution: [Int]) -> [Conflict] {
        var steps: [Conflict] = []
        var visited: Set<[Int]> = []
        explain(index, choice, solution, depth: 0, &visited, &steps)
        var seen: Set<Conflict> = []
        return steps.filter { seen.insert($0).inserted }
    }

    private func explain(
        _ index: Int, _ choice: Int, _ solution: [Int], depth: Int, _ visited: inout Set<[Int]>,
        _ steps: inout [Conflict]
    ) {
        guard depth < 4, visited.insert([index, choice]).inserted else { return }
        for (repository, range) in variables[index].choices[choice].requires.sorted(by: { $0.key < $1.key }) {
            let holding = holders[repository] ?? []
            guard !holding.isEmpty else {
                steps.append(.undeclared(repository: repository, needed: range.description))
                continue
            }
            if holding.contains(where: { admits(range, variables[$0].choices[solution[$0]]) }) { continue }
            for holder in holding {
                let variable = variables[holder]
                let fitting = variable.choices.indices.filter { admits(range, variable.choices[$0]) }
                steps.append(
                    .requires(
                        repository: repository, needed: range.description, model: variable.name,
                        available: variable.choices.compactMap(\.version)))
                if let best = fitting.first { explain(holder, best, solution, depth: depth + 1, &visited, &steps) }
                for (version, obstacle) in variable.waiting
                where fitting.isEmpty && range.contains(version, admittingPrereleases: true) {
                    steps.append(.waits(model: variable.name, version: version, obstacle: obstacle))
                }
            }
        }
        contend(index, choice, solution, &steps)
    }

    /// What others require of this model's repository.
    private func contend(_ index: Int, _ choice: Int, _ solution: [Int], _ steps: inout [Conflict]) {
        let repository = variables[index].repository
        for (other, variable) in variables.enumerated() where other != index {
            let chosen = variable.choices[solution[other]]
            guard let range = chosen.requires[repository], let version = chosen.version,
                !admits(range, variables[index].choices[choice])
            else { continue }
            steps.append(
                .contended(by: variable.name, version: version, repository: repository, needed: range.description))
        }
    }
}
