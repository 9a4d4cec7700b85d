package import ReconcileCore
package import SystemPackage

/// Who is told about what, as the desired state declares it.
package struct Receiver: Sendable, Hashable {
    /// Where the news goes.
    package enum Address: Sendable, Hashable {
        /// Posted to an address.
        case webhook(SecretText)
        /// Given to a program on standard input, which runs in `directory`.
        case exec(command: [String], directory: String)
        /// Added to a file.
        case file(FilePath)
    }

    /// The form of what is sent.
    package enum Template: String, Sendable, CaseIterable {
        /// ``News`` as it is.
        case json
        /// One text, as Slack, Mattermost, Rocket.Chat and their like take it (`{"text": …}`).
        case slack
    }

    package let address: Address
    /// The key of the signature.
    package let secret: SecretText?
    package let template: Template
    package let timeoutSeconds: Int64
    package let attempts: Int
    /// What is told; `nil` for everything.
    package let kinds: Set<News.Kind>?
    package let minimumPriority: Priority
    /// What is still broken is told again after this time.
    package let remindSeconds: Int64?

    /// What identifies the receiver where it is written down what it was told; holds no secret.
    package var name: String {
        let kind =
            switch address {
            case .webhook: "webhook"
            case .exec: "exec"
            case .file: "file"
            }
        let wanted = (kinds ?? []).map(\.rawValue).sorted().joined(separator: ",")
        let all = "\(address) \(template) \(wanted) \(minimumPriority) \(String(describing: secret))"
        return "\(kind) \(Hashing.digest(of: all).short)"
    }

    /// Whether it wants to hear of something.
    package func wants(_ news: News) -> Bool {
        guard kinds?.contains(news.kind) ?? true else { return false }
        guard let priority = news.priority else { return true }
        return priority.isAtLeast(minimumPriority)
    }
}
