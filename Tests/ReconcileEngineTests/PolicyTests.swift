import Foundation
import ReconcileCore
import ReconcileEngine
import ReconcileTesting
import Synchronization
import Testing

/// 2027-01-15 08:00 UTC, a Friday: the clock of ``Machine`` when it starts.
private let opening = Timestamp(seconds: 1_800_064_800)

@Suite struct `A machine with windows` {
    private let models = "vad: { from: zoo/vad, version: ^1.0, windows: [{ allow: '0 2 * * *', duration: 1h }] }"

    private func installed() async throws -> Machine {
        let machine = try Machine(models: models)
        try await machine.publish("vad", "1.0.0")
        _ = try await machine.reconciler.pass(PassOptions(windowOverride: "a first installation"))
        try await machine.publish("vad", "1.1.0")
        return machine
    }

    @Test func `prepares a release before its window, and only switches in it`() async throws {
        let machine = try await installed()
        let prepared = try await machine.reconciler.pass()
        #expect(prepared.outcomes.map(\.change.onlyPrepares) == [true])
        #expect(prepared.plan.nextEdge == opening)
        #expect(machine.active("vad") == "1.0.0")
        try FileManager.default.removeItem(at: machine.work.url("catalog/vad/1.1.0/v"))
        #expect(try await machine.reconciler.pass().outcomes.isEmpty)
        machine.clock.advance(seconds: opening.seconds - machine.clock.now.seconds)
        let switched = try await machine.reconciler.pass()
        #expect(switched.outcomes.map(\.change.steps) == [[.activate, .confirm]])
        #expect(machine.active("vad") == "1.1.0")
    }

    @Test func `writes down who overrode them and why`() async throws {
        let machine = try await installed()
        _ = try await machine.reconciler.pass(PassOptions(windowOverride: "a leak of secrets"))
        #expect(machine.active("vad") == "1.1.0")
        let act = try #require(try machine.reconciler.history().first { $0.kind == "confirmed" })
        #expect(act.detail == "windows overridden: a leak of secrets")
        #expect(act.who == "ana@gpu1")
    }

    @Test func `refuses a saved plan whose window has closed since`() async throws {
        let machine = try await installed()
        machine.clock.advance(seconds: opening.seconds - machine.clock.now.seconds)
        let plan = try await machine.reconciler.plan()
        machine.clock.advance(seconds: 3600)
        await #expect {
            _ = try await machine.reconciler.apply(plan)
        } throws: { error in
            guard let fault = error as? Fault, case .stalePlan(let moved) = fault.kind else { return false }
            return moved.first?.contains("window is closed") ?? false
        }
        #expect(machine.active("vad") == "1.0.0")
        _ = try await machine.reconciler.apply(plan, windowOverride: "agreed with the night shift")
        #expect(machine.active("vad") == "1.1.0")
    }
}

@Suite struct `A window that closes during a pass` {
    @Test func `leaves what was not begun prepared, and says nothing else of it`() async throws {
        let machine = try Machine(
            models: "vad: { from: zoo/vad, version: ^1.0, windows: [{ allow: '0 2 * * *', duration: 1h }] }")
        try await machine.publish("vad", "1.0.0")
        machine.clock.advance(seconds: opening.seconds - machine.clock.now.seconds)
        // The plan is made in the last second of the window; downloads take longer.
        let times = Mutex([opening.advanced(bySeconds: 3599)])
        let settings = Settings(clock: { times.withLock { $0.popLast() } ?? opening.advanced(bySeconds: 3600) })
        let reconciler = Reconciler(files: [machine.work.url("desired-state.yaml").path()], settings: settings)
        let result = try await reconciler.pass()
        #expect(result.plan.changes.map(\.onlyPrepares) == [false])
        #expect(result.outcomes.map(\.change.onlyPrepares) == [true])
        #expect(machine.active("vad") == nil)
        #expect(try reconciler.history().map(\.kind) == ["prepared"])
    }
}

@Suite struct `An approval` {
    @Test func `ends when the policy says so, and is then asked for again`() async throws {
        let machine = try Machine(
            models: "vad: { from: zoo/vad, version: '*', approvalExpires: 1d, notBefore: 2027-01-18T00:00:00Z }")
        try await machine.publish("vad", "1.0.0")
        machine.clock.advance(seconds: 4 * 86400)
        _ = try await machine.reconciler.pass()
        try await machine.publish("vad", "2.0.0")
        let vad = try machine.name("vad")
        _ = try await machine.reconciler.approve(vad)
        machine.clock.advance(seconds: 86400)
        #expect(try await machine.reconciler.pass().outcomes.isEmpty)
        #expect(try await machine.reconciler.plan().blocked.map(\.obstacle) == [.needsApproval(size: .major)])
        _ = try await machine.reconciler.approve(vad)
        _ = try await machine.reconciler.pass()
        #expect(machine.active("vad") == "2.0.0")
    }

    @Test func `of everything that waits is one order, written down for each`() async throws {
        let machine = try Machine(models: "a: { from: zoo/a, version: '*' }\nb: { from: zoo/b, version: '*' }")
        for version in ["1.0.0", "2.0.0"] {
            for repository in ["a", "b"] { try await machine.publish(repository, version) }
            _ = try await machine.reconciler.pass()
        }
        #expect(try await machine.reconciler.approve(nil).count == 2)
        #expect(try machine.reconciler.history().prefix(2).map(\.kind) == ["approved", "approved"])
        _ = try await machine.reconciler.pass()
        #expect([machine.active("a"), machine.active("b")] == ["2.0.0", "2.0.0"])
    }

    @Test func `lets a release of unknown age through`() async throws {
        let machine = try Machine(models: "vad: { from: zoo/vad, version: '*', minimumAge: 2d }")
        try await machine.publish("vad", "1.0.0")
        let index = try #require(machine.work.read("catalog/vad/index.json"))
        let lines = index.split(separator: "\n").filter { !$0.contains("publishedAt") }
        try machine.work.write(lines.joined(separator: "\n"), to: "catalog/vad/index.json")
        #expect(try await machine.reconciler.plan().blocked.map(\.obstacle) == [.ageUnknown])
        _ = try await machine.reconciler.approve(machine.name("vad"))
        _ = try await machine.reconciler.pass()
        #expect(machine.active("vad") == "1.0.0")
    }
}

@Suite struct `A quarantine` {
    @Test func `ends when the file says so`() async throws {
        let machine = try Machine(
            models:
                "vad: { from: zoo/vad, version: ^1.0, quarantineExpires: 1h, check: { exec: [sh, -c, 'test -e \"$0\"', ../../ok] } }"
        )
        try await machine.publish("vad", "1.0.0")
        #expect(try await machine.reconciler.pass().status == .failed)
        let plan = try await machine.reconciler.plan()
        #expect(plan.changes.isEmpty)
        #expect(plan.nextEdge == Machine.start.advanced(bySeconds: 3600))
        machine.clock.advance(seconds: 3600)
        #expect(try await machine.reconciler.plan().changes.count == 1)
    }
}

@Suite struct `A group of models` {
    private let probe = "probe: { exec: [sh, -c, 'test \"$(cat \"$RECONCILE_PATH/v\")\" != bad'], attempts: 1 }"

    private func machine() async throws -> Machine {
        let machine = try Machine(
            models: "a: { from: zoo/a, version: ^1.0, group: g }\nb: { from: zoo/b, version: ^1.0, group: g, \(probe) }"
        )
        for repository in ["a", "b"] { try await machine.publish(repository, "1.0.0") }
        _ = try await machine.reconciler.pass()
        return machine
    }

    private func activeSet(_ machine: Machine) -> String? {
        machine.work.destination("models/.reconcile/groups/g/active")
    }

    @Test func `is switched by one link`() async throws {
        let machine = try await machine()
        #expect(machine.work.destination("models/a") == ".reconcile/groups/g/active/a")
        for repository in ["a", "b"] { try await machine.publish(repository, "1.1.0") }
        let before = activeSet(machine)
        #expect(try await machine.reconciler.pass().status == .success)
        #expect(activeSet(machine) != before)
        #expect([machine.active("a"), machine.active("b")] == ["1.1.0", "1.1.0"])
    }

    @Test func `goes back together when one of them does not work, and the set is not tried again`() async throws {
        let machine = try await machine()
        let before = activeSet(machine)
        try await machine.publish("a", "1.1.0")
        try await machine.publish("b", "1.1.0", content: "bad")
        #expect(try await machine.reconciler.pass().status == .problem)
        #expect(activeSet(machine) == before)
        #expect([machine.active("a"), machine.active("b")] == ["1.0.0", "1.0.0"])
        #expect(try await machine.reconciler.pass().outcomes.isEmpty)
        // A better one of the model at fault is another set, and the other model's update is in it.
        try await machine.publish("b", "1.1.1")
        #expect(try await machine.reconciler.pass().status == .success)
        #expect([machine.active("a"), machine.active("b")] == ["1.1.0", "1.1.1"])
    }

    @Test func `is held and goes back as one`() async throws {
        let machine = try await machine()
        for repository in ["a", "b"] { try await machine.publish(repository, "1.1.0") }
        _ = try await machine.reconciler.pass()
        _ = try await machine.reconciler.rollback(machine.name("b"))
        #expect([machine.active("a"), machine.active("b")] == ["1.0.0", "1.0.0"])
        #expect(try await machine.reconciler.pass().outcomes.isEmpty)
        _ = try await machine.reconciler.resume(machine.name("a"))
        _ = try await machine.reconciler.pass()
        #expect([machine.active("a"), machine.active("b")] == ["1.1.0", "1.1.0"])
    }

    @Test func `may be left, and entered by a model that was alone`() async throws {
        let machine = try await machine()
        try machine.work.declare(
            "a: { from: zoo/a, version: ^1.0 }\nb: { from: zoo/b, version: ^1.0, group: g }\nc: { from: zoo/c, version: ^1.0 }"
        )
        try await machine.publish("c", "1.0.0")
        try await machine.publish("b", "1.1.0")
        _ = try await machine.reconciler.pass()
        #expect([machine.active("a"), machine.active("b"), machine.active("c")] == ["1.0.0", "1.1.0", "1.0.0"])
        #expect(machine.work.destination("models/a")?.contains("groups") == false)
        try machine.work.declare(
            "a: { from: zoo/a, version: ^1.0 }\nb: { from: zoo/b, version: ^1.0, group: g }\nc: { from: zoo/c, version: ^1.0, group: g }"
        )
        try await machine.publish("c", "1.1.0")
        #expect(try await machine.reconciler.pass().status == .success)
        #expect(machine.work.destination("models/c") == ".reconcile/groups/g/active/c")
        #expect(try await machine.reconciler.plan().changes.isEmpty)
        #expect([machine.active("a"), machine.active("b"), machine.active("c")] == ["1.0.0", "1.1.0", "1.1.0"])
    }

    @Test func `that a model enters while a trial is open keeps that model's good one`() async throws {
        let machine = try Machine(
            models: "a: { from: zoo/a, version: ^1.0, group: g }\nb: { from: zoo/b, version: ^1.0 }")
        for repository in ["a", "b"] { try await machine.publish(repository, "1.0.0") }
        _ = try await machine.reconciler.pass()
        let before = try #require(activeSet(machine))
        try await machine.publish("a", "1.1.0")
        _ = try await machine.reconciler.pass()
        // What is there when the program dies before the confirm.
        try machine.work.link("models/.reconcile/groups/g/good", to: before)
        try machine.work.declare(
            "a: { from: zoo/a, version: ^1.0, group: g }\nb: { from: zoo/b, version: ^1.0, group: g }")
        #expect(try await machine.reconciler.pass().status == .success)
        #expect([machine.active("a"), machine.active("b")] == ["1.1.0", "1.0.0"])
        #expect(machine.work.read("models/.reconcile/good/b/v") == "1.0.0")
        #expect(try await machine.reconciler.plan().changes.isEmpty)
    }

    @Test func `that a model has left keeps nothing of it, halted or not`() async throws {
        let bad =
            "onFailure: halt, probe: { exec: [sh, -c, 'test \"$(cat \"$RECONCILE_PATH/v\")\" != bad'], attempts: 1 }"
        let machine = try Machine(
            models: "x: { from: zoo/x, version: ^1.0, group: g }\ny: { from: zoo/y, version: ^1.0, group: g }")
        for repository in ["x", "y"] { try await machine.publish(repository, "1.0.0") }
        _ = try await machine.reconciler.pass()
        try machine.work.declare(
            "x: { from: zoo/x, version: ^1.0, \(bad) }\ny: { from: zoo/y, version: ^1.0, group: g }")
        try await machine.publish("x", "1.1.0", content: "bad")
        #expect(try await machine.reconciler.pass().status == .failed)
        try await machine.publish("y", "1.1.0")
        _ = try await machine.reconciler.pass()
        #expect(machine.work.read("models/.reconcile/good/x/v") == "1.0.0")
        _ = try await machine.reconciler.rollback(machine.name("x"))
        #expect([machine.active("x"), machine.active("y")] == ["1.0.0", "1.1.0"])
    }

    @Test func `with a first release that does not work leaves nothing behind`() async throws {
        let machine = try Machine(
            models: "a: { from: zoo/a, version: ^1.0, group: g }\nb: { from: zoo/b, version: ^1.0, group: g, \(probe) }"
        )
        try await machine.publish("a", "1.0.0")
        try await machine.publish("b", "1.0.0", content: "bad")
        #expect(try await machine.reconciler.pass().status == .problem)
        #expect(!machine.work.exists("models/a") && !machine.work.exists("models/b"))
        #expect(try await machine.reconciler.pass().outcomes.isEmpty)
    }
}

@Suite struct `A dependency` {
    @Test func `that fails holds back its dependents and nobody else`() async throws {
        let machine = try Machine(
            models: """
                base: { from: zoo/base, version: ^1.0, check: { exec: ['false'] } }
                next: { from: zoo/next, version: ^1.0, dependsOn: [base] }
                other: { from: zoo/other, version: ^1.0 }
                """)
        for repository in ["base", "next", "other"] { try await machine.publish(repository, "1.0.0") }
        let result = try await machine.reconciler.pass()
        #expect(machine.active("other") == "1.0.0")
        #expect(machine.active("next") == nil)
        #expect(result.outcomes.map(\.change.model.description) == ["base", "next", "other"])
        guard case .failed(let fault) = result.outcomes[1].result else { throw Sample.Wrong() }
        #expect(fault.kind == .heldBack(by: try machine.name("base")))
    }

    @Test func `that works is activated first`() async throws {
        let machine = try Machine(
            models: """
                a: { from: zoo/a, version: ^1.0, dependsOn: [z], check: { exec: [sh, -c, 'test -e \"$RECONCILE_PATH/../../../../z\"'] } }
                z: { from: zoo/z, version: ^1.0 }
                """)
        for repository in ["a", "z"] { try await machine.publish(repository, "1.0.0") }
        #expect(try await machine.reconciler.pass().status == .success)
    }
}

@Suite struct `An order for a group` {
    private let models = """
        a: { from: zoo/a, version: ^1.0, group: g }
        b: { from: zoo/b, version: ^1.0, group: g, probe: { exec: [sh, -c, 'test "$(cat "$RECONCILE_PATH/v")" != bad'], attempts: 1 } }
        """

    private func machine(_ versions: [String]) async throws -> Machine {
        let machine = try Machine(models: models)
        for version in versions {
            for repository in ["a", "b"] { try await machine.publish(repository, version) }
            _ = try await machine.reconciler.pass()
            machine.clock.advance(seconds: 10)
        }
        return machine
    }

    @Test func `that a crash cut short is still one order`() async throws {
        let machine = try await machine(["1.0.0", "1.1.0"])
        _ = try await machine.reconciler.rollback(machine.name("a"))
        // What is left when the program dies after the first of the two memories was written.
        let path = "models/.reconcile/memory/b.json"
        let text = try #require(machine.work.read(path))
        var memory = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        memory["hold"] = nil
        try machine.work.write(
            String(decoding: try JSONSerialization.data(withJSONObject: memory), as: UTF8.self), to: path)
        #expect(try await machine.reconciler.pass().outcomes.isEmpty)
        #expect([machine.active("a"), machine.active("b")] == ["1.0.0", "1.0.0"])
    }

    @Test func `never goes back to what did not work or was only prepared`() async throws {
        let machine = try await machine(["1.0.0"])
        try await machine.publish("a", "1.1.0")
        try await machine.publish("b", "1.1.0", content: "bad")
        _ = try await machine.reconciler.pass()
        await #expect(throws: Fault.self) {
            _ = try await machine.reconciler.rollback(machine.name("b"), to: Version("1.1.0"))
        }
        #expect([machine.active("a"), machine.active("b")] == ["1.0.0", "1.0.0"])
    }
}

@Suite struct `A pass over one model` {
    @Test func `takes what it depends on into account`() async throws {
        let machine = try Machine(
            models: """
                base: { from: zoo/base, version: ^1.0, check: { exec: [sh, -c, 'test "$(cat "$RECONCILE_PATH/v")" != bad'] } }
                next: { from: zoo/next, version: ^1.0, dependsOn: [base] }
                """)
        for repository in ["base", "next"] { try await machine.publish(repository, "1.0.0") }
        _ = try await machine.reconciler.pass()
        try await machine.publish("base", "1.1.0", content: "bad")
        _ = try await machine.reconciler.pass()
        try await machine.publish("next", "1.1.0")
        let next = try machine.name("next")
        #expect(try await machine.reconciler.pass(PassOptions(only: [next])).outcomes.isEmpty)
        #expect(machine.active("next") == "1.0.0")
    }
}
