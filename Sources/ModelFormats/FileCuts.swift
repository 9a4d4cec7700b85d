/// Where the tensors of a model file lie, so that two releases can be compared tensor by tensor.
///
/// The format is recognised by content, never by name. What is found is a hint where to cut a file, not a judgement of it:
/// a file that no program could load may still be cut well, and one that is not understood is cut in another way.
package enum FileCuts {
    /// The most tensors, or metadata keys, a file may name: far more than models have, but a bound for the memory that a
    /// hostile header can ask for.
    static let mostNames = 1_000_000

    /// The offsets at which a tensor begins or ends, and the end of the header.
    ///
    /// Safetensors and little-endian GGUF of the versions 2 and 3 are known.
    ///
    /// - Parameters:
    ///   - fileSize: Bytes in the file.
    ///   - read: Gives `count` bytes from `offset` on; fewer only at the end of the file.
    /// - Returns: Offsets in ascending order, each once, each above 0 and below `fileSize`; none of them for a file whose
    ///   header is all there is. `nil` when the file is of another format, or when anything in its header is inconsistent.
    /// - Throws: What `read` throws, and nothing else.
    package static func tensorBoundaries(
        fileSize: Int64, read: (_ offset: Int64, _ count: Int) throws -> [UInt8]
    ) throws -> [Int64]? {
        try withoutActuallyEscaping(read) { read in
            do {
                return try layout(of: ByteSource(size: fileSize, read: read)).boundaries(below: fileSize)
            } catch is Inconsistency {
                return nil
            }
        }
    }

    /// The tensors of a file with their names, for comparing two versions of it tensor by tensor.
    ///
    /// - Parameters: As of ``tensorBoundaries(fileSize:read:)``.
    /// - Returns: In any order; `nil` when the file is of no known format.
    /// - Throws: What `read` throws, and nothing else.
    package static func tensors(
        fileSize: Int64, read: (_ offset: Int64, _ count: Int) throws -> [UInt8]
    ) throws -> [NamedTensor]? {
        try withoutActuallyEscaping(read) { read in
            do {
                return try layout(of: ByteSource(size: fileSize, read: read)).tensors
            } catch is Inconsistency {
                return nil
            }
        }
    }

    private static func layout(of file: ByteSource) throws -> TensorLayout {
        if try file.bytes(at: 0, count: GGUFHeader.magic.count) == GGUFHeader.magic {
            try GGUFHeader.layout(of: file)
        } else {
            try SafetensorsHeader.layout(of: file)
        }
    }
}

/// A tensor of a file.
package struct NamedTensor: Hashable, Sendable {
    /// The bytes of its name.
    package let name: [UInt8]
    /// Where its bytes are in the file; of GGUF with the padding up to the next one.
    package let range: Range<Int64>
    /// The bytes of an element whose bytes are worth telling apart: 4, 2, or 1 for everything else.
    package let elementBytes: Int
}

/// Says that a file is not of the format it was read as. No detail, because the caller only falls back to other cuts.
struct Inconsistency: Error {}

/// What a header tells: where it ends, and where tensors begin or end.
struct TensorLayout {
    /// The offset in the file at which the header, padding included, is over.
    let headerEnd: Int64
    /// Offsets in the file at which tensors begin or end, in any order and any number of times.
    let edges: [Int64]
    /// The tensors themselves.
    var tensors: [NamedTensor] = []

    /// All offsets that lie inside a file of `fileSize` bytes, in ascending order, each once.
    func boundaries(below fileSize: Int64) -> [Int64] {
        var result: [Int64] = []
        for offset in (edges + [headerEnd]).sorted() where offset > 0 && offset < fileSize && offset != result.last {
            result.append(offset)
        }
        return result
    }
}
