import ReconcileCore
import Synchronization

/// Asks servers for small documents: patiently, within limits of bytes and time, and only once for what does not change.
struct DocumentClient: Sendable {
    let client: WebClient
    let cache: SourceCache
    /// Several models of one repository ask the same: the first asks for all, once in the life of this client, which is a pass.
    private let asked = AskedDocuments()
    private let gate = DigestGate()

    init(client: WebClient, cache: SourceCache) { (self.client, self.cache) = (client, cache) }

    /// What may be taken from answers that were kept.
    enum Caching: Sendable {
        /// Nothing.
        case none
        /// What was answered in the same pass: for pages, of which “unchanged” says nothing about the pages behind them.
        case pass
        /// The whole answer, when its server says that it is unchanged.
        case validated
        /// The whole answer: its address stands for one content for ever.
        case immutable
    }

    /// What was answered.
    struct Answer: Sendable {
        let status: Int
        /// Header fields by their names in lower case, the first of each.
        let headers: [String: String]
        let body: [UInt8]

        /// A header field.
        subscript(name: String) -> String? { headers[name.lowercased()] }
    }

    /// How often a server is asked that has trouble, and how long it may ask to be left alone until that counts as no answer.
    private static let attempts = 3
    private static let longestWait = Duration.seconds(30)
    /// How long a body may take.
    private static let bodySeconds: Int64 = 60
    /// Of an error only the beginning matters.
    private static let errorLimit = 64 << 10

    /// Sends a request until there is an answer that will not change by asking again. `304` never shows: the kept answer does.
    ///
    /// - Parameters:
    ///   - limit: The most bytes that the body may have.
    ///   - isRight: Whether an answer is what was asked for: one that is not is neither kept nor taken from what was kept.
    /// - Throws: ``Fault`` of kind `sourceUnreachable` when nobody answers, or only that it cannot now; `sourceInvalid` when the
    ///   answer is too long; `CancellationError`.
    func answer(
        to request: WebClient.Request, limit: Int, caching: Caching = .none,
        isRight: (Answer) -> Bool = { _ in true }
    ) async throws -> Answer {
        guard caching != .none else { return try await persist(request, limit: limit) }
        let key = Hashing.digest(of: "\(request.method) \(request.url)")
        await gate.enter(key)
        do {
            let known = asked[key]
            let answer = if let known { known } else { try await keptOrAsked(request, limit: limit, caching, isRight) }
            if answer.status == 404 || (answer.status == 200 && isRight(answer)) { asked.note(answer, key) }
            await gate.leave(key)
            return answer
        } catch {
            await gate.leave(key)
            throw error
        }
    }

    private func keptOrAsked(
        _ request: WebClient.Request, limit: Int, _ caching: Caching, _ isRight: (Answer) -> Bool
    ) async throws -> Answer {
        let entry = caching == .pass ? nil : cache.entry(for: request.url)
        let kept = entry.map { Answer(status: 200, headers: [:], body: $0.body) }.flatMap { isRight($0) ? $0 : nil }
        if let kept, caching == .immutable { return kept }
        var question = request
        if kept != nil, let tag = entry?.tag { question.headers.append(("If-None-Match", tag)) }
        let answer = try await persist(question, limit: limit)
        guard answer.status != 304 else {
            guard let kept else {
                throw Fault(
                    .sourceInvalid(url: request.shown, detail: "it says “unchanged” without having been asked"))
            }
            return Answer(status: 200, headers: answer.headers, body: kept.body)
        }
        if answer.status == 200, caching != .pass, isRight(answer) {
            cache.store(SourceCache.Entry(tag: answer["ETag"], body: answer.body), for: request.url)
        }
        return answer
    }

    /// Forgets what was answered, because it turned out to be of no use.
    ///
    /// - Returns: Whether asking again may give another answer.
    func forget(_ url: String) -> Bool {
        asked.forget(Hashing.digest(of: "GET \(url)"))
        return cache.forget(url)
    }

    /// Asks again when a server has trouble, after a growing pause or when it says that it may be asked.
    private func persist(_ request: WebClient.Request, limit: Int) async throws -> Answer {
        var delay = Duration.milliseconds(250)
        for attempt in 1... {
            let isLast = attempt >= Self.attempts
            var pause = delay * Double.random(in: 0.5...1.5)
            do {
                let (answer, wait) = try await ask(request, limit: limit)
                guard Self.isPassing(answer.status) else { return answer }
                let isPatient = (wait ?? .zero) <= Self.longestWait
                guard !isLast, isPatient else { throw Self.trouble(request, answer, wait: wait) }
                pause = max(pause, wait ?? .zero)
            } catch let fault as Fault {
                guard case .sourceUnreachable(_, let detail) = fault.kind, !isLast,
                    detail != WebClient.connectionRefused, !detail.hasPrefix("HTTP ")
                else { throw fault }
            }
            try await Task.sleep(for: pause)
            delay *= 2
        }
        throw Fault(.sourceUnreachable(url: request.shown, detail: WebClient.timedOut))
    }

    private static func isPassing(_ status: Int) -> Bool { [408, 425, 429, 500, 502, 503, 504].contains(status) }

    private static func trouble(_ request: WebClient.Request, _ answer: Answer, wait: Duration?) -> Fault {
        var detail = "HTTP \(answer.status)"
        if answer.status == 429 { detail += ": it is asked too often" }
        if let wait { detail += "; it may be asked again in \(wait.components.seconds) s" }
        return Fault(.sourceUnreachable(url: request.shown, detail: detail))
    }

    private func ask(_ request: WebClient.Request, limit: Int) async throws -> (Answer, wait: Duration?) {
        let response = try await client.send(request)
        let isGood = (200..<300).contains(response.status)
        let body: [UInt8]?
        do {
            body = try await response.body(limit: isGood ? limit : Self.errorLimit, within: Self.bodySeconds)
        } catch {
            try Task.checkCancellation()
            throw Fault(.sourceUnreachable(url: request.shown, detail: WebClient.words(for: error)))
        }
        if let warning = response.header("Warning")?.split(separator: "\"").dropFirst().first {
            cache.note(warning: "\(request.shown) says: \(warning.prefix(300).printable)")
        }
        guard body != nil || !isGood else {
            throw Fault(.sourceInvalid(url: request.shown, detail: "it has more than \(limit) bytes"))
        }
        if let encoding = response.header("Content-Encoding")?.lowercased(), encoding != "identity", isGood {
            throw Fault(.sourceInvalid(url: request.shown, detail: "it compresses what must not be changed"))
        }
        return (
            Answer(status: response.status, headers: response.firstHeaders, body: body ?? []), response.retryAfter
        )
    }
}

/// Answers of a pass.
private final class AskedDocuments: Sendable {
    private let answers = Mutex<[Digest: DocumentClient.Answer]>([:])

    /// Longer ones are asked for again.
    private static let longest = 4 << 20

    subscript(key: Digest) -> DocumentClient.Answer? { answers.withLock { $0[key] } }

    func note(_ answer: DocumentClient.Answer, _ key: Digest) {
        guard answer.body.count <= Self.longest else { return }
        answers.withLock { $0[key] = answer }
    }

    func forget(_ key: Digest) { answers.withLock { $0[key] = nil } }
}
