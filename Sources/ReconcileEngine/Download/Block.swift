import NIOCore
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A fixed piece of memory that bytes are received into, hashed from and written from, without a copy in between.
///
/// It begins at a page, as O_DIRECT wants it (open(2)), and is in one hand at a time: the lock is never contended, it is what
/// proves that to the compiler.
final class Block: Sendable {
    /// The bytes of a block: large enough for one write without the page cache to pay, small enough to be lost in a crash.
    static let bytes = 1 << 20
    /// What memory and file offsets are aligned to for writes that go past the page cache.
    static let alignment = 4096
    /// How many are made at once: together they are as long as a large page.
    static let together = 2

    private let slab: Slab
    private let offset: Int
    private let isInUse = Mutex(())

    /// A block alone.
    convenience init() { self.init(Slab(bytes: Self.bytes), at: 0) }

    private init(_ slab: Slab, at offset: Int) { (self.slab, self.offset) = (slab, offset) }

    /// The blocks of one piece of memory.
    static func several() -> [Block] {
        let slab = Slab(bytes: together * bytes)
        return (0..<together).map { Block(slab, at: $0 * bytes) }
    }

    /// Lets its memory be used, by one at a time.
    func withBytes<Result: Sendable>(_ body: (UnsafeMutableRawBufferPointer) throws -> Result) rethrows -> Result {
        try isInUse.withLock { _ in
            try body(
                UnsafeMutableRawBufferPointer(
                    start: UnsafeMutableRawPointer(bitPattern: slab.address + UInt(offset)), count: Self.bytes))
        }
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Copies bytes to an offset, in pieces: for those of more than 2,112 bytes glibc before 2.39 uses an instruction that is
    /// several times slower on some processors when source and target lie at similar offsets in their pages
    /// (https://sourceware.org/bugzilla/show_bug.cgi?id=30994).
    func fill(from bytes: UnsafeRawBufferPointer, at offset: Int) {
        for start in stride(from: 0, to: bytes.count, by: 2048) {
            let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<Swift.min(bytes.count, start + 2048)])
            UnsafeMutableRawBufferPointer(rebasing: self[(offset + start)...]).copyMemory(from: piece)
        }
    }
}

/// Memory for blocks, usually two, which the kernel may back with one large page: a write past the page cache then pins one page instead of
/// hundreds, which is a tenth of what a fast download costs.
private final class Slab: Sendable {
    let address: UInt

    init(bytes: Int) {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: bytes)
        #if os(Linux)
            // Only advice (madvise(2)): without large pages it is memory like any other.
            _ = madvise(memory, bytes, CInt(MADV_HUGEPAGE))
        #endif
        address = UInt(bitPattern: memory)
    }

    deinit { UnsafeMutableRawPointer(bitPattern: address)?.deallocate() }
}

/// Blocks for all downloads of a process: the whole memory that file content ever takes, however many files there are.
///
/// Who needs a block waits until one is free. Blocks that only wait for their turn to be hashed, and are on disk already, are
/// given up when somebody needs them: they will be read back.
final class BlockPool: Sendable {
    /// Who keeps blocks that it could do without.
    protocol Keeper: AnyObject, Sendable {
        /// Gives up the block that would be used last; `nil` when there is none.
        func giveUp() -> Block?
    }

    private struct State {
        var free: [Block] = []
        var made = 0
        var waiting: [EventLoopPromise<Block>] = []
        var keepers: [ObjectIdentifier: any Keeper] = [:]
    }

    private let limit: Int
    private let state = Mutex(State())

    /// A pool of at most so many bytes; blocks are made when they are first needed.
    init(bytes: Int) { limit = max(2, bytes / Block.bytes / Block.together) * Block.together }

    /// How many blocks there may be.
    var capacity: Int { limit }

    /// A block, as soon as there is one.
    func take(on loop: any EventLoop) -> EventLoopFuture<Block> {
        if let block = takeNow() { return loop.makeSucceededFuture(block) }
        let promise = loop.makePromise(of: Block.self)
        state.withLock { $0.waiting.append(promise) }
        // One may have come free since.
        serve()
        return promise.futureResult
    }

    /// A block, if there is one now.
    func takeNow() -> Block? {
        let (block, keepers) = state.withLock { state -> (Block?, [any Keeper]) in
            if let block = state.free.popLast() { return (block, []) }
            if state.made < limit {
                let blocks = Block.several()
                state.made += blocks.count
                state.free += blocks.dropFirst()
                return (blocks.first, [])
            }
            return (nil, Array(state.keepers.values))
        }
        if let block { return block }
        for keeper in keepers {
            if let block = keeper.giveUp() { return block }
        }
        return nil
    }

    /// Takes a block back.
    func give(_ block: Block) {
        let promise: EventLoopPromise<Block>? = state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.free.append(block)
                return nil
            }
            return state.waiting.removeFirst()
        }
        promise?.succeed(block)
    }

    /// Serves those who wait from what keepers can do without; called when a keeper has more than before.
    func serve() {
        while state.withLock({ !$0.waiting.isEmpty }), let block = takeNow() { give(block) }
    }

    /// Lets a keeper's blocks be asked for.
    func register(_ keeper: any Keeper) { state.withLock { $0.keepers[ObjectIdentifier(keeper)] = keeper } }

    /// Forgets a keeper.
    func forget(_ keeper: any Keeper) { state.withLock { $0.keepers[ObjectIdentifier(keeper)] = nil } }
}
