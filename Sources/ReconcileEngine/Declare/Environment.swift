import Foundation
package import ReconcileCore
import SystemPackage

/// Environment variables and secrets, read when they are used and never kept.
package enum Environment {
    /// The value of a variable.
    package static func value(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }

    /// A secret's text.
    ///
    /// - Throws: ``Fault`` of kind `secretMissing`, or `system`.
    package static func reveal(_ secret: SecretText) throws -> String {
        let text = try read(secret)
        // A line break inside would end up in headers, and in the words of errors about them.
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw Fault(.secretMissing(name: "\(name(of: secret)) holds control characters"))
        }
        return text
    }

    private static func name(of secret: SecretText) -> String {
        switch secret {
        case .literal: "a text of the file"
        case .environment(let name): "the environment variable \(name)"
        case .file(let path): "the file \(path)"
        }
    }

    private static func read(_ secret: SecretText) throws -> String {
        switch secret {
        case .literal(let text): return text
        case .environment(let name):
            guard let value = value(name), !value.isEmpty else {
                throw Fault(.secretMissing(name: "the environment variable \(name)"))
            }
            return value
        case .file(let path):
            guard let bytes = try DiskReader.contents(of: FilePath(path), limit: 1 << 20) else {
                throw Fault(.secretMissing(name: "the file \(path)"))
            }
            return String(decoding: bytes, as: UTF8.self).trimmingCharacters(in: .newlines)
        }
    }
}
