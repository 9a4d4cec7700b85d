import ReconcileCore
import SystemPackage
import YAML

// How models are handed over to other programs, as the files say it.
extension DesiredStateReader {
    private static let standardSeconds: Int64 = 60

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
