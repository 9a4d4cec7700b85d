/// A version by Semantic Versioning 2.0.0 (https://semver.org/spec/v2.0.0.html), with missing components read as 0.
///
/// The spelling is kept for people and paths: `5.1` is the same version as `5.1.0` but is written `5.1`.
/// The order is SemVer precedence (section 11); build metadata, which has none, only breaks ties so that the order is total.
public struct Version: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// The first number.
    public let major: UInt64
    /// The second number.
    public let minor: UInt64
    /// The third number.
    public let patch: UInt64
    /// The identifiers after `-`; empty for a release.
    public let prerelease: [String]
    /// The text after `+`; empty without it.
    public let build: String
    /// As it was written.
    public let description: String

    /// Parses a version of one to three numbers, each up to 18 digits without leading zeros; `nil` when it is not one.
    public init?(_ text: String) {
        guard text.utf8.count <= 128, let parts = Self.split(text), let numbers = Self.numbers(parts.core) else {
            return nil
        }
        (major, minor, patch) = (numbers[0], numbers.count > 1 ? numbers[1] : 0, numbers.count > 2 ? numbers[2] : 0)
        prerelease = parts.prerelease
        build = parts.build
        description = text
    }

    /// A release with three numbers.
    public init(_ major: UInt64, _ minor: UInt64, _ patch: UInt64) {
        (self.major, self.minor, self.patch, prerelease, build) = (major, minor, patch, [], "")
        description = "\(major).\(minor).\(patch)"
    }

    /// The version of what a branch, tag or address stands for: the publisher's own version, else 0, with the revision and the
    /// beginning of the source's immutable address as build metadata: `0+main.3f2a9c1d2e4f`.
    ///
    /// - Parameters:
    ///   - revision: As it is declared.
    ///   - address: What it stands for now, in hexadecimal digits.
    public init(revision: String, address: String, version: Version? = nil) {
        let core = version?.description.prefix { $0 != "+" }.prefix(40)
        let (name, digits) = (Self.identifier(of: revision), String(address.prefix(12)))
        let build = name == digits || digits.isEmpty ? name : "\(name).\(digits)"
        self = Version("\(core ?? "0")+\(build)") ?? Version("0+\(build)") ?? Version(0, 0, 0)
    }

    /// Whether this is a version of a revision, as ``init(revision:address:version:)`` makes them.
    public func isOf(revision: String) -> Bool {
        let name = Self.identifier(of: revision)
        return build == name || build.hasPrefix("\(name).")
    }

    /// A revision as one identifier of build metadata, short enough for the name of a directory; of an address its beginning.
    private static func identifier(of revision: String) -> String {
        let digits = revision.hasPrefix("sha256:") ? String(revision.dropFirst(7)) : revision
        let isAddress = digits.utf8.count >= 40 && digits.utf8.allSatisfy { "0123456789abcdef".utf8.contains($0) }
        let letters = digits.utf8.prefix(isAddress ? 12 : 40).map { byte -> Character in
            let letter = Character(UnicodeScalar(byte))
            return isIdentifier(String(letter)) ? letter : "-"
        }
        return letters.isEmpty ? "-" : String(letters)
    }

    /// Whether this is not a release but something before it.
    public var isPrerelease: Bool { !prerelease.isEmpty }

    /// Whether neither precedes the other: equal but for build metadata.
    public func hasSamePrecedence(as other: Version) -> Bool {
        core == other.core && prerelease == other.prerelease
    }

    /// Whether this is the same version, however it is spelt.
    public static func == (left: Version, right: Version) -> Bool {
        left.hasSamePrecedence(as: right) && left.build == right.build
    }

    /// The parts that make versions equal.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(core)
        hasher.combine(prerelease)
        hasher.combine(build)
    }

    /// SemVer precedence, then build metadata as text.
    public static func < (left: Version, right: Version) -> Bool {
        if left.core != right.core { return left.core.lexicographicallyPrecedes(right.core) }
        if left.prerelease != right.prerelease {
            if left.prerelease.isEmpty || right.prerelease.isEmpty { return right.prerelease.isEmpty }
            return precedes(left.prerelease, right.prerelease)
        }
        return left.build.utf8.lexicographicallyPrecedes(right.build.utf8)
    }

    private var core: [UInt64] { [major, minor, patch] }

    /// Section 11.4: numeric identifiers by value and below alphanumeric ones, more fields above fewer.
    private static func precedes(_ left: [String], _ right: [String]) -> Bool {
        for (a, b) in zip(left, right) where a != b {
            switch (isNumeric(a), isNumeric(b)) {
            case (true, true): return (a.utf8.count, a) < (b.utf8.count, b)
            case (true, false): return true
            case (false, true): return false
            case (false, false): return a.utf8.lexicographicallyPrecedes(b.utf8)
            }
        }
        return left.count < right.count
    }

    private static func split(_ text: String) -> (core: Substring, prerelease: [String], build: String)? {
        var rest = text[...]
        var build = ""
        if let plus = rest.firstIndex(of: "+") {
            build = String(rest[rest.index(after: plus)...])
            guard build.split(separator: ".", omittingEmptySubsequences: false).allSatisfy({ isIdentifier($0) }) else {
                return nil
            }
            rest = rest[..<plus]
        }
        guard let dash = rest.firstIndex(of: "-") else { return (rest, [], build) }
        let identifiers = rest[rest.index(after: dash)...].split(separator: ".", omittingEmptySubsequences: false)
        for identifier in identifiers {
            guard isIdentifier(identifier) else { return nil }
            if isNumeric(identifier), identifier.utf8.count > 1, identifier.hasPrefix("0") { return nil }
        }
        return (rest[..<dash], identifiers.map(String.init), build)
    }

    private static func numbers(_ core: Substring) -> [UInt64]? {
        let parts = core.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 3 else { return nil }
        var numbers: [UInt64] = []
        for part in parts {
            guard let number = number(part) else { return nil }
            numbers.append(number)
        }
        return numbers
    }

    /// A numeric component: digits without a leading zero, at most 18 of them so that its successor fits too.
    static func number(_ text: some StringProtocol) -> UInt64? {
        guard isNumeric(text), text.utf8.count <= 18, text == "0" || !text.hasPrefix("0") else { return nil }
        return UInt64(text)
    }

    private static func isNumeric(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    private static func isIdentifier(_ text: some StringProtocol) -> Bool {
        !text.isEmpty
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0) || $0 == 0x2D
            }
    }
}

extension Version: Codable {
    /// Reads the text of a version.
    ///
    /// - Throws: `DecodingError` when it is not one.
    public init(from decoder: any Decoder) throws {
        self = try decoder.parsed("a version", Version.init)
    }

    /// Writes the version as it was spelt.
    public func encode(to encoder: any Encoder) throws { try encoder.writeText(description) }
}
