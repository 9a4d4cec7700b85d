import Foundation
import ReconcileTesting
import Testing

@Suite struct `A pass` {
    @Test func `installs, updates, and then has nothing to do`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: ^1.0 }")
        try work.publish("vad", "1.0.0", ["model.bin": "one", "d/labels": "a"])
        var text = try transcript(work, "--dry-run")
        #expect(!work.exists("models"), "a dry run writes nothing")
        text += try transcript(work)
        #expect(work.read("models/vad/model.bin") == "one")
        text += try transcript(work)
        try work.publish("vad", "1.1.0", ["model.bin": "two", "d/labels": "a"])
        text += try transcript(work, "--dry-run", "--detailed-exitcode")
        text += try transcript(work)
        #expect(work.read("models/vad/model.bin") == "two")
        text += try transcript(work, "status")
        text += try transcript(work, "explain", "vad")
        text += try transcript(work, "history")
        expectGolden(text, "pass")
    }

    @Test func `writes nothing when it is a dry run, nor when there is nothing to do`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: ^1.0 }")
        try work.publish("vad", "1.0.0", ["model.bin": "one"])
        #expect(try work.run().status == 0)
        let before = work.listing("models")
        try work.publish("vad", "1.1.0", ["model.bin": "two"])
        for arguments in [
            ["--dry-run"], ["plan"], ["status"], ["outdated"], ["explain", "vad"], ["history"], ["verify"],
            ["gc", "--dry-run"],
        ] {
            _ = try work.run(arguments)
            #expect(work.listing("models") == before, "\(arguments)")
        }
    }

    @Test func `relabels when only the version differs, and moves no byte`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: ^1.0, check: { exec: [sh, -c, 'exit 1'] } }")
        try work.publish("vad", "1.0.0", ["model.bin": "same"])
        try work.declare("vad: { from: zoo/vad, version: ^1.0 }")
        #expect(try work.run().status == 0)
        try work.publish("vad", "1.0.1", ["model.bin": "same"])
        expectGolden(try transcript(work), "relabel")
        #expect(work.destination("models/vad")?.contains("/1.0.1-") == true)
    }

    @Test func `leaves files that are not ours alone, and adopts them when told`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: ^1.0 }")
        try work.publish("vad", "1.0.0", ["model.bin": "one", "extra": "x"])
        try work.write("one", to: "models/vad/model.bin")
        try work.write("mine", to: "models/vad/notes.txt")
        var text = try transcript(work)
        #expect(work.read("models/vad/notes.txt") == "mine")
        text += try transcript(work, "adopt", "vad")
        #expect(work.read("models/vad/extra") == "x")
        #expect(work.read("models/vad.before-reconcile/notes.txt") == "mine")
        text += try transcript(work)
        expectGolden(text, "adopt")
    }

    @Test func `repairs what changed on disk, or reports it`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: ^1.0, drift: warn }")
        try work.publish("vad", "1.0.0", ["model.bin": "right", "other": "kept"])
        #expect(try work.run().status == 0)
        let file = try FileManager.default.destinationOfSymbolicLink(atPath: work.url("models/vad").path())
        try FileManager.default.removeItem(at: work.url("models/\(file)/model.bin"))
        try work.write("wrong", to: "models/\(file)/model.bin")
        var text = try transcript(work)
        text += try transcript(work, "verify")
        try work.declare("vad: { from: zoo/vad, version: ^1.0 }")
        text += try transcript(work)
        #expect(work.read("models/vad/model.bin") == "right")
        text += try transcript(work, "verify", "--deep")
        expectGolden(text, "drift")
    }

    @Test func `finds by a deep verification what looks untouched, and repairs it`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: ^1.0 }")
        try work.publish("vad", "1.0.0", ["model.bin": "right"])
        #expect(try work.run().status == 0)
        let path = work.url("models/vad/model.bin").path()
        _ = try work.run(wrapper: [
            "sh", "-c",
            "touch -r \(path) stamp; chmod u+w \(path); printf wrong > \(path); touch -r stamp \(path); true",
        ])
        #expect(try work.run("verify").status == 0)
        var text = try transcript(work, "verify", "--deep")
        text += try transcript(work, "verify", "--deep", "--repair")
        #expect(work.read("models/vad/model.bin") == "right")
        expectGolden(text, "verify-deep")
    }

    @Test func `removes what is no longer declared only when asked, and never what is protected`() throws {
        let work = try Workspace()
        try work.declare(
            "vad: { from: zoo/vad, version: ^1.0 }\nold: { from: zoo/old, version: ^1.0 }\nsafe: { from: zoo/old, version: ^1.0, protect: true }"
        )
        try work.publish("vad", "1.0.0", ["m": "one"])
        try work.publish("old", "1.0.0", ["m": "old"])
        #expect(try work.run().status == 0)
        try work.declare("vad: { from: zoo/vad, version: ^1.0 }")
        var text = try transcript(work)
        #expect(work.exists("models/old"))
        try work.declare("vad: { from: zoo/vad, version: ^1.0 }", head: "prune: true")
        text += try transcript(work)
        #expect(!work.exists("models/old"))
        #expect(work.exists("models/safe"))
        #expect(!work.listing("models/.reconcile/generations/old").isEmpty, "readers of it may go on for a while")
        text +=
            try transcript(work, "remove", "vad") + transcript(work, "remove", "safe")
            + transcript(work, "remove", "safe", "--protected")
        #expect(!work.exists("models/safe"))
        expectGolden(text, "prune")
    }
}
