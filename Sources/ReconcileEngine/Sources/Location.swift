import Foundation
import ReconcileCore
package import SystemPackage

/// Where a file's bytes are.
package enum Location: Sendable, Hashable {
    /// In a file of this machine.
    case file(FilePath)
    /// In a part of a file of this machine, such as a member of a tar, from this offset on.
    case part(FilePath, offset: Int64)
    /// In memory: they were needed earlier in the same pass.
    case held(HeldBytes)
    /// On a server.
    case web(WebLocation)

    /// Whether it is on this machine.
    var isLocal: Bool {
        switch self {
        case .file, .part, .held: true
        case .web: false
        }
    }

    /// The location for people, without what may be secret.
    package var shown: String {
        switch self {
        case .file(let path), .part(let path, _): path.string
        case .held: "memory"
        case .web(let location): location.shown
        }
    }
}

/// The bytes of a small file, with their digest.
package struct HeldBytes: Sendable, Hashable {
    let digest: Digest
    let bytes: [UInt8]

    /// Whether the digests are the same.
    package static func == (left: HeldBytes, right: HeldBytes) -> Bool { left.digest == right.digest }

    /// The digest stands for the bytes.
    package func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}

/// A file on a server, and what its server must be given to hand it over.
package struct WebLocation: Sendable, Hashable {
    let url: String
    /// The address for people, without what may be secret.
    var shown: String
    /// Sent as a bearer token.
    var token: SecretText?
    var allowsInsecure = false
    /// Says who asks, where a token does not do.
    var authorizer: (any RequestAuthorizer)?
    /// What its source knows of the file that others do not.
    var knowledge: FileKnowledge?
    /// An answer with all of it that waits to be taken.
    var opened: OpenAnswer?

    /// A request for all of it.
    var request: WebClient.Request {
        var request = WebClient.Request(url: url, shown: shown)
        (request.token, request.allowsInsecure, request.authorizer) = (token, allowsInsecure, authorizer)
        request.knowledge = knowledge
        return request
    }

    /// The page that a `Link` of this one leads to. It is taken from the same server only: it is asked with the same login.
    ///
    /// - Throws: ``Fault`` of kind `sourceInvalid`.
    func page(_ link: String) throws -> WebLocation {
        guard let base = URL(string: url), let next = URL(string: link, relativeTo: base)?.absoluteURL,
            WebAddress.haveSameOrigin(base, next)
        else { throw Fault(.sourceInvalid(url: shown, detail: "its next page is on another server")) }
        return WebLocation(
            url: next.absoluteString, shown: shown, token: token, allowsInsecure: allowsInsecure, authorizer: authorizer
        )
    }

    /// Whether the same is asked of the same server.
    package static func == (left: WebLocation, right: WebLocation) -> Bool {
        left.url == right.url && left.token == right.token && left.allowsInsecure == right.allowsInsecure
            && left.authorizer === right.authorizer
    }

    /// The address stands for the file.
    package func hash(into hasher: inout Hasher) { hasher.combine(url) }
}

/// What a source knows of a file that it gives, and of its own words when it does not.
package struct FileKnowledge: Sendable {
    /// The SHA-256, which a redirect of a hub also names.
    let digest: Digest?
    /// What a refusal means: its status, and its header fields by name; `nil` for what every refusal means.
    let refusal: @Sendable (_ status: Int, _ field: (String) -> String?) -> Fault?

    /// Why a redirect does not lead to the file; `nil` when it may. A hub names the SHA-256 of large files in it.
    func objection(toLinked tag: String?) -> String? {
        guard let digest, let tag = tag.map(GitBlobs.plain), let linked = Digest(tag), linked != digest else {
            return nil
        }
        return "it leads to other content than its tree names"
    }
}

/// Gives requests to one source what shows who asks, and renews it. What it gives never reaches another origin.
package protocol RequestAuthorizer: AnyObject, Sendable {
    /// The headers that a request needs in addition.
    ///
    /// - Parameter headers: Those that it has, for signatures that cover them.
    /// - Throws: ``Fault`` of kind `secretMissing`, `sourceUnreachable` or `sourceRefuses`.
    func headers(for method: String, _ url: String, _ headers: [(String, String)]) async throws -> [(String, String)]

    /// Told that the server refused what it was given.
    ///
    /// - Parameters:
    ///   - challenge: What the server said it wants (`WWW-Authenticate`), when that is known.
    ///   - refused: The `Authorization` that was refused; another one may have been had meanwhile.
    /// - Returns: Whether there is something else now, so that asking again makes sense.
    /// - Throws: ``Fault`` of kind `sourceUnreachable` or `sourceRefuses`.
    func renew(after challenge: String?, refused: String?) async throws -> Bool
}
