public import ReconcileCore

/// Why a model is where it is.
public struct Explanation: Codable, Sendable {
    /// The model.
    public let model: ModelName
    /// `file:line:column` of its block.
    public let declaredAt: String
    /// Where it is published.
    public let origin: Origin
    /// Which versions are wanted, or which revision.
    public let range: String
    /// The largest step without a person.
    public let automatic: StepSize
    /// The channel.
    public let channel: String
    /// What the lock pins.
    public let locked: Version?
    /// What is active.
    public let active: Release?
    /// When that was confirmed first.
    public let confirmedAt: Timestamp?
    /// What the next pass does.
    public let change: Change?
    /// What is not taken.
    public let blocked: [Plan.Blocked]
    /// What is broken.
    public let problems: [Fault]
    /// What should be known.
    public let notices: [Plan.Notice]
}

extension Reconciler {
    /// Tells why a model's version is active, and what was not taken and why.
    ///
    /// - Throws: ``Fault`` of kind `modelUnknown` when it is not declared.
    public func explain(_ model: ModelName) async throws -> Explanation {
        let survey = try await survey(PassOptions(only: [model]), isDryRun: true)
        guard let desired = survey.declaration.desired.models[model] else {
            throw Fault(.modelUnknown(name: model.description, nearest: nil))
        }
        let plan = survey.plan()
        let observed = survey.observation.state.models[model] ?? ObservedModel()
        let active = observed.slot.generation?.release
        return Explanation(
            model: model, declaredAt: desired.place, origin: desired.origin, range: desired.wanted,
            automatic: desired.policy.automatic, channel: desired.policy.channel,
            locked: survey.lock?.lock.models[model]?.version, active: active,
            confirmedAt: observed.memory.confirmed.first { $0.release == active?.id }?.at,
            change: plan.changes.first { $0.model == model },
            blocked: plan.blocked.filter { $0.model == model }, problems: plan.problems.filter { $0.model == model },
            notices: plan.notices)
    }
}
