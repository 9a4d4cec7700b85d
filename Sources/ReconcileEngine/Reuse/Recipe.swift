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
    /// - Throws: `CancellationError`; ``Fault`` when the disk failed. A recipe that does not fit is no error: what it did not make
    ///   is missing still, and whether the rest is right, the hash will tell.
    func run(_ ingredient: FilePath) async throws {
        // It waits for the disk, and keeps a core busy for long.
        try await DownloadThreads.cancellable(on: .singleton) { try cook(ingredient, $0) }
    }

    private func cook(_ ingredient: FilePath, _ isCancelled: CancellationFlag) throws {
        guard let source = ReadableFile(ingredient) else { return }
        assembly.claimAllLocally()
        let output = Output(assembly)
        do {
            switch recipe.method {
            case .zstd: try inflate(source, output, isCancelled)
            case .patch(let path, let oldSize):
                guard let old = ReadableFile(path), old.size == oldSize else { return }
                try patch(old, source, output, isCancelled)
            }
        } catch is PatchFault {
            // Told above.
        }
        try output.finish()
    }

    private func inflate(_ source: ReadableFile, _ output: Output, _ isCancelled: CancellationFlag) throws {
        var decoder = try ZstdDecoder(limit: assembly.size, windowLog: 23)
        var position: Int64 = 0
        while let bytes = try piece(of: source, at: position, isCancelled) {
            try bytes.withUnsafeBytes { try decoder.feed($0) { try output.take($0) } }
            position += Int64(bytes.count)
        }
        try decoder.finish()
    }

    private func patch(
        _ old: ReadableFile, _ source: ReadableFile, _ output: Output, _ isCancelled: CancellationFlag
    ) throws {
        var reader = try PatchReader(oldSize: old.size, newSize: assembly.size)
        var position: Int64 = 0
        while let bytes = try piece(of: source, at: position, isCancelled) {
            try bytes.withUnsafeBytes { piece in
                try reader.feed(piece) { offset, buffer in
                    guard old.read(into: buffer, at: offset) else { throw PatchFault.io(detail: "it is shorter") }
                } output: {
                    try output.take($0)
                }
            }
            position += Int64(bytes.count)
        }
    }

    /// The next bytes of what was fetched; `nil` at its end.
    private func piece(
        of source: ReadableFile, at position: Int64, _ isCancelled: CancellationFlag
    ) throws -> [UInt8]? {
        try isCancelled.check()
        if let fault = assembly.fault { throw fault }
        guard position < source.size else { return nil }
        guard let bytes = source.bytes(position..<min(source.size, position + (128 << 10))) else {
            throw PatchFault.io(detail: "it cannot be read")
        }
        return bytes
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
        }

        deinit { if let block { assembly.pool.give(block) } }

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

        func finish() throws { for future in outstanding { _ = try future.wait() } }
    }
}
