/// A header of a request.
package struct Header: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The name as it is sent; names are the same in any case.
    package let name: String
    /// The value as it is sent; see ``isSecret`` before printing it.
    package let value: String
    /// Whether the value is, or holds, something that must not be seen.
    package let isSecret: Bool

    /// A header.
    package init(_ name: String, _ value: String, isSecret: Bool = false) {
        (self.name, self.value, self.isSecret) = (name, value, isSecret)
    }

    /// The header as it is sent, unless it is secret.
    package var description: String { "\(name): \(isSecret ? Secret(value).description : value)" }
    /// Shows no more than the description does.
    package var debugDescription: String { description }
    /// Shows no more than the description does.
    package var customMirror: Mirror { Mirror(self, children: ["header": description]) }
}
