import Foundation
package import SystemPackage

/// Where the program keeps what belongs to no store: the clones of repositories that it follows.
package enum StateDirectory {
    /// What systemd gives the service (`StateDirectory=`), else `$XDG_STATE_HOME/reconcile`, else `~/.local/state/reconcile`.
    package static var path: FilePath {
        if let given = Environment.value("STATE_DIRECTORY")?.split(separator: ":").first {
            return FilePath(String(given))
        }
        let home = Environment.value("XDG_STATE_HOME").flatMap { $0.hasPrefix("/") ? $0 : nil }
        return FilePath(home ?? "\(Environment.value("HOME") ?? "/var/lib")/.local/state").appending("reconcile")
    }

    /// A path from the root.
    package static func absolute(_ path: String) -> FilePath {
        FilePath(FileManager.default.currentDirectoryPath).pushing(FilePath(path)).lexicallyNormalized()
    }
}
