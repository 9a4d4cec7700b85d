import Foundation
import ReconcileTesting
import Testing

private func machine(_ more: String = "", version: String = "^1.0") throws -> Workspace {
    let work = try Workspace()
    try work.declare("vad: { from: zoo/vad, version: \"\(version)\"\(more) }")
    try work.publish("vad", "1.0.0", ["state": "good", "v": "1"])
    #expect(try work.run().status == 0)
    return work
}

@Suite struct `A release that does not work` {
    @Test func `never becomes active when its check says so`() throws {
        let work = try machine(", check: \(checkFile)")
        try work.publish("vad", "1.1.0", ["state": "bad", "v": "2"])
        let link = work.destination("models/vad")
        var text = try transcript(work)
        #expect(work.destination("models/vad") == link)
        text += try transcript(work)
        try work.publish("vad", "1.2.0", ["state": "good", "v": "3"])
        text += try transcript(work)
        #expect(work.read("models/vad/v") == "3")
        expectGolden(text, "check-fails")
    }

    @Test func `is put back when its probe says so, and not tried again`() throws {
        let work = try machine(
            ", probe: { exec: [sh, -c, 'test \"$(cat models/vad/state)\" = good || { echo it is bad; exit 1; }'], attempts: 1 }"
        )
        try work.publish("vad", "1.1.0", ["state": "bad", "v": "2"])
        var text = try transcript(work)
        #expect(work.read("models/vad/v") == "1")
        text += try transcript(work) + transcript(work, "status") + transcript(work, "retry", "vad") + transcript(work)
        #expect(work.read("models/vad/v") == "1")
        expectGolden(text, "probe-fails")
    }

    @Test func `is not blamed when the old one fails in the same way`() throws {
        let work = try machine()
        try work.declare(
            "vad: { from: zoo/vad, version: ^1.0, probe: { exec: [sh, -c, 'echo no server; exit 1'], attempts: 1 } }")
        try work.publish("vad", "1.1.0", ["state": "good", "v": "2"])
        expectGolden(try transcript(work) + transcript(work), "probe-environment")
        #expect(work.read("models/vad/v") == "1")
    }

    @Test func `that cannot be told is tried again later`() throws {
        let work = try machine(", check: \(checkFile)")
        try work.publish("vad", "1.1.0", ["state": "unsure", "v": "2"])
        expectGolden(try transcript(work) + transcript(work), "check-unsure")
    }

    @Test func `stays when the policy says halt, until a person acts`() throws {
        let work = try machine(
            ", onFailure: halt, probe: { exec: [sh, -c, 'test $(cat models/vad/state) = good'], attempts: 1 }")
        try work.publish("vad", "1.1.0", ["state": "bad", "v": "2"])
        var text = try transcript(work)
        #expect(work.read("models/vad/v") == "2")
        text += try transcript(work) + transcript(work, "rollback", "vad") + transcript(work)
        #expect(work.read("models/vad/v") == "1")
        expectGolden(text, "halt")
    }

    @Test func `is not waited for beyond its deadline, whatever it does`() throws {
        let work = try machine()
        try work.declare(
            "vad: { from: zoo/vad, version: ^1.0, check: { exec: [sh, -c, 'test \"$(cat \"$RECONCILE_PATH/v\")\" = 1 && exit 0; trap \"\" TERM; (sleep 300 &) ; yes | head -c 100000000; sleep 300'], timeout: 2s } }"
        )
        try work.publish("vad", "1.1.0", ["state": "good", "v": "2"])
        let start = ContinuousClock.now
        let run = try work.run()
        #expect(ContinuousClock.now - start < .seconds(20))
        #expect(run.status == 1)
        #expect(run.output.contains("check failed: no answer within 2 s"))
        #expect(work.read("models/vad/v") == "1")
    }
}

@Suite struct `A person's order` {
    @Test func `rolls back at once and is left alone by the next passes`() throws {
        let work = try machine()
        try work.publish("vad", "1.1.0", ["state": "good", "v": "2"])
        #expect(try work.run().status == 0)
        var text = try transcript(work, "rollback", "vad", "--reason", "noise at night")
        #expect(work.read("models/vad/v") == "1")
        text +=
            try transcript(work) + transcript(work, "status", "vad") + transcript(work, "resume", "vad")
            + transcript(work)
        #expect(work.read("models/vad/v") == "2")
        text += try transcript(work, "rollback", "vad", "--to", "9.9.9")
        expectGolden(text, "rollback")
    }

    @Test func `ends when the model's declaration changes`() throws {
        let work = try machine()
        try work.publish("vad", "1.1.0", ["state": "good", "v": "2"])
        _ = try work.run()
        _ = try work.run("rollback", "vad")
        try work.publish("vad", "1.2.0", ["state": "good", "v": "3"])
        #expect(try work.run().status == 0)
        #expect(work.read("models/vad/v") == "1")
        try work.declare("vad: { from: zoo/vad, version: ^1.2 }")
        #expect(try work.run().status == 0)
        #expect(work.read("models/vad/v") == "3")
    }

    @Test func `holds what is active`() throws {
        let work = try machine()
        var text = try transcript(work, "hold", "vad", "--until", "2999-01-01T00:00:00Z")
        try work.publish("vad", "1.1.0", ["state": "good", "v": "2"])
        text += try transcript(work) + transcript(work, "resume", "vad") + transcript(work, "resume", "vad")
        #expect(work.read("models/vad/v") == "1")
        expectGolden(text, "hold")
    }

    @Test func `approves one exact change`() throws {
        let work = try machine(version: "*")
        try work.publish("vad", "2.0.0", ["state": "good", "v": "2"])
        var text = try transcript(work) + transcript(work, "approve", "vad")
        try work.publish("vad", "3.0.0", ["state": "good", "v": "3"])
        text += try transcript(work)
        #expect(work.read("models/vad/v") == "2")
        text += try transcript(work, "approve", "vad") + transcript(work, "approve", "vad") + transcript(work)
        #expect(work.read("models/vad/v") == "3")
        expectGolden(text, "approve")
    }
}

@Suite struct `What works` {
    @Test func `is not taken away when its record is damaged`() throws {
        let work = try machine(
            ", probe: { exec: [sh, -c, 'test $(cat models/vad/state) = good'], attempts: 1 }", version: "*")
        let directory = try #require(work.destination("models/vad")?.split(separator: "/").last)
        let record = "models/.reconcile/generations/vad/\(directory).json"
        let whole = try #require(work.read(record))
        try work.write("cut", to: record)
        try work.publish("vad", "2.0.0", ["state": "bad", "v": "2"])
        let first = try work.run()
        #expect(work.read("models/vad/v") == "1", "\(first.output)")
        #expect(try work.run().status == 0)
        #expect(work.read(record)?.count == whole.count, "the record is written anew")
    }

    @Test func `stays when the source of a lost record is away`() throws {
        let work = try machine()
        let directory = try #require(work.destination("models/vad")?.split(separator: "/").last)
        try FileManager.default.removeItem(at: work.url("models/.reconcile/generations/vad/\(directory).json"))
        try FileManager.default.removeItem(at: work.url("catalog"))
        let run = try work.run()
        #expect(run.status == 4)
        #expect(run.output.contains("is missing or damaged"))
        #expect(work.read("models/vad/v") == "1")
        #expect(try work.run("verify").status == 1)
    }

    @Test func `is rolled back to even when the server that is told about it is down`() throws {
        let work = try machine()
        try work.publish("vad", "1.1.0", ["state": "good", "v": "2"])
        #expect(try work.run().status == 0)
        try work.declare(
            "vad: { from: zoo/vad, version: ^1.0, reload: { http: { url: 'http://127.0.0.1:9/load' } } }")
        let run = try work.run("rollback", "vad")
        #expect(run.status == 0)
        #expect(run.output.contains("warning: reload could not tell: connection refused"))
        #expect(work.read("models/vad/v") == "1")
        #expect(try work.run().status == 0)
        #expect(work.read("models/vad/v") == "1")
    }

    @Test func `is not moved by a hold that has ended, when what ended it is undone`() throws {
        let work = try machine()
        try work.publish("vad", "1.1.0", ["state": "good", "v": "2"])
        _ = try work.run()
        _ = try work.run("rollback", "vad")
        try work.declare("vad: { from: zoo/vad, version: '>=1.1' }")
        _ = try work.run()
        #expect(work.read("models/vad/v") == "2")
        try work.declare("vad: { from: zoo/vad, version: ^1.0 }")
        _ = try work.run()
        #expect(work.read("models/vad/v") == "2")
    }

    @Test func `waits for the models that its newer release requires`() throws {
        let work = try Workspace()
        try work.declare(
            "a: { from: zoo/a, version: '*', automatic: major }\nb: { from: zoo/b, version: '*', automatic: major, check: \(checkFile) }"
        )
        for name in ["a", "b"] { try work.publish(name, "1.0.0", ["state": "good", "v": "1"]) }
        #expect(try work.run().status == 0)
        try work.publish("a", "2.0.0", ["state": "good", "v": "2"], "--requires", "model:b=>=2")
        try work.publish("b", "2.0.0", ["state": "bad", "v": "2"])
        var text = try transcript(work)
        #expect(work.read("models/a/v") == "1")
        text += try transcript(work)
        try work.publish("b", "2.0.1", ["state": "good", "v": "3"])
        text += try transcript(work)
        #expect(work.read("models/a/v") == "2")
        text += try transcript(work)
        expectGolden(text.replacing(/\n[ab]: [^\n]*/, with: ""), "requirements")
    }

    @Test func `is not pruned because its block is empty`() throws {
        let work = try machine()
        try work.write(
            "apiVersion: reconcile/v1\nsources: { zoo: { directory: catalog } }\nprune: true\nmodels:\n  vad:\n",
            to: "desired-state.yaml")
        let run = try work.run()
        #expect(run.status == 1)
        #expect(run.errors.contains("says nothing"))
        #expect(work.read("models/vad/v") == "1")
    }
}
