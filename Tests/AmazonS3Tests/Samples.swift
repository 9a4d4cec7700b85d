import AmazonS3
import Foundation
import Synchronization

/// The keys of Amazon's own examples; they open nothing.
let documented = Credentials(
    accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")

/// The time that a text in the form of answers says.
func time(_ text: String) -> Date { AmazonTime.parse(text) ?? .distantPast }

/// A world in memory: variables, files, endpoints and a clock that stands.
final class World: Sendable {
    /// What is asked of an endpoint, as `METHOD URL`, and in which order.
    var asked: [Surroundings.Question] { questions.withLock { $0 } }

    private let questions = Mutex<[Surroundings.Question]>([])
    private let answers: Mutex<[String: Surroundings.Answer]>
    private let clock: Mutex<Date>
    private let variables: [String: String]
    private let files: [String: String]

    struct NoAnswer: Error {}

    init(
        _ variables: [String: String] = [:], files: [String: String] = [:], answers: [String: String] = [:],
        now: String = "2026-01-01T00:00:00Z"
    ) {
        self.variables = variables.merging(["HOME": "/home/me"]) { given, _ in given }
        self.files = files
        self.answers = Mutex(answers.mapValues { Surroundings.Answer(status: 200, body: Array($0.utf8)) })
        clock = Mutex(time(now))
    }

    func answer(_ question: String, _ status: Int, _ body: String = "") {
        answers.withLock { $0[question] = Surroundings.Answer(status: status, body: Array(body.utf8)) }
    }

    func goSilent() { answers.withLock { $0 = [:] } }

    func setClock(_ text: String) { clock.withLock { $0 = time(text) } }

    var surroundings: Surroundings {
        Surroundings(
            variable: { self.variables[$0] },
            file: { path in self.files[path].map { Array($0.utf8) } },
            http: { question in
                self.questions.withLock { $0.append(question) }
                guard let answer = self.answers.withLock({ $0["\(question.method) \(question.url)"] }) else {
                    throw NoAnswer()
                }
                return answer
            },
            now: { self.clock.withLock { $0 } })
    }

    func find(profile: String? = nil, anonymous: Bool = false) async throws -> CredentialChain.Finding {
        try await CredentialChain(surroundings: surroundings, profile: profile, anonymous: anonymous).find()
    }
}
