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

/// Ctrl-C and SIGTERM: the first cancels the command, which finishes or reverts the step in hand; the second ends the program
/// at once, which is still safe. SIGHUP wakes who asked to be woken.
enum Signals {
    private static let count = Atomic<Int>(0)
    private static let last = Atomic<Int32>(0)
    private static let pipeEnd = Atomic<CInt>(-1)
    private static let hangup = Mutex<(@Sendable () -> Void)?>(nil)

    /// Handlers rather than "ignore": hooks inherit what is ignored, but not what is handled.
    ///
    /// The thread is one of its own, because hashing may keep all threads of the concurrency runtime busy; it sleeps in
    /// read(2) until a handler writes the number of its signal.
    static func cancel(_ task: Task<Int32, Never>) {
        // A reader of our output that went away must not end a rollout.
        signal(SIGPIPE) { _ in }
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { return }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        pipeEnd.store(ends[1], ordering: .relaxed)
        for number in [SIGINT, SIGTERM] {
            signal(number) { number in
                Signals.last.store(number, ordering: .relaxed)
                if Signals.count.add(1, ordering: .relaxed).newValue > 1 { _exit(128 + number) }
                Signals.send(number)
            }
        }
        let reading = ends[0]
        Thread.detachNewThread {
            var number: UInt8 = 0
            while true {
                guard read(reading, &number, 1) == 1 else { continue }
                if CInt(number) == SIGHUP { hangup.withLock { $0 }?() } else { task.cancel() }
            }
        }
    }

    /// Calls a function at every SIGHUP, which otherwise ends the program.
    static func onHangup(_ body: @escaping @Sendable () -> Void) {
        hangup.withLock { $0 = body }
        signal(SIGHUP) { Signals.send($0) }
    }

    /// All that a handler may do: write a byte.
    private static func send(_ number: CInt) {
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(pipeEnd.load(ordering: .relaxed), &byte, 1)
    }

    /// The exit status of the signal that came.
    static var status: ExitStatus { last.load(ordering: .relaxed) == SIGTERM ? .terminated : .interrupted }
}
