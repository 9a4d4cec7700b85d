/// One release materialised on disk.
public struct Generation: Codable, Hashable, Sendable {
    /// Its directory's name: `6.2.0-0f4c1e22ab91`.
    public let directory: String
    /// Its release, as its record says.
    public let release: Release
    /// When it was staged, activated or left for the last time.
    public let usedAt: Timestamp

    /// A generation.
    public init(directory: String, release: Release, usedAt: Timestamp) {
        (self.directory, self.release, self.usedAt) = (directory, release, usedAt)
    }
}

/// What is wrong with one file of a generation.
public struct Damage: Codable, Hashable, Sendable {
    /// How the file differs.
    public enum Kind: String, Codable, Hashable, Sendable {
        /// It is not there.
        case missing
        /// It has other bytes.
        case altered
    }
    /// The file.
    public let path: ReleasePath
    /// How it differs.
    public let kind: Kind

    /// A damaged file.
    public init(path: ReleasePath, kind: Kind) { (self.path, self.kind) = (path, kind) }
}

/// What stands at `STORE/<model>`.
public enum Slot: Codable, Hashable, Sendable {
    /// Nothing.
    case empty
    /// A link to a complete generation whose files are as its record says.
    case intact(Generation)
    /// A link to a generation with files that are not.
    case damaged(Generation, [Damage])
    /// A link of ours to a generation whose record is missing or unreadable, by its directory: it works, but it is not known
    /// what it should be.
    case lost(directory: String)
    /// A file, directory or link that reconcile did not make.
    case foreign

    /// The generation that is active, damaged or not.
    public var generation: Generation? {
        switch self {
        case .intact(let generation), .damaged(let generation, _): generation
        case .empty, .foreign, .lost: nil
        }
    }
}

/// What is on disk of one model.
public struct ObservedModel: Codable, Hashable, Sendable {
    /// What is active.
    public var slot: Slot
    /// The directory of the last confirmed generation; where it differs from the active one, a trial is open.
    public var good: String?
    /// All complete generations, the active one included, sorted by directory.
    public var generations: [Generation]
    /// What is remembered.
    public var memory: Memory
    /// What could not be read, so that the model is left alone.
    public var fault: Fault?
    /// What was handed over to other programs last, as far as it is still there.
    public var handedOver: HandedOver?

    /// What is on disk of one model.
    public init(
        slot: Slot = .empty, good: String? = nil, generations: [Generation] = [], memory: Memory = Memory(),
        fault: Fault? = nil
    ) {
        (self.slot, self.good, self.generations, self.memory, self.fault) = (slot, good, generations, memory, fault)
    }

    /// The last confirmed generation, if it is still on disk.
    public var goodGeneration: Generation? { generations.first { $0.directory == good } }

    /// The generation under trial: active, but not confirmed.
    public var trial: Generation? {
        guard let active = slot.generation, active.directory != good else { return nil }
        return active
    }

    /// Whether the model is installed; generations alone are only what is left of it.
    public var isPresent: Bool { slot != .empty || good != nil }
}

/// What is on the disk now: looked at, never remembered.
public struct ObservedState: Codable, Sendable {
    /// The models that are declared or found, by name.
    public var models: [ModelName: ObservedModel]
    /// Bytes that may still be written to the store's file system; `nil` when it cannot be asked.
    public var freeBytes: Int64?
    /// Bytes that need not be fetched, of the content that was asked about: whole blobs and partial downloads.
    public var localBytes: [Digest: Int64]

    /// Bytes that content which was asked about occupies on the disk already, complete or not; where nothing is said, what need
    /// not be fetched does. Only for the plan that is being made.
    public var heldBytes: [Digest: Int64] = [:]

    private enum CodingKeys: String, CodingKey { case models, freeBytes, localBytes }

    /// What is on the disk.
    public init(models: [ModelName: ObservedModel] = [:], freeBytes: Int64? = nil, localBytes: [Digest: Int64] = [:]) {
        (self.models, self.freeBytes, self.localBytes) = (models, freeBytes, localBytes)
    }
}
