import ReconcileCore
import SystemPackage
import YAML

// How models are handed over to other programs, as the files say it.
extension DesiredStateReader {
    private static let standardSeconds: Int64 = 60

    /// Two models that are handed over to one place would take turns in it.
    mutating func checkHandOvers(_ models: [ModelName: DesiredModel]) {
        var taken: [String: ModelName] = [:]
        for entry in root["models"]?.entries ?? [] {
            guard let name = ModelName(entry.key), let model = models[name], let handOver = model.handOver,
                let node = entry.value["publishAs"]
            else { continue }
            let place: String =
                switch handOver.form {
                case .huggingfaceCache(let repository):
                    "hf \(handOver.directory) \(repository ?? model.origin.repository)"
                case .triton: "triton \(handOver.directory)"
                case .ollama(_, let own): "ollama \(handOver.directory) \(own ?? name.description.lowercased())"
                }
            if let first = taken.updateValue(name, forKey: place) {
                decoder.report(node.mark, "“\(name)” and “\(first)” are handed over to the same place")
            }
        }
    }

    /// The hand-over of a model.
    func handOver(_ node: Node) -> HandOver? {
        let file = node["file"]?.text.flatMap { ReleasePath($0.hasPrefix("./") ? String($0.dropFirst(2)) : $0) }
        let form: HandOver.Form
        let place: FilePath
        if let cache = node["huggingfaceCache"] {
            (form, place) = (.huggingfaceCache(repository: node["repository"]?.text), path(cache))
        } else if let triton = node["triton"] {
            let seconds = node["timeout"]?.text.flatMap(Durations.seconds) ?? Self.standardSeconds
            (form, place) = (
                .triton(file: file, server: node["server"].flatMap(secret), timeoutSeconds: seconds), path(triton)
            )
        } else if let ollama = node["ollama"] {
            (form, place) = (.ollama(file: file, name: node["name"]?.text), path(ollama))
        } else {
            return nil
        }
        return HandOver(
            form: form, directory: place.string, digest: Hashing.digest(of: "\(place)\n\(canonicalText(node))"))
    }
}
