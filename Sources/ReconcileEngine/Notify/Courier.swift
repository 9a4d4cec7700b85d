import Crypto
import Foundation
import ReconcileCore
import Subprocess
import SystemPackage

/// Brings one news to one receiver. Every way has a deadline, and none can touch a rollout.
struct Courier: Sendable {
    let receiver: Receiver

    /// Brings it.
    ///
    /// - Parameter id: What identifies the news, so that a receiver can tell a repetition.
    /// - Throws: ``Fault`` that says why it did not arrive.
    func deliver(_ body: String, id: String) async throws {
        let text = receiver.template == .slack ? try Self.slackBody(of: body) : body
        switch receiver.address {
        case .webhook(let url): try await post(text, to: url, id: id)
        case .exec(let command, let directory): try await run(command, in: directory, input: text)
        // A line is only added when it is not there already: the program may have died after it was added.
        case .file(let path): try Disk().append(line: text, to: path)
        }
    }

    /// The signature is that of GitHub's webhooks: `sha256=` and the HMAC-SHA256 of the body in hexadecimal digits.
    private func post(_ body: String, to url: SecretText, id: String) async throws {
        var request = WebClient.Request(url: try Environment.reveal(url), shown: "the address of the webhook")
        (request.method, request.body, request.timeoutSeconds) = ("POST", body, receiver.timeoutSeconds)
        request.allowsInsecure = true
        request.headers = [("Content-Type", "application/json"), ("X-Reconcile-Delivery", id)]
        if let secret = receiver.secret {
            let key = SymmetricKey(data: Data(try Environment.reveal(secret).utf8))
            let code = HMAC<SHA256>.authenticationCode(for: Data(body.utf8), using: key)
            let hex = code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
            request.headers.append(("X-Reconcile-Signature-256", "sha256=\(hex)"))
        }
        let response = try await WebClient.shared.send(request)
        _ = try await response.body(limit: 64 << 10, within: receiver.timeoutSeconds)
        guard (200..<300).contains(response.status) else {
            throw Fault(.sourceUnreachable(url: "the webhook", detail: "HTTP \(response.status)"))
        }
    }

    private func run(_ command: [String], in directory: String, input: String) async throws {
        let answer = try await HookRunner().execute(
            command, in: directory, seconds: receiver.timeoutSeconds, input: input
        ).answer
        switch answer {
        case .works: return
        case .broken(let detail), .timedOut(let detail), .undecided(let detail):
            throw Fault(.unusable(what: command.first ?? "", detail: detail))
        }
    }

    /// Slack and its like take one text, with their own way to write `&`, `<` and `>`.
    static func slackBody(of body: String) throws -> String {
        let news = try JSONFile.value(News.self, from: Array(body.utf8), name: "news")
        var text = "*\(news.model?.description ?? "reconcile")* on \(news.host): \(news.message)"
        if let command = news.command { text += "\n`\(command)`" }
        let escaped = text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
        return String(decoding: try JSONFile.bytes(of: ["text": escaped], pretty: false).dropLast(), as: UTF8.self)
    }
}
