public import ReconcileCore

// `reconcile wait`: other programs go on when a model is as they need it.
extension Reconciler {
    /// Waits until models have a condition.
    ///
    /// - Parameters:
    ///   - only: The models; all that are declared when empty.
    ///   - seconds: How long to wait at most.
    /// - Returns: The models.
    /// - Throws: ``Fault`` of kind `waitedInVain` with those that do not have it, and why; `CancellationError`.
    public func wait(
        for type: Condition.Kind, status: Bool, of only: Set<ModelName> = [], seconds: Int64
    ) async throws -> [ModelName] {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            guard let found = try await statusIfDeclared(only, until: deadline) else {
                try await Task.sleep(for: .milliseconds(200))
                continue
            }
            let models = found.models.filter { only.isEmpty ? $0.range != nil : true }
            // What a pass found about another desired state says nothing about this one.
            let isCurrent = found.observedDesiredState == found.desiredState || type == .held || type == .drifted
            let unmet = models.filter { !isCurrent || $0.condition(type)?.status != status }
            if unmet.isEmpty { return models.map(\.model) }
            guard ContinuousClock.now < deadline else {
                let reasons = unmet.map { model in
                    guard isCurrent, let condition = model.condition(type) else {
                        return "\(model.model): no pass has seen this desired state yet"
                    }
                    let state = "\(type.rawValue)=\(condition.status ? "True" : "False") \(condition.reason)"
                    return "\(model.model): \(state)\(condition.message.isEmpty ? "" : ", \(condition.message)")"
                }
                throw Fault(
                    .waitedInVain(
                        condition: status ? type.rawValue : "\(type.rawValue)=False", seconds: seconds, models: reasons)
                )
            }
            try await Task.sleep(for: .milliseconds(200))
        }
    }

    /// The status; `nil` while the file is not there yet: `watch --git` may still be fetching it.
    private func statusIfDeclared(
        _ only: Set<ModelName>, until deadline: ContinuousClock.Instant
    ) async throws -> Status? {
        do {
            return try await status(only: only)
        } catch let fault as Fault {
            guard case .fileMissing = fault.kind, ContinuousClock.now < deadline else { throw fault }
            return nil
        }
    }
}
