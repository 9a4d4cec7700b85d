/// How large the step from one version to another is, smallest first.
public enum StepSize: String, Codable, Hashable, Sendable, Comparable, CaseIterable {
    /// The same three numbers: another build or pre-release.
    case none
    /// Only the third number, or less, differs.
    case patch
    /// The second number differs.
    case minor
    /// The first number differs, or there is no number to compare.
    case major

    /// The size of the step between two versions, in either direction.
    public init(from old: Version, to new: Version) {
        self =
            if old.major != new.major { .major } else if old.minor != new.minor { .minor } else { .patch }
    }

    /// Smaller steps come first.
    public static func < (left: StepSize, right: StepSize) -> Bool {
        guard let a = allCases.firstIndex(of: left), let b = allCases.firstIndex(of: right) else { return false }
        return a < b
    }
}

/// How urgent a release is, most urgent first.
public enum Priority: String, Codable, Hashable, Sendable, CaseIterable {
    /// Fixes something dangerous; a patch of this priority is a hotfix.
    case critical
    /// Should not wait long.
    case high
    /// An ordinary update.
    case medium
    /// Whenever it suits.
    case low

    /// Whether it is as urgent as another, or more.
    public func isAtLeast(_ other: Priority) -> Bool {
        guard let own = Self.allCases.firstIndex(of: self), let others = Self.allCases.firstIndex(of: other) else {
            return false
        }
        return own <= others
    }

    /// The priority of a release whose publisher says nothing: a larger step deserves attention sooner.
    public init(derivedFrom size: StepSize) {
        self =
            switch size {
            case .major: .high
            case .minor: .medium
            case .patch, .none: .low
            }
    }
}
