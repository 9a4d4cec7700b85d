import ReconcileCore
import ReconcileEngine
import ReconcileTesting
import Testing

@Suite struct `Events` {
    /// One word for each event.
    private func word(_ event: ReconcileEvent) -> String? {
        switch event {
        case .passBegan: "pass began"
        case .began(let model, let action, let version, _): "\(model) \(action.rawValue) \(version?.description ?? "")"
        case .step(_, let step): step.rawValue
        case .ended(let outcome): "\(outcome.change.model) ended"
        case .condition(_, let condition) where condition.type == .ready: "Ready=\(condition.status)"
        case .passEnded(_, let status): "pass ended \(status.rawValue)"
        default: nil
        }
    }

    @Test func `tell everybody who listens what a pass does, in its order`() async throws {
        let machine = try Machine(models: "vad: { from: zoo/vad, version: ^1.0 }")
        try await machine.publish("vad", "1.0.0")
        let reconciler = machine.reconciler
        let listeners = [reconciler.events, reconciler.events]
        _ = try await reconciler.pass()
        reconciler.settings.events.finish()
        for listener in listeners {
            var words: [String] = []
            for await event in listener { if let word = word(event) { words.append(word) } }
            #expect(
                words == [
                    "pass began", "vad install 1.0.0", "fetch", "verify", "stage", "activate", "confirm",
                    "vad ended", "Ready=true", "pass ended 0",
                ])
        }
    }

    @Test func `of before somebody listened are not told, and none after the end`() async throws {
        let hub = EventHub()
        hub.report(.warning("before"))
        let events = hub.events()
        hub.report(.warning("now"))
        hub.finish()
        hub.report(.warning("after"))
        var texts: [String] = []
        for await case .warning(let text) in events { texts.append(text) }
        #expect(texts == ["now"])
        for await _ in hub.events() { Issue.record("a hub that has finished tells nothing") }
    }
}
