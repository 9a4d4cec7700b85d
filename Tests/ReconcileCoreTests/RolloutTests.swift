import ReconcileCore
import Testing

private let steps: [Step] = [.fetch, .verify, .stage, .check, .activate, .reload, .probe, .confirm]

/// Plays a rollout: each action is answered by `answer`, `done` where it has none.
private func play(
    _ steps: [Step] = steps, _ context: Rollout.Context = .init(hasPredecessor: true, reloads: true),
    answer: (Rollout.Action) -> Rollout.Event?
) -> (ending: Rollout.Ending?, actions: [Rollout.Action]) {
    var rollout = Rollout(steps: steps, context: context)
    var actions = [rollout.start()]
    while actions.count < 100 {
        guard let last = actions.last else { break }
        if case .finish(let ending) = last { return (ending, actions) }
        actions.append(rollout.handle(answer(last) ?? .done))
    }
    return (nil, actions)
}

@Suite struct `A rollout` {
    @Test func `that works runs every step and confirms`() {
        let (ending, actions) = play { _ in nil }
        #expect(ending == .confirmed(warning: nil))
        #expect(actions.dropLast() == steps.map(Rollout.Action.run)[...])
    }

    @Test(arguments: [Step.fetch, .verify, .stage, .check, .activate])
    func `that fails before the link moved never touches it`(step: Step) {
        let fault = Fault(.interrupted)
        let (ending, actions) = play { $0 == .run(step) ? .failed(fault) : nil }
        #expect(ending == .failed(fault))
        #expect(!actions.contains(.revert))
        #expect(!actions.contains(.run(.confirm)))
    }

    @Test func `whose check fails quarantines, if the old one passes it`() {
        let (ending, actions) = play { $0 == .run(.check) ? .broken("no") : nil }
        #expect(ending == .failed(Fault(.hookFailed(stage: .check, detail: "no"))))
        #expect(actions.contains(.record(.quarantined(cause: "no"))))
        #expect(actions.contains(.compare(.check)))
        #expect(!actions.contains(.run(.activate)))
    }

    @Test func `whose check fails for the old one too blames the environment`() {
        let (ending, actions) = play { action in
            switch action {
            case .run(.check), .compare(.check): .broken("no python")
            default: nil
            }
        }
        guard case .failed(let fault)? = ending, case .hookUndecided = fault.kind else {
            return #expect(Bool(false), "\(String(describing: ending))")
        }
        guard case .record(.undecided)? = actions.dropLast().last else { return #expect(Bool(false), "\(actions)") }
    }

    @Test func `whose probe fails records it, then puts the old one back, then tests that`() {
        let (ending, actions) = play { $0 == .run(.probe) ? .broken("no") : nil }
        #expect(ending == .rolledBack(cause: "no", isQuarantined: true))
        #expect(
            actions.suffix(5) == [
                .record(.quarantined(cause: "no")), .revert, .reloadPredecessor, .compare(.probe),
                .finish(.rolledBack(cause: "no", isQuarantined: true)),
            ])
    }

    @Test func `whose probe fails for the old one too is undecided`() {
        let (ending, _) = play { action in
            switch action {
            case .run(.probe), .compare(.probe): .broken("down")
            default: nil
            }
        }
        #expect(ending == .rolledBack(cause: "down", isQuarantined: false))
    }

    @Test func `that cannot be told is undecided`() {
        let (ending, actions) = play { $0 == .run(.probe) ? .undecided("refused") : nil }
        #expect(ending == .rolledBack(cause: "refused", isQuarantined: false))
        #expect(actions.contains(.record(.undecided(cause: "refused"))))
    }

    @Test func `that times out is broken only if the old one answers`() {
        #expect(
            play { $0 == .run(.probe) ? .timedOut("slow") : nil }.ending
                == .rolledBack(cause: "slow", isQuarantined: true))
        let alone = play(steps, .init(hasPredecessor: false)) { $0 == .run(.probe) ? .timedOut("slow") : nil }
        #expect(alone.ending == .rolledBack(cause: "slow", isQuarantined: false))
    }

    @Test func `of content that once worked is never quarantined`() {
        let (ending, actions) = play(steps, .init(hasPredecessor: true, wasConfirmed: true)) {
            $0 == .run(.probe) ? .broken("no") : nil
        }
        #expect(ending == .rolledBack(cause: "no", isQuarantined: false))
        #expect(!actions.contains(.record(.quarantined(cause: "no"))))
    }

    @Test func `asks the probe as often as it may, with pauses that grow`() {
        let (_, actions) = play(steps, .init(hasPredecessor: true, probeAttempts: 3)) {
            $0 == .run(.probe) ? .broken("no") : nil
        }
        #expect(actions.count { $0 == .run(.probe) } == 3)
        #expect(
            actions.filter { if case .wait = $0 { true } else { false } } == [.wait(seconds: 1), .wait(seconds: 2)])
    }

    @Test func `counts interrupted probes as attempts`() {
        let context = Rollout.Context(hasPredecessor: true, probeAttempts: 3, probesBegun: 3, isActivated: true)
        let (ending, actions) = play([.reload, .probe, .confirm], context) { _ in nil }
        #expect(ending == .rolledBack(cause: "its trial was interrupted 3 times", isQuarantined: true))
        #expect(!actions.contains(.run(.probe)))
    }

    @Test func `with onFailure halt stays as it is`() {
        let (ending, actions) = play(steps, .init(hasPredecessor: true, onFailure: .halt)) {
            $0 == .run(.probe) ? .broken("no") : nil
        }
        #expect(ending == .halted(cause: "no"))
        #expect(!actions.contains(.revert))
    }

    @Test func `that is a person's order is confirmed before it is probed`() {
        let (ending, _) = play([.activate, .reload, .confirm, .probe]) { $0 == .run(.probe) ? .broken("no") : nil }
        #expect(ending == .confirmed(warning: "no"))
    }

    @Test(arguments: steps)
    func `that is cancelled leaves the link where it was, or puts it back`(step: Step) {
        let (ending, actions) = play { $0 == .run(step) ? .cancelled : nil }
        #expect(ending == .interrupted)
        let wasActivated = [.reload, .probe, .confirm].contains(step)
        #expect(actions.contains(.revert) == wasActivated)
    }

    /// Whatever is answered, a rollout ends, and after `activate` it ends with a confirmation, a revert or a halt.
    @Test func `always ends, with its trial closed`() {
        var state: UInt64 = 11
        for _ in 0..<5000 {
            func below(_ limit: UInt64) -> UInt64 {
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return (state >> 33) % limit
            }
            let context = Rollout.Context(
                hasPredecessor: below(2) == 0, wasConfirmed: below(4) == 0,
                onFailure: below(4) == 0 ? .halt : .rollback,
                probeAttempts: Int(below(3)) + 1, reloads: below(2) == 0)
            let (ending, actions) = play(steps, context) { action in
                let isHook = [
                    .run(.check), .run(.reload), .run(.probe), .compare(.check), .compare(.probe), .reloadPredecessor,
                ].contains(action)
                switch below(12) {
                case 0 where isHook: return .broken("b")
                case 1 where isHook: return .timedOut("t")
                case 2 where isHook: return .undecided("u")
                case 3: return .cancelled
                default: return .done
                }
            }
            guard let ending else { return #expect(Bool(false), "no end: \(actions)") }
            let isActivated = actions.contains(.run(.activate)) && actions.dropLast().last != .run(.activate)
            guard isActivated else { continue }
            switch ending {
            case .confirmed: #expect(actions.contains(.run(.confirm)))
            case .rolledBack: #expect(actions.contains(.revert))
            case .halted: #expect(context.onFailure == .halt)
            case .interrupted: break
            case .failed: #expect(Bool(false), "\(actions)")
            }
        }
    }
}
