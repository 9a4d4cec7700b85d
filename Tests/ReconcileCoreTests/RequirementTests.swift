import ReconcileCore
import ReconcileTesting
import Testing

private let now = Timestamp(seconds: 1_000_000)

/// Three models whose releases require each other.
private struct Fleet {
    var models: [DesiredModel] = []
    var observed: [ModelName: ObservedModel] = [:]
    var offers: [ModelName: [Release]] = [:]

    func name(_ text: String) throws -> ModelName { try Sample.unwrap(ModelName(text)) }

    /// Declares a model whose repository has its name.
    mutating func declare(
        _ text: String, range: String = "*", active: Release? = nil, memory: Memory = Memory(), offers: [Release]
    ) throws {
        let model = try DesiredModel.sample(text, range: range, origin: "zoo/\(text)")
        models.append(model)
        self.offers[model.name] = offers
        guard let active else { return }
        let generation = Generation.sample(active)
        observed[model.name] = ObservedModel(
            slot: .intact(generation), good: generation.directory, generations: [generation], memory: memory)
    }

    var plan: Planner.Result {
        let desired = DesiredState(
            digest: .of(""), facts: [:], prune: false, models: Dictionary(models.map { ($0.name, $0) }) { $1 })
        return Planner(
            desired: desired, observed: ObservedState(models: observed),
            resolutions: offers.mapValues { releases in
                .candidates(releases.map { Candidate(version: $0.version, verdict: .eligible($0)) }, listed: nil)
            }, selectors: [:], now: now
        ).plan()
    }

    /// `a 2.0.0` for each change.
    var taken: [String] { plan.changes.map { "\($0.model) \($0.to?.version.description ?? "-")" } }
}

private func release(_ repository: String, _ version: String, needs: [String: String] = [:]) throws -> Release {
    let models = try needs.mapValues { try VersionRange($0) }
    return try Release.sample(
        version, content: "\(repository) \(version)", origin: "zoo/\(repository)",
        requires: models.isEmpty ? nil : Requirements(models: models))
}

@Suite struct `What releases require of each other` {
    @Test func `is solved by the highest set that fits`() throws {
        var fleet = Fleet()
        try fleet.declare(
            "app",
            offers: [release("app", "2.0.0", needs: ["enc": "^2"]), release("app", "1.0.0", needs: ["enc": "^1"])])
        try fleet.declare("enc", offers: [release("enc", "3.0.0"), release("enc", "2.5.0"), release("enc", "1.0.0")])
        #expect(fleet.taken == ["app 2.0.0", "enc 2.5.0"])
    }

    @Test func `keeps what is active working`() throws {
        var fleet = Fleet()
        let app = try release("app", "1.0.0", needs: ["enc": "~1.1"])
        try fleet.declare("app", active: app, offers: [app])
        try fleet.declare(
            "enc", active: release("enc", "1.1.0"), offers: [release("enc", "1.2.0"), release("enc", "1.1.5")])
        #expect(fleet.taken == ["enc 1.1.5"])
        let two = try Sample.unwrap(Version("1.2.0"))
        #expect(fleet.plan.blocked.map(\.version) == [two])
        let obstacle = Obstacle.conflict([
            .contended(by: try fleet.name("app"), version: app.version, repository: "enc", needed: "~1.1")
        ])
        #expect(fleet.plan.blocked.map(\.obstacle) == [obstacle])
    }

    @Test func `takes a hold as fixed`() throws {
        var fleet = Fleet()
        let old = try release("enc", "1.0.0")
        var memory = Memory()
        memory.hold = Memory.Hold(
            kind: .hold, release: old.id, by: "ana", reason: nil, at: now, until: nil, selector: .of(""))
        try fleet.declare(
            "app", active: release("app", "1.0.0"), offers: [release("app", "1.5.0", needs: ["enc": ">=1.5"])])
        try fleet.declare("enc", active: old, memory: memory, offers: [release("enc", "1.5.0")])
        #expect(fleet.taken.isEmpty)
        let enc = try fleet.name("enc")
        #expect(
            fleet.plan.blocked.first?.obstacle
                == .conflict([
                    .requires(repository: "enc", needed: ">=1.5", model: enc, available: [old.version]),
                    .waits(model: enc, version: try Sample.unwrap(Version("1.5.0")), obstacle: "held back by an order"),
                ]))
    }

    @Test func `tells of a repository that no model takes`() throws {
        var fleet = Fleet()
        try fleet.declare("app", offers: [release("app", "1.0.0", needs: ["nowhere": "^1"])])
        #expect(
            fleet.plan.blocked.map(\.obstacle) == [.modelDiffers(repository: "nowhere", needed: "^1", found: nil)])
    }

    @Test func `of two that want different things leaves as little behind as can be, and says who is in the way`()
        throws
    {
        var fleet = Fleet()
        try fleet.declare(
            "a", active: release("a", "1.0.0"), offers: [release("a", "1.1.0", needs: ["c": "^1"])])
        try fleet.declare(
            "b", active: release("b", "1.0.0"), offers: [release("b", "1.1.0", needs: ["c": "1.2.0"])])
        try fleet.declare(
            "c", active: release("c", "1.0.0"), offers: [release("c", "1.2.0"), release("c", "1.1.0")])
        #expect(fleet.taken == ["a 1.1.0", "b 1.1.0", "c 1.2.0"])
        fleet.offers[try fleet.name("a")] = [try release("a", "1.1.0", needs: ["c": "1.1.0"])]
        #expect(fleet.taken == ["b 1.1.0", "c 1.2.0"])
        let blocked = try Sample.unwrap(fleet.plan.blocked.first { $0.model.description == "a" })
        guard case .conflict(let steps) = blocked.obstacle else { throw Sample.Wrong() }
        #expect(
            steps.contains(
                .contended(
                    by: try fleet.name("b"), version: try Sample.unwrap(Version("1.1.0")), repository: "c",
                    needed: "1.2.0")))
    }

    @Test func `that cannot be met by one release keeps nobody else back`() throws {
        var fleet = Fleet()
        for index in 0..<20 {
            var offers = try ["1.1.0", "1.0.0"].map { try release("m\(index)", $0, needs: ["zz": ">=1"]) }
            if index == 0 { offers[0] = try release("m0", "1.1.0", needs: ["zz": ">=2"]) }
            try fleet.declare("m\(index)", active: offers[1], offers: offers)
        }
        let zz = try release("zz", "1.0.0")
        try fleet.declare("zz", active: zz, offers: [zz])
        #expect(fleet.plan.changes.count == 19)
        #expect(
            fleet.plan.blocked.map(\.obstacle) == [.modelDiffers(repository: "zz", needed: ">=2", found: "1.0.0")])
    }

    @Test func `ends for a puzzle that is too large`() throws {
        var fleet = Fleet()
        for index in 0..<14 {
            let next = "m\((index + 1) % 14)"
            let offers = try (1...12).reversed().map {
                try release("m\(index)", "1.\($0).0", needs: [next: "1.\($0 % 12 + 1).0"])
            }
            try fleet.declare("m\(index)", active: release("m\(index)", "1.0.0"), offers: offers)
        }
        let start = ContinuousClock.now
        _ = fleet.plan
        #expect(ContinuousClock.now - start < .seconds(60))
    }
}
