import ReconcileCore
import ReconcileTesting
import Testing

private let now = Timestamp(seconds: 1_000_000)

private func name(_ text: String) throws -> ModelName { try Sample.unwrap(ModelName(text)) }

private func installed(_ release: Release, memory: Memory = Memory()) -> ObservedModel {
    let generation = Generation.sample(release)
    return ObservedModel(
        slot: .intact(generation), good: generation.directory, generations: [generation], memory: memory)
}

private func plan(
    _ models: [DesiredModel], prune: Bool = false, observed: [ModelName: ObservedModel] = [:], free: Int64? = nil,
    local: [Digest: Int64] = [:], held: [Digest: Int64] = [:], offers: [ModelName: [Release]] = [:]
) -> Planner.Result {
    let desired = DesiredState(
        digest: .of(""), facts: [:], prune: prune,
        models: Dictionary(uniqueKeysWithValues: models.map { ($0.name, $0) }))
    let resolutions = offers.mapValues { releases in
        Resolution.candidates(releases.map { Candidate(version: $0.version, verdict: .eligible($0)) }, listed: nil)
    }
    var state = ObservedState(models: observed, freeBytes: free, localBytes: local)
    state.heldBytes = held
    return Planner(
        desired: desired, observed: state, resolutions: resolutions, selectors: [:], now: now
    ).plan()
}

@Suite struct `A plan` {
    @Test func `is sorted by model, whatever the order of its inputs`() throws {
        let models = try ["c", "a", "b"].map { try DesiredModel.sample($0) }
        let offers = try Dictionary(uniqueKeysWithValues: models.map { ($0.name, [try Release.sample("1.0.0")]) })
        #expect(plan(models, offers: offers).changes.map(\.model.description) == ["a", "b", "c"])
    }

    @Test func `counts content that models share once`() throws {
        let models = try ["a", "b"].map { try DesiredModel.sample($0) }
        let offers = try Dictionary(
            uniqueKeysWithValues: models.map { ($0.name, [try Release.sample("1.0.0", content: "12345")]) })
        #expect(plan(models, offers: offers).changes.map(\.bytes) == [.init(download: 5, disk: 5), .init(reused: 5)])
    }

    @Test func `says so when the disk is too full, with numbers`() throws {
        let model = try DesiredModel.sample("a")
        let result = plan([model], free: 100, offers: [model.name: [try .sample("1.0.0", content: "12345")]])
        #expect(result.changes.isEmpty)
        #expect(result.problems.map(\.kind) == [.diskFull(neededBytes: Planner.reserveBytes + 5, freeBytes: 100)])
    }

    @Test func `needs no room for what a download occupies already`() throws {
        let model = try DesiredModel.sample("a")
        let release = try Release.sample("1.0.0", content: "12345")
        let file = try #require(release.files.first)
        for (held, fits) in [(Int64(3), true), (2, false)] {
            let result = plan(
                [model], free: Planner.reserveBytes + 2, local: [file.sha256: 1], held: [file.sha256: held],
                offers: [model.name: [release]])
            #expect(result.changes.map(\.bytes) == (fits ? [.init(download: 4, reused: 1, disk: 2)] : []))
        }
    }

    @Test func `counts a whole archive for one damaged file of it, unless its bytes are here`() throws {
        let model = try DesiredModel.sample("a")
        let (one, two) = (try Self.file("one", "12345"), try Self.file("two", "67"))
        let archive = Archive(sha256: .of("tar"), size: 100, format: .tar, files: [one, two])
        let release = Release(
            version: Version(1, 0, 0), origin: try Sample.unwrap(Origin("zoo/vad")), revision: "sha256:x",
            channel: "stable", files: [], archives: [archive],
            contentDigest: .of(Release.contentText(of: [], [archive], include: [])))
        var observed = installed(release)
        observed.slot = .damaged(
            try #require(observed.slot.generation), [Damage(path: one.path, kind: .altered)])
        let offers = [model.name: [release]]
        let fetched = plan([model], observed: [model.name: observed], offers: offers)
        #expect(fetched.changes.map(\.action) == [.repair])
        #expect(fetched.changes.map(\.bytes) == [.init(download: 100, disk: 107)])
        let here = plan([model], observed: [model.name: observed], local: [one.sha256: 5], offers: offers)
        #expect(here.changes.map(\.bytes) == [.init(reused: 5)])
    }

    private static func file(_ path: String, _ text: String) throws -> ReleaseFile {
        ReleaseFile(path: try Sample.unwrap(ReleasePath(path)), size: Int64(text.utf8.count), sha256: .of(text))
    }

    @Test func `waits for the models a release requires, and takes them together`() throws {
        let encoder = try DesiredModel.sample("encoder", origin: "zoo/encoder")
        let model = try DesiredModel.sample("a")
        let needs = Requirements(models: ["encoder": try VersionRange(">=1.1")])
        let wanted = try Release.sample("1.0.0", requires: needs)
        let old = plan(
            [model, encoder],
            offers: [model.name: [wanted], encoder.name: [try .sample("1.0.0", origin: "zoo/encoder")]])
        #expect(old.changes.map(\.model) == [encoder.name])
        #expect(old.blocked.map(\.obstacle) == [.modelDiffers(repository: "encoder", needed: ">=1.1", found: "1.0.0")])
        let new = plan(
            [model, encoder],
            offers: [model.name: [wanted], encoder.name: [try .sample("1.1.0", origin: "zoo/encoder")]])
        #expect(new.changes.count == 2)
    }
}

@Suite struct `Pruning` {
    private func observed(_ names: String...) throws -> [ModelName: ObservedModel] {
        Dictionary(uniqueKeysWithValues: try names.map { (try name($0), installed(try .sample("1.0.0"))) })
    }

    @Test func `removes nothing unless it is asked for`() throws {
        let result = plan([try .sample("a")], observed: try observed("a", "b"))
        #expect(result.changes.isEmpty)
        #expect(result.notices == [.undeclared(model: try name("b"))])
    }

    @Test func `removes what is no longer declared`() throws {
        let result = plan([try .sample("a")], prune: true, observed: try observed("a", "b"))
        #expect(result.changes.map(\.action) == [.remove])
    }

    @Test func `of everything by an emptied file is refused`() throws {
        let result = plan([], prune: true, observed: try observed("a"))
        #expect(result.changes.isEmpty)
        #expect(result.problems.map(\.kind) == [.pruneRefused(count: 1, of: 1)])
    }

    @Test func `of most of the models is refused`() throws {
        let result = plan(
            [try .sample("a"), try .sample("e")], prune: true, observed: try observed("a", "b", "c", "d", "e"))
        #expect(result.changes.isEmpty)
        #expect(result.problems.map(\.kind) == [.pruneRefused(count: 3, of: 5)])
    }

    @Test func `leaves protected models alone`() throws {
        var memory = Memory()
        memory.isProtected = true
        var observed = try observed("a")
        observed[try name("b")] = installed(try .sample("1.0.0"), memory: memory)
        let result = plan([try .sample("a")], prune: true, observed: observed)
        #expect(result.changes.isEmpty)
        #expect(result.notices == [.protected(model: try name("b"))])
    }
}

@Suite struct `What retention keeps` {
    @Test func `is a release that was prepared and waits for its window`() throws {
        let (old, new) = (Generation.sample(try .sample("1.0.0")), Generation.sample(try .sample("1.1.0")))
        var model = ObservedModel(slot: .intact(old), good: old.directory, generations: [old, new])
        let keep = Policy.Keep(last: 1, withinSeconds: 0)
        #expect(Retention.expired(model, keep: keep, now: now) == [new])
        model.memory.noteChecked(new.release.id, trialInputs: .of("hooks"), at: now)
        #expect(Retention.expired(model, keep: keep, now: now).isEmpty)
    }
}

@Suite struct `What retention deletes` {
    private func model(_ ages: [Int64], active: Int) throws -> ObservedModel {
        let generations = try ages.enumerated().map { index, age in
            Generation.sample(try .sample("1.\(index).0"), usedAt: now.seconds - age)
        }
        return ObservedModel(
            slot: .intact(generations[active]), good: generations[active].directory, generations: generations)
    }

    private func expired(_ model: ObservedModel, last: Int, within: Int64) -> [String] {
        Retention.expired(model, keep: .init(last: last, withinSeconds: within), now: now).map(
            \.release.version.description)
    }

    @Test func `keeps the union of the last and the recent`() throws {
        let model = try model([90_000, 80_000, 70_000, 10], active: 3)
        #expect(expired(model, last: 2, within: 75_000) == ["1.0.0", "1.1.0"])
        #expect(expired(model, last: 3, within: 0) == ["1.0.0"])
    }

    @Test func `keeps the active one however old, and all within the grace of readers`() throws {
        #expect(expired(try model([90_000, 3000, 3500], active: 0), last: 1, within: 0).isEmpty)
        #expect(expired(try model([90_000, 3000, 3700], active: 0), last: 1, within: 0) == ["1.2.0"])
    }

    @Test func `keeps what is left of a removed model for a day`() throws {
        var model = try model([86_401, 86_399], active: 0)
        (model.slot, model.good) = (.empty, nil)
        #expect(expired(model, last: 3, within: 30 * 86400) == ["1.0.0"])
    }

    @Test func `keeps what is held, and not what is quarantined`() throws {
        var model = try model([90_000, 80_000, 10], active: 2)
        model.memory.hold = .init(
            kind: .hold, release: model.generations[0].release.id, by: "ana", reason: nil, at: now, until: nil,
            selector: .of(""))
        model.memory.quarantine = [
            .init(release: model.generations[1].release.id, cause: "x", at: now, trialInputs: .of(""))
        ]
        #expect(expired(model, last: 3, within: 100_000) == ["1.1.0"])
    }
}
