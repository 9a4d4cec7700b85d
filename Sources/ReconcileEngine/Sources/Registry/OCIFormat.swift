import ReconcileCore

// Documents of OCI registries and image layouts, as far as they are used (https://github.com/opencontainers/image-spec,
// `manifest.md`, `image-index.md`, `descriptor.md`; https://github.com/opencontainers/distribution-spec).

/// A pointer to some content.
struct OCIDescriptor: Codable, Sendable {
    /// For which kind of machine it is.
    struct Platform: Codable, Sendable {
        let os: String?
        let architecture: String?
    }

    var mediaType: String?
    var digest: String
    var size: Int64
    var annotations: [String: String]?
    var platform: Platform?
    var artifactType: String?

    /// The digest, when it is one that is computed here.
    var sha256: Digest? { digest.hasPrefix("sha256:") ? Digest(digest.dropFirst(7)) : nil }
}

/// A manifest, or an index of several; which of both, its members tell.
struct OCIDocument: Codable, Sendable {
    var schemaVersion: Int?
    var mediaType: String?
    var artifactType: String?
    var config: OCIDescriptor?
    var layers: [OCIDescriptor]?
    /// The manifests of an index.
    var manifests: [OCIDescriptor]?
    var annotations: [String: String]?
}

/// Names of media types and annotations.
enum OCIName {
    static let manifest = "application/vnd.oci.image.manifest.v1+json"
    static let index = "application/vnd.oci.image.index.v1+json"
    /// All that a registry may answer with: without the right one, some say that there is nothing.
    static let accepted = [
        manifest, index, "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    ].joined(separator: ", ")

    static let title = "org.opencontainers.image.title"
    static let created = "org.opencontainers.image.created"
    static let version = "org.opencontainers.image.version"
    static let licenses = "org.opencontainers.image.licenses"
    static let referenceName = "org.opencontainers.image.ref.name"

    /// The CNCF ModelPack (https://github.com/modelpack/model-spec), and the name of its drafts.
    static let modelPack = ["application/vnd.cncf.model.", "application/vnd.cnai.model."]
    static let modelPackPath = ["org.cncf.model.filepath", "org.cnai.model.filepath"]
    static let modelPackConfig = "application/vnd.cncf.model.config.v1+json"
    static let modelPackManifest = "application/vnd.cncf.model.manifest.v1+json"
    /// KitOps ModelKits (https://kitops.org/docs/modelkit/spec/).
    static let modelKit = "application/vnd.kitops.modelkit."
    /// The type of a packed layer of an image, which ORAS also gives to a directory.
    static let packedLayer = "application/vnd.oci.image.layer.v1.tar+gzip"
    /// What ORAS says of a directory that it packed.
    static let orasUnpack = "io.deis.oras.content.unpack"

    /// What reconcile's own bundles add to a manifest.
    static let channel = "dev.reconcile.channel"
    static let priority = "dev.reconcile.priority"
    static let changelog = "dev.reconcile.changelog"
    static let requires = "dev.reconcile.requires"
    static let origin = "dev.reconcile.origin"
}

/// The config of a ModelPack, as far as it is used (model-spec, `docs/config.md`).
struct ModelPackConfig: Codable, Sendable {
    struct Descriptor: Codable, Sendable {
        var createdAt: String?
        var name: String?
        var version: String?
        var licenses: [String]?
    }

    struct Files: Codable, Sendable {
        var type: String
        var diffIds: [String]
    }

    /// What a Kitfile says, which is the config of a ModelKit.
    struct Package: Codable, Sendable {
        var version: String?
        var license: String?
    }

    var descriptor: Descriptor?
    var config: [String: String]?
    var modelfs: Files?
    var package: Package?

    private enum CodingKeys: String, CodingKey { case descriptor, config, modelfs, package }

    init(descriptor: Descriptor, files: Files) { (self.descriptor, config, modelfs) = (descriptor, [:], files) }

    /// What publishers get wrong in a part that is only told is no reason not to take the model.
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        descriptor = try? container.decodeIfPresent(Descriptor.self, forKey: .descriptor)
        modelfs = try? container.decodeIfPresent(Files.self, forKey: .modelfs)
        package = try? container.decodeIfPresent(Package.self, forKey: .package)
    }

    /// The version that the publisher names.
    var version: Version? { (descriptor?.version ?? package?.version).flatMap(HubSource.version) }

    /// The licences that the publisher names, as one expression.
    var license: String? {
        let names = (descriptor?.licenses ?? package?.license.map { [$0] } ?? []).filter { !$0.isEmpty }
        return names.isEmpty ? nil : names.joined(separator: " AND ")
    }
}
