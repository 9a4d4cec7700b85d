import ReconcileTesting
import Testing

@Suite struct `The help` {
    @Test(arguments: [
        "", "pass", "plan", "apply", "show", "lock", "outdated", "status", "path", "history", "explain", "approve",
        "rollback", "watch", "wait", "stats",
        "hold", "resume", "retry", "verify", "gc", "adopt", "remove", "init", "validate", "schema", "publish",
        "bundle",
    ])
    func `of each command has an example and stays as it is`(command: String) throws {
        let work = try Workspace()
        let run = try work.run(command.isEmpty ? ["-h"] : [command, "-h"], environment: ["COLUMNS": "80"])
        #expect(run.status == 0)
        #expect(run.output.contains("EXAMPLE"))
        expectGolden(run.output, "help-\(command.isEmpty ? "reconcile" : command)")
    }

    @Test func `of a wrong command line says what is wrong and how it is right`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: ^1.0 }")
        expectGolden(
            try transcript(work, "vda") + transcript(work, "rollbak", "vad") + transcript(work, "plan", "--ot", "x")
                + transcript(work, "hold"),
            "usage")
    }
}
