import ReconcileCore
import SystemPackage

/// Fetches one small file: one request, whole into memory, verified there.
struct SmallFetch: Sendable {
    private let wanted: Downloader.Wanted
    private let downloader: Downloader
    private let report: @Sendable (Int) -> Void

    init(_ wanted: Downloader.Wanted, _ downloader: Downloader, report: @escaping @Sendable (Int) -> Void) {
        (self.wanted, self.downloader, self.report) = (wanted, downloader, report)
    }

    private var file: ReleaseFile { wanted.file }
    private var engine: DownloadEngine { downloader.engine }

    /// Fetches it and holds it for the next commit.
    ///
    /// - Returns: Bytes that were received.
    /// - Throws: As ``Downloader/fetch(_:received:)``.
    func run() async throws -> Int64 {
        engine.keepLimit()
        if try await downloader.incoming.recover(file) { return 0 }
        var total: Int64 = 0
        var fault = Fault(.sourceUnreachable(url: file.path.description, detail: "it has no location"))
        let locations = engine.health.ordered(wanted.locations)
        for (rank, location) in locations.enumerated() {
            guard let reason = try await fetch(from: location, hasOthers: rank < locations.count - 1, &total) else {
                return total
            }
            fault = reason
        }
        throw fault
    }

    /// Asks one location until it has brought the file, or has to be given up.
    ///
    /// - Returns: Why it was given up; `nil` when the file is here.
    private func fetch(
        from location: Location, hasOthers: Bool, _ total: inout Int64
    ) async throws -> Fault? {
        var persistence = Persistence(attempts: hasOthers ? Persistence.attemptsWithOthers : Persistence.attempts)
        while true {
            let began = ContinuousClock.now
            switch try await answer(of: location, &total) {
            case .bytes(let bytes): return try await judge(bytes, from: location)
            case .refused(let fault): return fault
            case .failed(let fault, let retryAfter):
                engine.health.failed(location)
                // Another one may do better than one that is silent.
                if hasOthers, case .sourceUnreachable(_, WebClient.timedOut) = fault.kind { return fault }
                let decision = persistence.failed(after: ContinuousClock.now - began, retryAfter: retryAfter)
                guard let delay = decision.delay else { return fault }
                try await Task.sleep(for: delay)
            }
        }
    }

    /// Takes the bytes if they are the right ones.
    ///
    /// - Returns: What is wrong with them; `nil` when nothing.
    private func judge(_ bytes: [UInt8], from location: Location) async throws -> Fault? {
        let digest = Hashing.digest(of: bytes)
        guard Int64(bytes.count) == file.size, digest == file.sha256 else {
            downloader.distrust(location)
            return mismatch(bytes, digest)
        }
        engine.health.worked(location)
        if !wanted.isSeed(location) { report(bytes.count) }
        try await downloader.incoming.hold(bytes, of: file)
        return nil
    }

    private func mismatch(_ bytes: [UInt8], _ digest: Digest) -> Fault {
        guard Int64(bytes.count) == file.size else {
            return Fault(
                .sizeMismatch(
                    path: file.path.description, expectedBytes: file.size, receivedBytes: Int64(bytes.count)))
        }
        return Fault(.digestMismatch(path: file.path.description, expected: file.sha256, received: digest))
    }

    private enum Answer {
        case bytes([UInt8])
        /// Asking again does not help.
        case refused(Fault)
        case failed(Fault, retryAfter: Duration?)
    }

    private func answer(of location: Location, _ total: inout Int64) async throws -> Answer {
        switch location {
        case .file(let path), .part(let path, _):
            guard let source = ReadableFile(location, size: file.size) else {
                return .refused(Fault(.sourceLacks(url: path.string)))
            }
            guard source.size == file.size else {
                let detail = "its file is \(source.size < file.size ? "shorter" : "longer") than \(file.size) bytes"
                return .refused(Fault(.sourceInvalid(url: path.string, detail: detail)))
            }
            guard let bytes = source.bytes(0..<file.size) else {
                return .refused(Fault(.sourceUnreachable(url: path.string, detail: "it cannot be read")))
            }
            if !wanted.isSeed(location) { total += file.size }
            return .bytes(bytes)
        case .held(let held):
            total += file.size
            return .bytes(held.bytes)
        case .web(let location):
            return try await answer(to: location.request, from: LocationHealth.key(.web(location)), &total)
        }
    }

    private func answer(to request: WebClient.Request, from host: String, _ total: inout Int64) async throws -> Answer {
        try await engine.slots.take(host)
        defer { engine.slots.give(host) }
        do {
            let response = try await engine.client.send(request)
            guard response.status == 200 else {
                // An address that a redirect gave may have expired: the next attempt gets another one.
                if [401, 403, 404, 410].contains(response.status), !response.isRedirected {
                    let explained = request.knowledge?.refusal(response.status) { response.header($0) }
                    return .refused(explained ?? Fault(.sourceLacks(url: request.shown)))
                }
                let fault = Fault(.sourceUnreachable(url: request.shown, detail: "HTTP \(response.status)"))
                return .failed(fault, retryAfter: response.retryAfter)
            }
            guard ["identity", nil].contains(response.header("Content-Encoding")?.lowercased()) else {
                let detail = "it compresses what must not be changed"
                return .refused(Fault(.sourceInvalid(url: request.shown, detail: detail)))
            }
            guard let bytes = try await response.body(limit: Int(file.size), within: 120, took: take) else {
                let detail = "its file is longer than \(file.size) bytes"
                return .refused(Fault(.sourceInvalid(url: request.shown, detail: detail)))
            }
            total += Int64(bytes.count)
            return .bytes(bytes)
        } catch let fault as Fault {
            guard case .sourceUnreachable(_, let detail) = fault.kind, detail != WebClient.connectionRefused else {
                return .refused(fault)
            }
            return .failed(fault, retryAfter: nil)
        } catch {
            try Task.checkCancellation()
            let fault = Fault(.sourceUnreachable(url: request.shown, detail: WebClient.words(for: error)))
            return .failed(fault, retryAfter: nil)
        }
    }

    /// Waits for bandwidth.
    private func take(_ count: Int) async throws {
        let ticket = engine.bucket.take(count)
        while case let delay = engine.bucket.delay(of: ticket), delay > .zero {
            engine.keepLimit()
            try await Task.sleep(for: delay)
        }
    }
}
