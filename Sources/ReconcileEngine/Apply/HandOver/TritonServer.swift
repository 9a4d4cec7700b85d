import ReconcileCore

/// Has a Triton server load a model, and makes sure that it serves the version that was meant
/// (https://github.com/triton-inference-server/server, `docs/protocol/extension_model_repository.md`). A load that answers 200
/// is no proof: the server may go on with the version before.
struct TritonServer: Sendable {
    let address: SecretText
    let model: String
    let seconds: Int64

    private struct State: Decodable {
        let name: String
        let version: String?
        let state: String?
        let reason: String?
    }

    private static let pause = Duration.milliseconds(250)
    private static let indexLimit = 16 << 20

    /// Waits until the server is not loading the model.
    ///
    /// - Returns: That it timed out; everything else may be tried.
    /// - Throws: `CancellationError`.
    func waitUntilIdle() async throws -> HookRunner.Answer {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            guard let index = try? await ask("POST", "/v2/repository/index", body: "{}"), index.status == 200,
                let states = try? JSONFile.value([State].self, from: index.body, name: "the index"),
                states.contains(where: { $0.name == model && $0.state == "LOADING" })
            else {
                try Task.checkCancellation()
                return .works
            }
            guard ContinuousClock.now < deadline else {
                return .timedOut("Triton is still loading “\(model)” after \(seconds) s")
            }
            try await Task.sleep(for: Self.pause)
        }
    }

    /// Loads the model and waits until a version is ready.
    ///
    /// - Returns: What the server said.
    /// - Throws: `CancellationError`.
    func load(_ number: Int) async throws -> HookRunner.Answer {
        let deadline = ContinuousClock.now + .seconds(seconds)
        do {
            let loaded = try await ask("POST", "/v2/repository/models/\(WebAddress.escaped(model))/load", body: "{}")
            guard loaded.status == 200 else { return .broken("Triton does not load it: \(Self.words(loaded.body))") }
            while ContinuousClock.now < deadline {
                if let answer = try await state(of: number) { return answer }
                try await Task.sleep(for: Self.pause)
            }
            return .timedOut("Triton has not made version \(number) ready within \(seconds) s")
        } catch let fault as Fault {
            switch fault.kind {
            case .sourceUnreachable(_, WebClient.timedOut):
                return .timedOut("Triton does not answer within \(seconds) s")
            case .sourceUnreachable(_, let detail): return .undecided("Triton: \(detail)")
            case .secretMissing(let name): return .undecided("\(name) is not set")
            default: return .undecided("\(fault.kind)")
            }
        }
    }

    /// What the index says of a version; `nil` while it is loading.
    private func state(of number: Int) async throws -> HookRunner.Answer? {
        let index = try await ask("POST", "/v2/repository/index", body: "{}")
        guard index.status == 200, let states = try? JSONFile.value([State].self, from: index.body, name: "the index")
        else {
            return .broken("Triton's index cannot be read: HTTP \(index.status)")
        }
        let mine = states.filter { $0.name == model }
        guard let one = mine.first(where: { $0.version == String(number) }) else {
            return mine.contains { $0.state == "LOADING" }
                ? nil : .broken("Triton does not know version \(number) of “\(model)”")
        }
        switch one.state {
        case "READY":
            let ready = try await ask("GET", "/v2/models/\(WebAddress.escaped(model))/versions/\(number)/ready")
            return ready.status == 200 ? .works : nil
        case "UNAVAILABLE": return .broken("Triton: \((one.reason ?? "unavailable").prefix(300).printable)")
        default: return nil
        }
    }

    private func ask(_ method: String, _ path: String, body: String? = nil) async throws -> (status: Int, body: [UInt8])
    {
        let base = try Environment.reveal(address)
        var request = WebClient.Request(
            url: (base.hasSuffix("/") ? String(base.dropLast()) : base) + path, shown: "Triton")
        (request.method, request.body, request.timeoutSeconds, request.allowsInsecure) = (method, body, seconds, true)
        let response = try await WebClient.shared.send(request)
        do {
            return (response.status, try await response.body(limit: Self.indexLimit, within: seconds) ?? [])
        } catch {
            try Task.checkCancellation()
            throw Fault(.sourceUnreachable(url: "Triton", detail: WebClient.words(for: error)))
        }
    }

    private static func words(_ body: [UInt8]) -> String {
        struct Refusal: Decodable { let error: String }
        let text =
            (try? JSONFile.value(Refusal.self, from: body, name: ""))?.error
            ?? String(decoding: body.prefix(300), as: UTF8.self)
        return text.prefix(300).printable
    }
}
