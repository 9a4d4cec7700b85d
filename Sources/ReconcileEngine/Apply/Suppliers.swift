import ReconcileCore

/// Finds the sources that may deliver a release: the one that it came from, and of the others that a model names those that
/// publish the same content. One that publishes other content under that version is told and not used.
struct Suppliers: Sendable {
    let sources: [String: any ModelSource]
    /// Where the model is declared to come from.
    let origins: [Origin]
    /// The revision that is declared, when that is what is.
    let revision: String?
    let report: EventReporter

    /// A source, with the release as it publishes it.
    struct Supplier: Sendable {
        let source: any ModelSource
        let release: Release

        /// Where it has a file, or an archive.
        ///
        /// - Throws: ``Fault`` of kind `secretMissing`.
        func locations(of file: ReleaseFile) throws -> [Location] { try source.locations(of: file, in: release) }
    }

    /// The sources to fetch from, in the order to try.
    ///
    /// - Throws: `CancellationError`.
    func find(for release: Release) async throws -> [Supplier] {
        var found: [Supplier] = []
        // A source that was renamed since still has what was published under its old name.
        let renamed = origins.first {
            $0.repository == release.origin.repository && sources[release.origin.source] == nil
        }
        if let source = sources[release.origin.source] ?? renamed.flatMap({ sources[$0.source] }) {
            // One that cannot be reached now is tried all the same, and tells why it cannot.
            try? await source.settle()
            try Task.checkCancellation()
            found.append(Supplier(source: source, release: release))
        }
        for origin in origins where origin != release.origin && origin != renamed {
            guard let source = sources[origin.source] else { continue }
            do {
                guard let other = try await self.release(like: release, at: origin, source) else { continue }
                if other.contentDigest == release.contentDigest {
                    found.append(Supplier(source: source, release: other))
                } else {
                    report(
                        .warning(
                            "\(origin) publishes \(release.version) with other content than \(release.origin); it is not used"
                        ))
                }
            } catch is Fault {
                // One that does not answer now is not missed as long as another one does.
                try Task.checkCancellation()
            }
        }
        return found
    }

    private func listing(
        like release: Release, at origin: Origin, _ source: any ModelSource
    ) async throws -> Listing? {
        guard let revision else {
            return try await source.list(origin.repository).first { $0.version == release.version }
        }
        // The same kind of source knows the same commit; a bundle has it as a version, another kind only what is declared.
        if let same = try? await source.listing(of: release.revision, in: origin.repository) { return same }
        if let listed = try? await source.list(origin.repository).first(where: { $0.version == release.version }) {
            return listed
        }
        return try await source.listing(of: revision, in: origin.repository)
    }

    /// The same version elsewhere; `nil` where it is not published.
    private func release(
        like release: Release, at origin: Origin, _ source: any ModelSource
    ) async throws -> Release? {
        let selection = FileSelection(texts: release.include)
        guard let listing = try await listing(like: release, at: origin, source) else { return nil }
        return try await source.describe(
            listing, of: origin.repository, choosing: selection, for: Platform.target
        ).choosing(selection)
    }
}

extension [Suppliers.Supplier] {
    /// Where a file is, at all of them. One whose address or token is not there is not missed as long as another one has it.
    ///
    /// - Throws: ``Fault`` of kind `secretMissing` or `sourceRefuses` when none can be asked.
    func locations(of file: ReleaseFile) throws -> [Location] {
        var (found, last): ([Location], Fault?) = ([], nil)
        for supplier in self {
            do { found += try supplier.locations(of: file) } catch let fault as Fault { last = fault }
        }
        if found.isEmpty, let last { throw last }
        return found
    }
}
