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

    /// Verifies every claim of a journal, and leaves those in it that hold.
    ///
    /// - Throws: `CancellationError`; ``Fault`` of kind `system` when the journal cannot be written.
    static func verify(_ partial: PartialFile, size: Int64, threads: DownloadThreads) async throws -> Found {
        let claims = DownloadJournal.claims(in: partial.directory.appending("journal"), size: size)
        guard claims.bytes > 0 else {
            // What claims nothing may be a line that was cut off: nothing is to be written behind it.
            try partial.journal.clear()
            return Found()
        }
        return try await threads.cancellable { try hash(claims, of: partial, $0) }
    }

    private static func hash(
        _ claims: DownloadJournal.Claims, of partial: PartialFile, _ isCancelled: CancellationFlag
    ) throws -> Found {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Block.bytes, alignment: Block.alignment)
        defer { memory.deallocate() }
        var found = Found()
        var kept = DownloadJournal.Claims()
        func feed(_ range: Range<Int64>, _ hash: inout StreamingHash) throws -> Bool {
            var position = range.lowerBound
            while position < range.upperBound {
                let count = Int(min(Int64(memory.count), range.upperBound - position))
                let bytes = UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
                try isCancelled.check()
                guard partial.read(into: bytes, at: position) else { return false }
                hash.update(UnsafeRawBufferPointer(bytes))
                position += Int64(count)
            }
            return true
        }
        var running = StreamingHash()
        for claim in claims.prefixes {
            guard try feed(found.end..<claim.end, &running), running.digest() == claim.digest else { break }
            (found.hash, found.end) = (running, claim.end)
            kept.prefixes.append(claim)
        }
        for claim in claims.blocks where claim.range.lowerBound >= found.end {
            var own = StreamingHash()
            guard try feed(claim.range, &own), own.digest() == claim.digest else { continue }
            kept.blocks.append(claim)
            if let last = found.pieces.last, last.upperBound == claim.range.lowerBound {
                found.pieces[found.pieces.count - 1] = last.lowerBound..<claim.range.upperBound
            } else {
                found.pieces.append(claim.range)
            }
        }
        // What was read may be in the page cache only, and the new journal outlives a power cut.
        try partial.checkpoint()
        try partial.journal.replace(with: kept)
        return found
    }
}
