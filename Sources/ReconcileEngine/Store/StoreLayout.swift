package import ReconcileCore
package import SystemPackage

/// Where everything is in a store.
///
/// ```text
/// STORE/
///   vad -> .reconcile/generations/vad/6.2.0-0f4c1e22ab91   the active version, a relative link
///   .reconcile/
///     blobs/sha256/1a/1a153a22…      content whose whole SHA-256 was computed here; read-only
///     generations/vad/6.2.0-0f4c1e22ab91/     the files; nothing else in it
///     generations/vad/6.2.0-0f4c1e22ab91.json the record, written before the directory appears
///     good/vad -> ../generations/vad/…        the last confirmed one
///     groups/wan22/active -> sets/4c1e…       what the models of a group are; their links lead through it:
///                                    vad -> .reconcile/groups/wan22/active/vad
///     groups/wan22/good -> sets/4c1e…         the last confirmed set
///     groups/wan22/sets/4c1e…/vad -> ../../../../generations/vad/…
///     trash/                         what is about to be deleted
///     partial/1a153a22…/             a download under way
///     partial/incoming/              small files that came and are about to become blobs
///     indexes/1a153a22…              of what blocks a file consists
///     write-mode                     whether large files are written past the page cache, as it was measured
///     memory/vad.json                holds, quarantine, approvals, attempts
///     handovers/vad.json             what other programs were given last, and where
///     plans.json                     saved plans that ran to their end here
///     history.db                     history, audit, source caches
///     format                         the store's format number
///     lock                           flock(2); names its holder
///     downloading                    flock(2), shared: while it is held, content that no record names is somebody's
/// ```
package struct StoreLayout: Sendable, Hashable {
    /// The store's directory.
    package let root: FilePath

    /// The layout of a store at `root`.
    package init(root: FilePath) { self.root = root }

    /// The number that the `format` file of this layout holds.
    package static let formatNumber = 1

    package var control: FilePath { root.appending(".reconcile") }
    package var format: FilePath { control.appending("format") }
    package var lock: FilePath { control.appending("lock") }
    package var history: FilePath { control.appending("history.db") }
    package var blobs: FilePath { control.appending("blobs").appending("sha256") }
    package var allGenerations: FilePath { control.appending("generations") }
    package var allGood: FilePath { control.appending("good") }
    package var allGroups: FilePath { control.appending("groups") }
    package var trash: FilePath { control.appending("trash") }
    package var partials: FilePath { control.appending("partial") }
    /// Small files that came and are not blobs yet.
    package var incoming: FilePath { partials.appending("incoming") }
    package var indexes: FilePath { control.appending("indexes") }
    package func index(_ file: Digest) -> FilePath { indexes.appending(file.description) }
    package var writeMode: FilePath { control.appending("write-mode") }
    package var downloading: FilePath { control.appending("downloading") }
    package var allMemory: FilePath { control.appending("memory") }
    package func handOver(_ model: ModelName) -> FilePath {
        control.appending("handovers").appending("\(model).json")
    }
    package var appliedPlans: FilePath { control.appending("plans.json") }

    package func link(_ model: ModelName) -> FilePath { root.appending(model.description) }
    package func good(_ model: ModelName) -> FilePath { allGood.appending(model.description) }
    package func memory(_ model: ModelName) -> FilePath { allMemory.appending("\(model).json") }
    package func generations(_ model: ModelName) -> FilePath { allGenerations.appending(model.description) }
    package func generation(_ model: ModelName, _ directory: String) -> FilePath {
        generations(model).appending(directory)
    }
    package func record(_ model: ModelName, _ directory: String) -> FilePath {
        generations(model).appending("\(directory).json")
    }
    package func partial(_ digest: Digest) -> FilePath { partials.appending(digest.description) }

    package func blob(_ digest: Digest) -> FilePath {
        let name = digest.description
        return blobs.appending(String(name.prefix(2))).appending(name)
    }

    package func group(_ name: String) -> FilePath { allGroups.appending(name) }
    package func groupActive(_ name: String) -> FilePath { group(name).appending("active") }
    package func groupGood(_ name: String) -> FilePath { group(name).appending("good") }
    package func sets(_ group: String) -> FilePath { self.group(group).appending("sets") }
    package func set(_ group: String, _ id: String) -> FilePath { sets(group).appending(id) }

    /// What the model's link must hold to lead through its group.
    package func linkDestination(_ model: ModelName, group: String) -> String {
        ".reconcile/groups/\(group)/active/\(model)"
    }

    /// What the model's link in `good/` must hold to lead through its group.
    package func goodDestination(_ model: ModelName, group: String) -> String { "../groups/\(group)/good/\(model)" }

    /// What the model's link in a set must hold.
    package func setDestination(_ model: ModelName, _ directory: String) -> String {
        "../../../../generations/\(model)/\(directory)"
    }

    /// The group that a link of ours leads through; `nil` when it leads straight to a generation.
    package func group(of model: ModelName, inLink destination: String?) -> String? {
        let parts = (destination ?? "").split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0] == ".reconcile" || parts[0] == "..", parts[1] == "groups",
            parts[3] == "active" || parts[3] == "good", parts[4] == model.description[...],
            isPlainName(parts[2], limit: 63)
        else { return nil }
        return String(parts[2])
    }

    /// What the model's link must hold to make a generation active.
    package func linkDestination(_ model: ModelName, _ directory: String) -> String {
        ".reconcile/generations/\(model)/\(directory)"
    }

    /// What the model's link in `good/` must hold.
    package func goodDestination(_ model: ModelName, _ directory: String) -> String {
        "../generations/\(model)/\(directory)"
    }

    /// The generation that a link of ours points to; `nil` when it is not of that form.
    package func directory(of model: ModelName, inLink destination: String?) -> String? {
        guard let destination else { return nil }
        let parts = destination.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count >= 3, parts.suffix(3).dropLast().elementsEqual(["generations", model.description[...]]),
            [[".reconcile"], [".."], ["..", "..", "..", ".."]].contains(Array(parts.dropLast(3))),
            let name = parts.last, !name.isEmpty, !name.hasPrefix("."), name.utf8.count <= 255
        else { return nil }
        return String(name)
    }
}
