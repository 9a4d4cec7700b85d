public import ReconcileCore
import SystemPackage

// Care of the store: verify, gc, remove, adopt.
extension Reconciler {
    /// What a verification found in one generation.
    public struct Verification: Codable, Sendable {
        /// The model.
        public let model: ModelName
        /// The version.
        public let version: Version
        /// Whether it is the active one.
        public let isActive: Bool
        /// How many files were hashed or looked at.
        public let files: Int
        /// Their bytes.
        public let bytes: Int64
        /// The files that differ.
        public let damage: [Damage]
    }

    /// Compares every generation with its release.
    ///
    /// - Parameters:
    ///   - only: The models to verify; all when empty.
    ///   - deep: Whether every file is hashed, not only those whose stamp changed.
    ///   - repair: Whether what is damaged is fetched again.
    /// - Throws: ``Fault``.
    public func verify(only: Set<ModelName> = [], deep: Bool, repair: Bool) async throws -> [Verification] {
        let declaration = try load()
        let reader = StoreReader(layout: StoreLayout(root: declaration.store))
        try reader.checkFormat()
        let names = try reader.modelNames()
        for name in only where !names.contains(name) { try checkNames([name], declaration) }
        var jobs: [(ModelName, String, GenerationRecord)] = []
        var unreadable: [Verification] = []
        for name in names.sorted() where only.isEmpty || only.contains(name) {
            for directory in Set(
                try reader.generationDirectories(of: name) + [reader.activeDirectory(of: name)].compactMap(\.self)
            ).sorted() {
                guard let record = try? reader.record(of: name, directory) else {
                    unreadable.append(
                        Self.unreadable(name, directory, isActive: directory == reader.activeDirectory(of: name)))
                    continue
                }
                jobs.append((name, directory, record))
            }
        }
        let damage = try await Self.inspect(jobs, in: reader.layout, deep: deep)
        let found = zip(jobs, damage).map { job, damage in
            Verification(
                model: job.0, version: job.2.release.version, isActive: reader.activeDirectory(of: job.0) == job.1,
                files: job.2.release.files.count, bytes: job.2.release.bytes, damage: damage)
        }
        if deep { note(found, zip(jobs, found).map { $0.0.2.release.contentDigest }, reader.layout) }
        guard repair, found.contains(where: { !$0.damage.isEmpty }) else { return found + unreadable }
        try await markSuspect(zip(jobs, damage).filter { !$1.isEmpty }.map { ($0, $1) }, reader.layout)
        let broken = zip(jobs, damage).filter { !$1.isEmpty }.map {
            (name: $0.0, release: $0.2.release, files: $1.count)
        }
        try await refetch(broken, declaration)
        return try await verify(only: only, deep: deep, repair: false)
    }

    /// Writes down what a deep verification found of what is active: an input of the models' health.
    private func note(_ found: [Verification], _ digests: [Digest], _ layout: StoreLayout) {
        let inspections = zip(found, digests).filter(\.0.isActive).map { item, digest in
            Inspection(
                model: item.model, kind: .deepVerification, at: settings.clock(), contentDigest: digest,
                isGood: item.damage.isEmpty,
                detail: item.damage.isEmpty
                    ? nil : item.damage.prefix(3).map(\.path.description).joined(separator: ", "))
        }
        guard !inspections.isEmpty else { return }
        let book = ConditionBook(History(path: layout.history))
        if let warning = book.write([:], gone: [], inspections: inspections, desiredState: nil, commit: nil) {
            settings.report(.warning(warning))
        }
    }

    /// What is reported of a generation whose record cannot be read.
    private static func unreadable(_ name: ModelName, _ directory: String, isActive: Bool) -> Verification {
        let version = directory.lastIndex(of: "-").flatMap { Version(String(directory[..<$0])) } ?? Version(0, 0, 0)
        let damage = ReleasePath("\(directory).json").map { [Damage(path: $0, kind: .altered)] } ?? []
        return Verification(model: name, version: version, isActive: isActive, files: 0, bytes: 0, damage: damage)
    }

    /// Hashes files of many generations on all cores, large and small ones mixed, in the order of the jobs.
    private static func inspect(
        _ jobs: [(ModelName, String, GenerationRecord)], in layout: StoreLayout, deep: Bool
    ) async throws -> [[Damage]] {
        try await withThrowingTaskGroup(of: (Int, [Damage]).self) { group in
            var found: [[Damage]] = Array(repeating: [], count: jobs.count)
            var started = 0
            for (job, (name, directory, record)) in jobs.enumerated() {
                let path = layout.generation(name, directory)
                for (index, file) in record.release.files.enumerated() {
                    if started >= 4, let (job, damage) = try await group.next() { found[job] += damage }
                    started += 1
                    let stamp = record.stamps[index]
                    group.addTask {
                        (
                            job,
                            try await Observer.damage(of: file, stamp: stamp, at: path, deep: deep).map { [$0] } ?? []
                        )
                    }
                }
            }
            for try await (job, damage) in group { found[job] += damage }
            return found.map { $0.sorted { $0.path < $1.path } }
        }
    }

    /// Takes the stamps of damaged files away, so that the next look finds them however well they are disguised.
    private func markSuspect(
        _ damaged: [((ModelName, String, GenerationRecord), [Damage])], _ layout: StoreLayout
    ) async throws {
        let writer = try await StoreWriter.open(layout, holder: settings.holder, patience: settings.lockPatience)
        for ((name, directory, record), damage) in damaged {
            let paths = Set(damage.map(\.path))
            try writer.write(record.distrusting(paths), of: name, directory)
        }
    }

    /// Fetches what is damaged of generations, active and kept ones.
    private func refetch(_ broken: [(name: ModelName, release: Release, files: Int)], _ declaration: Declaration)
        async throws
    {
        let survey = try await localSurvey(declaration)
        let changes = broken.map { name, release, files in
            Change(
                model: name, action: .repair, from: release.id, to: release.id, release: release,
                reason: .damaged(files: files), steps: [.fetch, .verify, .stage])
        }
        let applier = Applier(
            layout: survey.layout, desired: declaration.desired, sources: survey.sources, settings: settings,
            judge: Applier.Judge { change, _ in change })
        // One generation of a model after the other: outcomes are told apart by model.
        var outcomes: [Outcome] = []
        for change in changes { outcomes += try await applier.apply([change]).outcomes }
        record(outcomes.compactMap { repairAct($0, survey.now) }, in: survey.layout)
        for case .failed(let fault) in outcomes.map(\.result) { throw fault }
    }

    private func repairAct(_ outcome: Outcome, _ now: Timestamp) -> Act? {
        outcome.actKind.map { kind in
            var act = Act(
                at: now, kind: kind, model: outcome.change.model.description, who: settings.user,
                from: outcome.change.from?.words, to: outcome.change.to?.words)
            (act.milliseconds, act.bytes) = (outcome.milliseconds, outcome.receivedBytes)
            return act
        }
    }

    /// Deletes what nothing needs.
    ///
    /// - Parameter isDryRun: Whether it is only listed.
    /// - Throws: ``Fault``.
    package func collectGarbage(isDryRun: Bool) async throws -> [GarbageCollector.Item] {
        let declaration = try load()
        let layout = StoreLayout(root: declaration.store)
        let keep = declaration.desired.models.mapValues(\.policy.keep)
        guard DiskReader.entry(at: layout.format) != nil else { return [] }
        if isDryRun {
            return try await GarbageCollector(reader: StoreReader(layout: layout), now: settings.clock()).collect(
                keep: keep)
        }
        let writer = try await StoreWriter.open(layout, holder: settings.holder, patience: settings.lockPatience)
        return try await GarbageCollector(writer: writer, now: settings.clock()).collect(keep: keep)
    }

    /// Takes a model that is no longer declared out of the store; its files stay for a day.
    ///
    /// - Parameter evenProtected: Whether a model that was declared with `protect` goes too.
    /// - Throws: ``Fault`` of kind `stillDeclared`, `protected` or `modelUnknown`.
    public func remove(_ model: ModelName, evenProtected: Bool = false) async throws {
        let declaration = try load()
        if let desired = declaration.desired.models[model] {
            throw Fault(.stillDeclared(place: desired.place), model: model)
        }
        let layout = StoreLayout(root: declaration.store)
        let writer = try await StoreWriter.open(layout, holder: settings.holder, patience: settings.lockPatience)
        let (observed, _) = try await Observer(reader: writer.reader).observe(model)
        guard observed.isPresent else { throw Fault(.modelUnknown(name: model.description, nearest: nil)) }
        guard evenProtected || !observed.memory.isProtected else { throw Fault(.protected, model: model) }
        let now = settings.clock()
        try HandOverRunner(layout: layout, hooks: HookRunner()).withdraw(model)
        try writer.remove(model)
        let active = observed.slot.generation?.release.id
        record(
            [
                Act(at: now, kind: "removed", model: model.description, who: settings.user, from: active?.words)
            ], in: layout)
    }

    /// What an adoption did.
    public struct Adoption: Sendable {
        /// How many files of the release were already there with the right bytes.
        public let matched: Int
        /// How many files the release has.
        public let files: Int
        /// Where the user's own files are now.
        public let aside: String
        /// What became of it.
        public let outcome: Outcome
    }

    /// Takes over a directory that a user put at the model's place: files with the right bytes are copied instead of fetched,
    /// the release is staged and checked, and the link takes the directory's place; the directory itself moves aside.
    ///
    /// - Throws: ``Fault`` of kind `unusable` when there is nothing to adopt, or none of its files is of the release.
    public func adopt(_ model: ModelName) async throws -> Adoption {
        var survey = try await survey(PassOptions(only: [model]), isDryRun: false)
        let place = survey.layout.link(model)
        guard survey.observation.state.models[model]?.slot == .foreign else {
            throw Fault(.unusable(what: place.string, detail: "there is nothing of yours to adopt"), model: model)
        }
        survey.observation.state.models[model]?.slot = .empty
        guard let change = survey.plan().changes.first(where: { $0.model == model }), let release = change.release
        else {
            throw Fault(
                .unusable(what: place.string, detail: "no release can be installed for it now; see reconcile plan"),
                model: model)
        }
        guard !release.isPacked else {
            throw Fault(
                .unusable(
                    what: place.string,
                    detail:
                        "the files of \(release.version) are only known once they were unpacked; run reconcile lock --fetch first"
                ),
                model: model)
        }
        try StoreWriter.prepare(survey.layout)
        let matched = try await takeOver(release, from: DiskReader.realPath(place) ?? place, survey.layout)
        guard matched > 0 else {
            throw Fault(
                .unusable(what: place.string, detail: "none of its files is one of \(release.version)"), model: model)
        }
        let aside = unusedName(beside: place)
        let applier = Applier(
            layout: survey.layout, desired: survey.declaration.desired, sources: survey.sources, settings: settings,
            aside: aside, judge: Applier.Judge { change, observed in observed.slot == .foreign ? change : nil })
        guard let outcome = try await applier.apply([change.alone]).outcomes.first else {
            throw Fault(.bug(detail: "nothing was applied"))
        }
        record([repairAct(outcome, survey.now)].compactMap(\.self), in: survey.layout)
        return Adoption(matched: matched, files: release.files.count, aside: aside.string, outcome: outcome)
    }

    private func takeOver(_ release: Release, from place: FilePath, _ layout: StoreLayout) async throws -> Int {
        let downloader = Downloader(
            layout: layout, engine: DownloadEngine(DownloadPolicy(), clock: settings.clock), holder: settings.holder)
        var matched = 0
        for file in release.files {
            let candidate = place.pushing(FilePath(file.path.description))
            guard let entry = DiskReader.entry(at: candidate), entry.kind == .file, entry.size == file.size,
                try await Hashing.digest(ofFile: candidate).digest == file.sha256
            else { continue }
            matched += 1
            guard DiskReader.entry(at: layout.blob(file.sha256)) == nil else { continue }
            _ = try await downloader.fetch([Downloader.Wanted(file, from: [.file(candidate)])]) { _, _ in }
        }
        return matched
    }

    private func unusedName(beside place: FilePath) -> FilePath {
        let base = "\(place.lastComponent?.string ?? "model").before-reconcile"
        let parent = place.removingLastComponent()
        let names = [base] + (2...999).map { "\(base)-\($0)" }
        return parent.appending(names.first { DiskReader.entry(at: parent.appending($0)) == nil } ?? base)
    }
}

extension GenerationRecord {
    /// The record without the stamps of some files, so that they are hashed at the next look.
    fileprivate func distrusting(_ paths: Set<ReleasePath>) -> GenerationRecord {
        GenerationRecord(
            release: release,
            stamps: zip(release.files, stamps).map { file, stamp in paths.contains(file.path) ? .distrusted : stamp })
    }
}
