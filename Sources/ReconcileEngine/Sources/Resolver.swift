package import ReconcileCore

/// Turns ranges into candidates: asks the sources what is published, and says of every version what speaks against it.
///
/// Independent of holds and windows. The observed state only saves work: releases that are known need not be read again,
/// and what lies below the first release that would be taken is not read at all.
package struct Resolver: Sendable {
    private let sources: [String: any ModelSource]
    private let facts: [String: String]
    private let platform: TargetPlatform
    private let now: Timestamp

    /// How many models are resolved at once.
    private static let width = 8

    /// - Parameter platform: For which kind of machine, where that makes a difference.
    package init(
        sources: [String: any ModelSource], facts: [String: String], platform: TargetPlatform = Platform.target,
        now: Timestamp
    ) {
        (self.sources, self.facts, self.platform, self.now) = (sources, facts, platform, now)
    }

    /// What is asked of one model.
    package struct Question: Sendable {
        package let desired: DesiredModel
        package let observed: ObservedModel
        package let selector: Digest
        package let locked: Lockfile.Entry?
        /// Releases that must not change their content.
        package let known: [KnownRelease]
    }

    /// The candidates of many models. A source that fails makes its models unknown; the others are resolved.
    ///
    /// - Throws: `CancellationError`.
    package func resolve(_ questions: [Question]) async throws -> [ModelName: Resolution] {
        var resolutions = try await resolve(questions, required: [])
        var required: Set<String> = []
        // What some release requires is read further down: a lower release may be the one that fits.
        while true {
            let found = Self.required(by: resolutions, questions)
            guard !found.isSubset(of: required) else { return resolutions }
            let again = questions.filter {
                let repository = $0.desired.origin.repository
                return $0.locked == nil && found.contains(repository) && !required.contains(repository)
            }
            required.formUnion(found)
            resolutions.merge(try await resolve(again, required: required)) { $1 }
        }
    }

    private static func required(
        by resolutions: [ModelName: Resolution], _ questions: [Question]
    ) -> Set<String> {
        var required: Set<String> = []
        for question in questions {
            required.formUnion(question.observed.slot.generation?.release.requires?.models.keys.map(\.self) ?? [])
            guard case .candidates(let candidates, _)? = resolutions[question.desired.name] else { continue }
            for candidate in candidates {
                required.formUnion(candidate.release?.requires?.models.keys.map(\.self) ?? [])
            }
        }
        return required
    }

    private func resolve(
        _ questions: [Question], required: Set<String>
    ) async throws -> [ModelName: Resolution] {
        try await withThrowingTaskGroup(of: (ModelName, Resolution).self) { group in
            var resolutions: [ModelName: Resolution] = [:]
            for (index, question) in questions.enumerated() {
                if index >= Self.width, let (name, resolution) = try await group.next() {
                    resolutions[name] = resolution
                }
                let isRequired = required.contains(question.desired.origin.repository)
                group.addTask { (question.desired.name, try await resolve(question, isRequired: isRequired)) }
            }
            for try await (name, resolution) in group { resolutions[name] = resolution }
            return resolutions
        }
    }

    @concurrent
    private func resolve(_ question: Question, isRequired: Bool) async throws -> Resolution {
        let desired = question.desired
        if let entry = question.locked { return resolution(of: entry, question) }
        var last = Fault(.bug(detail: "no source “\(desired.origin.source)”"))
        // The first that answers says what there is. One that answers wrongly, or with nothing, is not passed over in silence.
        for origin in desired.origins {
            guard let source = sources[origin.source] else { continue }
            do {
                return try await resolve(question, from: source, origin, isRequired: isRequired)
            } catch let fault as Fault {
                last = fault
                guard fault.isSilence else { break }
                // What a revision stands for has no order: one that lags would move what is active backwards.
                if desired.revision != nil, question.observed.slot.generation != nil { break }
            }
        }
        return .unknown(last.about(desired.name))
    }

    private func resolution(of entry: Lockfile.Entry, _ question: Question) -> Resolution {
        guard let release = entry.release(for: platform)?.knowing(question.observed.generations) else {
            let reason = AccessRefusal.platformMissing(
                wanted: platform.description, available: entry.platforms?.keys.sorted() ?? [])
            return .unknown(
                Fault(.sourceRefuses(url: "\(entry.source) in the lock", reason: reason), model: question.desired.name))
        }
        return .candidates(
            [Candidate(version: entry.version, verdict: verdict(on: release), isLocked: true)], listed: nil)
    }

    private func resolve(
        _ question: Question, from source: any ModelSource, _ origin: Origin, isRequired: Bool
    ) async throws -> Resolution {
        guard let revision = question.desired.revision else {
            let listings = try await source.list(origin.repository)
            return try await walk(listings, of: source, origin, question, isRequired: isRequired)
        }
        let listing = try await source.listing(of: revision, in: origin.repository)
        let release = try await release(listing, of: source, origin, question)
        return .candidates(
            [Candidate(version: listing.version, verdict: verdict(on: release, listing, question))], listed: nil)
    }

    /// Reads releases from the highest precedence down, until one is found below which nothing would be taken.
    private func walk(
        _ listings: [Listing], of source: any ModelSource, _ origin: Origin, _ question: Question, isRequired: Bool
    ) async throws -> Resolution {
        let desired = question.desired
        let inRange = listings.filter {
            desired.range.contains($0.version, admittingPrereleases: desired.policy.admitsPrereleases)
        }.sorted { $0.version > $1.version }
        guard !inRange.isEmpty else {
            let available = listings.sorted { $0.version > $1.version }.prefix(12).map(\.version.description)
            throw Fault(.noMatch(range: desired.range.description, available: available))
        }
        var candidates: [Candidate] = []
        for (index, listing) in inRange.enumerated() {
            if let obstacle = obstacle(to: listing, desired) {
                candidates.append(Candidate(version: listing.version, verdict: .excluded(obstacle, nil)))
                continue
            }
            let builds = inRange[index...].prefix { $0.version.hasSamePrecedence(as: listing.version) }
                .filter { self.obstacle(to: $0, desired) == nil }
            guard builds.count == 1 else { throw Fault(.ambiguous(versions: builds.map(\.version.description))) }
            let release: Release
            do { release = try await self.release(listing, of: source, origin, question) } catch let fault as Fault {
                guard case .nothingIncluded = fault.kind, desired.selection.isWhole else { throw fault }
                candidates.append(Candidate(version: listing.version, verdict: .excluded(.incomplete, nil)))
                continue
            }
            candidates.append(Candidate(version: listing.version, verdict: verdict(on: release, listing, question)))
            if settles(candidates, release, question, isRequired: isRequired) { break }
        }
        return .candidates(candidates, listed: Set(listings.map(\.version)))
    }

    /// Whether nothing below the last candidate would be taken.
    private func settles(
        _ candidates: [Candidate], _ release: Release, _ question: Question, isRequired: Bool
    ) -> Bool {
        guard candidates.last?.isEligible == true, release.requires?.models.isEmpty ?? true else { return false }
        if let active = question.observed.slot.generation?.release, release.version <= active.version { return true }
        if isRequired { return false }
        let decision = ModelPlanner(
            desired: question.desired, observed: question.observed, resolution: .candidates(candidates, listed: nil),
            selector: question.selector, now: now
        ).decide()
        return decision.change?.to == release.id
    }

    /// A release that this machine holds under the same revision need not be asked for.
    private func release(
        _ listing: Listing, of source: any ModelSource, _ origin: Origin, _ question: Question
    ) async throws -> Release {
        let selection = question.desired.selection
        // What another of its sources delivered under this version stays what the version is.
        let others = question.desired.origins.filter { $0 != origin }
        let held = question.observed.generations.first {
            ($0.release.origin == origin ? $0.release.revision == listing.revision : others.contains($0.release.origin))
                && $0.release.include == selection.texts && $0.release.version == listing.version
        }
        if let held { return held.release }
        return try await source.describe(listing, of: origin.repository, choosing: selection, for: platform)
            .choosing(selection).knowing(question.observed.generations)
    }

    private func obstacle(to listing: Listing, _ desired: DesiredModel) -> Obstacle? {
        if listing.isYanked { return .yanked }
        return desired.policy.admits(channel: listing.channel) ? nil : .channel(name: listing.channel)
    }

    /// A locked release was chosen by a person, but this machine must still have the facts it needs.
    private func verdict(on release: Release) -> Candidate.Verdict {
        factObstacle(to: release).map { .excluded($0, release) } ?? .eligible(release)
    }

    private func verdict(on release: Release, _ listing: Listing, _ question: Question) -> Candidate.Verdict {
        if let known = question.known.contradiction(
            to: release, active: question.known.isEmpty ? nil : question.observed.slot.generation?.release)
        {
            return .excluded(.republished(known: known), release)
        }
        if let obstacle = factObstacle(to: release) { return .excluded(obstacle, release) }
        // Where a list does not tell channels apart, the release itself may.
        if question.desired.revision == nil, !question.desired.policy.admits(channel: release.channel) {
            return .excluded(.channel(name: release.channel), release)
        }
        if !question.desired.policy.licenses.admits(release.license) {
            return .excluded(.license(found: release.license), release)
        }
        let minimum = question.desired.policy.minimumAgeSeconds
        guard minimum > 0, question.observed.slot.generation?.release.id != release.id else {
            return .eligible(release)
        }
        guard let published = listing.publishedAt ?? release.publishedAt else { return .excluded(.ageUnknown, release) }
        let ripe = published.advanced(bySeconds: minimum)
        return now < ripe ? .excluded(.tooYoung(until: ripe), release) : .eligible(release)
    }

    private func factObstacle(to release: Release) -> Obstacle? {
        for (name, range) in (release.requires?.facts ?? [:]).sorted(by: { $0.key < $1.key }) {
            let found = facts[name]
            if let version = found.flatMap({ Version($0) }), range.contains(version, admittingPrereleases: true) {
                continue
            }
            return .factDiffers(name: name, needed: range.description, found: found)
        }
        return nil
    }
}

extension Release {
    /// The release with only those of its files that are chosen; what is in archives is chosen when they are unpacked.
    ///
    /// - Throws: ``Fault`` of kind `nothingIncluded`.
    func choosing(_ selection: FileSelection) throws -> Release {
        let chosen = selection.isWhole ? looseFiles : looseFiles.filter { selection.matches($0.path) }
        guard !chosen.isEmpty || archives != nil else { throw Fault(.nothingIncluded(version: version.description)) }
        guard !selection.isWhole else { return self }
        let text = Release.contentText(of: chosen, archives ?? [], include: selection.texts)
        return Release(
            version: version, origin: origin, revision: revision, channel: channel, publishedAt: publishedAt,
            priority: priority, changelog: changelog, license: license, requires: requires, include: selection.texts,
            files: chosen, archives: archives ?? [], contentDigest: Hashing.digest(of: text))
    }
}

extension Fault {
    /// Whether a source said nothing: it does not answer, or cannot be asked.
    fileprivate var isSilence: Bool {
        switch kind {
        case .sourceUnreachable, .secretMissing, .sourceRefuses(_, .offline): true
        default: false
        }
    }
}
