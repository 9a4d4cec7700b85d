/// A set of versions as npm and Cargo users write it: `^6.0`, `>=1.0 <3`, `1.x || 2.1 - 2.4`, `=1.2.0+cuda`.
///
/// The grammar and the pre-release rule are those of node-semver (https://github.com/npm/node-semver#ranges), with a comma
/// allowed for "and" as in Cargo. A version without an operator means that version (`1.2.3`) or all it stands for (`1.2`).
public struct VersionRange: Hashable, Sendable, CustomStringConvertible {
    /// As it was written.
    public let description: String
    /// Alternatives, each of bounds that hold together.
    let alternatives: [[Bound]]

    /// One bound of a range.
    struct Bound: Hashable, Sendable {
        enum Relation: Hashable, Sendable { case below, atMost, above, atLeast, exactly }
        let relation: Relation
        let version: Version
        /// Whether the person wrote a pre-release here, and thereby asks for pre-releases of this version.
        let namesPrerelease: Bool

        func admits(_ candidate: Version) -> Bool {
            switch relation {
            case .below: candidate < version && !candidate.hasSamePrecedence(as: version)
            case .atMost: candidate < version || candidate.hasSamePrecedence(as: version)
            case .above: version < candidate && !candidate.hasSamePrecedence(as: version)
            case .atLeast: version < candidate || candidate.hasSamePrecedence(as: version)
            case .exactly: version.build.isEmpty ? candidate.hasSamePrecedence(as: version) : candidate == version
            }
        }

        /// Whether a pre-release of this very version was asked for.
        func names(prereleaseOf candidate: Version) -> Bool {
            namesPrerelease
                && (version.major, version.minor, version.patch)
                    == (candidate.major, candidate.minor, candidate.patch)
        }
    }

    /// Whether a version is in the range.
    ///
    /// - Parameter admittingPrereleases: Whether pre-releases count as ordinary versions (the channel admits them). Without
    ///   it, a pre-release is only in the range when the range names a pre-release of the same three numbers.
    public func contains(_ version: Version, admittingPrereleases: Bool = false) -> Bool {
        alternatives.contains { bounds in
            bounds.allSatisfy { $0.admits(version) }
                && (!version.isPrerelease || admittingPrereleases
                    || bounds.contains { $0.names(prereleaseOf: version) })
        }
    }

    /// The one version that the range names exactly, if it does: an order for that version, not a range.
    public var exact: Version? {
        guard alternatives.count == 1, alternatives[0].count == 1, alternatives[0][0].relation == .exactly else {
            return nil
        }
        return alternatives[0][0].version
    }
}

extension VersionRange: Codable {
    /// Reads the text of a range.
    ///
    /// - Throws: `DecodingError` when it is not one.
    public init(from decoder: any Decoder) throws {
        self = try decoder.parsed("a version range") { try? VersionRange($0) }
    }

    /// Writes the range as it was spelt.
    public func encode(to encoder: any Encoder) throws { try encoder.writeText(description) }
}
