import ReconcileCore
import SystemPackage
import YAML

// The parts of a survey: what is asked of the sources, and what must be right before anything is asked.
extension Reconciler {
    /// Names on the command line must be declared.
    func checkNames(_ names: Set<ModelName>, _ declaration: Declaration) throws {
        for name in names.sorted() where declaration.desired.models[name] == nil {
            let known = declaration.desired.models.keys.map(\.description).sorted()
            throw Fault(.modelUnknown(name: name.description, nearest: nearest(to: name.description, in: known)))
        }
    }

    /// `--locked`: the lock must be there and answer everything.
    func checkLock(_ lock: Lockfile?, _ declaration: Declaration) throws {
        guard settings.isLocked else { return }
        guard let lock else { throw Fault(.lockMissing(path: declaration.lockPath.string)) }
        if let silent = declaration.silences(of: lock).first {
            throw Fault(.lockStale(path: declaration.lockPath.string), model: silent.model)
        }
    }
}

extension Declaration {
    /// The sources as they can be asked.
    func makeSources(cache: SourceCache, reading: ContentReading = .asked) -> [String: any ModelSource] {
        sources.mapValues { $0.makeSource(cache: cache, reading: reading) }
    }

    /// What is asked of each model: the lock's entry where it answers, else the source.
    func questions(lock: Lockfile?, observed: ObservedState, _ options: PassOptions) -> [Resolver.Question] {
        let selectors = selectors(lock: lock)
        let asked = options.asked(in: desired)
        return desired.models.keys.sorted().compactMap { name in
            guard asked.contains(name), let model = desired.models[name] else { return nil }
            let observed = observed.models[model.name] ?? ObservedModel()
            let entry = lock?.models[model.name].flatMap { $0.answers(model) ? $0 : nil }
            return Resolver.Question(
                desired: model, observed: observed, selector: selectors[model.name] ?? model.selector, locked: entry,
                known: observed.known)
        }
    }

    /// Each model's selector together with its lock entry.
    func selectors(lock: Lockfile?) -> [ModelName: Digest] {
        guard let lock else { return desired.models.mapValues(\.selector) }
        return desired.models.mapValues { model in
            guard let entry = lock.models[model.name] else { return model.selector }
            return Hashing.digest(of: "\(model.selector) \(entry.identity)")
        }
    }

    /// The declared models that a lock says nothing valid about.
    func silences(of lock: Lockfile) -> [Plan.Notice] {
        desired.models.values.filter { lock.models[$0.name]?.answers($0) != true }.map(\.name).sorted()
            .map { .lockSilent(model: $0) }
    }
}
