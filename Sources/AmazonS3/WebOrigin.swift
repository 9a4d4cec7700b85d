/// Where a service listens: scheme, host and port, and the path below which it answers.
///
/// Parsed strictly, so that no other reader of the same text can see another host in it: no user, no fragment, no
/// query, no characters that need escapes.
package struct WebOrigin: Hashable, Sendable, CustomStringConvertible {
    /// Whether it is asked with TLS.
    package let isSecure: Bool
    /// In lower case; an IPv6 address in brackets.
    package let host: String
    /// `nil` when it is the usual one of the scheme.
    package let port: Int?
    /// Empty, or begins with a slash and does not end in one.
    package let path: String

    /// The origin of a host that the program itself names.
    init(secureHost host: String) { (isSecure, self.host, port, path) = (true, host, nil, "") }

    private init(_ origin: WebOrigin, host: String) {
        (isSecure, self.host, port, path) = (origin.isSecure, host, origin.port, origin.path)
    }

    /// Parses `http://HOST[:PORT][/PATH]` or the same with `https`; `nil` for everything else.
    package init?(_ text: String) {
        let form = /(?i:(https?):\/\/)([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?((?:\/[A-Za-z0-9._~-]*)*)/
        guard let match = text.wholeMatch(of: form)?.output else { return nil }
        isSecure = match.1.lowercased() == "https"
        host = match.2.lowercased()
        let number = match.3.flatMap { Int($0) }
        guard number.map((1...65_535).contains) ?? (match.3 == nil) else { return nil }
        port = number == (isSecure ? 443 : 80) ? nil : number
        let segments = match.4.split(separator: "/", omittingEmptySubsequences: false)
        guard !segments.contains("."), !segments.contains("..") else { return nil }
        path = String(match.4.reversed().drop { $0 == "/" }.reversed())
    }

    /// What the `Host` header says.
    package var authority: String { port.map { "\(host):\($0)" } ?? host }

    /// The beginning of every address here.
    package var description: String { "\(isSecure ? "https" : "http")://\(authority)\(path)" }

    /// Whether only this machine can be behind it: `localhost`, 127.0.0.0/8 or `::1` (RFC 1122, section 3.2.1.3; RFC 4291,
    /// section 2.5.3).
    package var isLoopback: Bool {
        let octets = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
        return host == "localhost" || host == "[::1]"
            || (octets.count == 4 && octets.first == 127 && !octets.contains(nil))
    }

    /// The same with a label before the host.
    func prefixed(by label: String) -> WebOrigin { WebOrigin(self, host: "\(label).\(host)") }
}
