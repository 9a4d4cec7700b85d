import AmazonS3
import Foundation
import ReconcileCore
import SystemPackage

/// Sends objects to a bucket. Each is named by its SHA-256, so that the bucket refuses it when other bytes arrive.
struct BucketUploader: Sendable {
    let access: BucketAccess
    let documents: DocumentClient

    /// From this size on an object is sent in parts.
    private static let largeBytes: Int64 = 1 << 30
    private static let partBytes: Int64 = 64 << 20
    /// Parts that are sent at once.
    private static let width = 4
    private static let answerLimit = 1 << 20
    /// How long one request may take until its answer: what is sent in it included.
    private static let seconds: Int64 = 3600

    /// Sends a file, unless an object with the same checksum is there.
    ///
    /// - Throws: ``Fault`` of the bucket; `CancellationError`.
    func send(_ path: FilePath, _ file: ReleaseFile, to name: String) async throws {
        if try await isThere(file, name) { return }
        guard file.size > Self.largeBytes else {
            return try await put(name, file.sha256, condition: nil) {
                $0.upload = WebClient.FileUpload(path: path, range: 0..<file.size)
            }
        }
        try await sendInParts(path, file, to: name)
    }

    /// Sends a document.
    ///
    /// - Parameter condition: What must hold for it to be written.
    /// - Throws: ``Fault`` of the bucket; of kind `unusable` when the condition does not hold.
    func send(_ bytes: [UInt8], to name: String, on condition: WriteCondition? = nil) async throws {
        do {
            try await put(name, Hashing.digest(of: bytes), condition: condition) {
                $0.body = String(decoding: bytes, as: UTF8.self)
            }
        } catch let error as ServiceError where error.meaning == .conditionFailed {
            throw Fault(
                .unusable(
                    what: access.shown + name,
                    detail: "somebody else has published meanwhile; what was sent is kept, run this again"))
        } catch let error as ServiceError {
            throw error.asFault(access.shown + name)
        }
    }

    private func isThere(_ file: ReleaseFile, _ name: String) async throws -> Bool {
        do {
            let answer = try await ask(name) { _ in
            } make: {
                try $0.head(access.key(name))
            }
            let checksum = answer["x-amz-checksum-sha256"]
            return checksum == Data(file.sha256.bytes).base64EncodedString()
                && answer["Content-Length"].flatMap { Int64($0) } ?? file.size == file.size
        } catch let error as ServiceError {
            guard error.meaning == .noSuchKey else { throw error.asFault(access.shown + name) }
            return false
        }
    }

    private func put(
        _ name: String, _ digest: Digest, condition: WriteCondition?, _ fill: (inout WebClient.Request) -> Void
    ) async throws {
        do {
            _ = try await ask(name, fill) {
                try $0.put(access.key(name), sha256: digest.bytes, condition: condition)
            }
        } catch let error as ServiceError {
            guard condition == nil else { throw error }
            throw error.asFault(access.shown + name)
        }
    }

    // MARK: Parts

    private func sendInParts(_ path: FilePath, _ file: ReleaseFile, to name: String) async throws {
        do {
            let key = access.key(name)
            let begun = try await ask(name) { _ in
            } make: {
                try $0.beginUpload(key)
            }
            let upload: String
            do { upload = try Bucket.uploadID(parsing: begun.body) } catch { throw error.asFault(access.shown + name) }
            do {
                let parts = try await parts(of: path, file, name, upload)
                let (_, body) = try access.bucket().completeUpload(key, upload, parts)
                let end = try await ask(name) {
                    $0.body = body
                } make: {
                    try $0.completeUpload(key, upload, parts).request
                }
                // What fails late is told in a body after a good status.
                if let error = try? ServiceError(status: end.status, parsing: end.body) { throw error }
            } catch {
                _ = try? await ask(name) { _ in
                } make: {
                    try $0.abortUpload(key, upload)
                }
                throw error
            }
        } catch let error as ServiceError {
            throw error.asFault(access.shown + name)
        }
    }

    private func parts(
        of path: FilePath, _ file: ReleaseFile, _ name: String, _ upload: String
    ) async throws -> [UploadedPart] {
        let size = max(Self.partBytes, file.size / Int64(Bucket.mostParts - 1) + 1)
        let ranges = stride(from: Int64(0), to: file.size, by: Int64.Stride(size)).map {
            $0..<min($0 + size, file.size)
        }
        return try await withThrowingTaskGroup(of: UploadedPart.self) { group in
            var parts: [UploadedPart] = []
            for (index, range) in ranges.enumerated() {
                if index >= Self.width, let part = try await group.next() { parts.append(part) }
                group.addTask { try await part(index + 1, range, of: path, name, upload) }
            }
            for try await part in group { parts.append(part) }
            return parts
        }
    }

    @concurrent
    private func part(
        _ number: Int, _ range: Range<Int64>, of path: FilePath, _ name: String, _ upload: String
    ) async throws -> UploadedPart {
        guard let source = ReadableFile(path), source.size >= range.upperBound else {
            throw Fault(.unusable(what: path.string, detail: "it changed while it was published"))
        }
        var hash = StreamingHash()
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Hashing.bufferBytes) {
            guard let bytes = source.bytes(start..<min(range.upperBound, start + Int64(Hashing.bufferBytes))) else {
                throw DiskReader.systemFault("read", path)
            }
            bytes.withUnsafeBytes { hash.update($0) }
        }
        let digest = hash.digest()
        let answer = try await ask(name) {
            $0.upload = WebClient.FileUpload(path: path, range: range)
        } make: {
            try $0.part(access.key(name), of: upload, number: number, sha256: digest.bytes)
        }
        return UploadedPart(number: number, entityTag: answer["ETag"] ?? "", sha256: digest.bytes)
    }

    // MARK: Asking

    /// Sends a request; once more when the bucket turns out to be elsewhere.
    private func ask(
        _ name: String, _ fill: (inout WebClient.Request) -> Void, make: (Bucket) throws -> ServiceRequest
    ) async throws -> DocumentClient.Answer {
        for attempt in 1...2 {
            var request: WebClient.Request
            do { request = access.request(try make(try access.bucket()), shown: name) } catch let fault as S3Fault {
                throw fault.asFault(access.shown + name)
            }
            request.timeoutSeconds = Self.seconds
            fill(&request)
            let answer = try await documents.answer(to: request, limit: Self.answerLimit)
            guard !(200..<300).contains(answer.status) else { return answer }
            let error = ServiceError(status: answer.status, body: answer.body) { answer[$0] }
            guard attempt == 1, case .wrongRegion(let region?) = error.meaning else { throw error }
            try access.settle(region: region)
        }
        throw Fault(.sourceUnreachable(url: access.shown + name, detail: "it names one region after the other"))
    }
}
