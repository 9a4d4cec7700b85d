import ReconcileCore
import Synchronization

/// A task beside the loop, whose result the loop takes up when it is there.
final class Work<Value: Sendable>: Sendable {
    private let task: Task<Value, Never>
    private let box: Box

    private final class Box: Sendable {
        let value = Mutex<Value?>(nil)
    }

    init(_ body: @escaping @Sendable () async -> Value) {
        let box = Box()
        self.box = box
        task = Task {
            let value = await body()
            box.value.withLock { $0 = value }
            return value
        }
    }

    /// The result, when it is there.
    var result: Value? { box.value.withLock { $0 } }

    /// The result, waited for.
    var value: Value { get async { await task.value } }

    func cancel() { task.cancel() }
}

/// The models that a pass is at work on.
final class Flights: Sendable {
    private let state = Mutex<Set<ModelName>>([])

    var models: Set<ModelName> { state.withLock { $0 } }

    func note(_ event: ReconcileEvent) {
        switch event {
        case .began(let model, _, _, _): _ = state.withLock { $0.insert(model) }
        case .ended(let outcome): _ = state.withLock { $0.remove(outcome.change.model) }
        case .passEnded: state.withLock { $0 = [] }
        default: break
        }
    }
}

extension Result where Failure == any Error, Success: Sendable {
    /// What a body returns or throws.
    static func of(_ body: () async throws -> Success) async -> Self {
        do {
            return .success(try await body())
        } catch {
            return .failure(error)
        }
    }
}
