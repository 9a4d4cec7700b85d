import Foundation
import ReconcileCore

/// JSON as reconcile writes and reads it: sorted keys, two spaces, a line break at the end; reading names what is wrong.
package enum JSONFile {
    /// The text of a value.
    ///
    /// - Throws: ``Fault`` of kind `bug`: our own values can be encoded.
    package static func bytes(of value: some Encodable, pretty: Bool = true) throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            pretty ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        do {
            return Array(try encoder.encode(value)) + [0x0A]
        } catch {
            throw Fault(.bug(detail: "\(error)"))
        }
    }

    /// The value of a text.
    ///
    /// - Parameters:
    ///   - name: What people call the text: a path or a URL.
    ///   - format: The format number that it must have, when it has one; looked at first, because a newer format may have
    ///     other members.
    /// - Throws: ``Fault`` of kind `fileDamaged` with the place of what is wrong, or `formatUnknown`.
    package static func value<Value: Decodable>(
        _ type: Value.Type, from bytes: [UInt8], name: String, format: Int? = nil
    ) throws -> Value {
        if let format, let found = (try? JSONDecoder().decode(Head.self, from: Data(bytes)))?.number, found != format {
            throw Fault(.formatUnknown(path: name, found: found, supported: format))
        }
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw Fault(.fileDamaged(path: name, detail: detail(of: error, bytes)))
        }
    }

    /// The value of a text that a source has given.
    ///
    /// - Throws: ``Fault`` of kind `sourceInvalid` with what is wrong.
    static func published<Value: Decodable>(_ type: Value.Type, from bytes: [UInt8], at url: String) throws -> Value {
        do {
            return try value(type, from: bytes, name: url)
        } catch let fault as Fault {
            guard case .fileDamaged(_, let detail) = fault.kind else { throw fault }
            let isPage = bytes.prefix(512).contains(0x3C) && bytes.first { $0 > 0x20 } == 0x3C
            throw Fault(.sourceInvalid(url: url, detail: isPage ? "it is a web page, not data" : detail))
        }
    }

    /// The format number of a file, under the name it has in each kind of file.
    private struct Head: Decodable {
        let formatVersion: Int?
        let lockVersion: Int?
        var number: Int? { formatVersion ?? lockVersion }
    }

    private static func detail(of error: any Error, _ bytes: [UInt8]) -> String {
        if bytes.isEmpty { return "it is empty" }
        if String(decoding: bytes, as: UTF8.self).contains("<<<<<<< ") { return "it has conflict markers of a merge" }
        guard let error = error as? DecodingError else { return "it is not JSON" }
        switch error {
        case .keyNotFound(let key, let context): return "\(place(context)) has no “\(key.stringValue)”"
        case .valueNotFound(_, let context): return "\(place(context)) is null"
        case .typeMismatch(_, let context): return "\(place(context)) is not of the right type"
        case .dataCorrupted(let context):
            guard context.codingPath.isEmpty else { return "\(place(context)): \(context.debugDescription)".printable }
            return "it is not JSON, or cut short"
        @unknown default: return "it is not what it must be"
        }
    }

    private static func place(_ context: DecodingError.Context) -> String {
        guard !context.codingPath.isEmpty else { return "the top level" }
        return "“" + context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue }.joined(separator: ".")
            + "”"
    }
}
