import Foundation
import ReconcileCore
import SystemPackage

/// Where a hub is and what it is given, with what the environment says: the variables that huggingface_hub reads too
/// (https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables).
struct HubAccess: Sendable {
    /// The hub's address, without a slash at its end.
    let address: SecretText
    let token: SecretText?
    let allowsInsecure: Bool
    /// Whether nothing may be asked.
    let isOffline: Bool

    private static let publicHub = "https://huggingface.co"

    /// - Parameters:
    ///   - address: As it is declared. `HF_ENDPOINT` takes the place of the public hub.
    ///   - token: As it is declared; else the one that this user has for the public hub, which no other address is given.
    init(
        address: SecretText, token: SecretText?, allowsInsecure: Bool,
        variable: (String) -> String? = Environment.value
    ) {
        func value(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }
        let isPublic =
            if case .literal(let text) = address { Self.trimmed(text) == Self.publicHub } else { false }
        self.address = isPublic ? value("HF_ENDPOINT").map(SecretText.literal) ?? address : address
        self.token = token ?? (isPublic ? Self.ambientToken(value) : nil)
        self.allowsInsecure = allowsInsecure
        isOffline = ["1", "ON", "YES", "TRUE"].contains(value("HF_HUB_OFFLINE")?.uppercased() ?? "")
    }

    private static func trimmed(_ text: String) -> String { text.hasSuffix("/") ? String(text.dropLast()) : text }

    /// The token that `hf auth login` leaves, or that a variable holds.
    private static func ambientToken(_ value: (String) -> String?) -> SecretText? {
        for name in ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"] where value(name) != nil { return .environment(name: name) }
        let home = value("HOME") ?? ""
        let folder =
            value("HF_HOME") ?? value("XDG_CACHE_HOME").map { "\($0)/huggingface" } ?? "\(home)/.cache/huggingface"
        let path = value("HF_TOKEN_PATH") ?? "\(folder)/token"
        return DiskReader.entry(at: FilePath(path))?.kind == .file ? .file(path: path) : nil
    }

    /// A place on the hub.
    ///
    /// - Parameter path: Below the hub's address, escaped, with a slash at its beginning.
    /// - Throws: ``Fault`` of kind `secretMissing`, or `sourceRefuses` when nothing may be asked.
    func location(_ path: String) throws -> WebLocation {
        let base = Self.trimmed(try Environment.reveal(address))
        let shown: String =
            switch address {
            case .literal: WebAddress.shown(base + path)
            case .environment(let name): "(the address in $\(name))\(path)"
            case .file(let file): "(the address in \(file))\(path)"
            }
        guard !isOffline else {
            throw Fault(.sourceRefuses(url: shown, reason: .offline(variable: "HF_HUB_OFFLINE")))
        }
        return WebLocation(url: base + path, shown: shown, token: token, allowsInsecure: allowsInsecure)
    }
}
