import Foundation
import GRDB
import ReconcileCore
import ReconcileEngine
import ReconcileTesting
import SystemPackage
import Testing

@Suite struct `The history` {
    private func machine() async throws -> Machine {
        let machine = try Machine(models: "vad: { from: zoo/vad, version: ^1.0 }")
        for version in ["1.0.0", "1.1.0", "1.2.0"] {
            try await machine.publish("vad", version)
            _ = try await machine.reconciler.pass()
        }
        return machine
    }

    private func database(_ machine: Machine) throws -> DatabaseQueue {
        try DatabaseQueue(path: machine.work.url("models/.reconcile/history.db").path())
    }

    @Test func `says who did what, from what to what, in which pass and plan`() async throws {
        let machine = try await machine()
        let act = try #require(try machine.reconciler.history(limit: 1).first)
        #expect(act.kind == "confirmed" && act.who == "ana@gpu1" && act.model == "vad")
        #expect(act.from?.hasPrefix("1.1.0 ") == true && act.to?.hasPrefix("1.2.0 ") == true)
        #expect(act.planDigest?.count == 64 && act.pass != nil && act.rollout?.hasPrefix(act.pass ?? "-") == true)
        #expect(act.bytes == 5 && act.milliseconds != nil)
    }

    @Test func `is a chain whose head is known`() async throws {
        let machine = try await machine()
        let found = try machine.reconciler.verifyHistory()
        #expect(found.acts == 3 && found.brokenAt == nil && found.head.count == 64)
        _ = try await machine.reconciler.hold(machine.name("vad"))
        #expect(try machine.reconciler.verifyHistory().head != found.head)
    }

    @Test func `is only ever appended to`() async throws {
        let machine = try await machine()
        let database = try database(machine)
        #expect(throws: DatabaseError.self) {
            try database.write { try $0.execute(sql: "UPDATE act SET who = 'nobody'") }
        }
        #expect(throws: DatabaseError.self) { try database.write { try $0.execute(sql: "DELETE FROM act") } }
    }

    @Test(arguments: [
        "UPDATE act SET who = 'nobody' WHERE id = 2", "UPDATE act SET milliseconds = 'soon' WHERE id = 2",
        "UPDATE act SET at = x'00ff' WHERE id = 2", "DELETE FROM act WHERE id = 2",
    ])
    func `shows an act that was changed or taken out`(tampering: String) async throws {
        let machine = try await machine()
        try await database(machine).write { database in
            try database.execute(sql: "DROP TRIGGER actKept; DROP TRIGGER actStays; \(tampering)")
        }
        #expect(try machine.reconciler.verifyHistory().brokenAt == (tampering.hasPrefix("UPDATE") ? 2 : 3))
    }

    @Test func `shows a tail that was cut off only against a head kept elsewhere`() async throws {
        let machine = try await machine()
        let head = try machine.reconciler.verifyHistory().head
        try await database(machine).write { database in
            try database.execute(sql: "DROP TRIGGER actStays; DELETE FROM act WHERE id = 3")
        }
        let found = try machine.reconciler.verifyHistory()
        #expect(found.brokenAt == nil)
        #expect(found.head != head)
    }

    @Test func `of before a moment is left out when asked`() async throws {
        let machine = try await machine()
        machine.clock.advance(seconds: 3600)
        _ = try await machine.reconciler.hold(machine.name("vad"))
        let acts = try machine.reconciler.history(since: machine.clock.now.advanced(bySeconds: -60))
        #expect(acts.map(\.kind) == ["held"])
    }

    @Test func `of a model nobody knows is an error`() async throws {
        let machine = try await machine()
        #expect(throws: Fault.self) { _ = try machine.reconciler.history(of: machine.name("nope")) }
    }

    @Test func `with values that are none is read as far as it can be`() async throws {
        let machine = try await machine()
        try await database(machine).write { database in
            try database.execute(
                sql: """
                    UPDATE condition SET status = 'perhaps', since = x'ff';
                    UPDATE inspection SET isGood = 'who knows';
                    UPDATE observed SET value = x'fe';
                    """)
        }
        #expect(try await machine.reconciler.status().models.map(\.health) == [.unknown])
        #expect(try await machine.reconciler.pass().status == .success)
        #expect(try await machine.reconciler.status().models.first?.condition(.ready)?.status == true)
    }

    @Test func `that is lost loses nothing else`() async throws {
        let machine = try await machine()
        try FileManager.default.removeItem(at: machine.work.url("models/.reconcile/history.db"))
        #expect(try await machine.reconciler.pass().status == .success)
        #expect(machine.active("vad") == "1.2.0")
        #expect(try machine.reconciler.verifyHistory().brokenAt == nil)
    }

    @Test func `gives figures over time`() async throws {
        let machine = try await machine()
        let total = try machine.reconciler.statistics().total
        #expect(total.installs == 1 && total.updates == 2 && total.failures == 0)
        #expect(total.receivedBytes == 15)
    }
}

@Suite struct `The conditions of a model` {
    private func conditions(_ machine: Machine) async throws -> [Condition.Kind: Condition] {
        let model = try #require(try await machine.reconciler.status().models.first)
        return Dictionary(model.conditions.map { ($0.type, $0) }) { $1 }
    }

    @Test func `say that all is well, and since when`() async throws {
        let machine = try Machine(models: "vad: { from: zoo/vad, version: ^1.0 }")
        try await machine.publish("vad", "1.0.0")
        _ = try await machine.reconciler.pass()
        machine.clock.advance(seconds: 100)
        _ = try await machine.reconciler.pass()
        let found = try await conditions(machine)
        #expect(found[.ready]?.status == true && found[.ready]?.since == Machine.start)
        #expect(found.values.filter(\.status).map(\.type) == [.ready])
        let status = try await machine.reconciler.status()
        #expect(status.observedDesiredState == status.desiredState)
        #expect(status.models.map(\.health) == [.healthy])
    }

    @Test func `say what did not work, until it does`() async throws {
        let machine = try Machine(
            models:
                "vad: { from: zoo/vad, version: ^1.0, check: { exec: [sh, -c, 'test \"$(cat \"$RECONCILE_PATH/v\")\" != bad'] } }"
        )
        try await machine.publish("vad", "1.0.0")
        _ = try await machine.reconciler.pass()
        try await machine.publish("vad", "1.1.0", content: "bad")
        _ = try await machine.reconciler.pass()
        let broken = try await conditions(machine)
        #expect(broken[.degraded]?.status == true && broken[.ready]?.status == false)
        try await machine.publish("vad", "1.1.1")
        machine.clock.advance(seconds: 10)
        _ = try await machine.reconciler.pass()
        let mended = try await conditions(machine)
        #expect(mended[.degraded]?.status == false && mended[.ready]?.status == true)
        #expect(mended[.degraded]?.since == machine.clock.now)
    }

    @Test func `follow a person's order and the disk at once, without a pass`() async throws {
        let machine = try Machine(models: "vad: { from: zoo/vad, version: ^1.0 }")
        try await machine.publish("vad", "1.0.0")
        _ = try await machine.reconciler.pass()
        _ = try await machine.reconciler.hold(machine.name("vad"), reason: "a demo")
        #expect(try await conditions(machine)[.held]?.message.contains("a demo") == true)
        let file = machine.work.url("models/vad/v")
        try FileManager.default.removeItem(at: file.resolvingSymlinksInPath())
        let found = try await conditions(machine)
        #expect(found[.drifted]?.status == true && found[.ready]?.reason == "Damaged")
    }

    @Test func `are waited for, of this desired state and no older one`() async throws {
        let machine = try Machine(models: "vad: { from: zoo/vad, version: ^1.0 }")
        try await machine.publish("vad", "1.0.0")
        _ = try await machine.reconciler.pass()
        #expect(try await machine.reconciler.wait(for: .ready, status: true, seconds: 1).count == 1)
        try machine.work.declare("vad: { from: zoo/vad, version: ^1.0, automatic: major }")
        await #expect(throws: Fault.self) {
            _ = try await machine.reconciler.wait(for: .ready, status: true, seconds: 1)
        }
        _ = try await machine.reconciler.pass()
        #expect(try await machine.reconciler.wait(for: .ready, status: true, seconds: 1).count == 1)
    }
}

@Suite struct `What people are told` {
    private func machine(_ receiver: String = "", check: String = "") throws -> Machine {
        let machine = try Machine(
            models: "vad: { from: zoo/vad, version: ^1.0, automatic: patch\(check) }",
            head: "notify: [{ file: news\(receiver) }]\n")
        return machine
    }

    @Test func `is told once for each transition`() async throws {
        let machine = try machine()
        try await machine.publish("vad", "1.0.0")
        for _ in 0..<3 { _ = try await machine.reconciler.pass() }
        try await machine.publish("vad", "1.1.0", priority: .high)
        for _ in 0..<3 { _ = try await machine.reconciler.pass() }
        let news = try machine.news()
        #expect(news.map(\.kind) == [.confirmed, .updateAvailable])
        #expect(news.last?.priority == .high && news.last?.command == "reconcile approve vad")
        #expect(news.last?.historyHead?.count == 64)
    }

    @Test func `tells of trouble once, and when it is over`() async throws {
        let machine = try machine(check: ", check: { exec: [sh, -c, 'test \"$(cat \"$RECONCILE_PATH/v\")\" != bad'] }")
        try await machine.publish("vad", "1.0.0")
        _ = try await machine.reconciler.pass()
        try await machine.publish("vad", "1.0.1", content: "bad")
        for _ in 0..<3 { _ = try await machine.reconciler.pass() }
        try await machine.publish("vad", "1.0.2")
        for _ in 0..<2 { _ = try await machine.reconciler.pass() }
        #expect(try machine.news().map(\.kind) == [.confirmed, .failed, .confirmed])
        try FileManager.default.moveItem(at: machine.work.url("catalog"), to: machine.work.url("away"))
        for _ in 0..<2 { _ = try await machine.reconciler.pass() }
        try FileManager.default.moveItem(at: machine.work.url("away"), to: machine.work.url("catalog"))
        for _ in 0..<2 { _ = try await machine.reconciler.pass() }
        #expect(try machine.news().dropFirst(3).map(\.kind) == [.degraded, .recovered])
    }

    @Test func `that nobody wants is not told`() async throws {
        let machine = try machine(", events: [updateAvailable, rolledBack], minimumPriority: critical")
        try await machine.publish("vad", "1.0.0")
        _ = try await machine.reconciler.pass()
        try await machine.publish("vad", "1.1.0", priority: .high)
        _ = try await machine.reconciler.pass()
        try await machine.publish("vad", "1.2.0", priority: .critical)
        _ = try await machine.reconciler.pass()
        #expect(try machine.news().map(\.to?.version.description) == ["1.2.0"])
    }

    @Test func `reminds of what is still broken, when asked to`() async throws {
        let machine = try machine(", remind: 1d", check: ", check: { exec: ['false'] }")
        try await machine.publish("vad", "1.0.0")
        for hours in [0, 23, 1, 1, 23, 24] as [Int64] {
            machine.clock.advance(seconds: hours * 3600)
            _ = try await machine.reconciler.pass()
        }
        #expect(try machine.news().map(\.kind) == [.failed, .reminder, .reminder, .reminder])
    }

    @Test func `that cannot be brought waits for a later pass, and touches no rollout`() async throws {
        let machine = try Machine(
            models: "vad: { from: zoo/vad, version: ^1.0 }",
            head: "notify: [{ exec: [sh, -c, 'test -e ../open && cat >> ../told'], attempts: 9 }]\n")
        try await machine.publish("vad", "1.0.0")
        #expect(try await machine.reconciler.pass().status == .success)
        #expect(machine.active("vad") == "1.0.0")
    }
}
