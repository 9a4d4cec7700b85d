import ReconcileCore
import ReconcileTesting
import Testing

private let now = Timestamp(seconds: 1_000_000)

/// A machine with one model, and what its source offers.
private struct Machine {
    var observed = ObservedModel()
    var policy = Policy()
    var range = "^1.0"
    var notBefore: Timestamp?
    var offered: [Candidate] = []

    /// Makes releases known to the source, newest first.
    mutating func offer(_ versions: String...) throws {
        offered = try versions.map { text in
            let release = try Release.sample(text)
            return Candidate(version: release.version, verdict: .eligible(release))
        }
    }

    /// Makes a confirmed release active.
    mutating func run(_ version: String, content: String? = nil) throws {
        let generation = Generation.sample(try .sample(version, content: content))
        observed.generations = [generation]
        observed.slot = .intact(generation)
        observed.good = generation.directory
        observed.memory.confirmed.append(
            .init(release: generation.release.id, origin: generation.release.origin, include: [], at: now))
    }

    func decide() throws -> ModelPlanner.Decision {
        let model = try DesiredModel.sample(range: range, policy: policy, notBefore: notBefore)
        return ModelPlanner(
            desired: model, observed: observed,
            resolution: .candidates(offered, listed: Set(offered.map(\.version))), selector: model.selector, now: now
        ).decide()
    }
}

@Suite struct `What is held against what is wanted` {
    private func action(_ slot: (Machine) throws -> Machine, _ offered: String...) throws -> (Change.Action?, [Step]) {
        var machine = try slot(Machine())
        machine.range = "*"
        machine.policy = Policy(automatic: .major)
        machine.offered = try offered.map {
            try Candidate(version: Sample.unwrap(Version($0)), verdict: .eligible(.sample($0)))
        }
        let change = try machine.decide().change
        return (change?.action, change?.steps ?? [])
    }

    @Test func `gives the change of the table`() throws {
        let nothing: (Machine) throws -> Machine = { $0 }
        let one: (Machine) throws -> Machine = {
            var machine = $0; try machine.run("1.0.0"); return machine
        }
        #expect(try action(nothing, "1.0.0").0 == .install)
        #expect(try action(one, "1.0.0").0 == nil)
        #expect(try action(one, "1.1.0").0 == .replace)
        #expect(
            try action(
                {
                    var machine = $0; try machine.run("1.0.0", content: "1.1.0"); return machine
                }, "1.1.0"
            ).0 == .relabel)
    }

    @Test func `repairs what is damaged, and only that`() throws {
        var machine = Machine()
        try machine.run("1.0.0")
        let generation = try #require(machine.observed.slot.generation)
        let damage = [Damage(path: try #require(ReleasePath("model.bin")), kind: .altered)]
        machine.observed.slot = .damaged(generation, damage)
        try machine.offer("1.0.0")
        #expect(try machine.decide().change?.action == .repair)
        machine.policy = Policy(drift: .warn)
        let decision = try machine.decide()
        #expect(decision.change == nil)
        #expect(decision.problems.map(\.kind) == [.drifted(damage: damage)])
    }

    @Test func `leaves alone what is not ours`() throws {
        var machine = Machine()
        machine.observed.slot = .foreign
        try machine.offer("1.0.0")
        let decision = try machine.decide()
        #expect(decision.change == nil)
        #expect(decision.problems.map(\.kind) == [.occupied(path: "vad")])
    }
}

@Suite struct `A model` {
    @Test func `takes the newest within automatic and says what waits`() throws {
        var machine = Machine()
        machine.range = "*"
        try machine.run("1.0.0")
        try machine.offer("2.0.0", "1.2.0", "1.1.0", "1.0.0")
        let decision = try machine.decide()
        #expect(decision.change?.to?.version == Version("1.2.0"))
        #expect(decision.blocked.map(\.obstacle) == [.needsApproval(size: .major)])
    }

    @Test func `takes a larger step once it is approved, and only that one`() throws {
        var machine = Machine()
        machine.range = "*"
        try machine.run("1.0.0")
        try machine.offer("2.0.0", "1.0.0")
        let (from, to) = (try Release.sample("1.0.0").contentDigest, try Release.sample("2.0.0").contentDigest)
        machine.observed.memory.approvals = [.init(from: .of("another"), to: to, by: "ana", at: now)]
        #expect(try machine.decide().change == nil)
        machine.observed.memory.approvals = [.init(from: from, to: to, by: "ana", at: now)]
        #expect(try machine.decide().change?.to?.version == Version("2.0.0"))
    }

    @Test func `is never moved backwards by a listing (LAW 6)`() throws {
        var machine = Machine()
        try machine.run("1.5.0")
        try machine.offer("1.4.0")
        let decision = try machine.decide()
        #expect(decision.change == nil)
        #expect(
            decision.notices == [
                .activeUnlisted(model: try #require(ModelName("vad")), version: try #require(Version("1.5.0")))
            ])
    }

    @Test func `moves backwards when the range says so, without approval`() throws {
        var machine = Machine()
        try machine.run("2.5.0")
        try machine.offer("1.4.0")
        #expect(try machine.decide().change?.to?.version == Version("1.4.0"))
    }

    @Test func `stays at a withdrawn release, with a warning`() throws {
        var machine = Machine()
        try machine.run("1.5.0")
        let withdrawn = Candidate(version: try #require(Version("1.5.0")), verdict: .excluded(.yanked, nil))
        try machine.offer("1.4.0")
        machine.offered.insert(withdrawn, at: 0)
        let decision = try machine.decide()
        #expect(decision.change == nil)
        #expect(decision.blocked.isEmpty)
        #expect(decision.notices.count == 1)
    }

    @Test func `does not try again what is quarantined, nor anything older`() throws {
        var machine = Machine()
        try machine.run("1.0.0")
        try machine.offer("1.2.0", "1.1.0", "1.0.0")
        machine.observed.memory.quarantine = [
            .init(release: try Release.sample("1.2.0").id, cause: "probe failed", at: now, trialInputs: .of("hooks"))
        ]
        let decision = try machine.decide()
        #expect(decision.change == nil)
        #expect(
            decision.blocked.map(\.obstacle) == [
                .quarantined(cause: "probe failed", at: now), .olderThanFailed(version: try #require(Version("1.2.0"))),
            ])
    }

    @Test func `takes a release newer than the failed one`() throws {
        var machine = Machine()
        try machine.run("1.0.0")
        try machine.offer("1.3.0", "1.2.0", "1.0.0")
        machine.observed.memory.quarantine = [
            .init(release: try Release.sample("1.2.0").id, cause: "x", at: now, trialInputs: .of("hooks"))
        ]
        #expect(try machine.decide().change?.to?.version == Version("1.3.0"))
    }

    @Test func `with nothing active falls back to the next lower release`() throws {
        var machine = Machine()
        try machine.offer("1.2.0", "1.1.0")
        machine.observed.memory.quarantine = [
            .init(release: try Release.sample("1.2.0").id, cause: "x", at: now, trialInputs: .of("hooks"))
        ]
        #expect(try machine.decide().change?.to?.version == Version("1.1.0"))
    }

    @Test func `leaves a quarantine behind when its hooks or facts change`() throws {
        var machine = Machine()
        try machine.run("1.0.0")
        try machine.offer("1.2.0", "1.0.0")
        machine.observed.memory.quarantine = [
            .init(release: try Release.sample("1.2.0").id, cause: "x", at: now, trialInputs: .of("other hooks"))
        ]
        #expect(try machine.decide().change?.to?.version == Version("1.2.0"))
    }

    @Test func `tries an undecided release again when its time has come`() throws {
        var machine = Machine()
        try machine.run("1.0.0")
        try machine.offer("1.2.0", "1.0.0")
        let id = try Release.sample("1.2.0").id
        machine.observed.memory.undecided = [
            .init(release: id, cause: "x", attempts: 1, retryAt: now.advanced(bySeconds: 1), trialInputs: .of("hooks"))
        ]
        #expect(try machine.decide().change == nil)
        machine.observed.memory.undecided = [
            .init(release: id, cause: "x", attempts: 1, retryAt: now, trialInputs: .of("hooks"))
        ]
        #expect(try machine.decide().change?.to == id)
    }

    @Test func `waits for the moment that is named`() throws {
        var machine = Machine()
        machine.notBefore = now.advanced(bySeconds: 1)
        try machine.offer("1.0.0")
        #expect(try machine.decide().blocked.map(\.obstacle) == [.notBefore(time: now.advanced(bySeconds: 1))])
        machine.notBefore = now
        #expect(try machine.decide().change?.action == .install)
    }

    @Test func `under trial is only finished, whatever is newer`() throws {
        var machine = Machine()
        try machine.run("1.0.0")
        let trial = Generation.sample(try .sample("1.1.0"))
        machine.observed.generations.append(trial)
        machine.observed.slot = .intact(trial)
        try machine.offer("1.2.0", "1.1.0", "1.0.0")
        let change = try #require(try machine.decide().change)
        #expect(change.reason == .openTrial)
        #expect(change.steps == [.confirm])
        #expect(change.to?.version == Version("1.1.0"))
    }

    @Test func `that is halted waits for a person`() throws {
        var machine = Machine()
        try machine.run("1.0.0")
        let trial = Generation.sample(try .sample("1.1.0"))
        machine.observed.generations.append(trial)
        machine.observed.slot = .intact(trial)
        machine.observed.memory.trial = .init(release: trial.release.id, attempts: 1, halted: "probe failed")
        let decision = try machine.decide()
        #expect(decision.change == nil)
        #expect(decision.problems.map(\.kind) == [.halted(detail: "probe failed")])
    }
}

@Suite struct `A hold` {
    private func machine(kind: Memory.Hold.Kind, until: Timestamp? = nil, selector: Digest = .of("selector")) throws
        -> Machine
    {
        var machine = Machine()
        try machine.run("1.1.0")
        let old = Generation.sample(try .sample("1.0.0"))
        machine.observed.generations.append(old)
        machine.observed.memory.hold = .init(
            kind: kind, release: old.release.id, by: "ana", reason: "noise", at: now, until: until, selector: selector)
        try machine.offer("1.2.0", "1.1.0", "1.0.0")
        return machine
    }

    @Test func `takes the model to the held version and blocks what is newer`() throws {
        let decision = try machine(kind: .rollback).decide()
        #expect(decision.change?.to?.version == Version("1.0.0"))
        #expect(decision.change?.steps == [.activate, .confirm])
        guard case .held(by: "ana", _, _, _)? = decision.blocked.first?.obstacle else {
            Issue.record("not held: \(decision.blocked)")
            return
        }
    }

    @Test func `of a rollback ends when the model's declaration changes`() throws {
        #expect(
            try machine(kind: .rollback, selector: .of("older declaration")).decide().change?.to?.version
                == Version("1.2.0"))
        #expect(try machine(kind: .hold, selector: .of("older declaration")).decide().blocked.count == 1)
    }

    @Test func `ends at its time`() throws {
        #expect(try machine(kind: .hold, until: now).decide().change?.to?.version == Version("1.2.0"))
        #expect(try machine(kind: .hold, until: now.advanced(bySeconds: 1)).decide().change == nil)
    }

    @Test func `on a version that is gone is a problem, not a surprise`() throws {
        var machine = try machine(kind: .rollback)
        machine.observed.generations.removeAll { $0.release.version == Version("1.0.0") }
        let decision = try machine.decide()
        #expect(decision.change == nil)
        #expect(decision.problems.map(\.kind) == [.holdLost(version: "1.0.0")])
    }
}

@Suite struct `The steps of a change` {
    @Test(arguments: [Change.Action.install, .replace], Change.Readiness.allCases)
    func `verify, check and activate in the order that is promised`(action: Change.Action, readiness: Change.Readiness)
        throws
    {
        for hooks in [
            HookSet(check: true, reload: true, probe: true), HookSet(check: false, reload: false, probe: false),
        ] {
            let steps = Change.steps(for: action, readiness: readiness, hooks: hooks, isOrder: false)
            #expect(steps.last == .confirm)
            #expect(!steps.contains(.retire))
            if let activate = steps.firstIndex(of: .activate) {
                if let verify = steps.firstIndex(of: .verify) { #expect(verify < activate) }
                if let check = steps.firstIndex(of: .check) { #expect(check < activate) }
                if let probe = steps.firstIndex(of: .probe) { #expect(activate < probe) }
            } else {
                #expect(readiness == .active)
            }
        }
    }
}
