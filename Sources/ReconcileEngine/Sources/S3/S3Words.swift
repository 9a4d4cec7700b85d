import AmazonS3
import Foundation
import ReconcileCore

// What AmazonS3 says, as faults of this program.

extension S3Fault {
    /// The fault, said of an address.
    func asFault(_ shown: String) -> Fault {
        switch self {
        case .invalidAddress(let text, let detail), .invalidBucketName(let text, let detail):
            Fault(.unusable(what: "“\(text.prefix(120).printable)”", detail: detail))
        case .invalidRegion(let text):
            Fault(.unusable(what: "the region “\(text.prefix(60).printable)”", detail: "no region is named like that"))
        case .invalidKey(let key, let detail):
            Fault(.sourceInvalid(url: shown, detail: "the key “\(key.prefix(120).printable)”: \(detail)"))
        case .answerIsHTML: Fault(.sourceInvalid(url: shown, detail: "it is a web page, not data"))
        case .answerInvalid(let detail): Fault(.sourceInvalid(url: shown, detail: "its answer is \(detail)"))
        case .answerTooLarge: Fault(.sourceInvalid(url: shown, detail: "its answer is too long"))
        case .checksumIsComposite:
            Fault(.sourceInvalid(url: shown, detail: "its checksum is over the parts of an upload, not over the file"))
        case .checksumInvalid: Fault(.sourceInvalid(url: shown, detail: "its checksum is not a SHA-256"))
        }
    }
}

extension CredentialFault {
    /// The fault, said of an address.
    func asFault(_ shown: String) -> Fault {
        let detail: String
        switch self {
        case .unsupported(let way, let place):
            detail =
                "\(place) asks for \(way.rawValue), which is not supported; give the keys by `aws configure export-credentials --format env`"
        case .incomplete(let place, let missing): detail = "\(place) has no \(missing)"
        case .invalid(let place, let reason): detail = "\(place): \(reason)"
        case .unreadable(let path, let reason): detail = "\(path) cannot be read: \(reason)"
        case .malformed(let path, let line): detail = "line \(line) of \(path) has no meaning"
        case .profileNotFound(let name): detail = "there is no profile “\(name.printable)”"
        case .forbiddenEndpoint(let url): detail = "keys are not asked for at \(WebAddress.shown(url))"
        case .unreachable(let url, let reason):
            detail = "\(WebAddress.shown(url)), which gives keys, does not answer: \(reason)"
        case .refused(let url, let status):
            detail = "\(WebAddress.shown(url)), which gives keys, answers with HTTP \(status)"
        case .expired(let place): detail = "the keys of \(place) have expired"
        }
        return Fault(.sourceUnreachable(url: shown, detail: "no keys to ask with: \(detail)"))
    }
}

extension ServiceError {
    /// What the service said, as a fault.
    func asFault(_ shown: String) -> Fault {
        func refused(_ reason: AccessRefusal) -> Fault { Fault(.sourceRefuses(url: shown, reason: reason)) }
        let said = (message ?? code).map { ": \($0)" } ?? ""
        switch meaning {
        case .noSuchKey: return Fault(.sourceLacks(url: shown))
        case .noSuchBucket: return refused(.missingOrPrivate)
        case .accessDenied: return refused(.credentialsLackScope)
        case .badCredentials, .signatureMismatch: return refused(.credentialsInvalid)
        case .clockSkewed(let time):
            return refused(
                .clockDiffers(
                    serverTime: time.map { Timestamp(seconds: Int64($0.timeIntervalSince1970)).description }))
        case .wrongRegion(let region):
            let place = region.map { "region \($0)" } ?? "another region"
            return Fault(.sourceUnreachable(url: shown, detail: "the bucket is in \(place); name it as “region”"))
        case .conditionFailed:
            return Fault(.sourceUnreachable(url: shown, detail: "somebody else changed it meanwhile"))
        case .invalidRange, .unavailable, .other:
            return Fault(.sourceUnreachable(url: shown, detail: "HTTP \(status)\(said)"))
        }
    }
}
