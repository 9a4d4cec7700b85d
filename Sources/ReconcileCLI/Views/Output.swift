import Foundation
import ReconcileEngine

/// Where text goes: data to standard output, everything else to standard error.
enum Output {
    /// Writes data.
    static func data(_ text: String) { write(text, to: .standardOutput) }

    /// Writes a value as JSON.
    ///
    /// - Throws: ``Fault`` of kind `bug`.
    static func json(_ value: some Encodable) throws {
        data(String(decoding: try JSONFile.bytes(of: value), as: UTF8.self))
    }

    /// Writes a message.
    static func message(_ text: String) { write(text, to: .standardError) }

    /// A reader that went away (`reconcile plan | head`) is no reason to stop a rollout.
    private static func write(_ text: String, to handle: FileHandle) { try? handle.write(contentsOf: Data(text.utf8)) }
}
