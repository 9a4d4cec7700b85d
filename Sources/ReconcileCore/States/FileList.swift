/// Why a list of files cannot be a release.
public enum FileListFault: Error, Hashable, Sendable {
    /// There is no file in it.
    case empty
    /// A size is negative.
    case negativeSize(path: String)
    /// A path stands twice.
    case duplicate(path: String)
    /// Two paths differ only in case, so one file system would hold only one of them.
    case caseCollision(first: String, second: String)
    /// A path is a file here and a directory there.
    case fileIsDirectory(path: String)
}

/// Checks that files can all be created below one directory, on file systems that ignore case too.
///
/// - Throws: ``FileListFault`` for the first file that cannot.
public func checkFileList(_ files: [ReleaseFile]) throws(FileListFault) {
    guard !files.isEmpty else { throw .empty }
    var seen: [String: String] = [:]
    var directories: [String: String] = [:]
    for file in files {
        let path = file.path.description
        guard file.size >= 0 else { throw .negativeSize(path: path) }
        if let first = seen.updateValue(path, forKey: path.lowercased()) {
            if first == path { throw .duplicate(path: path) }
            throw .caseCollision(first: first, second: path)
        }
        var directory = ""
        for component in file.path.components.dropLast() {
            directory += directory.isEmpty ? String(component) : "/\(component)"
            if let first = directories.updateValue(directory, forKey: directory.lowercased()), first != directory {
                throw .caseCollision(first: first, second: directory)
            }
        }
    }
    for (folded, directory) in directories where seen[folded] != nil { throw .fileIsDirectory(path: directory) }
}
