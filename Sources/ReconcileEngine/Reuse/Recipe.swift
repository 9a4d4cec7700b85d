import NIOCore
import NIOPosix
import Patches
import ReconcileCore
import Synchronization
import SystemPackage

/// Another way to a file: something smaller that is fetched instead, and what makes the file of it.
struct Recipe: Sendable, Hashable {
    /// What makes the file.
    enum Method: Sendable, Hashable {
        /// A patch, applied to a file that is here.
        case patch(old: FilePath, oldSize: Int64)
        /// Decompression.
        case zstd
    }

    let method: Method
    /// The digest of what is fetched.
    let sha256: Digest
    /// Its length in bytes.
    let size: Int64
}

/// Makes a file of what a recipe fetched. The result is hashed as if it had come over the network.
struct RecipeCook: Sendable {
    let recipe: Recipe
    let assembly: Assembly

    /// Blocks that may wait for the disk or the hash.
    private static let outstandingLimit = 4

    /// Makes the file.
    ///
    /// - Parameter ingredient: What was fetched, verified.
    /// - Returns: Whether all of the file was made; whether it is the right one, its hash will tell.
    /// - Throws: `CancellationError`; ``Fault`` when the disk failed.
    @concurrent
    func run(_ ingredient: FilePath) async throws -> Bool {
        guard let source = ReadableFile(ingredient) else { return false }
        let output = Output(assembly)
        do {
            switch recipe.method {
            case .zstd:
                var decoder = try ZstdDecoder(limit: assembly.size, windowLog: 23)
                try await feed(source, output) { bytes in
                    try decoder.feed(bytes) { try output.take($0) }
                }
                try decoder.finish()
            case .patch(let path, let oldSize):
                guard let old = ReadableFile(path), old.size == oldSize else { return false }
                var reader = try PatchReader(oldSize: oldSize, newSize: assembly.size)
                try await feed(source, output) { bytes in
                    try reader.feed(bytes) { offset, buffer in
                        guard old.read(into: buffer, at: offset) else { throw PatchFault.io(detail: "it is shorter") }
                    } output: {
                        try output.take($0)
                    }
                }
                guard reader.isComplete else { return false }
            }
        } catch is PatchFault {
            return false
        }
        try await output.finish()
        return assembly.hasAll
    }

    private func feed(
        _ source: ReadableFile, _ output: Output, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) async throws {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 128 << 10, alignment: 4096)
        defer { memory.deallocate() }
        var position: Int64 = 0
        while position < source.size {
            try Task.checkCancellation()
            let bytes = UnsafeMutableRawBufferPointer(
                rebasing: memory[..<Int(min(Int64(memory.count), source.size - position))])
            guard source.read(into: bytes, at: position) else { throw PatchFault.io(detail: "it cannot be read") }
            try body(UnsafeRawBufferPointer(bytes))
            position += Int64(bytes.count)
            if let fault = assembly.fault { throw fault }
        }
    }

    /// Puts what is made into blocks, in order; blocks its thread while memory or the disk are behind.
    private final class Output {
        private let assembly: Assembly
        private let loop: any EventLoop
        private var block: Block?
        private var start: Int64 = 0
        private var position: Int64 = 0
        private var end: Int64 = 0
        private var outstanding: [EventLoopFuture<Assembly.Verdict>] = []

        init(_ assembly: Assembly) {
            self.assembly = assembly
            loop = MultiThreadedEventLoopGroup.singleton.any()
            _ = assembly.claimLocally(0..<assembly.size)
        }

        deinit {
            if let block { assembly.pool.give(block) }
            if position < assembly.size { assembly.lose(start..<assembly.size) }
        }

        func take(_ bytes: UnsafeRawBufferPointer) throws {
            var rest = bytes
            while !rest.isEmpty {
                guard position < assembly.size else { throw PatchFault.tooLarge }
                if block == nil { try open() }
                guard let block else { return }
                let count = Int(min(Int64(rest.count), end - position))
                let lead = Int(start % Int64(Block.alignment)) + Int(position - start)
                block.withBytes { memory in
                    UnsafeMutableRawBufferPointer(rebasing: memory[lead...]).copyMemory(
                        from: UnsafeRawBufferPointer(rebasing: rest[..<count]))
                }
                position += Int64(count)
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
                if position == end { try close() }
            }
        }

        private func open() throws {
            block = try assembly.pool.take(on: loop).wait()
            start = position
            end = assembly.blockEnd(from: start, limit: assembly.size)
        }

        private func close() throws {
            guard let block else { return }
            self.block = nil
            outstanding.append(assembly.absorb(block, start..<position, isRemote: false, on: loop))
            start = position
            if outstanding.count >= RecipeCook.outstandingLimit { _ = try outstanding.removeFirst().wait() }
        }

        func finish() async throws {
            try closeLast()
            for future in outstanding { _ = try await future.get() }
        }

        private func closeLast() throws { if position > start { try close() } }
    }
}
