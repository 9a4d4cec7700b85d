import Foundation
import ReconcileTesting
import Testing

private func machine() throws -> Workspace {
    let work = try Workspace()
    try work.declare("vad: { from: zoo/vad, version: '*' }\nasr: { from: zoo/asr, version: ^1.0 }")
    try work.publish("vad", "1.0.0", ["m": "one"])
    try work.publish("asr", "1.0.0", ["m": "asr one"])
    #expect(try work.run().status == 0)
    try work.publish("vad", "1.1.0", ["m": "two"])
    try work.publish("vad", "2.0.0", ["m": "three"])
    return work
}

@Suite struct `A saved plan` {
    @Test func `is shown in three views of one value`() throws {
        let work = try machine()
        let text =
            try transcript(work, "plan", "--out", "plan.json") + transcript(work, "show", "plan.json")
            + transcript(work, "show", "plan.json", "-o", "markdown")
        expectGolden(text.replacing(/`[0-9a-f]{12}`/, with: "`DIGEST`"), "plan-views")
        let json = try #require(work.read("plan.json"))
        #expect(json.contains("\"formatVersion\" : 1") || json.contains("\"formatVersion\": 1"))
    }

    @Test func `is applied once, and refused when something moved`() throws {
        let work = try machine()
        #expect(try work.run("plan", "--approve", "vad", "--out", "plan.json").status == 0)
        #expect(try work.run("plan", "--out", "small.json").status == 0)
        var text = try transcript(work, "apply", "plan.json")
        #expect(work.read("models/vad/m") == "three")
        text += try transcript(work, "apply", "plan.json") + transcript(work, "apply", "small.json")
        #expect(work.read("models/vad/m") == "three")
        expectGolden(text, "plan-stale")
    }

    @Test func `is refused after a new hold`() throws {
        let work = try machine()
        _ = try work.run("plan", "--out", "plan.json")
        _ = try work.run("hold", "vad")
        let run = try work.run("apply", "plan.json")
        #expect(run.status == 3)
        #expect(run.errors.contains("vad: it is held at 1.0.0"))
        #expect(work.read("models/vad/m") == "one")
    }

    @Test func `that somebody edited is refused`() throws {
        let work = try machine()
        _ = try work.run("plan", "--out", "plan.json")
        let json = try #require(work.read("plan.json"))
        for (edited, words) in [
            (json.replacing("1.1.0", with: "1.9.0"), "its changes are not those of its planDigest"),
            (String(json.prefix(json.count / 2)), "it is not JSON, or cut short"), ("", "it is empty"),
            ("<<<<<<< HEAD\n" + json, "it has conflict markers of a merge"),
            (json.replacing("\"formatVersion\" : 1", with: "\"formatVersion\" : 9"), "has format 9"),
        ] {
            try work.write(edited, to: "edited.json")
            let run = try work.run("apply", "edited.json")
            #expect(run.status == 1)
            #expect(run.errors.contains(words), "\(run.errors)")
        }
        #expect(work.read("models/vad/m") == "one")
    }

    @Test func `can be made for another machine`() throws {
        let here = try machine()
        let status = try here.run("status", "-o", "json")
        let runner = try Workspace()
        try FileManager.default.copyItem(at: here.url("catalog"), to: runner.url("catalog"))
        try FileManager.default.copyItem(at: here.url("desired-state.yaml"), to: runner.url("desired-state.yaml"))
        try runner.write(status.output, to: "status.json")
        #expect(try runner.run("plan", "--against", "status.json").output == here.run("plan").output)
        #expect(!runner.exists("models"))
        #expect(try runner.run("plan", "--against", "status.json", "--out", "plan.json").status == 0)
        try FileManager.default.copyItem(at: runner.url("plan.json"), to: here.url("plan.json"))
        #expect(try here.run("apply", "plan.json").status == 0)
        #expect(here.read("models/vad/m") == "two")
    }
}

@Suite struct `The exit status` {
    @Test func `is 0 in sync and 2 with pending changes only when asked`() throws {
        let work = try machine()
        #expect(try work.run("--dry-run").status == 0)
        #expect(try work.run("--dry-run", "--detailed-exitcode").status == 2)
        #expect(try work.run().status == 0)
        #expect(try work.run("--dry-run", "--detailed-exitcode").status == 0)
    }

    @Test func `is 1 for input that is wrong`() throws {
        let work = try Workspace()
        #expect(try work.run().status == 1)
        try work.write("apiVersion: v0\n", to: "desired-state.yaml")
        #expect(try work.run().status == 1)
    }

    @Test func `is 3 for a stale plan`() throws {
        let work = try machine()
        _ = try work.run("plan", "--out", "plan.json")
        _ = try work.run()
        _ = try work.run("rollback", "vad")
        #expect(try work.run("apply", "plan.json").status == 3)
    }

    @Test func `is 4 when a source is unknown, and the other models go on`() throws {
        let work = try machine()
        try work.publish("asr", "1.1.0", ["m": "asr two"])
        try FileManager.default.removeItem(at: work.url("catalog/vad"))
        #expect(try work.run().status == 4)
        #expect(work.read("models/asr/m") == "asr two")
        #expect(work.read("models/vad/m") == "one")
    }

    @Test func `is 64 for a wrong command line`() throws {
        let work = try Workspace()
        for arguments in [
            ["--nonsense"], ["apply", "a/b"], ["rollback"], ["plan", "-o", "xml"],
            ["publish", "--to", "x", "--model", "m"],
        ] {
            #expect(try work.run(arguments).status == 64, "\(arguments)")
        }
    }

    @Test func `is 75 when another process holds the store`() throws {
        let work = try machine()
        let run = try work.run("--lock-timeout", "0s", wrapper: ["flock", "models/.reconcile/lock"])
        #expect(run.status == 1 || run.status == 75)
        #expect(run.status == 75)
        #expect(run.output.contains("is locked by"))
        #expect(work.read("models/vad/m") == "one")
    }

    @Test(arguments: [("INT", 130), ("TERM", 143)] as [(String, Int32)])
    func `is that of the signal that interrupted it`(signal: String, status: Int32) throws {
        let work = try machine()
        try work.declare("vad: { from: zoo/vad, version: ^1.0, check: { exec: [sleep, '60'] } }")
        let script = "\"$0\" & pid=$!; sleep 1; kill -\(signal) $pid; wait $pid"
        let run = try work.run(wrapper: ["bash", "-c", script])
        #expect(run.status == status)
        #expect(work.read("models/vad/m") == "one")
        #expect(try work.run("status").status == 0)
    }
}
