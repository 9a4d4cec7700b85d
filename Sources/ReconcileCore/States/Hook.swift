/// A text that may be a secret: written out, or named so that it is only read when it is used.
public enum SecretText: Codable, Hashable, Sendable {
    /// Written in the file.
    case literal(String)
    /// The value of an environment variable.
    case environment(name: String)
    /// The content of a file, without the line break at its end.
    case file(path: String)
}

/// Something a user's program or server is asked: a check, a reload or a probe.
public struct Hook: Codable, Hashable, Sendable {
    /// What is asked.
    public enum Call: Codable, Hashable, Sendable {
        /// A program; `{path}` in its arguments is the real path of the generation. Run in `directory`.
        case exec(command: [String], directory: String)
        /// An HTTP request, which works when the answer has this status.
        case http(method: String, url: SecretText, headers: [String: SecretText], body: String?, status: Int)
    }

    /// What is asked.
    public let call: Call
    /// How long one attempt may take, in seconds.
    public let timeoutSeconds: Int64
    /// How often a probe may be asked before its answer counts, at least 1.
    public let attempts: Int

    /// A hook.
    public init(call: Call, timeoutSeconds: Int64, attempts: Int) {
        (self.call, self.timeoutSeconds, self.attempts) = (call, timeoutSeconds, max(1, attempts))
    }
}

extension Hook {
    /// The same hook with less time.
    public func within(seconds: Int64) -> Hook {
        Hook(call: call, timeoutSeconds: min(seconds, timeoutSeconds), attempts: attempts)
    }
}

/// Which kind of hook is meant.
public enum HookStage: String, Codable, Hashable, Sendable {
    /// Tests the staged generation before it is activated.
    case check
    /// Tells the serving program that the link moved.
    case reload
    /// Tests the serving program after the link moved.
    case probe
}
