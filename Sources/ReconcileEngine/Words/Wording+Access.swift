import ReconcileCore

// What to do when a source refuses.
extension Wording {
    /// What is said of a refusal, and what helps.
    static func message(for refusal: AccessRefusal, _ url: String, _ model: ModelName?) -> Message {
        let stays = model.map { "“\($0)” stays as it is." } ?? "Nothing was changed."
        switch refusal {
        case .missingOrPrivate:
            return Message(
                summary: "\(url) is not there, or may not be seen without a token that has access to it.",
                state: "\(stays) Check its name; if it is private, name a token: token: { env: NAME }.")
        case .termsNotAccepted(let place):
            return Message(
                summary: "\(url) is there, but its terms must be accepted first.",
                state: "\(stays) Accept them at \(place) as the user whose token is used, and name the token.")
        case .credentialsInvalid:
            return Message(
                summary: "\(url) says that the token or login is not valid: it may have expired or been revoked.",
                state: "\(stays) Replace the token, the login or the keys where they are kept.")
        case .credentialsLackScope:
            return Message(
                summary: "\(url) may not be read with this token or login.",
                state: "\(stays) Give it read access to this repository.")
        case .credentialsNeeded:
            return Message(
                summary: "\(url) needs a login, and there is none.",
                state:
                    "\(stays) Name one on the source, token: { env: NAME }, or log in as usual (docker login, hf auth login, aws configure)."
            )
        case .foreignLogin(let host):
            return Message(
                summary: "\(url) wants its login sent to \(host), which is not of the registry's domain.",
                state: "\(stays) The login was not sent. Declare the registry by the name that its login is for.")
        case .disabled(let detail):
            return Message(summary: "\(url) was taken down: \(detail)", state: stays)
        case .revisionMissing(let revision):
            return Message(
                summary: "\(url) is there, but it has no revision “\(revision)”.",
                state: "\(stays) Check the name of the branch, tag or commit.")
        case .platformMissing(let wanted, let available):
            let there = available.isEmpty ? "it names no other" : "there are: \(available.joined(separator: ", "))"
            return Message(summary: "\(url) has nothing for \(wanted); \(there).", state: stays)
        case .clockDiffers(let time):
            let there = time.map { ", where it is \($0)" } ?? ""
            return Message(
                summary: "The clock of this machine differs too much from the one of \(url)\(there).",
                state: "\(stays) Set the clock; signatures are only good for minutes.")
        case .offline(let variable):
            return Message(
                summary: "\(url) was not asked, because \(variable) is set.", state: "\(stays) Unset it to go on.")
        }
    }
}
