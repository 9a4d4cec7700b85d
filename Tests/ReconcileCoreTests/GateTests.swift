import ReconcileCore
import ReconcileTesting
import Testing

/// Saturday, 2026-11-21 06:00 UTC.
private let now = Timestamp(seconds: 1_795_240_800)

private func name(_ text: String) throws -> ModelName { try Sample.unwrap(ModelName(text)) }

private func active(_ version: String, memory: Memory = Memory()) throws -> ObservedModel {
    let generation = Generation.sample(try .sample(version))
    return ObservedModel(
        slot: .intact(generation), good: generation.directory, generations: [generation], memory: memory)
}

private func plan(
    _ models: [DesiredModel], observed: [String: ObservedModel] = [:], offers: [String: [Release]],
    overridesWindows: Bool = false, at moment: Timestamp = now
) throws -> Planner.Result {
    func keyed<Value>(_ values: [String: Value]) throws -> [ModelName: Value] {
        Dictionary(uniqueKeysWithValues: try values.map { (try name($0.key), $0.value) })
    }
    let desired = DesiredState(
        digest: .of(""), facts: [:], prune: false, models: Dictionary(models.map { ($0.name, $0) }) { $1 })
    return Planner(
        desired: desired, observed: ObservedState(models: try keyed(observed)),
        resolutions: try keyed(offers).mapValues { releases in
            .candidates(releases.map { Candidate(version: $0.version, verdict: .eligible($0)) }, listed: nil)
        }, selectors: [:], now: moment, overridesWindows: overridesWindows
    ).plan()
}

/// A window from 02:00 to 04:00 UTC every day: closed at `now`, open again at 02:00 tomorrow.
private func closedPolicy() throws -> Policy {
    Policy(schedule: Schedule([Window(.allow, begins: try CronExpression("0 2 * * *"), durationSeconds: 7200)]))
}

private let tomorrow = Timestamp(seconds: 1_795_312_800)

@Suite struct `A closed window` {
    @Test func `lets a release be fetched, staged and checked, but not activated`() throws {
        let model = try DesiredModel.sample(policy: closedPolicy(), hasProbe: true, hasCheck: true)
        let result = try plan([model], observed: ["vad": active("1.0.0")], offers: ["vad": [.sample("1.1.0")]])
        #expect(result.changes.map(\.steps) == [[.fetch, .verify, .stage, .check]])
        #expect(result.changes.map(\.onlyPrepares) == [true])
        #expect(result.blocked.map(\.obstacle) == [.window(opens: tomorrow)])
        #expect(result.blocked.map(\.possibleAt) == [tomorrow])
    }

    @Test func `leaves nothing to do once that was done`() throws {
        let model = try DesiredModel.sample(policy: closedPolicy(), hasCheck: true)
        let new = try Release.sample("1.1.0")
        var observed = try active("1.0.0")
        observed.generations.append(.sample(new))
        let unchecked = try plan([model], observed: ["vad": observed], offers: ["vad": [new]])
        #expect(unchecked.changes.map(\.steps) == [[.check]])
        observed.memory.noteChecked(new.id, trialInputs: model.trialInputs, at: now)
        let result = try plan([model], observed: ["vad": observed], offers: ["vad": [new]])
        #expect(result.changes.isEmpty)
        #expect(result.inSync == [model.name])
    }

    @Test func `is no obstacle for a person who overrides it`() throws {
        let model = try DesiredModel.sample(policy: closedPolicy())
        let result = try plan(
            [model], observed: ["vad": active("1.0.0")], offers: ["vad": [.sample("1.1.0")]], overridesWindows: true)
        #expect(result.changes.map { $0.steps.contains(.activate) } == [true])
        #expect(result.blocked.isEmpty)
    }

    @Test func `does not keep an open trial from being finished`() throws {
        let model = try DesiredModel.sample(policy: closedPolicy(), hasProbe: true)
        var observed = try active("1.1.0")
        let old = Generation.sample(try .sample("1.0.0"))
        (observed.good, observed.generations) = (old.directory, observed.generations + [old])
        let result = try plan([model], observed: ["vad": observed], offers: ["vad": [.sample("1.1.0")]])
        #expect(result.changes.map(\.reason) == [.openTrial])
    }

    @Test func `does not keep a person's order or a repair from being done`() throws {
        let model = try DesiredModel.sample(policy: closedPolicy())
        var observed = try active("1.0.0")
        guard case .intact(let generation) = observed.slot, let path = ReleasePath("model.bin") else {
            throw Sample.Wrong()
        }
        observed.slot = .damaged(generation, [Damage(path: path, kind: .missing)])
        let result = try plan([model], observed: ["vad": observed], offers: ["vad": [generation.release]])
        #expect(result.changes.map(\.action) == [.repair])
    }

    @Test func `and a moment after it together say when it will be possible`() throws {
        let later = Timestamp(seconds: tomorrow.seconds + 8000)
        let model = try DesiredModel.sample(policy: closedPolicy(), notBefore: later)
        let result = try plan([model], observed: ["vad": active("1.0.0")], offers: ["vad": [.sample("1.1.0")]])
        #expect(result.blocked.map(\.possibleAt) == [tomorrow.advanced(bySeconds: 86400)])
        #expect(result.changes.isEmpty, "what waits for notBefore is not fetched")
    }
}

@Suite struct `A group` {
    private func pair(_ policy: Policy = Policy()) throws -> [DesiredModel] {
        try ["a", "b"].map { try DesiredModel.sample($0, policy: policy, group: "g") }
    }

    @Test func `changes together`() throws {
        let result = try plan(
            pair(), observed: ["a": active("1.0.0"), "b": active("1.0.0")],
            offers: ["a": [.sample("1.1.0")], "b": [.sample("1.2.0")]])
        #expect(result.changes.map(\.group) == ["g", "g"])
    }

    @Test func `waits for a model of it that waits for a person`() throws {
        let result = try plan(
            pair(Policy(automatic: .patch)), observed: ["a": active("1.0.0"), "b": active("1.0.0")],
            offers: ["a": [.sample("1.1.0")], "b": [.sample("1.0.1")]])
        #expect(result.changes.isEmpty)
        #expect(
            result.blocked.map(\.obstacle) == [.needsApproval(size: .minor), .group(name: "g", model: try name("a"))])
    }

    @Test func `is not installed by halves`() throws {
        let result = try plan(pair(), offers: ["a": [.sample("1.0.0")], "b": []])
        #expect(result.changes.isEmpty)
        #expect(result.blocked.map(\.obstacle) == [.group(name: "g", model: try name("b"))])
    }

    @Test func `does not try a set again that did not work, but one that differs from it`() throws {
        let models = try pair()
        let (a, b) = (try Release.sample("1.1.0", content: "a"), try Release.sample("1.1.0", content: "b"))
        var memory = Memory()
        memory.quarantine = [
            Memory.Quarantine(
                release: a.id, cause: "probe failed", at: now, trialInputs: models[0].trialInputs,
                set: [models[0].name: a.contentDigest, models[1].name: b.contentDigest])
        ]
        let observed = try ["a": active("1.0.0", memory: memory), "b": active("1.0.0")]
        let same = try plan(models, observed: observed, offers: ["a": [a], "b": [b]])
        #expect(same.changes.isEmpty)
        #expect(same.blocked.map(\.obstacle.isProblem) == [true, true])
        let newer = try Release.sample("1.1.1", content: "b2")
        let other = try plan(models, observed: observed, offers: ["a": [a], "b": [newer, b]])
        #expect(other.changes.map(\.to?.version) == [a.version, newer.version])
    }

    @Test func `whose window is closed for one model is prepared for all`() throws {
        let models = [
            try DesiredModel.sample("a", policy: closedPolicy(), group: "g"), try DesiredModel.sample("b", group: "g"),
        ]
        let result = try plan(
            models, observed: ["a": active("1.0.0"), "b": active("1.0.0")],
            offers: ["a": [.sample("1.1.0")], "b": [.sample("1.1.0")]])
        #expect(result.changes.map(\.onlyPrepares) == [true, true])
        #expect(result.blocked.map(\.obstacle) == [.window(opens: tomorrow), .window(opens: tomorrow)])
    }
}

@Suite struct `What a model depends on` {
    private func models(_ policy: Policy = Policy()) throws -> [DesiredModel] {
        [
            try DesiredModel.sample("base", policy: policy), try DesiredModel.sample("next", dependsOn: ["base"]),
            try DesiredModel.sample("other"),
        ]
    }

    @Test func `holds it back while it does not work, and nobody else`() throws {
        let broken = try Release.sample("1.1.0")
        var memory = Memory()
        memory.quarantine = [
            Memory.Quarantine(
                release: broken.id, cause: "check failed", at: now,
                trialInputs: try DesiredModel.sample().trialInputs)
        ]
        let result = try plan(
            models(),
            observed: ["base": active("1.0.0", memory: memory), "next": active("1.0.0"), "other": active("1.0.0")],
            offers: ["base": [broken], "next": [.sample("1.2.0")], "other": [.sample("1.2.0")]])
        #expect(result.changes.map(\.model) == [try name("other")])
        #expect(
            result.blocked.last?.obstacle == .dependency(model: try name("base"), state: .failing))
    }

    @Test func `must be there first`() throws {
        let result = try plan(models(), offers: ["base": [], "next": [.sample("1.0.0")], "other": []])
        #expect(result.blocked.map(\.obstacle) == [.dependency(model: try name("base"), state: .absent)])
    }

    @Test func `makes it wait for a window too, prepared`() throws {
        let result = try plan(
            models(closedPolicy()), observed: ["base": active("1.0.0"), "next": active("1.0.0")],
            offers: ["base": [.sample("1.1.0")], "next": [.sample("1.1.0")], "other": []])
        #expect(result.changes.map(\.onlyPrepares) == [true, true])
        #expect(
            result.blocked.map(\.obstacle) == [
                .window(opens: tomorrow), .dependency(model: try name("base"), state: .changing),
            ])
    }

    @Test func `comes first in the order of models`() throws {
        let all = [
            try DesiredModel.sample("a", dependsOn: ["c"]), try DesiredModel.sample("b"),
            try DesiredModel.sample("c", dependsOn: ["d"]), try DesiredModel.sample("d"),
        ]
        let desired = DesiredState(
            digest: .of(""), facts: [:], prune: false, models: Dictionary(all.map { ($0.name, $0) }) { $1 })
        #expect(desired.inOrderOfDependence.map(\.description) == ["d", "c", "a", "b"])
        #expect(desired.dependencyCycle == nil)
    }

    @Test func `in a circle is named, groups taken as one`() throws {
        func cycle(_ models: [DesiredModel]) -> [String]? {
            DesiredState(
                digest: .of(""), facts: [:], prune: false, models: Dictionary(models.map { ($0.name, $0) }) { $1 }
            ).dependencyCycle?.map(\.description)
        }
        let plain = try ["a": "b", "b": "c", "c": "a"].map { try DesiredModel.sample($0.key, dependsOn: [$0.value]) }
        #expect(cycle(plain) == ["a", "b", "c", "a"])
        #expect(cycle([try .sample("a", dependsOn: ["a"])]) == ["a", "a"])
        let grouped = [
            try DesiredModel.sample("a", group: "g", dependsOn: ["x"]), try DesiredModel.sample("b", group: "g"),
            try DesiredModel.sample("x", dependsOn: ["b"]),
        ]
        #expect(cycle(grouped) == ["a", "x", "b"])
    }
}

@Suite struct `A step without a person` {
    @Test(arguments: [
        (Policy(automatic: .patch, automaticPriority: .critical), "2.0.0", Priority.critical, true),
        (Policy(automatic: .patch, automaticPriority: .critical), "2.0.0", .high, false),
        (Policy(automatic: .none, automaticPriority: .high), "1.0.1", .critical, true),
        (Policy(automatic: .patch), "1.0.1", .low, true), (Policy(automatic: .patch), "1.1.0", .critical, false),
    ])
    func `is one that is small enough or urgent enough`(
        policy: Policy, version: String, priority: Priority, isTaken: Bool
    ) throws {
        let model = try DesiredModel.sample(range: "*", policy: policy)
        let result = try plan(
            [model], observed: ["vad": active("1.0.0")], offers: ["vad": [.sample(version, priority: priority)]])
        #expect(result.changes.isEmpty != isTaken)
    }

    @Test func `is no longer allowed by an approval that has ended`() throws {
        let model = try DesiredModel.sample(range: "*")
        let (old, new) = (try Release.sample("1.0.0"), try Release.sample("2.0.0"))
        var memory = Memory()
        memory.approvals = [
            Memory.Approval(
                from: old.contentDigest, to: new.contentDigest, by: "ana", at: now,
                until: now.advanced(bySeconds: 60))
        ]
        func changes(after seconds: Int64) throws -> Int {
            try plan(
                [model], observed: ["vad": active("1.0.0", memory: memory)], offers: ["vad": [new]],
                at: now.advanced(bySeconds: seconds)
            ).changes.count
        }
        #expect(try changes(after: 59) == 1)
        #expect(try changes(after: 60) == 0)
    }

    @Test func `is not derived from the size of the step`() throws {
        let model = try DesiredModel.sample(range: "*", policy: Policy(automatic: .patch, automaticPriority: .high))
        let result = try plan([model], observed: ["vad": active("1.0.0")], offers: ["vad": [.sample("2.0.0")]])
        #expect(result.changes.isEmpty)
    }
}
