import ReconcileCore

/// How manifests and blobs are reached: through a registry, or in an image layout on this machine.
protocol OCITransport: Sendable {
    /// The tags of a repository, with what the place itself says of them.
    ///
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `sourceLacks`, `sourceRefuses` or `sourceInvalid`.
    func tags(of repository: String) async throws -> [OCITag]

    /// What a tag stands for now.
    ///
    /// - Throws: As ``tags(of:)``.
    func digest(of tag: String, in repository: String) async throws -> Digest

    /// A manifest or an index, by tag or digest: its own bytes, which are compared with a digest that was asked for.
    ///
    /// - Throws: As ``tags(of:)``.
    func manifest(_ reference: OCIReference, in repository: String) async throws -> [UInt8]

    /// A small blob, whole and with the right digest.
    ///
    /// - Throws: As ``tags(of:)``.
    func blob(_ blob: OCIDescriptor, in repository: String) async throws -> [UInt8]

    /// Where the bytes of a blob are.
    ///
    /// - Throws: ``Fault`` of kind `secretMissing` or `sourceInvalid`.
    func locations(of digest: Digest, in repository: String) throws -> [Location]

    /// A repository, for people.
    func shown(_ repository: String) -> String
}

/// A tag as it is listed.
struct OCITag: Sendable {
    let name: String
    /// What it stands for, where the list says it.
    var digest: Digest?
    var channel = "stable"
}

/// What a manifest is asked for by.
enum OCIReference: Sendable, Hashable {
    case tag(String)
    case digest(Digest)

    /// A revision as it is declared or kept: `sha256:` and digits, else a tag.
    init(_ text: String) {
        self = text.hasPrefix("sha256:") ? Digest(text.dropFirst(7)).map { .digest($0) } ?? .tag(text) : .tag(text)
    }

    var text: String {
        switch self {
        case .tag(let name): name
        case .digest(let digest): "sha256:\(digest)"
        }
    }
}

/// Limits of documents.
enum OCILimit {
    static let manifestBytes = 16 << 20
    static let configBytes: Int64 = 16 << 20
}
