import ReconcileCore

// Handing generations over to other programs, as a part of activating them, and back with them.
extension RolloutRunner {
    /// Hands every member that takes part over; takes back what is no longer declared to be.
    mutating func handOver() async throws -> Rollout.Event {
        for member in members where member.change?.steps.contains(.handOver) == true {
            guard let handOver = member.desired?.handOver else {
                try handing.withdraw(member.model)
                continue
            }
            let answer = try await answer(of: handOver, member.model, member.staged().directory)
            let name = members.count > 1 ? "\(member.model): " : ""
            switch answer {
            case .works: continue
            case .broken(let detail): return .broken("\(name)hand-over failed: \(detail)")
            case .timedOut(let detail): return .timedOut("\(name)hand-over failed: \(detail)")
            case .undecided(let detail): return .undecided("\(name)hand-over could not tell: \(detail)")
            }
        }
        return .done
    }

    private var handing: HandOverRunner { HandOverRunner(layout: writer.layout, hooks: hooks) }

    /// What came of a hand-over; a release that has not what it needs does not work here.
    private func answer(
        of handOver: HandOver, _ model: ModelName, _ directory: String
    ) async throws -> HookRunner.Answer {
        do {
            return try await handing.run(handOver, model, directory)
        } catch let fault as Fault {
            guard case .unusable(let what, let detail) = fault.kind else { throw fault }
            return .broken("\(what): \(detail)")
        }
    }

    /// Hands what was active before back, after the link went back. What cannot be done now is done by the next pass, which
    /// sees that it was not.
    ///
    /// - Returns: What the programs said that load it: when they do not work with the old one either, they are at fault.
    func handBack() async -> Rollout.Event {
        var event = Rollout.Event.done
        for member in members {
            guard let handOver = member.desired?.handOver, member.change != nil, let old = member.predecessor else {
                continue
            }
            let runner = handing
            // What was begun is brought to its end, also after a signal.
            let answer = await Task {
                do { return try await runner.run(handOver, member.model, old.directory) } catch {
                    return .undecided((error as? Fault).map { Wording.message(for: $0).summary } ?? "\(error)")
                }
            }.value
            let said: String
            switch answer {
            case .works: continue
            case .broken(let detail): (event, said) = (.broken(detail), detail)
            case .timedOut(let detail): (event, said) = (.timedOut(detail), detail)
            case .undecided(let detail): (event, said) = (.undecided(detail), detail)
            }
            report(.warning("\(member.model) \(old.release.version) could not be handed back: \(said)"))
        }
        return event
    }

    /// Takes back what was handed over of models that had nothing before.
    func withdrawFirst() {
        for member in members where member.change != nil && member.predecessor == nil { withdraw(member.model) }
    }

    /// Takes a model away, and before that what other programs were given of it.
    func retire(_ model: ModelName) throws {
        withdraw(model)
        try writer.remove(model)
    }

    private func withdraw(_ model: ModelName) {
        do { try handing.withdraw(model) } catch {
            let detail = (error as? Fault).map { Wording.message(for: $0).summary } ?? "\(error)"
            report(.warning("what other programs were given of \(model) could not be taken back: \(detail)"))
        }
    }
}
