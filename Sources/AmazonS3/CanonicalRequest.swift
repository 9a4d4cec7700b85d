import Crypto
import Foundation

/// A request in the one form that both sides can compute and hash
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>, step 1).
struct CanonicalRequest {
    /// What connections and proxies change on the way, so that a signature over it may not hold.
    private static let unsigned: Set<String> = [
        "accept-encoding", "authorization", "connection", "content-length", "expect", "keep-alive",
        "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "user-agent",
        "x-amzn-trace-id",
    ]

    /// The names of the headers that are signed, sorted and joined by semicolons.
    let signedHeaders: String
    /// The whole form.
    let text: String

    /// The SHA-256 of the form, in hexadecimal.
    var hash: String { Hexadecimal.text(SHA256.hash(data: Data(text.utf8))) }

    /// The form of `request` with the headers that signing adds; these replace headers of the same name.
    init(_ request: ServiceRequest, adding added: [Header], flavor: SignatureV4.Flavor) {
        let replaced = Set(added.map { $0.name.lowercased() } + ["host"]).union(Self.unsigned)
        let kept = request.headers.filter { !replaced.contains($0.name.lowercased()) }
        let all = kept + added + [Header("host", request.origin.authority)]
        let values = Dictionary(grouping: all) { $0.name.lowercased() }
        let names = values.keys.sorted()
        let lines = names.map { name in
            "\(name):\((values[name] ?? []).map { Self.trimmed($0.value) }.joined(separator: ","))\n"
        }
        signedHeaders = names.joined(separator: ";")
        text = [
            request.method, Self.path(request.path, flavor), request.encodedQuery, lines.joined(), signedHeaders,
            request.payload.hash,
        ].joined(separator: "\n")
    }

    /// A header's value without space around it, and with single spaces inside.
    private static func trimmed(_ value: String) -> String {
        value.split { $0 == " " || $0.isNewline || $0 == "\t" }.joined(separator: " ")
    }

    private static func path(_ path: String, _ flavor: SignatureV4.Flavor) -> String {
        switch flavor {
        case .s3: path.isEmpty ? "/" : path
        case .general: PercentEncoding.encode(withoutDotSegments(path), keepingSlashes: true)
        }
    }

    /// The path with `.`, `..` and empty segments resolved (RFC 3986, section 5.2.4).
    private static func withoutDotSegments(_ path: String) -> String {
        var kept: [Substring] = []
        for segment in path.split(separator: "/") where segment != "." {
            if segment == ".." { _ = kept.popLast() } else { kept.append(segment) }
        }
        let ending = kept.isEmpty || !["/", "/.", "/.."].contains(where: path.hasSuffix) ? "" : "/"
        return "/" + kept.joined(separator: "/") + ending
    }
}
