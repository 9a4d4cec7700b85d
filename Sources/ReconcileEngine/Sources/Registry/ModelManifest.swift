import ReconcileCore

/// What a manifest delivers: files that come as they are, and archives. Understands ModelPack, KitOps and what ORAS pushes.
struct ModelManifest: Sendable {
    let files: [ReleaseFile]
    let archives: [Archive]
    /// The config, where it says something of the model.
    let config: OCIDescriptor?
    let annotations: [String: String]

    /// Why a manifest cannot be used, for the end of a sentence that begins with whose it is.
    struct Unusable: Error { let detail: String }

    /// A manifest may name very many files, but not without bound.
    private static let layerLimit = 100_000

    /// Reads the layers.
    ///
    /// - Throws: ``Unusable``.
    init(_ document: OCIDocument, choosing selection: FileSelection) throws(Unusable) {
        guard let layers = document.layers else { throw Unusable(detail: "it is not a manifest") }
        guard layers.count <= Self.layerLimit else { throw Unusable(detail: "it has \(layers.count) layers") }
        var files: [ReleaseFile] = []
        var archives: [Archive] = []
        var seen: Set<Digest> = []
        for layer in layers {
            guard let digest = layer.sha256 else {
                throw Unusable(
                    detail: "a layer is named by “\(layer.digest.prefix(40).printable)”, and only sha256 is known")
            }
            guard layer.size >= 0 else { throw Unusable(detail: "the size of a layer is negative") }
            switch try Self.content(of: layer) {
            case .file(let path):
                guard selection.matches(path) else { continue }
                files.append(ReleaseFile(path: path, size: layer.size, sha256: digest))
            case .archive(let format):
                guard seen.insert(digest).inserted else { continue }
                archives.append(Archive(sha256: digest, size: layer.size, format: format))
            }
        }
        guard !layers.isEmpty else { throw Unusable(detail: Self.emptiness(document)) }
        (self.files, self.archives) = (files, archives)
        annotations = document.annotations ?? [:]
        config = document.config.flatMap { config in
            (OCIName.modelPack + [OCIName.modelKit]).contains { config.mediaType?.hasPrefix($0) ?? false }
                ? config : nil
        }
    }

    private enum Content {
        case file(ReleasePath)
        case archive(Archive.Format)
    }

    private static func content(of layer: OCIDescriptor) throws(Unusable) -> Content {
        let type = layer.mediaType ?? ""
        let notes = layer.annotations ?? [:]
        if let format = try packing(type, notes) { return .archive(format) }
        let name = OCIName.modelPackPath.lazy.compactMap { notes[$0] }.first ?? notes[OCIName.title]
        guard let name else {
            throw Unusable(
                detail: "a layer of type “\(type.prefix(80).printable)” says neither its name nor how it is packed")
        }
        guard let path = ReleasePath(name.hasPrefix("./") ? String(name.dropFirst(2)) : name) else {
            throw Unusable(detail: "“\(name.prefix(80).printable)” is not a safe path")
        }
        return .file(path)
    }

    /// How a layer is packed; `nil` when it is one file as it is.
    private static func packing(_ type: String, _ notes: [String: String]) throws(Unusable) -> Archive.Format? {
        if OCIName.modelPack.contains(where: type.hasPrefix) {
            guard let format = type.split(separator: ".").last.map(String.init) else { return nil }
            if format == "raw" { return nil }
            return try known(format, type)
        }
        if type.hasPrefix(OCIName.modelKit) {
            return try known(type.split(separator: ".").last.map(String.init) ?? "", type)
        }
        // One of both tools that push directories says so, the other one only by the type.
        let title = notes[OCIName.title] ?? ""
        let isFolder =
            type == OCIName.packedLayer && !title.isEmpty && ![".gz", ".tgz"].contains { title.hasSuffix($0) }
        guard notes[OCIName.orasUnpack] == "true" || isFolder else { return nil }
        return type.hasSuffix("zstd") ? .tarZstd : type.hasSuffix("gzip") || type.isEmpty ? .tarGzip : .tar
    }

    private static func known(_ name: String, _ type: String) throws(Unusable) -> Archive.Format {
        guard let format = Archive.Format(rawValue: name) else {
            throw Unusable(detail: "it has layers of type “\(type.prefix(80).printable)”, which are not known")
        }
        return format
    }

    private static func emptiness(_ document: OCIDocument) -> String {
        let isKit = document.config?.mediaType?.hasPrefix(OCIName.modelKit) ?? false
        return isKit
            ? "it has no layers; a ModelKit that refers to another one must be replaced by that one"
            : "it has no layers"
    }
}
