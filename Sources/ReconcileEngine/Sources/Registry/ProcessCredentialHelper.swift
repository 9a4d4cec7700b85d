import Foundation

/// Asks `docker-credential-NAME get`.
struct ProcessCredentialHelper: CredentialHelper {
    private static let deadlineSeconds: Int64 = 20

    func login(of registry: String, from helper: String) async -> RegistryLogins.Login? {
        struct Answer: Decodable {
            let username: String
            let secret: String

            private enum CodingKeys: String, CodingKey {
                case username = "Username"
                case secret = "Secret"
            }
        }
        let result = try? await HookRunner().execute(
            ["docker-credential-\(helper)", "get"], in: "", seconds: Self.deadlineSeconds, input: registry)
        // Anything before the answer is a warning that the helper wrote on standard error.
        guard let result, result.answer == .works, let start = result.output.firstIndex(of: "{"),
            let answer = try? JSONDecoder().decode(Answer.self, from: Data(result.output[start...].utf8))
        else { return nil }
        return RegistryLogins.Login(user: answer.username, password: answer.secret)
    }
}
