import ReconcileCore
import SystemPackage
import YAML

// Where models are published, as the files say it.
extension DesiredStateReader {
    /// The keys that only mean something beside one kind of address.
    private static let companions = [
        "mirrors": ["http"], "region": ["s3"], "endpoint": ["s3"], "profile": ["s3"], "anonymous": ["s3"],
        "addressing": ["s3"], "token": ["http", "huggingface", "oci"],
        "allowInsecure": ["http", "huggingface", "oci", "s3"],
    ]

    /// The sources by name.
    mutating func readSources() -> [String: SourceDeclaration] {
        var sources: [String: SourceDeclaration] = [:]
        for entry in root["sources"]?.entries ?? [] {
            let node = entry.value
            checkCompanions(node)
            if let token = node["token"], token.text != nil {
                decoder.report(
                    token.mark, "a token must not be written in the file",
                    hint: "name where it is: { env: NAME } or { file: PATH }")
            }
            let allowsInsecure = node["allowInsecure"]?.bool ?? false
            for address in [node["http"], node["huggingface"], node["endpoint"]] + (node["mirrors"]?.elements ?? []) {
                if let address { checkAddress(address, allowsInsecure: allowsInsecure) }
            }
            guard let address = address(of: node) else { continue }
            sources[entry.key] = SourceDeclaration(
                name: entry.key, address: address, token: node["token"].flatMap(secret), allowsInsecure: allowsInsecure)
        }
        return sources
    }

    private mutating func checkCompanions(_ node: Node) {
        for (key, addresses) in Self.companions.sorted(by: { $0.key < $1.key }) {
            guard let companion = node[key], !addresses.contains(where: { node[$0] != nil }) else { continue }
            let known = addresses.map { "“\($0)”" }.joined(separator: ", ")
            decoder.report(companion.mark, "“\(key)” goes with \(known) only")
        }
    }

    private func address(of node: Node) -> SourceDeclaration.Address? {
        if let hub = node["huggingface"].flatMap(secret) { return .huggingface(hub) }
        if let registry = node["oci"]?.text { return .oci(registry) }
        if let bundle = node["bundle"] { return .bundle(path(bundle)) }
        if let bucket = node["s3"]?.text {
            return .s3(
                BucketDeclaration(
                    address: bucket, region: node["region"]?.text, endpoint: node["endpoint"].flatMap(secret),
                    profile: node["profile"]?.text, isAnonymous: node["anonymous"]?.bool ?? false,
                    addressing: node["addressing"]?.text.flatMap(BucketDeclaration.Addressing.init) ?? .auto))
        }
        if let directory = node["directory"] { return .directory(path(directory)) }
        let addresses = ([node["http"]] + (node["mirrors"]?.elements ?? [])).compactMap(\.self)
        return addresses.isEmpty ? nil : .http(addresses.compactMap(secret))
    }

    private mutating func checkAddress(_ node: Node, allowsInsecure: Bool) {
        guard let text = node.text, !WebAddress.isAllowed(text, allowsInsecure: allowsInsecure) else { return }
        decoder.report(
            node.mark, "plain HTTP can be read and changed on its way",
            hint: "use https://, or set allowInsecure: true on this source")
    }
}
