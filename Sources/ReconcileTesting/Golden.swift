import Foundation

/// Texts that users see, recorded in files. A missing recording is written and fails once, so that somebody looks at it.
package struct Golden: Sendable {
    private let directory: URL

    /// Goldens beside a test file.
    package init(beside file: StaticString) {
        directory = URL(filePath: "\(file)").deletingLastPathComponent().appending(path: "Goldens")
    }

    /// What is wrong with a text; `nil` when it is as recorded. With `RECORD_GOLDENS=1` it is recorded anew, and still fails.
    package func difference(of text: String, named name: String) -> String? {
        let place = directory.appending(path: "\(name).txt")
        let recorded = (try? Data(contentsOf: place)).map { String(decoding: $0, as: UTF8.self) }
        if recorded == text { return nil }
        let isRecording = ProcessInfo.processInfo.environment["RECORD_GOLDENS"] == "1"
        if recorded == nil || isRecording {
            do {
                try Data(text.utf8).write(to: place)
            } catch {
                return "\(name) could not be recorded: \(error)"
            }
            return "\(name) was recorded; look at it and run again"
        }
        return "\(name) differs from its recording.\n--- recorded\n\(recorded ?? "")\n--- now\n\(text)"
    }
}
