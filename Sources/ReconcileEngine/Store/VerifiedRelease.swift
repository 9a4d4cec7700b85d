package import ReconcileCore

/// A release of which the needed blobs are in the store and were hashed there: the only thing that can be staged.
package struct VerifiedRelease: Sendable {
    /// The release.
    package let release: Release

    fileprivate init(_ release: Release) { self.release = release }
}

extension StoreReader {
    /// Hashes the blobs of a release, each once.
    ///
    /// A blob that a generation links to (one file, an unchanged stamp) was hashed when it was staged and is trusted.
    /// - Parameters:
    ///   - files: The files that are needed: all, or in a repair the damaged ones.
    ///   - trusted: The stamps of files that are known to hold the content of a digest.
    /// - Returns: The release, and the blobs that turned out to be wrong, which must be fetched again.
    /// - Throws: `CancellationError`, or ``Fault`` of kind `system`.
    package func verify(
        _ release: Release, files: [ReleaseFile], trusted: [Digest: Set<GenerationRecord.Stamp>] = [:]
    ) async throws -> (verified: VerifiedRelease?, wrong: [ReleaseFile]) {
        var wrong: [ReleaseFile] = []
        var seen: Set<Digest> = []
        for file in files where seen.insert(file.sha256).inserted {
            let path = layout.blob(file.sha256)
            guard let entry = DiskReader.entry(at: path), entry.kind == .file, entry.size == file.size else {
                wrong.append(file)
                continue
            }
            if trusted[file.sha256]?.contains(GenerationRecord.Stamp(entry)) == true { continue }
            let found = try await Hashing.digest(ofFile: path)
            if found.size != file.size || found.digest != file.sha256 { wrong.append(file) }
        }
        return (wrong.isEmpty ? VerifiedRelease(release) : nil, wrong)
    }
}
