package import ReconcileCore
import SystemPackage

// Models that switch together: their links lead through one link of their group, which one rename moves from set to set.
extension StoreWriter {
    /// Moves a group to other generations of its models, in one rename for all that were there before.
    ///
    /// Before it, links are brought into the form that leads through the group, without changing where they lead; a model that
    /// was not there gets its link after it, one that is to be gone loses its link before it.
    ///
    /// - Parameters:
    ///   - wanted: The generation of each model of the group.
    ///   - departing: Models whose first release did not work, so that nothing of them is active any more.
    /// - Throws: ``Fault`` of kind `system` or `occupied`. Models that were there before are then all where they were, or all
    ///   where they are to be; the next pass goes on from there.
    package func switchGroup(
        _ group: String, to wanted: [ModelName: String], departing: Set<ModelName> = []
    ) throws {
        try disk.makeDirectory(layout.sets(group))
        var current: [ModelName: String] = [:]
        for model in wanted.keys.sorted() {
            if let directory = reader.activeDirectory(of: model) {
                disk.touch(layout.generation(model, directory))
                current[model] = directory
            } else if DiskReader.entry(at: layout.link(model)) != nil {
                throw Fault(.occupied(path: layout.link(model).string), model: model)
            }
            disk.touch(layout.generation(model, wanted[model] ?? ""))
        }
        try releaseLeavers(group, staying: Set(wanted.keys).union(departing))
        let newcomers = current.keys.filter { reader.group(of: $0) != group }.sorted()
        if !newcomers.isEmpty {
            try point(layout.groupActive(group), at: try makeSet(group, current))
            for model in newcomers {
                try disk.setLink(layout.link(model), to: layout.linkDestination(model, group: group))
            }
        }
        for model in departing.sorted() { try deactivate(model) }
        try point(layout.groupActive(group), at: try makeSet(group, wanted))
        for model in wanted.keys.sorted() where current[model] == nil {
            try disk.setLink(layout.link(model), to: layout.linkDestination(model, group: group))
        }
    }

    /// Makes what is active of a group the last good set, in one rename for all that had a good one before.
    ///
    /// A model that does not lead through the group (it was declared into it while a trial was open) is left as it is.
    /// - Throws: ``Fault`` of kind `system`.
    package func confirmGroup(_ group: String, _ members: [ModelName]) throws {
        guard let set = DiskReader.destination(of: layout.groupActive(group)) else {
            throw Fault(.bug(detail: "the group \(group) has nothing active"))
        }
        let inside = members.filter { reader.group(of: $0) == group }.sorted()
        var good: [ModelName: String] = [:]
        for model in inside { good[model] = reader.goodDirectory(of: model) }
        func isOutside(_ model: ModelName) -> Bool {
            layout.group(of: model, inLink: DiskReader.destination(of: layout.good(model))) != group
        }
        func bringIn(_ models: [ModelName]) throws {
            for model in models where isOutside(model) {
                try disk.setLink(layout.good(model), to: layout.goodDestination(model, group: group))
            }
        }
        let newcomers = inside.filter { good[$0] != nil && isOutside($0) }
        if !newcomers.isEmpty {
            try point(layout.groupGood(group), at: try makeSet(group, good))
            try bringIn(newcomers)
        }
        if DiskReader.destination(of: layout.groupGood(group)) != set {
            try disk.setLink(layout.groupGood(group), to: set)
        }
        try bringIn(inside)
    }

    /// Gives models that are no longer in a group links of their own, to where they are: the group's next sets lack them.
    private func releaseLeavers(_ group: String, staying: Set<ModelName>) throws {
        let sets = [layout.groupActive(group), layout.groupGood(group)]
        let found = Set(try sets.flatMap { try reader.members(ofSet: $0).keys })
        for model in found.subtracting(staying).sorted() {
            if reader.group(of: model) == group, let active = reader.activeDirectory(of: model) {
                try disk.setLink(layout.link(model), to: layout.linkDestination(model, active))
            }
            let good = layout.group(of: model, inLink: DiskReader.destination(of: layout.good(model)))
            if good == group, let directory = reader.goodDirectory(of: model) {
                try disk.setLink(layout.good(model), to: layout.goodDestination(model, directory))
            }
        }
    }

    /// A directory of links, which appears complete or not at all.
    private func makeSet(_ group: String, _ members: [ModelName: String]) throws -> String {
        let lines = members.keys.sorted().map { "\($0) \(members[$0] ?? "")\n" }.joined()
        let id = Hashing.digest(of: lines).short
        let final = layout.set(group, id)
        guard try reader.members(ofSet: final) != members || members.isEmpty else {
            disk.touch(final)
            return id
        }
        let temporary = layout.sets(group).appending(".set-\(id)")
        try disk.removeTree(temporary)
        try disk.makeDirectory(temporary)
        for (model, directory) in members {
            try disk.setLink(temporary.appending(model.description), to: layout.setDestination(model, directory))
        }
        try disk.removeTree(final)
        try disk.move(temporary, to: final)
        return id
    }

    private func point(_ link: FilePath, at set: String) throws {
        guard DiskReader.destination(of: link) != "sets/\(set)" else { return }
        try disk.setLink(link, to: "sets/\(set)")
    }

    /// Deletes the sets of groups that nothing has led to for a while.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func sweepSets(olderThan seconds: Int64, at now: Timestamp) throws {
        for group in try DiskReader.names(in: layout.allGroups) {
            let used = [layout.groupActive(group), layout.groupGood(group)].compactMap {
                DiskReader.destination(of: $0)
            }
            for set in try DiskReader.names(in: layout.sets(group)) where !used.contains("sets/\(set)") {
                let path = layout.set(group, set)
                guard let entry = DiskReader.entry(at: path) else { continue }
                // What a rollback can still go back to stays.
                let isWhole =
                    try !set.hasPrefix(".")
                    && reader.members(ofSet: path).allSatisfy { model, directory in
                        DiskReader.entry(at: layout.generation(model, directory)) != nil
                    }
                let age = now.seconds - entry.modified / 1_000_000_000
                if !isWhole, age > seconds { try disk.removeTree(path) }
            }
        }
    }
}
