/// Which files of a release are wanted: those that some `include` glob matches (all without one) and no `exclude` glob does.
public struct FileSelection: Hashable, Sendable {
    /// Which files are wanted; all when empty.
    public let include: [Glob]
    /// Which of them are not.
    public let exclude: [Glob]

    /// A selection; all files unless said otherwise.
    public init(include: [Glob] = [], exclude: [Glob] = []) { (self.include, self.exclude) = (include, exclude) }

    /// Reads what ``texts`` wrote; globs that are none are left out.
    public init(texts: [String]) {
        include = texts.filter { !$0.hasPrefix("!") }.compactMap { Glob($0) }
        exclude = texts.filter { $0.hasPrefix("!") }.compactMap { Glob(String($0.dropFirst())) }
    }

    /// Whether every file is wanted.
    public var isWhole: Bool { include.isEmpty && exclude.isEmpty }

    /// The globs as a release, a lock and the memory keep them; an excluding one begins with `!`.
    public var texts: [String] { include.map(\.description) + exclude.map { "!\($0)" } }

    /// Whether a file is wanted.
    public func matches(_ path: ReleasePath) -> Bool {
        (include.isEmpty || include.contains { $0.matches(path) }) && !exclude.contains { $0.matches(path) }
    }
}
