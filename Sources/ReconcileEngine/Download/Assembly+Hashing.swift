import NIOCore
import NIOPosix
import ReconcileCore
import Synchronization

// The hash of the whole file, which follows what is written, and what happens when it is not the published one.
extension Assembly {
    func hashSoon() {
        let starts = state.withLock { state in
            guard !state.isHashing, state.fault == nil, state.waiting[state.frontier] != nil else { return false }
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
                    fail(DiskReader.systemFault("read", partial.directory))
                    item.done?.fail(ChannelError.ioOnClosedChannel)
                    state.withLock { $0.isHashing = false }
                    return
                }
            }
            advance(to: item, hash)
        }
    }

    private func nextToHash() -> (Int64, Waiting, StreamingHash)? {
        state.withLock { state in
            guard state.fault == nil, let item = state.waiting.removeValue(forKey: state.frontier) else {
                state.isHashing = false
                return nil
            }
            state.spare.remove(state.frontier)
            return (state.frontier, item, state.hash)
        }
    }

    private func advance(to item: Waiting, _ hash: StreamingHash) {
        state.withLock { ($0.hash, $0.frontier) = (hash, item.end) }
        guard !item.isClaimed else { return }
        do {
            try partial.journal.claim(upTo: item.end, hash.digest())
            item.done?.succeed()
        } catch {
            fail(error)
            item.done?.fail(error)
        }
    }

    private func readBack(_ range: Range<Int64>, into block: Block, _ hash: inout StreamingHash) -> Bool {
        var position = range.lowerBound
        while position < range.upperBound {
            let count = Int(min(Int64(Block.bytes), range.upperBound - position))
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
        let wrong = try await threads.run { [partial] in
            let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Int(index.largest), alignment: 4096)
            defer { memory.deallocate() }
            return try index.blocks(in: 0..<self.size).filter { piece in
                let bytes = UnsafeMutableRawBufferPointer(rebasing: memory[..<piece.range.count])
                guard partial.read(into: bytes, at: piece.range.lowerBound) else {
                    throw DiskReader.systemFault("read", partial.directory)
                }
                return Hashing.digest(ofBytes: UnsafeRawBufferPointer(bytes)) != piece.digest
            }.map(\.range)
        }
        guard !wrong.isEmpty else { return false }
        for range in wrong { try partial.journal.withdraw(range) }
        var pieces: [Range<Int64>] = []
        var position: Int64 = 0
        for range in wrong {
            if position < range.lowerBound { pieces.append(position..<range.lowerBound) }
            position = range.upperBound
        }
        if position < size { pieces.append(position..<size) }
        forget(missing: [])
        adopt(hash: StreamingHash(), upTo: 0, pieces: pieces)
        return true
    }
}
