import ModelFormats
import Patches
import ReconcileCore
import SystemPackage

/// Makes what publishers may offer beside a file: patches from other versions, and the file compressed.
enum PatchMaker {
    /// A patch is offered when it has at most this share of the file.
    static let largestPatchShare = 0.5
    /// A compressed file is offered when it has at most this share of the file.
    static let largestCompressedShare = 0.9

    /// Writes a patch from one file to another.
    ///
    /// - Parameter output: Takes the bytes of the patch; what it took counts for nothing when there is none.
    /// - Returns: Its size; `nil` when it would not pay.
    /// - Throws: ``Fault`` of kind `system`, and what `output` throws.
    @concurrent
    static func patch(
        from old: FilePath, to new: FilePath, output: @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) async throws -> Int64? {
        guard let old = ReadableFile(old), let new = ReadableFile(new) else { return nil }
        let plan = PatchPlan(oldSize: old.size, newSize: new.size, pairs: try pairs(old, new))
        guard plan.segments.contains(where: { if case .xor = $0 { true } else { false } }) else { return nil }
        return try PatchWriter.write(
            plan, readOld: { try fill($1, from: old, at: $0) }, readNew: { try fill($1, from: new, at: $0) },
            output: output, stopAbove: Int64(Double(new.size) * largestPatchShare))
    }

    private static func fill(_ bytes: UnsafeMutableRawBufferPointer, from file: ReadableFile, at offset: Int64) throws {
        try Task.checkCancellation()
        guard file.read(into: bytes, at: offset) else {
            throw PatchFault.io(detail: "a file became shorter")
        }
    }

    /// Tensors of the same name and size.
    private static func pairs(_ old: ReadableFile, _ new: ReadableFile) throws -> [PatchPlan.Pair] {
        func tensors(_ file: ReadableFile) throws -> [NamedTensor] {
            try FileCuts.tensors(fileSize: file.size) { offset, count in
                file.bytes(offset..<min(file.size, offset + Int64(count))) ?? []
            } ?? []
        }
        let known = Dictionary(try tensors(old).map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        return try tensors(new).compactMap { tensor in
            guard let other = known[tensor.name], other.range.count == tensor.range.count else { return nil }
            return (tensor.range.lowerBound, other.range.lowerBound, Int64(tensor.range.count), tensor.elementBytes)
        }
    }

    /// Compresses a file.
    ///
    /// - Returns: The size of the result; `nil` when it would not pay.
    /// - Throws: ``Fault`` of kind `system`, and what `output` throws.
    @concurrent
    static func compressed(
        _ path: FilePath, output: @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) async throws -> Int64? {
        guard let file = ReadableFile(path) else { return nil }
        let limit = Int64(Double(file.size) * largestCompressedShare)
        var encoder = try ZstdEncoder()
        var size: Int64 = 0
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: Hashing.bufferBytes, alignment: 4096)
        defer { memory.deallocate() }
        var position: Int64 = 0
        while position < file.size, size <= limit {
            let bytes = UnsafeMutableRawBufferPointer(
                rebasing: memory[..<Int(min(Int64(memory.count), file.size - position))])
            try fill(bytes, from: file, at: position)
            try encoder.feed(UnsafeRawBufferPointer(bytes)) { piece in
                size += Int64(piece.count)
                try output(piece)
            }
            position += Int64(bytes.count)
            try Task.checkCancellation()
        }
        try encoder.finish { piece in
            size += Int64(piece.count)
            try output(piece)
        }
        return size <= limit ? size : nil
    }
}
