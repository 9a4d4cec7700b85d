/// How a model may change without a person.
public struct Policy: Hashable, Sendable {
    /// What happens when files on disk differ from the release.
    public enum Drift: String, Sendable, CaseIterable {
        /// They are repaired.
        case heal
        /// They are reported.
        case warn
    }

    /// What happens when a new release does not work.
    public enum OnFailure: String, Sendable, CaseIterable {
        /// The old one is put back.
        case rollback
        /// The new one stays, unconfirmed, and nothing more happens by itself.
        case halt
    }

    /// Which generations stay on disk: the union of both, and always the active and the last good one.
    public struct Keep: Hashable, Sendable {
        /// This many, the active one included, the most recently used first.
        public let last: Int
        /// Those that were left no longer ago than this.
        public let withinSeconds: Int64

        /// A retention rule.
        public init(last: Int, withinSeconds: Int64) { (self.last, self.withinSeconds) = (last, withinSeconds) }
    }

    /// The largest step taken without a person.
    public let automatic: StepSize
    /// Releases whose publisher calls them at least this urgent are taken without a person, whatever their step.
    public let automaticPriority: Priority?
    /// The channel whose releases are taken.
    public let channel: String
    /// A release younger than this waits.
    public let minimumAgeSeconds: Int64
    /// What happens to files that changed on disk.
    public let drift: Drift
    /// What happens after a failed trial.
    public let onFailure: OnFailure
    /// What stays for rollback.
    public let keep: Keep
    /// Which licences are taken.
    public let licenses: LicensePolicy
    /// When activation is allowed.
    public let schedule: Schedule
    /// How long an approval lasts; without end when `nil`.
    public let approvalSeconds: Int64?
    /// How long a quarantine lasts; without end when `nil`.
    public let quarantineSeconds: Int64?

    /// A policy.
    public init(
        automatic: StepSize = .minor, channel: String = "stable", minimumAgeSeconds: Int64 = 0, drift: Drift = .heal,
        onFailure: OnFailure = .rollback, keep: Keep = Keep(last: 3, withinSeconds: 30 * 86400),
        automaticPriority: Priority? = nil, schedule: Schedule = Schedule(), approvalSeconds: Int64? = nil,
        quarantineSeconds: Int64? = nil, licenses: LicensePolicy = LicensePolicy()
    ) {
        self.automatic = automatic
        self.automaticPriority = automaticPriority
        self.schedule = schedule
        self.licenses = licenses
        self.approvalSeconds = approvalSeconds
        self.quarantineSeconds = quarantineSeconds
        self.channel = channel
        self.minimumAgeSeconds = minimumAgeSeconds
        self.drift = drift
        self.onFailure = onFailure
        self.keep = keep
    }

    /// Whether a step is taken without a person.
    ///
    /// - Parameter priority: The publisher's word on how urgent the release is; a derived priority does not count.
    public func takes(_ size: StepSize, priority: Priority?) -> Bool {
        size <= automatic || automaticPriority.map { priority?.isAtLeast($0) ?? false } ?? false
    }

    /// Whether releases of a channel are taken: beta admits beta and stable, experimental all three, others only themselves.
    public func admits(channel other: String) -> Bool {
        switch channel {
        case "experimental": ["stable", "beta", "experimental"].contains(other)
        case "beta": ["stable", "beta"].contains(other)
        default: other == channel
        }
    }

    /// Whether the channel is one on which pre-releases are ordinary.
    public var admitsPrereleases: Bool { channel != "stable" }
}
