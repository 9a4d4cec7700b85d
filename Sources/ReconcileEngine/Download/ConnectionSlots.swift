import Synchronization

/// Shares the connections of a process among the files of a pass: so many in all, so many to one host.
///
/// A file's first connection is waited for; more are only given when nobody waits who could have them: whoever waits while
/// there is room in all waits for a host that is full.
final class ConnectionSlots: Sendable {
    private struct Waiter {
        let host: String
        let id: Int
        let continuation: CheckedContinuation<Bool, Never>
    }

    private struct State {
        var used: [String: Int] = [:]
        var total = 0
        var waiting: [Waiter] = []
        var nextID = 0
        var cancelled: Set<Int> = []
    }

    let limit: Int
    private let hostLimit: Int
    private let state = Mutex(State())

    init(limit: Int, hostLimit: Int) { (self.limit, self.hostLimit) = (max(1, limit), max(1, hostLimit)) }

    /// Takes a connection to a host, as soon as one is free.
    ///
    /// - Throws: `CancellationError`.
    func take(_ host: String) async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        let isTaken = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer = state.withLock { state -> Bool? in
                    if state.cancelled.remove(id) != nil { return false }
                    if add(host, &state) { return true }
                    state.waiting.append(Waiter(host: host, id: id, continuation: continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard let place = state.waiting.firstIndex(where: { $0.id == id }) else {
                    state.cancelled.insert(id)
                    return nil
                }
                return state.waiting.remove(at: place)
            }
            waiter?.continuation.resume(returning: false)
        }
        state.withLock { _ = $0.cancelled.remove(id) }
        guard isTaken else { throw CancellationError() }
    }

    /// Takes one more connection to a host, if nobody needs it more.
    func takeAnother(_ host: String) -> Bool { state.withLock { add(host, &$0) } }

    /// Whether somebody waits for a connection that one to this host stands in the way of.
    func isWanted(from host: String) -> Bool {
        state.withLock { state in
            state.waiting.contains { $0.host == host || state.used[$0.host, default: 0] < hostLimit }
        }
    }

    /// Gives a connection back.
    func give(_ host: String) {
        let next = state.withLock { state -> [Waiter] in
            state.total -= 1
            state.used[host, default: 1] -= 1
            var (served, left): ([Waiter], [Waiter]) = ([], [])
            for waiter in state.waiting {
                if add(waiter.host, &state) { served.append(waiter) } else { left.append(waiter) }
            }
            state.waiting = left
            return served
        }
        for waiter in next { waiter.continuation.resume(returning: true) }
    }

    private func add(_ host: String, _ state: inout State) -> Bool {
        guard state.total < limit, state.used[host, default: 0] < hostLimit else { return false }
        state.total += 1
        state.used[host, default: 0] += 1
        return true
    }
}
