import ReconcileCore
import SystemPackage

/// The sets of a group that are still whole on disk: what the group can go back to.
struct GroupHistory {
    let reader: StoreReader
    let group: String
    let observed: [ModelName: ObservedModel]

    /// The confirmed set that came before the active one, or the latest one with a version of a model.
    ///
    /// - Returns: The generation of each model; `nil` when there is no such set.
    /// - Throws: ``Fault`` of kind `system`.
    func target(_ model: ModelName, _ version: Version?) throws -> [ModelName: Generation]? {
        let active = observed.compactMapValues { $0.slot.generation }
        let activeTime = time(of: active)
        let sets = try DiskReader.names(in: reader.layout.sets(group)).filter { !$0.hasPrefix(".") }
            .compactMap { try generations(ofSet: reader.layout.set(group, $0)) }
            .filter { set in
                set != active && Set(set.keys) == Set(observed.keys)
                    && (version == nil ? time(of: set) <= activeTime : set[model]?.release.version == version)
            }
        return sets.max { time(of: $0) < time(of: $1) }
    }

    /// The generations of a set whose every release once worked here.
    private func generations(ofSet set: FilePath) throws -> [ModelName: Generation]? {
        var found: [ModelName: Generation] = [:]
        for (name, directory) in try reader.members(ofSet: set) {
            guard let model = observed[name],
                let generation = model.generations.first(where: { $0.directory == directory }),
                model.memory.wasConfirmed(generation.release.contentDigest)
            else { return nil }
            found[name] = generation
        }
        return found.isEmpty ? nil : found
    }

    /// When the youngest release of a set was confirmed first.
    private func time(of set: [ModelName: Generation]) -> Timestamp {
        set.compactMap { name, generation in
            observed[name]?.memory.confirmed.first { $0.release == generation.release.id }?.at
        }.max() ?? Timestamp(seconds: 0)
    }
}
