import ReconcileCore
import SystemPackage

/// Hashes what an earlier process left of a download, and says how much of it is right.
enum Recovery {
    /// What is there.
    struct Found: Sendable {
        /// The hash of the beginning.
        var hash = StreamingHash()
        /// Up to here the beginning is right.
        var end: Int64 = 0
        /// Further pieces that are right, in order, apart and joined where they touch.
        var pieces: [Range<Int64>] = []
    }

    /// Verifies every claim of a journal, and takes those back that do not hold.
    ///
    /// - Throws: `CancellationError`; ``Fault`` of kind `system` when the journal cannot be written.
    static func verify(_ partial: PartialFile, size: Int64, threads: DownloadThreads) async throws -> Found {
        let claims = DownloadJournal.claims(in: partial.directory.appending("journal"), size: size)
        guard claims.bytes > 0 else { return Found() }
        let isCancelled = CancellationFlag()
        let found = try await withTaskCancellationHandler {
            try await threads.run { try hash(claims, of: partial, isCancelled) }
        } onCancel: {
            isCancelled.set()
        }
        try Task.checkCancellation()
        return found
    }

    private static func hash(
        _ claims: DownloadJournal.Claims, of partial: PartialFile, _ isCancelled: CancellationFlag
    ) throws -> Found {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Block.bytes, alignment: Block.alignment)
        defer { memory.deallocate() }
        var found = Found()
        func feed(_ range: Range<Int64>, _ hash: inout StreamingHash) -> Bool {
            var position = range.lowerBound
            while position < range.upperBound {
                let count = Int(min(Int64(memory.count), range.upperBound - position))
                let bytes = UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
                guard !isCancelled.isSet, partial.read(into: bytes, at: position) else { return false }
                hash.update(UnsafeRawBufferPointer(bytes))
                position += Int64(count)
            }
            return true
        }
        var running = StreamingHash()
        for claim in claims.prefixes {
            guard feed(found.end..<claim.end, &running), running.digest() == claim.digest else { break }
            (found.hash, found.end) = (running, claim.end)
        }
        for claim in claims.blocks where claim.range.lowerBound >= found.end {
            var own = StreamingHash()
            guard feed(claim.range, &own), own.digest() == claim.digest else {
                if !isCancelled.isSet { try partial.journal.withdraw(claim.range) }
                continue
            }
            if let last = found.pieces.last, last.upperBound == claim.range.lowerBound {
                found.pieces[found.pieces.count - 1] = last.lowerBound..<claim.range.upperBound
            } else {
                found.pieces.append(claim.range)
            }
        }
        return found
    }
}
