import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import ReconcileCore
import Synchronization

/// A file at one location while it is fetched from there: what its server is known to do, and where it redirects to.
final class RemoteFile: Sendable {
    /// What is known of it.
    struct Knowledge: Sendable {
        /// Where a redirect led, so that further requests go straight there.
        var target: String?
        /// Whether it only gives whole files.
        var ignoresRanges = false
        /// From asking to the head of the answer, at best.
        var latency: Duration?
        /// How many answers there were.
        var answers = 0
    }

    let request: WebClient.Request
    /// An answer with the whole file that waits already.
    let opened: OpenAnswer?
    let validator = Validator()
    private let knowledge = Mutex(Knowledge())

    init(_ location: WebLocation) { (request, opened) = (location.request, location.opened) }

    /// What is known of it now.
    var known: Knowledge { knowledge.withLock { $0 } }

    /// Notes that it answered.
    @Sendable func answered(after latency: Duration) {
        learn {
            $0.latency = min($0.latency ?? latency, latency)
            $0.answers += 1
        }
    }

    /// Notes what was found out.
    func learn(_ change: (inout Knowledge) -> Void) { knowledge.withLock { change(&$0) } }
}

/// A transfer that is under way, for whoever watches it.
struct Transfer: Sendable {
    let receiver: RangeReceiver
    let began: ContinuousClock.Instant
    let cancel: @Sendable () -> Void
}

extension WebClient {
    /// Asks for a range of a file, or for all of it, and has a receiver take what comes.
    ///
    /// - Parameters:
    ///   - loop: The thread that it happens on.
    ///   - makeReceiver: Makes the receiver of one answer; a redirect is an answer too. It is told whether the answer has been
    ///     opened before, for the whole file.
    ///   - began: Told of each request, so that it can be watched.
    /// - Throws: ``RangeReceiver/Refusal``, ``Fault`` or the connection's own error; `CancellationError`.
    func transfer(
        _ file: RemoteFile, _ range: Range<Int64>?, on loop: any EventLoop,
        makeReceiver: (_ isOpened: Bool) -> RangeReceiver,
        began: (Transfer) -> Void
    ) async throws {
        if try await takeOpened(file, range, makeReceiver, began) { return }
        var remaining = 10
        while remaining > 0 {
            remaining -= 1
            let address = file.known.target ?? file.request.url
            let receiver = makeReceiver(false)
            let headers = try await headers(of: file.request, at: address)
            do {
                let ending = try await run(file.request, at: address, headers, range, on: loop, receiver, began)
                guard case .redirect(let location) = ending else { return }
                let next = try redirected(file.request, from: address, to: location)
                file.learn { $0.target = next }
            } catch RangeReceiver.Refusal.status(let status, _) where Self.isRefusal(status, file.request) {
                // An address that a redirect gave may have expired: the source is asked for another one, once. So may a login.
                // What a source means by a refusal is only known of its own.
                let explained = address == file.request.url ? receiver.explanation : nil
                let refusal: any Error = explained ?? RangeReceiver.Refusal.status(status, retryAfter: nil)
                guard remaining > 1 else { throw refusal }
                if address == file.request.url {
                    guard [400, 401, 403].contains(status), let authorizer = file.request.authorizer,
                        try await authorizer.renew(
                            after: receiver.challenge, refused: headers.first(name: "Authorization"))
                    else { throw refusal }
                }
                // Another connection may have learned of a new one meanwhile.
                file.learn { if $0.target == address { $0.target = nil } }
                remaining = min(remaining, 4)
            }
        }
        throw Fault(.sourceUnreachable(url: file.request.shown, detail: "it redirects more than 10 times"))
    }

    /// Whether a status may mean that an address or a login has expired; some services say `400` to expired keys.
    private static func isRefusal(_ status: Int, _ request: Request) -> Bool {
        [401, 403, 404, 410].contains(status) || (status == 400 && request.authorizer != nil)
    }

    private func run(
        _ request: Request, at address: String, _ own: HTTPHeaders, _ range: Range<Int64>?, on loop: any EventLoop,
        _ receiver: RangeReceiver, _ began: (Transfer) -> Void
    ) async throws -> RangeReceiver.Ending {
        var headers = own
        if let range {
            headers.replaceOrAdd(name: "Range", value: "bytes=\(range.lowerBound)-\(range.upperBound - 1)")
        }
        return try await follow(start(request, at: address, headers, receiver, on: loop), receiver, began)
    }

    /// Goes on with an answer that waits, when all of it is wanted.
    ///
    /// - Returns: Whether it came to its end; one that brought nothing, perhaps because it waited for too long, is as good as none.
    private func takeOpened(
        _ file: RemoteFile, _ range: Range<Int64>?, _ makeReceiver: (Bool) -> RangeReceiver,
        _ began: (Transfer) -> Void
    ) async throws -> Bool {
        guard let range, range.lowerBound == 0, let opened = file.opened, opened.size == range.upperBound else {
            return false
        }
        let receiver = makeReceiver(true)
        guard let task = opened.take(for: receiver) else { return false }
        do {
            _ = try await follow(task, receiver, began)
            return true
        } catch  where receiver.received == 0 {
            try Task.checkCancellation()
            return false
        }
    }

    /// Sends a request whose answer goes to a delegate.
    func start<Delegate: HTTPClientResponseDelegate>(
        _ request: Request, at address: String, _ headers: HTTPHeaders, _ delegate: Delegate, on loop: (any EventLoop)?
    ) throws -> HTTPClient.Task<Delegate.Response> {
        guard let url = URL(string: address) else {
            throw Fault(.sourceUnreachable(url: request.shown, detail: "this is not an address"))
        }
        let message = try HTTPClient.Request(url: url, method: .GET, headers: headers)
        return try connections.client(for: url, .transfers).execute(
            request: message, delegate: delegate, eventLoop: loop.map { .delegate(on: $0) } ?? .indifferent)
    }

    /// Waits for what a receiver makes of the answer to a request.
    private func follow(
        _ task: HTTPClient.Task<RangeReceiver.Ending>, _ receiver: RangeReceiver, _ began: (Transfer) -> Void
    ) async throws -> RangeReceiver.Ending {
        let cancel: @Sendable () -> Void = {
            receiver.abandon()
            task.cancel()
        }
        began(Transfer(receiver: receiver, began: .now, cancel: cancel))
        return try await withTaskCancellationHandler {
            let result: Result<RangeReceiver.Ending, any Error>
            do { result = .success(try await task.futureResult.get()) } catch { result = .failure(error) }
            if let refusal = receiver.finish() { throw refusal }
            try Task.checkCancellation()
            if let redirect = receiver.redirect { return .redirect(redirect) }
            return try result.get()
        } onCancel: {
            cancel()
        }
    }
}
