package import Foundation

/// All that the search for credentials sees of the world.
package struct Surroundings: Sendable {
    /// A question to an endpoint that gives credentials. It goes there directly: through no proxy, following no redirect, and
    /// without a second attempt.
    package struct Question: Hashable, Sendable {
        /// `GET` or `PUT`.
        package let method: String
        /// The address, to be asked as it is.
        package let url: String
        /// Headers to send; some hold secrets.
        package let headers: [Header]
        /// How long the whole exchange may take.
        package let timeoutSeconds: Int
        /// The most bytes of a body that are of use; a longer one may be cut behind them, and is an error here.
        package let mostBytes: Int
    }

    /// What the endpoint answers.
    package struct Answer: Hashable, Sendable, CustomStringConvertible, CustomReflectable {
        /// The status of HTTP.
        package let status: Int
        /// The body, which may hold secrets.
        package let body: [UInt8]

        /// An answer with a status and a body.
        package init(status: Int, body: [UInt8]) { (self.status, self.body) = (status, body) }

        /// Says nothing of what is in the body.
        package var description: String { "status \(status), \(body.count) bytes" }
        /// Shows no more than the description does.
        package var customMirror: Mirror { Mirror(self, children: ["answer": description]) }
    }

    /// The value of an environment variable; `nil` when there is none.
    package let variable: @Sendable (_ name: String) -> String?
    /// The bytes of a file; `nil` when there is none, and throws when it cannot be read.
    package let file: @Sendable (_ path: String) throws -> [UInt8]?
    /// Asks an endpoint; throws when there is no answer in time.
    package let http: @Sendable (Question) async throws -> Answer
    /// The time.
    package let now: @Sendable () -> Date

    /// The world as these closures show it.
    package init(
        variable: @escaping @Sendable (_ name: String) -> String?,
        file: @escaping @Sendable (_ path: String) throws -> [UInt8]?,
        http: @escaping @Sendable (Question) async throws -> Answer,
        now: @escaping @Sendable () -> Date
    ) {
        (self.variable, self.file, self.http, self.now) = (variable, file, http, now)
    }

    /// A variable that says something: an empty one is as good as none.
    func setting(_ name: String) -> String? { variable(name).flatMap { $0.isEmpty ? nil : $0 } }

    /// A file's text; `nil` when there is no such file. `~/` is the home directory.
    ///
    /// - Throws: ``CredentialFault`` `unreadable` when it cannot be read or is not UTF-8.
    func text(ofFile path: String) throws(CredentialFault) -> String? {
        var place = path
        if path.hasPrefix("~/") {
            guard let home = setting("HOME") else { return nil }
            place = home + path.dropFirst()
        }
        do {
            guard let bytes = try file(place) else { return nil }
            guard let text = String(validating: bytes, as: UTF8.self) else {
                throw CredentialFault.unreadable(path: path, detail: "it is not UTF-8")
            }
            return text
        } catch let fault as CredentialFault {
            throw fault
        } catch {
            throw .unreadable(path: path, detail: "\(error)")
        }
    }
}
