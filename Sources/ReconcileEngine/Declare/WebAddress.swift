import Foundation

/// Rules for the addresses that are asked.
enum WebAddress {
    /// Whether an address may be asked: HTTPS, or plain HTTP to this machine, or where somebody said so.
    static func isAllowed(_ text: String, allowsInsecure: Bool) -> Bool {
        guard text.lowercased().hasPrefix("http://") else { return true }
        return allowsInsecure || isLoopback(host: URL(string: text)?.host() ?? "")
    }

    /// Whether an address names a server: a scheme of the web, a host, and a port there can be.
    static func canBeAsked(_ url: URL) -> Bool {
        ["http", "https"].contains(url.scheme?.lowercased() ?? "") && !(url.host() ?? "").isEmpty
            && (1...65_535).contains(url.port ?? 80)
    }

    /// Whether a host is this machine by any of its usual names.
    static func isLoopback(host: String) -> Bool {
        if host == "localhost" || host == "::1" || host == "[::1]" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether a host is one of this link, such as the one that tells machines of a cloud who they are (RFC 3927).
    static func isLinkLocal(host: String) -> Bool {
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "169" && parts[1] == "254" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether two addresses have the same scheme, host and port, so that credentials may go to both.
    static func haveSameOrigin(_ first: URL, _ second: URL) -> Bool {
        origin(first) == origin(second)
    }

    /// The scheme, host and port of an address (RFC 6454).
    static func origin(_ url: URL) -> String {
        "\(url.scheme?.lowercased() ?? "")://\(url.host()?.lowercased() ?? ""):\(port(url))"
    }

    /// The port of an address: the usual one of its scheme where it names none.
    static func port(_ url: URL) -> Int { url.port ?? (url.scheme?.lowercased() == "https" ? 443 : 80) }

    /// A path with what may not stand in an address written as percent signs and digits (RFC 3986, section 3.3).
    static func escaped(_ path: String) -> String {
        path.addingPercentEncoding(withAllowedCharacters: pathCharacters) ?? path
    }

    private static let pathCharacters = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-._~!$&'()*,;=:@")

    /// A text of somebody else's, with the users and passwords of addresses in it taken out.
    static func withoutSecrets(_ text: String) -> String {
        var parts = text.split(separator: "://", omittingEmptySubsequences: false).map(String.init)
        for index in parts.indices.dropFirst() {
            // A password may hold a slash: up to the last “@” before a space, all may be secret.
            let host = parts[index].prefix { !$0.isWhitespace && $0 != "'" && $0 != "\"" }
            var shown = host.lastIndex(of: "@").map { host[host.index(after: $0)...] } ?? host
            if let query = shown.firstIndex(of: "?") { shown = shown[..<query] }
            parts[index] = String(shown + parts[index][host.endIndex...])
        }
        return parts.joined(separator: "://")
    }

    /// An address without user, password, query and fragment, for people: those may hold secrets.
    static func shown(_ text: String) -> String {
        guard var parts = URLComponents(string: text) else { return "(an address)" }
        (parts.user, parts.password, parts.query, parts.fragment) = (nil, nil, nil, nil)
        return parts.string ?? "(an address)"
    }
}
