import ReconcileTesting
import Testing

@Suite struct `Each view` {
    @Test func `of what is planned, installed and published stays as it is`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: '*' }\nlost: { from: zoo/nowhere, version: ^1.0 }")
        try work.publish("vad", "1.0.0", ["model.bin": "one"], "--license", "MIT")
        _ = try work.run()
        try work.publish("vad", "1.1.0", ["model.bin": "two"], "--priority", "critical")
        try work.publish("vad", "2.0.0", ["model.bin": "three"], "--channel", "beta")
        var text = ""
        for arguments in [
            ["plan", "vad", "-o", "json"], ["plan"], ["plan", "-o", "markdown"], ["outdated"],
            ["outdated", "vad", "-o", "json"],
            ["explain", "vad", "-o", "json"], ["explain", "lost"], ["status", "-o", "json"], ["history", "-o", "json"],
            ["verify", "-o", "json"], ["gc", "--dry-run", "-o", "json"], ["validate"],
        ] {
            let run = try work.run(arguments)
            text += "$ reconcile \(arguments.joined(separator: " "))\n\(run.output)\(run.errors)[exit \(run.status)]\n"
        }
        text = work.normalised(text).replacing(/[0-9a-f]{64}/, with: "DIGEST").replacing(
            /`[0-9a-f]{12}`/, with: "`DIGEST`")
        text = text.replacing(/"freeBytes" : \d+/, with: "\"freeBytes\" : N").replacing(
            /"milliseconds" : \d+/, with: "\"milliseconds\" : N")
        text = text.replacing(/"pass" : "[^"]*"/, with: "\"pass\" : \"PASS\"").replacing(
            /"rollout" : "[^"]*"/, with: "\"rollout\" : \"ROLLOUT\"")
        expectGolden(text, "views")
    }

    @Test func `of a pass as JSON agrees with its exit status`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: ^1.0 }")
        try work.publish("vad", "1.0.0", ["m": "one"])
        let run = try work.run("-o", "json", "--progress", "json")
        #expect(run.status == 0)
        #expect(run.output.contains("\"exitStatus\" : 0"))
        #expect(run.errors.split(separator: "\n").allSatisfy { $0.hasPrefix("{\"") && $0.hasSuffix("}") })
        #expect(run.errors.contains("\"event\":\"ended\""))
    }
}
