import Foundation
package import ReconcileCore
import Subprocess
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Asks checks, reloads and probes: programs in a process group of their own, or HTTP requests; each with a deadline.
package struct HookRunner: Sendable {
    /// What a hook said.
    package enum Answer: Sendable, Hashable {
        case works
        case broken(String)
        case timedOut(String)
        case undecided(String)
    }

    /// What a hook is asked about.
    package struct Subject: Sendable {
        let model: ModelName
        let version: Version
        /// The real path of the generation.
        let path: FilePath
    }

    private let client: WebClient

    /// Bytes of output that are kept of a hook; the rest is read and dropped.
    static let outputLimit = 64 << 10

    package init(client: WebClient = .shared) { self.client = client }

    /// Asks a hook. What a check or a probe started and left behind is ended with it; a reload may start a server.
    ///
    /// - Throws: `CancellationError`, after the hook's processes were ended.
    package func ask(_ hook: Hook, _ stage: HookStage, about subject: Subject) async throws -> Answer {
        switch hook.call {
        case .exec(let command, let directory):
            let watch = HookWatch(seconds: hook.timeoutSeconds, endsGroup: stage != .reload)
            return try await execute(command, in: directory, watch, subject)
        case .http(let method, let url, let headers, let body, let status):
            return try await request(method, url, headers, body, expecting: status, within: hook.timeoutSeconds)
        }
    }

    private func request(
        _ method: String, _ url: SecretText, _ headers: [String: SecretText], _ body: String?, expecting status: Int,
        within seconds: Int64
    ) async throws -> Answer {
        do {
            var request = WebClient.Request(url: try Environment.reveal(url), shown: "the address of the hook")
            (request.method, request.body, request.timeoutSeconds, request.allowsInsecure) = (
                method, body, seconds, true
            )
            for (name, value) in headers { request.secretHeaders.append((name, try Environment.reveal(value))) }
            let response = try await client.send(request)
            guard response.status == status else { return .broken("HTTP \(response.status) instead of \(status)") }
            return .works
        } catch let fault as Fault {
            switch fault.kind {
            case .sourceUnreachable(_, WebClient.timedOut): return .timedOut("no answer within \(seconds) s")
            case .sourceUnreachable(_, let detail): return .undecided(detail)
            case .secretMissing(let name): return .undecided("\(name) is not set")
            default: return .undecided("\(fault.kind)")
            }
        }
    }

    private func execute(
        _ command: [String], in directory: String, _ watch: HookWatch, _ subject: Subject
    ) async throws -> Answer {
        let words = command.map { $0.replacing("{path}", with: subject.path.string) }
        let environment: [Subprocess.Environment.Key: String?] = [
            "RECONCILE_MODEL": subject.model.description, "RECONCILE_VERSION": subject.version.description,
            "RECONCILE_PATH": subject.path.string,
        ]
        return try await execute(words, in: directory, watch, environment: environment).answer
    }

    /// Runs a program that is no hook of a model, in a process group of its own and with a deadline.
    ///
    /// - Parameter input: What it reads on standard input.
    /// - Throws: `CancellationError`, after its processes were ended.
    func execute(
        _ command: [String], in directory: String, seconds: Int64, input: String = "",
        environment: [Subprocess.Environment.Key: String?] = [:], limit: Int = outputLimit
    ) async throws -> (answer: Answer, output: String) {
        try await execute(
            command, in: directory, HookWatch(seconds: seconds, endsGroup: true), environment: environment,
            input: input,
            limit: limit)
    }

    private func execute(
        _ words: [String], in directory: String, _ watch: HookWatch,
        environment: [Subprocess.Environment.Key: String?], input: String = "", limit: Int = outputLimit
    ) async throws -> (answer: Answer, output: String) {
        guard let program = words.first else { return (.undecided("its command is empty"), "") }
        var options = PlatformOptions()
        options.processGroupID = 0
        let executable: Executable = program.contains("/") ? .path(FilePath(program)) : .name(program)
        do {
            let result = try await run(
                executable, arguments: Arguments(Array(words.dropFirst())), environment: .inherit.updating(environment),
                workingDirectory: directory.isEmpty ? nil : FilePath(directory), platformOptions: options,
                input: .fileDescriptor(try Self.standardInput(input), closeAfterSpawningProcess: true),
                output: .sequence, error: .combinedWithOutput
            ) { execution in
                let group = execution.processIdentifier.value
                return await watch.follow(execution.standardOutput, of: group, limit: limit)
            }
            try Task.checkCancellation()
            let answer = Self.answer(
                result.terminationStatus, output: result.closureResult, isTimeout: watch.timedOut, watch.seconds)
            return (answer, result.closureResult)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            try Task.checkCancellation()
            return (.undecided("it could not be started: \(Self.words(for: error, program))"), "")
        }
    }

    /// What a program reads: a file that nobody else sees. A pipe would end this process by SIGPIPE when the program does
    /// not read it.
    private static func standardInput(_ text: String) throws -> FileDescriptor {
        guard !text.isEmpty else { return try .open("/dev/null", .readOnly) }
        let directory = FileManager.default.temporaryDirectory.path()
        let path = FilePath(directory).appending("reconcile-\(UInt64.random(in: 0...UInt64.max))")
        let file = try FileDescriptor.open(
            path, .readWrite, options: [.create, .exclusiveCreate, .closeOnExec], permissions: .ownerReadWrite)
        unlink(path.string)
        do {
            try file.writeAll(toAbsoluteOffset: 0, text.utf8)
            return file
        } catch {
            try? file.close()
            throw error
        }
    }

    private static func words(for error: any Error, _ program: String) -> String {
        let text = "\(error)"
        return text.contains("not found") || text.contains("No such file")
            ? "\(program) is not there" : String(text.prefix(200))
    }

    /// Exit 0 works; 75 (EX_TEMPFAIL), 126 and 127 (not runnable) cannot tell; everything else, signals included, is broken.
    private static func answer(_ status: TerminationStatus, output: String, isTimeout: Bool, _ seconds: Int64) -> Answer
    {
        let tail = lastLines(of: output)
        if isTimeout { return .timedOut("no answer within \(seconds) s" + tail) }
        switch status {
        case .exited(0): return .works
        case .exited(let code) where [75, 126, 127].contains(code): return .undecided("exit status \(code)" + tail)
        case .exited(let code): return .broken("exit status \(code)" + tail)
        case .signaled(let signal): return .broken("ended by signal \(signal)" + tail)
        }
    }

    /// The last lines that the hook printed, for people; control characters are taken out.
    private static func lastLines(of output: String) -> String {
        let lines = output.split(whereSeparator: \.isNewline).suffix(3).map { line in
            String(
                String.UnicodeScalarView(line.unicodeScalars.filter { $0.value >= 0x20 && $0.value != 0x7F }).prefix(
                    300))
        }
        let text = lines.filter { !$0.isEmpty }.joined(separator: " | ")
        return text.isEmpty ? "" : ": \(text)"
    }
}

/// Follows one hook's process group until its main process has ended, its time is up, or the pass is cancelled; then makes
/// sure that nothing of the group is left.
private final class HookWatch: Sendable {
    let seconds: Int64
    private let endsGroup: Bool
    private let isTimeout = Mutex(false)
    private let output = Mutex<[UInt8]>([])

    init(seconds: Int64, endsGroup: Bool) { (self.seconds, self.endsGroup) = (seconds, endsGroup) }

    var timedOut: Bool { isTimeout.withLock { $0 } }

    /// The hook's output, at most `limit` bytes of its end.
    func follow(_ sequence: SubprocessOutputSequence, of group: pid_t, limit: Int) async -> String {
        await withTaskGroup(of: Void.self) { tasks in
            tasks.addTask { await self.collect(sequence, limit: limit) }
            await waitForExit(of: group)
            if endsGroup { kill(-group, SIGKILL) }
            await tasks.waitForAll()
        }
        return output.withLock { String(decoding: $0, as: UTF8.self) }
    }

    private func collect(_ sequence: SubprocessOutputSequence, limit: Int) async {
        do {
            for try await buffer in sequence {
                buffer.withUnsafeBytes { bytes in
                    output.withLock { kept in
                        kept += bytes.suffix(limit)
                        if kept.count > 2 * limit { kept.removeFirst(kept.count - limit) }
                    }
                }
            }
        } catch {
            // The output is only for people; the exit status decides.
        }
    }

    private func waitForExit(of pid: pid_t) async {
        let deadline = ContinuousClock.now + .seconds(seconds)
        var pause = Duration.milliseconds(1)
        while !hasExited(pid) {
            if Task.isCancelled || ContinuousClock.now >= deadline {
                if !Task.isCancelled { isTimeout.withLock { $0 = true } }
                return await terminate(pid)
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(25))
        }
    }

    /// SIGTERM, two seconds, SIGKILL.
    private func terminate(_ group: pid_t) async {
        kill(-group, SIGTERM)
        let deadline = ContinuousClock.now + .seconds(2)
        while ContinuousClock.now < deadline, !hasExited(group) {
            await Task { try? await Task.sleep(for: .milliseconds(10)) }.value
        }
        kill(-group, SIGKILL)
    }

    /// Whether the process has ended, without reaping it: that is the library's business.
    private func hasExited(_ pid: pid_t) -> Bool {
        var information = siginfo_t()
        guard waitid(P_PID, id_t(pid), &information, WEXITED | WNOHANG | WNOWAIT) == 0 else { return true }
        return information.si_signo != 0
    }
}
