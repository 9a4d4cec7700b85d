package import SystemPackage

/// Where `watch` has its desired state from.
package protocol DesiredStateOrigin: Sendable {
    /// What identifies the content as it is now, without reading it; cheap enough to be asked four times a second.
    func glance() -> String
    /// Looks for newer content where that takes time: asks a remote.
    ///
    /// - Throws: ``Fault`` when it cannot be asked; what was known before stays.
    func refresh() async throws
    /// The newest content, without putting it in force.
    ///
    /// - Throws: `Problems` or ``Fault``.
    func preview() async throws -> Declaration
    /// The newest content, which is in force from now on.
    ///
    /// - Throws: `Problems` or ``Fault``; what was in force before stays.
    func adopt() async throws -> Declaration
}

/// Files of this machine.
package struct FileOrigin: DesiredStateOrigin {
    private let paths: [FilePath]

    /// The files, later ones laid over earlier ones.
    package init(paths: [FilePath]) { self.paths = paths }

    /// The stamps of the files and of the lock, of what links lead to: a file that is replaced or edited has another.
    package func glance() -> String {
        let lock = paths.last.map { [DesiredStateLoader.lockPath(for: $0)] } ?? []
        return (paths + lock).map { path in
            let target = DiskReader.realPath(path) ?? path
            guard let entry = DiskReader.entry(at: target) else { return "-" }
            return "\(entry.device) \(entry.inode) \(entry.size) \(entry.modified)"
        }.joined(separator: ";")
    }

    package func refresh() async throws {}

    package func preview() async throws -> Declaration { try DesiredStateLoader(paths: paths).load().pinningLock() }

    package func adopt() async throws -> Declaration { try await preview() }
}
