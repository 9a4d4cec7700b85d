import AmazonS3
import ReconcileCore

/// Asks a bucket for objects and listings.
struct BucketClient: Sendable {
    let access: BucketAccess
    let documents: DocumentClient

    private static let listingLimit = 8 << 20
    private static let (pageLimit, entryLimit) = (2_000, 500_000)

    /// The answer to a request; once more when it says that the bucket is in another region.
    ///
    /// - Throws: ``Fault``.
    func answer(
        _ path: String, limit: Int, caching: DocumentClient.Caching = .none,
        isRight: (DocumentClient.Answer) -> Bool = { _ in true },
        _ make: (Bucket) throws -> ServiceRequest
    ) async throws -> DocumentClient.Answer {
        for attempt in 1...2 {
            let request: WebClient.Request
            do { request = access.request(try make(try access.bucket()), shown: path) } catch let fault as S3Fault {
                throw fault.asFault(access.shown + path)
            }
            let answer = try await documents.answer(to: request, limit: limit, caching: caching, isRight: isRight)
            guard answer.status != 200 else {
                access.noteAnswer()
                return answer
            }
            let error = ServiceError(status: answer.status, body: answer.body) { answer[$0] }
            if attempt == 1, case .wrongRegion(let region?) = error.meaning {
                try access.settle(region: region)
                continue
            }
            throw error.asFault(access.shown + path)
        }
        throw Fault(.sourceUnreachable(url: access.shown + path, detail: "it names one region after the other"))
    }

    /// Makes sure that the bucket is asked where it is, before addresses of its objects are given to others.
    ///
    /// - Throws: ``Fault``.
    func settle() async throws {
        guard !access.hasAnswered else { return }
        _ = try await answer("", limit: Self.listingLimit) { $0.list(prefix: access.key(""), mostKeys: 1) }
    }

    private static func last(_ objects: [ObjectListing.Object], _ folders: [String]) -> String? {
        [objects.last?.key, folders.last].compactMap(\.self).max { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// One page of what is below a prefix.
    ///
    /// - Throws: ``Fault``.
    func page(_ prefix: String, delimiter: String? = nil, continuation: String? = nil) async throws -> ObjectListing {
        let answer = try await answer(
            prefix, limit: Self.listingLimit, caching: .pass,
            isRight: { (try? ObjectListing(parsing: $0.body)) != nil }
        ) {
            $0.list(prefix: access.key(prefix), delimiter: delimiter, continuation: continuation)
        }
        do { return try ObjectListing(parsing: answer.body) } catch { throw error.asFault(access.shown + prefix) }
    }

    /// What is below a prefix, page by page.
    ///
    /// - Parameter delimiter: What ends a folder; without it everything below is listed.
    /// - Throws: ``Fault``.
    func list(_ prefix: String, delimiter: String? = nil) async throws -> (
        objects: [ObjectListing.Object], folders: [String]
    ) {
        var (objects, folders): ([ObjectListing.Object], [String]) = ([], [])
        var token: String?
        for _ in 1...Self.pageLimit {
            let page = try await page(prefix, delimiter: delimiter, continuation: token)
            // Keys are listed in order: a page that does not go on would be followed by others for ever.
            let (last, next) = (Self.last(objects, folders), Self.last(page.objects, page.commonPrefixes))
            if page.continuation != nil {
                guard let next, last.map({ $0.utf8.lexicographicallyPrecedes(next.utf8) }) ?? true else { break }
            }
            objects += page.objects
            folders += page.commonPrefixes
            guard objects.count + folders.count <= Self.entryLimit else {
                throw Fault(
                    .sourceInvalid(
                        url: access.shown + prefix, detail: "it has more than \(Self.entryLimit) objects"))
            }
            guard let next = page.continuation else { return (objects, folders) }
            token = next
        }
        throw Fault(.sourceInvalid(url: access.shown + prefix, detail: "its list has no end"))
    }
}

/// A catalog in a bucket: the files that `reconcile publish` makes, at the same paths.
struct BucketTransport: CatalogTransport {
    let client: BucketClient

    func document(_ path: String, limit: Int, revision: String?) async throws -> [UInt8] {
        func isRight(_ body: [UInt8]) -> Bool { revision.map { "sha256:\(Hashing.digest(of: body))" == $0 } ?? true }
        let answer = try await client.answer(
            path, limit: limit, caching: revision == nil ? .validated : .immutable, isRight: { isRight($0.body) }
        ) { try $0.get(client.access.key(path)) }
        guard isRight(answer.body) else {
            throw Fault(.sourceInvalid(url: shown(path), detail: "its digest is not the one that the index names"))
        }
        return answer.body
    }

    func small(_ path: String, size: Int64, sha256: Digest) async throws -> [UInt8] {
        let answer = try await client.answer(path, limit: Int(clamping: size)) { try $0.get(client.access.key(path)) }
        guard Hashing.digest(of: answer.body) == sha256 else {
            throw Fault(.sourceInvalid(url: shown(path), detail: "its digest is not the published one"))
        }
        return answer.body
    }

    func locations(of path: String) throws -> [Location] { [.web(try client.access.location(path))] }

    func shown(_ path: String) -> String { client.access.shown + path }
}
