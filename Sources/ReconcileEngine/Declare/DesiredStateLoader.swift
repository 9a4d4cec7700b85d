import Foundation
import ReconcileCore
package import SystemPackage
import YAML

/// Reads the desired-state files: parse, lay one over the other, check, decode.
package struct DesiredStateLoader: Sendable {
    private let paths: [FilePath]
    /// Content that is not, or not yet, in the files.
    private let contents: [FilePath: [UInt8]]

    /// A loader for files, the later of which are laid over the earlier.
    ///
    /// - Parameter contents: Content to take instead of that of a file.
    package init(paths: [FilePath], contents: [FilePath: [UInt8]] = [:]) {
        (self.paths, self.contents) = (paths, contents)
    }

    /// What the files say.
    ///
    /// - Throws: ``Problems`` with everything that is wrong in them, or ``Fault`` of kind `fileMissing` or `system`.
    package func load() throws -> Declaration {
        var documents: [Node] = []
        var directories: [String: FilePath] = [:]
        var digests: [String] = []
        var problems = Problems()
        let limits = Limits()
        for path in paths {
            guard let bytes = try contents[path] ?? DiskReader.contents(of: path, limit: limits.bytes + 1) else {
                throw Fault(.fileMissing(path: path.string))
            }
            directories[path.string] = Self.absolute(path.removingLastComponent())
            digests.append("\(bytes.count) \(Hashing.digest(of: bytes))")
            do {
                documents.append(
                    try Parser(Source(name: path.string, bytes: bytes), limits: limits).parse(noting: &problems))
            } catch let found as Problems {
                problems.add(found)
            }
        }
        guard documents.count == paths.count, let first = documents.first, let last = paths.last else { throw problems }
        let root = documents.dropFirst().reduce(first) { $0.overlaid(with: $1, isWhole: Self.isReplacedWhole) }
        var reader = DesiredStateReader(root: root, directories: directories)
        reader.note(problems)
        var declaration = try reader.read(
            digest: Hashing.digest(of: digests.joined(separator: "\n")), lockPath: Self.lockPath(for: last),
            defaultDirectory: Self.absolute(paths[0].removingLastComponent()))
        declaration.commit = Self.detachedCommit(above: Self.absolute(last.removingLastComponent()))
        return declaration
    }

    /// The commit of a work tree whose HEAD is detached, as in the clones of `watch --git` and in CI: there the files are
    /// those of the commit. In a work tree that somebody edits, the commit would say little.
    private static func detachedCommit(above directory: FilePath) -> String? {
        var place = directory
        while true {
            let head = place.appending(".git").appending("HEAD")
            if let bytes = try? DiskReader.contents(of: head, limit: 256) {
                let text = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init) ?? ""
                return [40, 64].contains(text.utf8.count) && text.allSatisfy(\.isHexDigit) ? text : nil
            }
            guard place.components.count > 0, place.removeLastComponent() else { return nil }
        }
    }

    /// A directory from the root: hooks run elsewhere, and a relative path would mean something else there.
    private static func absolute(_ directory: FilePath) -> FilePath {
        guard !directory.isAbsolute else { return directory.lexicallyNormalized() }
        return FilePath(FileManager.default.currentDirectoryPath).pushing(directory).lexicallyNormalized()
    }

    /// Sources, checks, reloads and probes are replaced whole by an overlay; everything else merges key by key.
    private static func isReplacedWhole(_ path: [String]) -> Bool {
        if path.count == 2, path[0] == "sources" { return true }
        return path.count == 3 && path[0] == "models" && ["check", "reload", "probe"].contains(path[2])
    }

    /// `desired-state.yaml` → `desired-state.lock`.
    static func lockPath(for path: FilePath) -> FilePath {
        path.removingLastComponent().appending("\(path.stem ?? "desired-state").lock")
    }
}
