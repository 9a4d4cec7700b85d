import ReconcileCore

// What a Hugging Face hub answers, as far as it is used (https://huggingface.co/docs/hub/api). Members that are not named here
// may come and go.

/// `GET /api/models/ID/refs`.
struct HubRefs: Decodable {
    /// A branch or a tag.
    struct Ref: Decodable {
        let name: String
        let targetCommit: String
    }

    let branches: [Ref]?
    let tags: [Ref]?
}

/// `GET /api/models/ID/revision/REVISION`.
struct HubRevision: Decodable {
    /// What the card of a model says, as far as it is read by machines.
    struct Card: Decodable {
        let license: String?

        private enum CodingKeys: String, CodingKey { case license }

        /// Some cards name several licences.
        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            if let text = try? container.decodeIfPresent(String.self, forKey: .license) {
                license = text
            } else {
                license = (try? container.decode([String].self, forKey: .license))?.joined(separator: " AND ")
            }
        }
    }

    let sha: String
    let lastModified: String?
    let tags: [String]?
    let cardData: Card?

    /// The licence that the card names, else the one among the tags.
    var license: String? {
        cardData?.license ?? tags?.first { $0.hasPrefix("license:") }.map { String($0.dropFirst(8)) }
    }
}

/// An entry of `GET /api/models/ID/tree/COMMIT?recursive=true`.
struct HubEntry: Codable {
    /// A file that is kept outside of git.
    struct Large: Codable {
        /// The SHA-256 of its content.
        let oid: String
        let size: Int64
    }

    let type: String
    let path: String
    let size: Int64?
    /// The name of its git blob: SHA-1 over a header and the content.
    let oid: String?
    let lfs: Large?
}

/// A file of a commit: its content is known by its SHA-256 or by the name of its git blob.
enum HubFile: Sendable {
    case large(ReleaseFile)
    case small(path: ReleasePath, size: Int64, oid: String)

    var path: ReleasePath {
        switch self {
        case .large(let file): file.path
        case .small(let path, _, _): path
        }
    }

    /// The file, with a digest that stands for one that is not known yet.
    var placeholder: ReleaseFile {
        switch self {
        case .large(let file): file
        case .small(let path, let size, _): ReleaseFile(path: path, size: size, sha256: Digest(words: []))
        }
    }
}
