import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import ReconcileCore
import Synchronization

/// An answer whose head came and whose body waits.
///
/// Some servers tell only in an answer about a file what has to be known of it before it is fetched. Whoever fetches it soon
/// goes on with that answer, instead of asking a second time. It ends with the last reference to it, when nobody does: whoever
/// opens answers lets go of those that are not needed after all.
package final class OpenAnswer: Sendable {
    private let head: HTTPResponseHead
    private let task: HTTPClient.Task<RangeReceiver.Ending>
    private let relay: Relay
    private let isTaken = Atomic(false)

    fileprivate init(_ head: HTTPResponseHead, _ task: HTTPClient.Task<RangeReceiver.Ending>, _ relay: Relay) {
        (self.head, self.task, self.relay) = (head, task, relay)
    }

    deinit {
        guard !isTaken.load(ordering: .relaxed) else { return }
        relay.end()
        task.cancel()
    }

    /// The status of the answer.
    var status: Int { Int(head.status.code) }

    /// How long the body is, as the server says.
    var size: Int64? { self["Content-Length"].flatMap { Int64($0) } }

    /// A header field.
    subscript(name: String) -> String? { head.headers.first(name: name) }

    /// Has a receiver take the answer, from its head on.
    ///
    /// - Returns: The request that it belongs to; `nil` when it was taken before.
    func take(for receiver: RangeReceiver) -> HTTPClient.Task<RangeReceiver.Ending>? {
        guard !isTaken.exchange(true, ordering: .relaxed) else { return nil }
        relay.pass(to: receiver)
        return task
    }
}

extension WebClient {
    /// Asks for a file, and leaves the body where it is until somebody takes it.
    ///
    /// - Throws: ``Fault``; `CancellationError`.
    func open(_ request: Request) async throws -> OpenAnswer {
        let headers = try await headers(of: request, at: request.url)
        let relay = Relay()
        let task = try start(request, at: request.url, headers, relay, on: nil)
        let cancel: @Sendable () -> Void = {
            relay.end()
            task.cancel()
        }
        let timeout = task.eventLoop.scheduleTask(in: .seconds(request.timeoutSeconds)) { cancel() }
        defer { timeout.cancel() }
        do {
            let head = try await withTaskCancellationHandler {
                try await relay.head()
            } onCancel: {
                cancel()
            }
            return OpenAnswer(head, task, relay)
        } catch {
            cancel()
            try Task.checkCancellation()
            throw Fault(.sourceUnreachable(url: request.shown, detail: Self.words(for: error)))
        }
    }
}

/// Holds an answer back behind its head until there is a receiver, and passes everything on from then on.
private final class Relay: HTTPClientResponseDelegate {
    typealias Response = RangeReceiver.Ending

    private struct State {
        /// What became of the head, and who waits for that.
        var head: Result<HTTPResponseHead, any Error>?
        var waiting: CheckedContinuation<HTTPResponseHead, any Error>?
        /// Holds the body back.
        var held: EventLoopPromise<RangeReceiver>?
        var receiver: RangeReceiver?
        var isOver = false
    }

    private let state = Mutex(State())

    /// Waits for the head.
    func head() async throws -> HTTPResponseHead {
        try await withCheckedThrowingContinuation { continuation in
            let known = state.withLock { state in
                if state.head == nil { state.waiting = continuation }
                return state.head
            }
            if let known { continuation.resume(with: known) }
        }
    }

    private func note(_ head: Result<HTTPResponseHead, any Error>) {
        let waiting = state.withLock { state in
            defer { state.waiting = nil }
            state.head = state.head ?? head
            return state.waiting
        }
        waiting?.resume(with: head)
    }

    /// Lets the answer go on.
    func pass(to receiver: RangeReceiver) {
        let held = state.withLock { state in
            defer { state.held = nil }
            state.receiver = receiver
            return state.held
        }
        held?.succeed(receiver)
    }

    /// Nobody will take it.
    func end(_ error: any Error = CancellationError()) {
        let held = state.withLock { state in
            defer { state.held = nil }
            state.isOver = true
            return state.held
        }
        held?.fail(error)
        note(.failure(error))
    }

    func didReceiveHead(task: HTTPClient.Task<Response>, _ head: HTTPResponseHead) -> EventLoopFuture<Void> {
        let promise = task.eventLoop.makePromise(of: RangeReceiver.self)
        let isOver = state.withLock { state in
            if !state.isOver { state.held = promise }
            return state.isOver
        }
        if isOver { promise.fail(CancellationError()) }
        note(.success(head))
        return promise.futureResult.flatMap { $0.didReceiveHead(task: task, head) }
    }

    func didReceiveBodyPart(task: HTTPClient.Task<Response>, _ buffer: ByteBuffer) -> EventLoopFuture<Void> {
        guard let receiver = state.withLock(\.receiver) else {
            return task.eventLoop.makeFailedFuture(CancellationError())
        }
        return receiver.didReceiveBodyPart(task: task, buffer)
    }

    func didFinishRequest(task: HTTPClient.Task<Response>) throws -> Response {
        guard let receiver = takeReceiver() else { throw CancellationError() }
        return try receiver.didFinishRequest(task: task)
    }

    func didReceiveError(task: HTTPClient.Task<Response>, _ error: any Error) {
        end(error)
        _ = takeReceiver()
    }

    /// The receiver, which has its file open, is let go once the answer is over.
    private func takeReceiver() -> RangeReceiver? {
        state.withLock { state in
            defer { state.receiver = nil }
            return state.receiver
        }
    }
}
