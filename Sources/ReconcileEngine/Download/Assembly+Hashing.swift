import NIOCore
import NIOPosix
import ReconcileCore
import Synchronization

// The hash of the whole file, which follows what is written, and what happens when it is not the published one.
extension Assembly {
    func hashSoon() {
        let starts = state.withLock { state in
            guard !state.isHashing, state.hashes, state.waiting[state.frontier] != nil else { return false }
            state.isHashing = true
            return true
        }
        if starts { threads.hashing.submit { _ in self.hashRun() } }
    }

    private func hashRun() {
        var scratch: Block?
        while let (start, item, hash) = nextToHash() {
            var hash = hash
            if let block = item.block {
                withBytes(of: block, start..<item.end) { hash.update($0) }
                pool.give(block)
            } else {
                let memory = scratch ?? Block()
                scratch = memory
                guard readBack(start..<item.end, into: memory, &hash) else {
                    if state.withLock({ $0.isEnding }) {
                        state.withLock { $0.waiting[start] = item }
                        continue
                    }
                    fail(DiskReader.systemFault("read", partial.directory))
                    item.done?(.failure(DiskReader.systemFault("read", partial.directory)))
                    return workEnded { $0.isHashing = false }
                }
            }
            advance(to: item, hash)
        }
    }

    private func nextToHash() -> (Int64, HashLine.Piece, StreamingHash)? {
        var next: (Int64, HashLine.Piece, StreamingHash)?
        workEnded { state in
            guard state.hashes, let item = state.waiting[state.frontier] else {
                state.isHashing = false
                return
            }
            state.waiting[state.frontier] = nil
            state.spare.remove(state.frontier)
            next = (state.frontier, item, state.hash)
        }
        return next
    }

    private func advance(to item: HashLine.Piece, _ hash: StreamingHash) {
        state.withLock { ($0.hash, $0.frontier) = (hash, item.end) }
        guard !item.isClaimed else { return }
        do {
            try partial.journal.claim(upTo: item.end, hash.digest())
            item.done?(.success(.taken))
        } catch {
            fail(error)
            item.done?(.failure(error))
        }
    }

    private func readBack(_ range: Range<Int64>, into block: Block, _ hash: inout StreamingHash) -> Bool {
        var position = range.lowerBound
        while position < range.upperBound {
            let count = Int(min(Int64(Block.bytes), range.upperBound - position))
            guard state.withLock({ $0.hashes }) else { return false }
            let isThere = block.withBytes { memory in
                let bytes = UnsafeMutableRawBufferPointer(rebasing: memory[..<count])
                guard partial.read(into: bytes, at: position) else { return false }
                hash.update(UnsafeRawBufferPointer(bytes))
                return true
            }
            guard isThere else { return false }
            position += Int64(count)
        }
        return true
    }

    /// Hashes every block of the index and makes those missing that are wrong.
    ///
    /// - Returns: Whether the index could name any.
    /// - Throws: ``Fault`` of kind `system`; `CancellationError`.
    func dropWrongBlocks() async throws -> Bool {
        guard let index else { return false }
        state.withLock { $0.isSuspicious = true }
        let right = try await threads.cancellable { [partial] isCancelled in
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(index.largest), alignment: 4096)
            defer { memory.deallocate() }
            return try index.blocks.filter { piece in
                try isCancelled.check()
                let bytes = UnsafeMutableRawBufferPointer(rebasing: memory[..<piece.range.count])
                guard partial.read(into: bytes, at: piece.range.lowerBound) else {
                    throw DiskReader.systemFault("read", partial.directory)
                }
                return Hashing.digest(ofBytes: UnsafeRawBufferPointer(bytes)) == piece.digest
            }
        }
        guard right.count < index.blocks.count else { return false }
        try partial.journal.replace(with: DownloadJournal.Claims(blocks: right.map { ($0.range, $0.digest) }))
        forget(missing: [])
        adopt(hash: StreamingHash(), upTo: 0, pieces: right.map(\.range))
        return true
    }
}
