import Foundation
import ReconcileCore
import ReconcileEngine
import ReconcileTesting
import Testing

private let start = Timestamp(seconds: 1_800_000_000)

/// A machine on which time passes as the test says, driven through the library as a host program would.
private struct OneModel {
    let work: Workspace
    let clock = ManualClock(start)
    let vad: ModelName

    init(_ model: String, head: String = "") throws {
        work = try Workspace()
        vad = try Sample.unwrap(ModelName("vad"))
        try work.declare("vad: { from: zoo/vad, version: '*'\(model) }", head: head)
    }

    var reconciler: Reconciler {
        Reconciler(
            files: [work.url("desired-state.yaml").path()],
            settings: Settings(user: "ana@gpu1", clock: { [clock] in clock.now }, lockPatience: .seconds(1)))
    }

    func publish(_ version: String, _ files: [String: String], age: Int64 = 0) async throws {
        for (path, text) in files { try work.write(text, to: "src-\(version)/\(path)") }
        let publisher = try Publisher(catalog: work.url("catalog").path(), repository: "vad")
        _ = try await publisher.publish(
            work.url("src-\(version)").path(), .init(version: Sample.unwrap(Version(version))),
            at: clock.now.advanced(bySeconds: -age))
    }

    func active() -> String? { work.read("models/vad/v") }
}

@Suite struct `A machine over time` {
    @Test func `takes a young release when it is old enough`() async throws {
        let machine = try OneModel(", minimumAge: 2d")
        try await machine.publish("1.0.0", ["v": "1"], age: 3 * 86400)
        #expect(try await machine.reconciler.pass().status == .success)
        try await machine.publish("1.1.0", ["v": "2"])
        let plan = try await machine.reconciler.plan()
        #expect(plan.blocked.map(\.obstacle) == [.tooYoung(until: start.advanced(bySeconds: 2 * 86400))])
        machine.clock.advance(seconds: 2 * 86400)
        #expect(try await machine.reconciler.pass().status == .success)
        #expect(machine.active() == "2")
    }

    @Test func `tries an undecided release again with growing pauses`() async throws {
        let machine = try OneModel(", check: { exec: [sh, -c, 'exit $(cat \"$RECONCILE_PATH/code\")'] }")
        try await machine.publish("1.0.0", ["v": "1", "code": "0"])
        _ = try await machine.reconciler.pass()
        try await machine.publish("1.1.0", ["v": "2", "code": "75"])
        for hours in [1, 2, 4, 8, 16, 24, 24] as [Int64] {
            #expect(try await machine.reconciler.pass().status == .failed)
            machine.clock.advance(seconds: hours * 3600 - 1)
            #expect(try await machine.reconciler.pass().outcomes.isEmpty, "\(hours) h are not over")
            machine.clock.advance(seconds: 1)
        }
        #expect(machine.active() == "1")
    }

    @Test func `deletes what retention lets go, an hour after it was left`() async throws {
        let machine = try OneModel(", keep: { last: 1, within: 0s }")
        // Directory times are real, so this clock starts now.
        machine.clock.advance(seconds: Int64(Date().timeIntervalSince1970) - start.seconds)
        for version in ["1.0.0", "1.1.0"] {
            try await machine.publish(version, ["v": version])
            _ = try await machine.reconciler.pass()
        }
        func kept() throws -> [Version] {
            try FileManager.default.contentsOfDirectory(
                atPath: machine.work.url("models/.reconcile/generations/vad").path()
            )
            .filter { $0.hasSuffix(".json") }.compactMap { Version(String($0.prefix(5))) }.sorted()
        }
        _ = try await machine.reconciler.pass()
        #expect(try kept().count == 2)
        machine.clock.advance(seconds: 3700)
        _ = try await machine.reconciler.pass()
        #expect(try kept().map(\.description) == ["1.1.0"])
        #expect(machine.active() == "1.1.0")
    }

    @Test func `follows a hold until its time`() async throws {
        let machine = try OneModel("")
        try await machine.publish("1.0.0", ["v": "1"])
        _ = try await machine.reconciler.pass()
        _ = try await machine.reconciler.hold(machine.vad, until: start.advanced(bySeconds: 60))
        try await machine.publish("1.1.0", ["v": "2"])
        #expect(try await machine.reconciler.pass().outcomes.isEmpty)
        machine.clock.advance(seconds: 60)
        _ = try await machine.reconciler.pass()
        #expect(machine.active() == "2")
    }
}

@Suite struct `A library user` {
    @Test func `gets the same plan twice, byte for byte`() async throws {
        let machine = try OneModel("")
        try await machine.publish("1.0.0", ["v": "1", "d/w": "2"])
        let first = try await machine.reconciler.plan()
        #expect(try await machine.reconciler.plan() == first)
    }

    @Test func `reads back the plan that was saved`() async throws {
        let machine = try OneModel("")
        try await machine.publish("1.0.0", ["v": "1"])
        let plan = try await machine.reconciler.plan()
        let path = machine.work.url("plan.json").path()
        try Reconciler.write(plan, to: path)
        #expect(try Reconciler.readPlan(path) == plan)
    }

    @Test func `sees build metadata through a whole life`() async throws {
        let machine = try OneModel("")
        for version in ["1.0.0+cuda.12", "1.1.0+cuda.12"] {
            try await machine.publish(version, ["v": version])
            #expect(try await machine.reconciler.pass().status == .success)
        }
        #expect(try await machine.reconciler.pass().outcomes.isEmpty)
        _ = try await machine.reconciler.rollback(machine.vad)
        #expect(machine.active() == "1.0.0+cuda.12")
    }
}
