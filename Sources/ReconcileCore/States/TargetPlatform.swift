/// A kind of machine that a release may be made for, in the words of OCI images (https://github.com/opencontainers/image-spec,
/// `image-index.md`): `linux/amd64`.
public struct TargetPlatform: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The operating system, as Go names it.
    public let os: String
    /// The processor, as Go names it.
    public let architecture: String

    /// A platform.
    public init(os: String, architecture: String) { (self.os, self.architecture) = (os, architecture) }

    /// Whichever comes first: for a lock, which is the same wherever it is made.
    public static let any = TargetPlatform(os: "any", architecture: "any")

    /// Parses `os/architecture`; `nil` unless both are plain names.
    public init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts.allSatisfy({ isPlainName($0, limit: 63) }) else { return nil }
        self.init(os: String(parts[0]), architecture: String(parts[1]))
    }

    /// `os/architecture`.
    public var description: String { "\(os)/\(architecture)" }

    /// The order of their names.
    public static func < (left: TargetPlatform, right: TargetPlatform) -> Bool {
        left.description.utf8.lexicographicallyPrecedes(right.description.utf8)
    }
}
