import ReconcileCore

// Handing generations over to other programs, as a part of activating them, and back with them.
extension RolloutRunner {
    /// Hands every member that takes part over.
    mutating func handOver() async throws -> Rollout.Event {
        for member in members {
            guard let handOver = member.desired?.handOver, member.change?.steps.contains(.handOver) == true else {
                continue
            }
            let directory = try member.staged().directory
            let answer = try await HandOverRunner(layout: writer.layout, hooks: hooks).run(
                handOver, member.model, directory)
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

    /// Hands what was active before back, after the link went back. What cannot be done now is done by the next pass, which
    /// sees that it was not.
    func handBack() async {
        for member in members {
            guard let handOver = member.desired?.handOver, member.change != nil else { continue }
            let runner = HandOverRunner(layout: writer.layout, hooks: hooks)
            guard let old = member.predecessor else {
                withdraw(member.model, by: runner)
                continue
            }
            // What was begun is brought to its end, also after a signal.
            let answer = await Task {
                do { return try await runner.run(handOver, member.model, old.directory) } catch {
                    return .broken("\(error)")
                }
            }.value
            if answer != .works {
                report(.warning("\(member.model) \(old.release.version) could not be handed back: \(answer)"))
            }
        }
    }

    /// Takes a model away, and before that what other programs were given of it.
    func retire(_ model: ModelName) throws {
        withdraw(model, by: HandOverRunner(layout: writer.layout, hooks: hooks))
        try writer.remove(model)
    }

    private func withdraw(_ model: ModelName, by runner: HandOverRunner) {
        do { try runner.withdraw(model) } catch {
            report(.warning("what other programs were given of \(model) could not be taken back: \(error)"))
        }
    }
}
