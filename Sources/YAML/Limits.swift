/// How large and how deep a document may be; beyond that it is refused with a clear error.
public struct Limits: Sendable {
    /// The most bytes a text may have.
    public var bytes = 32 << 20
    /// The most levels of lists and mappings inside each other.
    public var depth = 64
    /// The most nodes that aliases may add in all (a bound for alias bombs).
    public var aliasNodes = 100_000

    /// The limits that fit configuration files.
    public init() {}
}
