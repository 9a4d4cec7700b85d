/// One idempotent act.
public enum Step: String, Codable, Hashable, Sendable, CaseIterable {
    /// Bring the missing bytes into the store.
    case fetch
    /// Compute the SHA-256 of everything that is about to be used.
    case verify
    /// Materialise the generation beside the active one; in a repair, put good files over damaged ones.
    case stage
    /// Run the model's check on the staged generation.
    case check
    /// Move the link.
    case activate
    /// Give the active generation to programs that read it in a form of their own.
    case handOver
    /// Tell the serving program.
    case reload
    /// Ask the serving program.
    case probe
    /// Make the active generation the last good one.
    case confirm
    /// Move the link back.
    case revert
    /// Take the model out of the store.
    case retire
}

/// What must happen to one model.
public struct Change: Codable, Hashable, Sendable {
    /// The kind of a change.
    public enum Action: String, Codable, Hashable, Sendable, CaseIterable {
        /// Nothing is active yet.
        case install
        /// Another release is active.
        case replace
        /// The same content is active under another version: only record and link move.
        case relabel
        /// The release is active, but files of it are damaged.
        case repair
        /// Nothing is wanted any more.
        case remove
    }

    /// Why it must happen; for people only.
    public enum Reason: Codable, Hashable, Sendable {
        /// The model is declared and not there.
        case declared
        /// A newer release is within what the policy takes.
        case newer(size: StepSize, priority: Priority, isHotfix: Bool)
        /// The active release is not one that the desired state or the lock asks for.
        case notAsDeclared
        /// A person ordered this version.
        case held
        /// A trial was interrupted and must be finished.
        case openTrial
        /// Files differ.
        case damaged(files: Int)
        /// The content is the same.
        case sameContent
        /// The active release is not where `publishAs` says that it should be.
        case notHandedOver
        /// The model is no longer declared and `prune` is on.
        case undeclared
    }

    /// The bytes of a change.
    public struct Bytes: Codable, Hashable, Sendable {
        /// To be fetched.
        public var download: Int64
        /// Already in the store.
        public var reused: Int64

        /// That the disk still has to have room for.
        public var disk: Int64

        /// None, unless said otherwise.
        public init(download: Int64 = 0, reused: Int64 = 0, disk: Int64 = 0) {
            (self.download, self.reused, self.disk) = (download, reused, disk)
        }
    }

    /// The model.
    public let model: ModelName
    /// The kind of change.
    public let action: Action
    /// What is active before; `nil` when nothing is.
    public let from: ReleaseID?
    /// What is active after; `nil` when nothing is.
    public let to: ReleaseID?
    /// The whole release that is wanted; `nil` for a removal.
    public let release: Release?
    /// Why; for people only.
    public let reason: Reason
    /// What is done, in this order.
    public let steps: [Step]
    /// What it costs.
    public let bytes: Bytes
    /// The group whose models change together, when it is in one.
    public let group: String?

    /// A change.
    public init(
        model: ModelName, action: Action, from: ReleaseID?, to: ReleaseID?, release: Release?, reason: Reason,
        steps: [Step], bytes: Bytes = Bytes(), group: String? = nil
    ) {
        self.group = group
        self.model = model
        self.action = action
        self.from = from
        self.to = to
        self.release = release
        self.reason = reason
        self.steps = steps
        self.bytes = bytes
    }
}

/// Which hooks a model has, as far as steps depend on them.
public struct HookSet: Hashable, Sendable {
    let check: Bool
    let reload: Bool
    let probe: Bool
    let handOver: Bool

    /// The hooks of a declared model.
    public init(_ model: DesiredModel) {
        (check, reload, probe) = (model.check != nil, model.reload != nil, model.probe != nil)
        handOver = model.handOver != nil
    }

    /// These hooks.
    public init(check: Bool, reload: Bool, probe: Bool, handOver: Bool = false) {
        (self.check, self.reload, self.probe, self.handOver) = (check, reload, probe, handOver)
    }
}

extension Change {
    /// Whether it only brings and checks a release, which is activated later, when a window opens.
    public var onlyPrepares: Bool {
        (action == .install || action == .replace) && !steps.contains(.activate) && !steps.contains(.confirm)
    }

    /// Whether it moves a link to a release that was not active, by itself and not because a person ordered it now: what
    /// windows are for. Finishing a trial that is open is not.
    public var startsTrial: Bool {
        (action == .install || action == .replace) && reason != .held && reason != .openTrial
    }

    /// The change with other steps, bytes or group.
    func with(steps: [Step]? = nil, bytes: Bytes? = nil, group: String? = nil) -> Change {
        Change(
            model: model, action: action, from: from, to: to, release: release, reason: reason,
            steps: steps ?? self.steps, bytes: bytes ?? self.bytes, group: group ?? self.group)
    }

    /// What of the change may be done while no window is open; `nil` when everything of that is done.
    public var preparation: Change? {
        let steps = steps.prefix { $0 != .activate }
        return steps.isEmpty ? nil : with(steps: Array(steps))
    }

    /// The change without anything to do, when its window closed before it was its turn.
    public var doingNothing: Change { with(steps: []) }

    /// The change outside of its group, for a directory that is taken over as it is.
    public var alone: Change {
        Change(
            model: model, action: action, from: from, to: to, release: release, reason: reason, steps: steps,
            bytes: bytes)
    }

    /// How far the wanted release already is on this machine.
    public enum Readiness: Hashable, Sendable, CaseIterable {
        /// It must be fetched and staged.
        case absent
        /// A complete generation is there, but it never worked here.
        case staged
        /// A complete generation is there and passed its check.
        case checked
        /// A generation that worked here is kept.
        case proven
        /// It is active and under trial.
        case active
    }

    /// The steps of a change. Laws, for every change: content is verified before it is staged, staged and checked before it
    /// is activated, activated before it is confirmed; and only a removal retires anything.
    package static func steps(for action: Action, readiness: Readiness, hooks: HookSet, isOrder: Bool) -> [Step] {
        let check: [Step] = hooks.check ? [.check] : []
        let reload: [Step] = hooks.reload ? [.reload] : []
        let probe: [Step] = hooks.probe ? [.probe] : []
        let handOver: [Step] = hooks.handOver ? [.handOver] : []
        switch action {
        case .install, .replace:
            let prepare: [Step] =
                switch readiness {
                case .absent: [.fetch, .verify, .stage] + check + [.activate]
                case .staged: check + [.activate]
                case .checked, .proven: [.activate]
                case .active: []
                }
            // A person's order is carried out first; reload and probe come afterwards: they inform, they do not decide.
            return prepare + handOver + (isOrder ? [.confirm] + reload + probe : reload + probe + [.confirm])
        case .relabel: return [.stage, .activate] + handOver + [.confirm]
        case .repair: return [.fetch, .verify, .stage]
        case .remove: return [.retire]
        }
    }
}
