package import ReconcileCore
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Brings one blob into the store: locations, size and digest in, verified blob out.
///
/// One stream a file, hashed while it is written and resumed from the blocks that are safely on disk; the next location is
/// tried when one fails, and one whose bytes are wrong is not asked again. Nothing enters `blobs/` unverified.
package struct Downloader: Sendable {
    private let layout: StoreLayout
    private let client: WebClient
    private let holder: String
    private let gate: DigestGate
    private let patience: Duration

    /// How often nothing may come, over all locations, before it is given up. Progress starts the count anew.
    private static let idleLimit = 5

    /// - Parameter patience: How long to wait for another process that fetches the same blob.
    package init(
        layout: StoreLayout, client: WebClient = .shared, holder: String, gate: DigestGate = DigestGate(),
        patience: Duration = .seconds(10)
    ) {
        (self.layout, self.client, self.holder, self.gate, self.patience) = (layout, client, holder, gate, patience)
    }

    /// How one attempt at a location ended.
    private enum Ending {
        case complete
        /// The bytes cannot be the blob: longer, or not what an earlier part belonged to.
        case unfit(String)
        case failed(Fault)
    }

    /// Fetches a blob.
    ///
    /// - Parameter received: Told about bytes as they come: those of this call, never counted twice.
    /// - Returns: Bytes that were received.
    /// - Throws: ``Fault`` of kind `sourceUnreachable`, `digestMismatch`, `sizeMismatch`, `busy` or `system`;
    ///   `CancellationError`, after which the blocks so far are kept.
    @concurrent
    package func fetch(_ file: ReleaseFile, from locations: [Location], received: @Sendable (Int) -> Void) async throws
        -> Int64
    {
        await gate.enter(file.sha256)
        do {
            let isHere = DiskReader.entry(at: layout.blob(file.sha256))?.size == file.size
            let bytes = isHere ? 0 : try await fetchAlone(file, from: locations, received: received)
            await gate.leave(file.sha256)
            return bytes
        } catch {
            await gate.leave(file.sha256)
            throw error
        }
    }

    private func fetchAlone(
        _ file: ReleaseFile, from locations: [Location], received: @Sendable (Int) -> Void
    ) async throws -> Int64 {
        let partial = try await PartialFile.open(layout.partial(file.sha256), holder: holder, patience: patience)
        if DiskReader.entry(at: layout.blob(file.sha256))?.size == file.size {
            // Another process brought it while we waited for the partial file.
            partial.discard()
            return 0
        }
        var remaining = locations
        var idle = 0
        var best: Int64 = 0
        var total: Int64 = 0
        while let location = remaining.first {
            if partial.count > file.size { try partial.restart() }
            let before = partial.count
            var ending = Ending.complete
            if partial.count < file.size || file.size == 0 {
                ending = try await attempt(file, at: location, into: partial) { count in
                    total += Int64(count)
                    received(count)
                }
            }
            switch ending {
            case .complete:
                if partial.count == file.size, partial.digest == file.sha256 {
                    try partial.promote(to: layout.blob(file.sha256))
                    return total
                }
                let fault = mismatch(file, partial)
                try partial.restart()
                // Bytes of an earlier pass may have been to blame: from the start, this location gets one more chance.
                if before == 0 { remaining.removeFirst() }
                if remaining.isEmpty { throw fault }
            case .unfit(let detail):
                try partial.restart()
                // What an earlier pass left may not fit this server's file: from the start it gets one more chance.
                if before == 0 { remaining.removeFirst() }
                if remaining.isEmpty { throw Fault(.sourceInvalid(url: location.shown, detail: detail)) }
            case .failed(let fault):
                try partial.checkpoint()
                // Only bytes that never came before are progress: a server that begins anew each time makes none.
                idle = partial.count > max(best, before) ? 0 : idle + 1
                best = max(best, partial.count)
                guard idle < Self.idleLimit, Self.mayPass(fault) || remaining.count > 1 else { throw fault }
                if !Self.mayPass(fault) { remaining.removeFirst() } else { remaining.append(remaining.removeFirst()) }
                // Exponential backoff with full jitter, so that many machines do not come back together.
                let limit = 0.25 * Double(1 << min(idle, 6))
                try await Task.sleep(for: .seconds(Double.random(in: limit / 2...limit)))
            }
        }
        throw Fault(.sourceUnreachable(url: file.path.description, detail: "it has no location"))
    }

    private func mismatch(_ file: ReleaseFile, _ partial: PartialFile) -> Fault {
        guard partial.count == file.size else {
            return Fault(
                .sizeMismatch(path: file.path.description, expectedBytes: file.size, receivedBytes: partial.count))
        }
        return Fault(.digestMismatch(path: file.path.description, expected: file.sha256, received: partial.digest))
    }

    /// Whether asking again later can help.
    private static func mayPass(_ fault: Fault) -> Bool {
        if case .sourceUnreachable(_, let detail) = fault.kind { return detail != WebClient.connectionRefused }
        return false
    }

    private func attempt(
        _ file: ReleaseFile, at location: Location, into partial: PartialFile, received: (Int) -> Void
    ) async throws -> Ending {
        do {
            switch location {
            case .file(let path): return try await copy(path, file, into: partial, received)
            case .web(let url, let shown, let token, let allowsInsecure):
                var request = WebClient.Request(url: url, shown: shown)
                (request.token, request.allowsInsecure) = (token, allowsInsecure)
                return try await stream(request, file, into: partial, received)
            }
        } catch is CancellationError {
            try partial.checkpoint()
            throw CancellationError()
        } catch let fault as Fault {
            if case .system = fault.kind { throw fault }
            return .failed(fault)
        } catch {
            guard !Task.isCancelled else {
                try partial.checkpoint()
                throw CancellationError()
            }
            return .failed(Fault(.sourceUnreachable(url: location.shown, detail: WebClient.words(for: error))))
        }
    }

    private func stream(
        _ template: WebClient.Request, _ file: ReleaseFile, into partial: PartialFile, _ received: (Int) -> Void
    ) async throws -> Ending {
        var request = template
        let start = partial.count
        if start > 0 { request.headers.append(("Range", "bytes=\(start)-")) }
        let response = try await client.send(request)
        let shown = request.shown
        switch response.status {
        case 200 where start > 0: try partial.restart()
        case 200: break
        case 206 where start > 0:
            guard response.header("Content-Range") == "bytes \(start)-\(file.size - 1)/\(file.size)" else {
                return .unfit("it sent another part of the file than was asked for")
            }
        case 404, 410: return .failed(Fault(.sourceLacks(url: shown)))
        case 401, 403: return .failed(Fault(.sourceLacks(url: shown)))
        case 416: return .unfit("its file is shorter than \(file.size) bytes")
        default: return .failed(Fault(.sourceUnreachable(url: shown, detail: "HTTP \(response.status)")))
        }
        let isWhole = try await response.read { bytes in
            guard partial.count + Int64(bytes.count) <= file.size else { return false }
            try partial.append(bytes)
            received(bytes.count)
            return true
        }
        return isWhole ? .complete : .unfit("its file is longer than \(file.size) bytes")
    }

    private func copy(
        _ path: FilePath, _ file: ReleaseFile, into partial: PartialFile, _ received: (Int) -> Void
    ) async throws -> Ending {
        // Something that is no file, such as a pipe, would be waited for without end.
        let descriptor = open(path.string, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return .failed(Fault(.sourceLacks(url: path.string))) }
        defer { close(descriptor) }
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Hashing.bufferBytes, alignment: 4096)
        defer { buffer.deallocate() }
        while true {
            let count = pread(descriptor, buffer.baseAddress, buffer.count, off_t(partial.count))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else {
                return .failed(Fault(.sourceUnreachable(url: path.string, detail: Platform.message(errno))))
            }
            guard count > 0 else { return .complete }
            guard partial.count + Int64(count) <= file.size else {
                return .unfit("its file is longer than \(file.size) bytes")
            }
            try partial.append(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            received(count)
            try Task.checkCancellation()
        }
    }
}
