import ReconcileCore
import ReconcileTesting
import Testing

private let now = Timestamp(seconds: 1_000_000)
private let (old, new) = (String(repeating: "a", count: 40), String(repeating: "b", count: 40))

@Suite struct `The version of a revision` {
    @Test(arguments: [
        ("main", "0+main.aaaaaaaaaaaa"), ("refs/pr/1", "0+refs-pr-1.aaaaaaaaaaaa"), ("v1.2", "0+v1-2.aaaaaaaaaaaa"),
        (old, "0+aaaaaaaaaaaa"),
    ])
    func `names the revision and the beginning of what it stands for`(revision: String, version: String) {
        let made = Version(revision: revision, address: old)
        #expect(made.description == version)
        #expect(made.isOf(revision: revision))
        #expect(!made.isOf(revision: "other"))
    }

    @Test func `keeps the version that the publisher names`() throws {
        let made = Version(revision: "latest", address: old, version: try Sample.unwrap(Version("6.2.3+cuda")))
        #expect(made.description == "6.2.3+latest.aaaaaaaaaaaa")
        #expect(try VersionRange(">=6.2 <7").contains(made))
    }

    @Test(arguments: ["", String(repeating: "x", count: 500), "ü", "a b", "+"])
    func `is one whatever the revision looks like`(revision: String) {
        #expect(Version(revision: revision, address: "").isOf(revision: revision))
    }
}

@Suite struct `A model that follows a revision` {
    private func release(_ address: String, of revision: String = "main") throws -> Release {
        try .sample(Version(revision: revision, address: address).description, content: address)
    }

    private func decide(
        _ revision: String, active: Release?, offered: Release, policy: Policy = Policy()
    ) throws -> ModelPlanner.Decision {
        var observed = ObservedModel()
        if let active {
            let generation = Generation.sample(active)
            observed = ObservedModel(
                slot: .intact(generation), good: generation.directory, generations: [generation])
        }
        let model = try DesiredModel.sample(policy: policy, revision: revision)
        return ModelPlanner(
            desired: model, observed: observed,
            resolution: .candidates([Candidate(version: offered.version, verdict: .eligible(offered))], listed: nil),
            selector: model.selector, now: now
        ).decide()
    }

    @Test func `is installed without a person`() throws {
        #expect(try decide("main", active: nil, offered: release(old)).change?.action == .install)
    }

    @Test func `stays when nothing has moved`() throws {
        let decision = try decide("main", active: release(old), offered: release(old))
        #expect(decision.change == nil && decision.blocked.isEmpty)
    }

    @Test(arguments: [(old, new), (new, old)])
    func `waits for a person when the branch moves, whichever way`(from: String, to: String) throws {
        let decision = try decide("main", active: release(from), offered: release(to))
        #expect(decision.change == nil)
        #expect(decision.blocked.map(\.obstacle) == [.needsApproval(size: .major)])
    }

    @Test func `moves by itself where major steps are automatic`() throws {
        let decision = try decide(
            "main", active: release(new), offered: release(old), policy: Policy(automatic: .major))
        #expect(decision.change?.action == .replace)
    }

    @Test func `moves without approval when the declared revision is another one`() throws {
        let decision = try decide(new, active: release(old), offered: release(new, of: new))
        #expect(decision.change?.action == .replace)
        #expect(decision.change?.reason == .notAsDeclared)
    }
}

@Suite struct `A model with several sources` {
    @Test func `stays at what another of them delivered, though this one lists less`() throws {
        let active = try Release.sample("1.4.0", origin: "mirror/copies/vad")
        let generation = Generation.sample(active)
        let observed = ObservedModel(slot: .intact(generation), good: generation.directory, generations: [generation])
        let model = try DesiredModel.sample(origin: "hub/acme/vad", alternatives: ["mirror/copies/vad"])
        let lagging = try Release.sample("1.3.0", origin: "hub/acme/vad")
        let decision = ModelPlanner(
            desired: model, observed: observed,
            resolution: .candidates(
                [Candidate(version: lagging.version, verdict: .eligible(lagging))], listed: [lagging.version]),
            selector: model.selector, now: now
        ).decide()
        #expect(decision.change == nil)
    }
}

@Suite struct `A hand-over` {
    private let wanted = HandOver(form: .ollama(file: nil, name: nil), directory: "/models", digest: .of("declared"))

    private func decide(_ handedOver: HandedOver?) throws -> Change? {
        let generation = Generation.sample(try .sample("1.0.0"))
        var observed = ObservedModel(slot: .intact(generation), good: generation.directory, generations: [generation])
        observed.handedOver = handedOver
        let model = try DesiredModel.sample(handOver: wanted)
        return ModelPlanner(
            desired: model, observed: observed,
            resolution: .candidates(
                [Candidate(version: generation.release.version, verdict: .eligible(generation.release))], listed: nil),
            selector: model.selector, now: now
        ).decide().change
    }

    private var directory: String {
        get throws { Generation.sample(try .sample("1.0.0")).directory }
    }

    @Test func `is made up for when it was never made, or is gone`() throws {
        #expect(try decide(nil)?.steps == [.handOver])
    }

    @Test func `is made again when it is declared otherwise`() throws {
        #expect(try decide(HandedOver(declared: .of("before"), generation: directory))?.steps == [.handOver])
    }

    @Test func `is made again when another generation was handed over`() throws {
        #expect(try decide(HandedOver(declared: wanted.digest, generation: "0.9.0"))?.steps == [.handOver])
    }

    @Test func `is not made twice`() throws {
        #expect(try decide(HandedOver(declared: wanted.digest, generation: directory)) == nil)
    }

    @Test(arguments: Change.Readiness.allCases)
    func `comes after the link has moved and before anybody is asked`(readiness: Change.Readiness) throws {
        let hooks = HookSet(check: true, reload: true, probe: true, handOver: true)
        let steps = Change.steps(for: .replace, readiness: readiness, hooks: hooks, isOrder: false)
        let handOver = try #require(steps.firstIndex(of: .handOver))
        #expect(steps.firstIndex(of: .activate).map { $0 < handOver } ?? (readiness == .active))
        #expect(handOver < (try #require(steps.firstIndex(of: .reload))))
    }
}
