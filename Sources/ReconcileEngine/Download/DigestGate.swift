import ReconcileCore

/// Lets one task of this process at a time work on a digest: models that share content fetch it once, and the others wait
/// for it. Between processes the partial file's own lock does the same.
package actor DigestGate {
    private var waiting: [Digest: [CheckedContinuation<Void, Never>]] = [:]

    package init() {}

    /// Waits until nobody else works on a digest, and takes it.
    func enter(_ digest: Digest) async {
        guard waiting[digest] != nil else {
            waiting[digest] = []
            return
        }
        await withCheckedContinuation { waiting[digest, default: []].append($0) }
    }

    /// Gives a digest to the next that waits for it.
    func leave(_ digest: Digest) {
        guard var others = waiting[digest], !others.isEmpty else {
            waiting[digest] = nil
            return
        }
        let next = others.removeFirst()
        waiting[digest] = others
        next.resume()
    }
}
