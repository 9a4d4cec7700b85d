/// How the active generation is handed over to programs that read models from a place and in a form of their own.
public struct HandOver: Hashable, Sendable {
    /// Whose form it is.
    public enum Form: Hashable, Sendable {
        /// A snapshot in the cache of huggingface_hub.
        case huggingfaceCache(repository: String?)
        /// An integer version of a model of a Triton repository, loaded by its server when that is named.
        case triton(file: ReleasePath?, server: SecretText?, timeoutSeconds: Int64)
        /// A blob and a manifest of Ollama.
        case ollama(file: ReleasePath?, name: String?)
    }

    /// Whose form it is.
    public let form: Form
    /// The place.
    public let directory: String
    /// The digest of all of this: when it changes, the active generation is handed over again.
    public let digest: Digest

    /// A hand-over.
    public init(form: Form, directory: String, digest: Digest) {
        (self.form, self.directory, self.digest) = (form, directory, digest)
    }
}

/// What was handed over last, as far as it is still there.
public struct HandedOver: Codable, Hashable, Sendable {
    /// The declared hand-over at that time.
    public let declared: Digest
    /// The directory of the generation.
    public let generation: String

    /// Something handed over.
    public init(declared: Digest, generation: String) { (self.declared, self.generation) = (declared, generation) }
}
