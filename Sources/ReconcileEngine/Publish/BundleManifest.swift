import ReconcileCore

/// A release as an OCI manifest: a CNCF ModelPack with a layer for each file as it is, and one for each archive.
///
/// What reads it back gets the same release with the same content digest.
struct BundleManifest {
    let config: [UInt8]
    let document: OCIDocument

    /// - Parameter diffIDs: The digests of archives when they are not compressed, by their own digests.
    init(_ release: Release, diffIDs: [Digest: Digest]) throws {
        let archives = release.archives ?? []
        let loose = release.looseFiles
        let pack = ModelPackConfig(
            descriptor: ModelPackConfig.Descriptor(
                createdAt: release.publishedAt?.description, name: release.origin.repository,
                version: release.version.description, licenses: release.license.map { [$0] }),
            files: ModelPackConfig.Files(
                type: "layers",
                diffIds: loose.map { "sha256:\($0.sha256)" }
                    + archives.map { "sha256:\(diffIDs[$0.sha256] ?? $0.sha256)" }))
        config = Array(try JSONFile.bytes(of: pack, pretty: false).dropLast())
        document = OCIDocument(
            schemaVersion: 2, mediaType: OCIName.manifest, artifactType: OCIName.modelPackManifest,
            config: OCIDescriptor(
                mediaType: OCIName.modelPackConfig, digest: "sha256:\(Hashing.digest(of: config))",
                size: Int64(config.count)),
            layers: loose.map(Self.layer) + archives.map(Self.layer), annotations: try Self.annotations(of: release))
    }

    private static func layer(_ file: ReleaseFile) -> OCIDescriptor {
        let path = file.path.description
        return OCIDescriptor(
            mediaType: "\(OCIName.modelPack[0])\(kind(of: path)).v1.raw", digest: "sha256:\(file.sha256)",
            size: file.size,
            annotations: [OCIName.modelPackPath[0]: path, OCIName.title: path])
    }

    private static func layer(_ archive: Archive) -> OCIDescriptor {
        OCIDescriptor(
            mediaType: "\(OCIName.modelPack[0])weight.v1.\(archive.format.rawValue)",
            digest: "sha256:\(archive.sha256)",
            size: archive.size)
    }

    /// What a file is to a model (model-spec, "Layer media types"), told by its name.
    private static func kind(of path: String) -> String {
        let name = path.split(separator: "/").last.map { $0.lowercased() } ?? ""
        if name.hasSuffix(".md") || name.hasPrefix("license") || name.hasPrefix("readme") { return "doc" }
        if name.hasSuffix(".py") || name.hasSuffix(".sh") { return "code" }
        let isConfig = [".json", ".yaml", ".yml", ".txt", ".pbtxt", ".toml", ".jinja"].contains { name.hasSuffix($0) }
        return isConfig ? "weight.config" : "weight"
    }

    private static func annotations(of release: Release) throws -> [String: String] {
        var notes = [
            OCIName.version: release.version.description, OCIName.channel: release.channel,
            OCIName.origin: release.origin.description,
        ]
        notes[OCIName.created] = release.publishedAt?.description
        notes[OCIName.licenses] = release.license
        notes[OCIName.priority] = release.priority?.rawValue
        notes[OCIName.changelog] = release.changelog
        if let requires = release.requires, !requires.isEmpty {
            notes[OCIName.requires] = String(
                decoding: try JSONFile.bytes(of: requires, pretty: false).dropLast(), as: UTF8.self)
        }
        return notes
    }
}
