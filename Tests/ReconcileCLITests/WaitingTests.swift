import Foundation
import ReconcileTesting
import Testing

/// What users see of what waits: windows, groups, dependencies, requirements, approvals.
@Suite struct `What waits` {
    /// A window that is never open when this runs: it lies around noon, UTC, half a year from now.
    private var closed: String {
        let month = Calendar(identifier: .gregorian).component(.month, from: Date())
        return "windows: [{ allow: '0 12 1 \((month + 5) % 12 + 1) *', duration: 1h }]"
    }

    @Test func `for a window is prepared, shown with its moment, and let through by a person`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: ^1.0, \(closed) }")
        try work.publish("vad", "1.0.0", ["m": "one"])
        let text =
            try transcript(work, "plan") + transcript(work, "plan", "-o", "markdown") + transcript(work)
            + transcript(work) + transcript(work, "pass", "--override-window")
            + transcript(work, "pass", "--override-window", "--reason", "a demo", "--progress", "none")
            + transcript(work, "history")
        // The day of the week and the digest of the plan differ from run to run.
        expectGolden(
            text.replacing(/(Mon|Tue|Wed|Thu|Fri|Sat|Sun) TIME/, with: "MOMENT").replacing(
                /`[0-9a-f]{12}`/, with: "`DIGEST`"), "window")
    }

    @Test func `in a group, for a dependency, or for what a release requires says so`() throws {
        let work = try Workspace()
        try work.declare(
            """
            a: { from: zoo/a, version: '*', group: g }
            b: { from: zoo/b, version: '*', group: g }
            next: { from: zoo/next, version: '*', dependsOn: [broken] }
            broken: { from: zoo/broken, version: '*', check: { exec: ['false'] } }
            app: { from: zoo/app, version: '*' }
            """)
        for repository in ["a", "b", "next", "broken"] { try work.publish(repository, "1.0.0", ["m": repository]) }
        try work.publish("app", "1.0.0", ["m": "app"])
        var text = try transcript(work, "--progress", "none")
        for version in ["1.1.0", "2.0.0"] { try work.publish("a", version, ["m": "a \(version)"]) }
        try work.publish("b", "2.0.0", ["m": "b 2"])
        try work.write("app 1.1", to: "src-app/m")
        _ = try work.run(
            "publish", "src-app", "--to", "catalog", "--model", "app", "--version", "1.1.0", "--requires", "model:a=>=2"
        )
        text += try transcript(work, "plan")
        text += try transcript(work, "approve", "--all") + transcript(work, "approve", "--all", "a")
        text += try transcript(work, "--progress", "none") + transcript(work, "stats")
        expectGolden(text, "groups")
    }

    @Test func `for an approval that nobody needs is said to be none`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: '*' }")
        try work.publish("vad", "1.0.0", ["m": "one"])
        _ = try work.run()
        expectGolden(try transcript(work, "approve", "--all") + transcript(work, "approve", "vad"), "approve-nothing")
    }
}

@Suite struct `A script` {
    @Test func `waits for a condition, and is told what is in the way`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: '*' }")
        try work.publish("vad", "1.0.0", ["m": "one"])
        var text = try transcript(work, "wait", "--timeout", "0")
        _ = try work.run()
        text += try transcript(work, "wait", "vad", "--timeout", "5s") + transcript(work, "wait", "--for", "Held=False")
        text += try transcript(work, "wait", "--for", "Shiny")
        text += try transcript(work, "wait", "--for", "Degraded", "--timeout", "0")
        expectGolden(text, "wait")
    }

    @Test func `can check the history`() throws {
        let work = try Workspace()
        try work.declare("vad: { from: zoo/vad, version: '*' }")
        try work.publish("vad", "1.0.0", ["m": "one"])
        let empty = try transcript(work, "history", "--verify")
        _ = try work.run()
        let one = try transcript(work, "history", "--verify").replacing(/[0-9a-f]{64}/, with: "HEAD")
        expectGolden(empty + one + (try transcript(work, "history", "nope")), "history-verify")
    }
}

@Suite struct `A desired state with times and dependencies` {
    private func validate(_ models: String, head: String = "") throws -> String {
        let work = try Workspace()
        try work.declare(models, head: head)
        return try transcript(work, "validate")
    }

    @Test func `that cannot be is refused, with all that is wrong`() throws {
        let models = """
            a: { from: zoo/a, version: ^1.0, dependsOn: [b] }
            b: { from: zoo/b, version: ^1.0, dependsOn: [c, nowhere] }
            c: { from: zoo/c, version: ^1.0, dependsOn: [a], group: "no group" }
            """
        let head = """
            policy:
              automatic: { upTo: huge, orPriority: critical }
              windows:
                - { allow: "0 25 * * *", duration: 1h }
                - { allow: "0 0 30 2 *", duration: 1h }
                - { deny: "@daily", duration: soon, timeZone: Mars/Phobos }
                - { deny: "@daily", allow: "@daily", duration: 1h }
                - { allow: "@daily" }
            notify:
              - { webhook: "https://example.com/", exec: [x] }
              - { file: news, events: [everything], minimumPriority: extreme }
            """
        expectGolden(try validate(models, head: head), "times-invalid")
    }

    @Test func `whose windows never open is warned about`() throws {
        let head = """
            policy:
              windows:
                - { allow: "0 2 * * *", duration: 1h, timeZone: Europe/Berlin }
                - { deny: "0 0 * * *", duration: 1d, timeZone: Europe/Berlin }
            """
        let model =
            "a: { from: zoo/a, version: ^1.0 }\nb: { from: zoo/b, version: ^1.0, windows: [{ allow: '@daily', duration: 0 }] }"
        expectGolden(try validate(model, head: head), "windows-never-open")
    }
}
