import Foundation
import ReconcileTesting
import Testing

/// Holds a text against its recording.
func expectGolden(_ text: String, _ name: String, _ location: SourceLocation = #_sourceLocation) {
    let difference = Golden(beside: #filePath).difference(of: text, named: name)
    #expect(difference == nil, "\(difference ?? "")", sourceLocation: location)
}

/// What a user sees of a run: the command line, both outputs and the exit status.
func transcript(_ workspace: Workspace, _ arguments: String..., environment: [String: String] = [:]) throws -> String {
    let run = try workspace.run(arguments, environment: environment)
    var text = "$ reconcile \(arguments.joined(separator: " "))\n" + run.output
    if !run.errors.isEmpty { text += "[stderr]\n\(run.errors)" }
    return workspace.normalised(text + "[exit \(run.status)]\n")
}

/// A check or probe as a shell script that looks at the file `state` of the generation at `{path}`.
let checkFile =
    "{ exec: [sh, -c, 'case $(cat \"$RECONCILE_PATH/state\") in good) exit 0;; slow) sleep 60;; unsure) exit 75;; *) echo it is bad; exit 1;; esac'], timeout: 1s }"
