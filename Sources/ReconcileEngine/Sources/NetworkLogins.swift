import Foundation
import SystemPackage

/// Users and passwords by host, from the file that `NETRC` names, else `~/.netrc`: the format of ftp(1) that curl and git read too.
struct NetworkLogins: Sendable {
    private var logins: [String: (login: String, password: String)] = [:]

    /// The logins of this user, read once for the process.
    static func current() -> NetworkLogins { shared }

    private static let shared: NetworkLogins = {
        let path = Environment.value("NETRC") ?? Environment.value("HOME").map { "\($0)/.netrc" }
        let bytes = path.flatMap { try? DiskReader.contents(of: FilePath($0), limit: 1 << 20) } ?? nil
        return NetworkLogins(String(decoding: bytes ?? [], as: UTF8.self))
    }()

    /// Parses a netrc file; what it does not know is skipped. A `default` entry is not used: it would give a password to everybody.
    init(_ text: String) {
        var words = text.split(whereSeparator: \.isNewline).flatMap { line in
            let words = line.split(whereSeparator: \.isWhitespace)
            // Anywhere else it may be the beginning of a password.
            return words.first?.hasPrefix("#") == true ? [] : words
        }[...]
        var machine: String?
        while let word = words.popFirst() {
            switch word {
            case "machine": machine = words.popFirst().map { $0.lowercased() }
            case "default": machine = nil
            case "login", "password":
                guard let value = words.popFirst(), let machine else { continue }
                var entry = logins[machine] ?? ("", "")
                if word == "login" { entry.login = String(value) } else { entry.password = String(value) }
                logins[machine] = entry
            default: continue
            }
        }
    }

    /// The `Authorization` for a host (RFC 7617); `nil` when there is no login for it.
    func basic(for host: String) -> String? {
        logins[host.lowercased()].map { "Basic " + Data("\($0.login):\($0.password)".utf8).base64EncodedString() }
    }
}
