import ArgumentParser
import Foundation
import ReconcileCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The program: parses the command line, runs the command, and turns signals into cancellation.
@main
enum Main {
    static func main() async {
        let command = Task { await run() }
        Signals.cancel(command)
        let status = await command.value
        fflush(nil)
        exit(status == ExitStatus.interrupted.rawValue ? Signals.status.rawValue : status)
    }

    private static func run() async -> Int32 {
        do {
            var command = try ReconcileCommand.parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
            return ExitStatus.success.rawValue
        } catch let code as ExitCode {
            return code.rawValue
        } catch {
            ReconcileCommand.exit(withError: error)
        }
    }
}

/// Ctrl-C and SIGTERM: the first cancels the pass, which finishes or reverts the step in hand; the second ends the program
/// at once, which is still safe.
private enum Signals {
    private static let count = Atomic<Int>(0)
    private static let last = Atomic<Int32>(0)

    /// Handlers rather than "ignore": hooks inherit what is ignored, but not what is handled.
    ///
    /// The thread is one of its own, because hashing may keep all threads of the concurrency runtime busy.
    static func cancel(_ task: Task<Int32, Never>) {
        // A reader of our output that went away must not end a rollout.
        signal(SIGPIPE) { _ in }
        for number in [SIGINT, SIGTERM] {
            signal(number) { number in
                Signals.last.store(number, ordering: .relaxed)
                if Signals.count.add(1, ordering: .relaxed).newValue > 1 { _exit(128 + number) }
            }
        }
        Thread.detachNewThread {
            while true {
                if count.load(ordering: .relaxed) > 0 { task.cancel() }
                Thread.sleep(forTimeInterval: 0.05)
            }
        }
    }

    /// The exit status of the signal that came.
    static var status: ExitStatus { last.load(ordering: .relaxed) == SIGTERM ? .terminated : .interrupted }
}
