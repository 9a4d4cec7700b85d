import Synchronization

/// Hands what the engine tells to everybody who listens, each at their own pace: nobody who listens can slow a rollout down.
public final class EventHub: Sendable {
    private struct State {
        var listeners: [Int: AsyncStream<ReconcileEvent>.Continuation] = [:]
        var next = 0
        var isFinished = false
    }

    private let state = Mutex(State())

    /// A hub that nobody listens to yet.
    public init() {}

    /// What is told from now on, until ``finish()``; listening ends with the loop over it.
    public func events() -> AsyncStream<ReconcileEvent> {
        let (stream, continuation) = AsyncStream<ReconcileEvent>.makeStream(bufferingPolicy: .unbounded)
        let number: Int? = state.withLock { state in
            guard !state.isFinished else { return nil }
            state.next += 1
            state.listeners[state.next] = continuation
            return state.next
        }
        guard let number else {
            continuation.finish()
            return stream
        }
        continuation.onTermination = { [weak self] _ in self?.state.withLock { $0.listeners[number] = nil } }
        return stream
    }

    /// Tells everybody.
    public func report(_ event: ReconcileEvent) {
        // Outside the lock: a listener that is gone takes the lock to leave.
        let listeners = state.withLock { Array($0.listeners.values) }
        for listener in listeners { listener.yield(event) }
    }

    /// Nothing more will be told.
    public func finish() {
        let listeners = state.withLock { state in
            state.isFinished = true
            return Array(state.listeners.values)
        }
        for listener in listeners { listener.finish() }
    }
}
