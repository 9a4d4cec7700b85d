package import ReconcileCore
package import SystemPackage

/// Everything the desired-state files say: the desired state itself, and where its sources and its store are.
package struct Declaration: Sendable {
    /// What is wanted.
    package let desired: DesiredState
    /// The store's directory.
    package let store: FilePath
    /// The sources by name.
    package let sources: [String: SourceDeclaration]
    /// The lock: named after and beside the last file.
    package let lockPath: FilePath
}

/// What a file says of one source.
package struct SourceDeclaration: Sendable, Hashable {
    /// Where it is.
    package enum Address: Sendable, Hashable {
        /// A catalog in a directory.
        case directory(FilePath)
        /// A catalog on web servers: the address and its mirrors, in order.
        case http([SecretText])
    }
    /// Its name.
    package let name: String
    /// Where it is.
    package let address: Address
    /// Sent to it and to nobody else.
    package let token: SecretText?
    /// Whether plain HTTP beyond this machine was asked for.
    package let allowsInsecure: Bool
}
