package import ReconcileCore
package import SystemPackage
package import YAML

/// Everything the desired-state files say: the desired state itself, and where its sources and its store are.
package struct Declaration: Sendable {
    /// What is wanted.
    package let desired: DesiredState
    /// The store's directory.
    package let store: FilePath
    /// The sources by name.
    package let sources: [String: SourceDeclaration]
    /// Who is told about what.
    package let receivers: [Receiver]
    /// The lock: named after and beside the last file.
    package let lockPath: FilePath
    /// Where things stand in the files, for warnings.
    package let places: Places
    /// The commit that the files were read from, when they come from git.
    package var commit: String?

    /// Where things stand in the files, for warnings that need the time.
    package struct Places: Sendable {
        /// Each list of windows, with the models it is for.
        let windows: [(mark: Mark, models: [ModelName])]
    }

    /// The lock that was read together with the files; otherwise it is read when it is needed.
    var pinnedLock: PinnedLock?

    /// A lock, or that there was none.
    struct PinnedLock: Sendable {
        let found: (lock: Lockfile, digest: Digest)?
    }

    /// The lock.
    ///
    /// - Throws: ``Fault`` of kind `fileDamaged`, `formatUnknown` or `system`.
    func readLock() throws -> (lock: Lockfile, digest: Digest)? {
        if let pinnedLock { return pinnedLock.found }
        return try Lockfile.read(lockPath)
    }

    /// The declaration together with the lock as it is now, so that both stay in force together.
    ///
    /// - Throws: As ``readLock()``.
    func pinningLock() throws -> Declaration {
        var pinned = self
        pinned.pinnedLock = PinnedLock(found: try Lockfile.read(lockPath))
        return pinned
    }

    /// What is allowed, and yet is hardly meant: windows that never open.
    package func warnings(at now: Timestamp) -> [Problem] {
        places.windows.compactMap { place in
            let models = place.models.isEmpty ? [] : place.models
            let schedule = models.first.flatMap { desired.models[$0]?.policy.schedule } ?? desired.schedule
            guard !schedule.isOpen(at: now), schedule.opening(atOrAfter: now) == nil else { return nil }
            return Problem(
                place.mark, "these windows never open, so nothing is ever activated",
                hint: "a deny window covers every allow window, or a duration is 0")
        }
    }
}

/// What a file says of one source.
package struct SourceDeclaration: Sendable, Hashable {
    /// Where it is.
    package enum Address: Sendable, Hashable {
        /// A catalog in a directory.
        case directory(FilePath)
        /// A catalog on web servers: the address and its mirrors, in order.
        case http([SecretText])
        /// A Hugging Face hub.
        case huggingface(SecretText)
        /// An OCI registry.
        case oci(String)
        /// A bucket.
        case s3(BucketDeclaration)
        /// An OCI image layout, as a tar or a directory.
        case bundle(FilePath)
    }
    /// Its name.
    package let name: String
    /// Where it is.
    package let address: Address
    /// Sent to it and to nobody else.
    package let token: SecretText?
    /// Whether plain HTTP beyond this machine was asked for.
    package let allowsInsecure: Bool
}

/// What a file says of a bucket.
package struct BucketDeclaration: Sendable, Hashable {
    /// Where the bucket's name stands in addresses.
    package enum Addressing: String, Sendable, CaseIterable { case auto, path, host }

    /// `s3://bucket/prefix`.
    let address: String
    let region: String?
    let endpoint: SecretText?
    let profile: String?
    let isAnonymous: Bool
    let addressing: Addressing
}
