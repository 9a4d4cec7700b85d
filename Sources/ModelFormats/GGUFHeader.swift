/// The header of a GGUF file, versions 2 and 3, little endian.
///
///     magic "GGUF" │ version: u32 │ tensors: u64 │ keys: u64
///     key: string │ type: u32 │ value                                       … once for each key
///     name: string │ n: u32 │ n sizes: u64 │ type: u32 │ offset: u64        … once for each tensor
///     padding up to a multiple of `general.alignment`
///     data, from which the offsets count
///
/// A string is its length as u64 and its bytes. Version 1, which counted in u32, and big-endian files, whose version reads
/// as another number, are not known. Source: <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>.
///
/// Sizes in bytes would need a table of the types of ggml, which grows. Instead a tensor ends where the next begins and the
/// last one at the end of the file, so that its padding belongs to it.
struct GGUFHeader {
    /// The bytes a file begins with.
    static let magic = Array("GGUF".utf8)
    /// The most bytes of a key: 2¹⁶ − 1 by the specification. Names of tensors, which are shorter, keep it too.
    private static let mostNameBytes: UInt64 = 65_535
    /// The most levels of arrays inside each other: a bound for the stack, as the specification names none.
    private static let deepest = 8

    private let file: ByteSource
    private var cursor: HeaderCursor
    /// What data and tensors are aligned to; 32 when the file does not say.
    private var alignment: UInt64 = 32

    /// Reads the header and checks it against the size of the file.
    ///
    /// - Throws: ``Inconsistency`` when this is no GGUF file of a known version; what reading throws.
    static func layout(of file: ByteSource) throws -> TensorLayout {
        var header = GGUFHeader(file)
        return try header.layout()
    }

    private init(_ file: ByteSource) {
        self.file = file
        cursor = HeaderCursor(file)
    }

    private mutating func layout() throws -> TensorLayout {
        guard try cursor.bytes(Self.magic.count) == Self.magic, [2, 3].contains(try cursor.number(UInt32.self)) else {
            throw Inconsistency()
        }
        let tensorCount = try cursor.number(UInt64.self)
        let keyCount = try cursor.number(UInt64.self)
        try readMetadata(count: keyCount)
        let tensors = try readTensors(count: tensorCount)
        // Without tensors, some writers leave out the padding too; then the header is the whole file.
        return try place(tensors, dataStart: aligned(cursor.position))
    }

    private mutating func readMetadata(count: UInt64) throws {
        var keys: Set<[UInt8]> = []
        // A key takes 8 bytes for its length, 4 for the type and at least 1 for the value.
        try check(count, leastBytes: 13)
        for _ in 0..<count {
            let key = try name()
            guard keys.insert(key).inserted else { throw Inconsistency() }
            let type = try valueType()
            if key.elementsEqual("general.alignment".utf8) {
                try readAlignment(type)
            } else {
                try skipValue(type, depth: Self.deepest)
            }
        }
    }

    /// Takes the alignment: a u32 of a multiple of 8 by the specification, which recommends to read a u64 as well.
    private mutating func readAlignment(_ type: ValueType) throws {
        switch type {
        case .uint32: alignment = UInt64(try cursor.number(UInt32.self))
        case .uint64: alignment = try cursor.number(UInt64.self)
        default: throw Inconsistency()
        }
        guard alignment > 0, alignment.isMultiple(of: 8) else { throw Inconsistency() }
    }

    private mutating func readTensors(count: UInt64) throws -> [Tensor] {
        var tensors: [Tensor] = []
        var names: Set<[UInt8]> = []
        // A tensor takes 8 bytes for the length of its name, 4 each for rank and type, and 8 for the offset.
        try check(count, leastBytes: 24)
        for _ in 0..<count {
            let name = try name()
            guard names.insert(name).inserted else { throw Inconsistency() }
            let rank = UInt64(try cursor.number(UInt32.self))
            try check(rank, leastBytes: 8)
            var isEmpty = false
            for _ in 0..<rank where try cursor.number(UInt64.self) == 0 { isEmpty = true }
            let type = try cursor.number(UInt32.self)
            tensors.append(
                Tensor(name: name, type: type, offset: try cursor.number(UInt64.self), isEmpty: isEmpty))
        }
        return tensors
    }

    /// Turns offsets in the data into offsets in the file.
    private func place(_ tensors: [Tensor], dataStart: UInt64) throws(Inconsistency) -> TensorLayout {
        let fileSize = UInt64(max(0, file.size))
        guard !tensors.isEmpty else {
            return TensorLayout(headerEnd: Int64(min(dataStart, fileSize)), edges: [])
        }
        guard dataStart <= fileSize else { throw Inconsistency() }
        for tensor in tensors {
            // What is not empty has at least one byte before the end of the file.
            guard tensor.offset.isMultiple(of: alignment), tensor.offset <= fileSize - dataStart,
                tensor.isEmpty || tensor.offset < fileSize - dataStart
            else { throw Inconsistency() }
        }
        let filled = tensors.lazy.filter { !$0.isEmpty }.map(\.offset).sorted()
        for (offset, next) in zip(filled, filled.dropFirst()) where offset == next { throw Inconsistency() }
        return TensorLayout(
            headerEnd: Int64(dataStart), edges: tensors.map { Int64(dataStart + $0.offset) },
            tensors: named(tensors, dataStart: dataStart, fileSize: fileSize))
    }

    /// The tensors with their ranges: each up to the next one.
    private func named(_ tensors: [Tensor], dataStart: UInt64, fileSize: UInt64) -> [NamedTensor] {
        let filled = tensors.filter { !$0.isEmpty }.sorted { $0.offset < $1.offset }
        return filled.indices.map { index in
            let end = index + 1 < filled.count ? dataStart + filled[index + 1].offset : fileSize
            // F32 is 0, F16 1 and BF16 30 in ggml.h; the bits of quantised blocks do not lie in planes.
            let elementBytes = [0: 4, 1: 2, 30: 2][filled[index].type] ?? 1
            return NamedTensor(
                name: filled[index].name, range: Int64(dataStart + filled[index].offset)..<Int64(end),
                elementBytes: elementBytes)
        }
    }

    /// The next multiple of the alignment.
    private func aligned(_ position: Int64) throws(Inconsistency) -> UInt64 {
        let position = UInt64(max(0, position))
        let (next, overflows) = position.addingReportingOverflow(alignment - 1)
        guard !overflows else { throw Inconsistency() }
        return next / alignment * alignment
    }
}

// What the parts of a header have in common.
extension GGUFHeader {
    /// What is kept of a tensor.
    private struct Tensor {
        let name: [UInt8]
        /// `ggml_type` of ggml.h.
        let type: UInt32
        /// Bytes from the beginning of the data.
        let offset: UInt64
        /// Whether one of its sizes is 0, so that it may share its offset with another.
        let isEmpty: Bool
    }

    /// The types of metadata values, `gguf_metadata_value_type` of the specification.
    private enum ValueType: UInt32 {
        case uint8, int8, uint16, int16, uint32, int32, float32, bool, string, array, uint64, int64, float64

        /// Bytes of a value; for those whose length varies, bytes of the shortest.
        var width: UInt64 {
            switch self {
            case .uint8, .int8, .bool: 1
            case .uint16, .int16: 2
            case .uint32, .int32, .float32: 4
            case .uint64, .int64, .float64, .string: 8
            case .array: 12
            }
        }
    }

    /// Refuses a count of things that cannot all be there, before anything is done for each of them.
    private func check(_ count: UInt64, leastBytes: UInt64) throws(Inconsistency) {
        guard count <= cursor.remaining / leastBytes, count <= UInt64(FileCuts.mostNames) else { throw Inconsistency() }
    }

    private mutating func name() throws -> [UInt8] {
        let length = try cursor.number(UInt64.self)
        guard length <= Self.mostNameBytes else { throw Inconsistency() }
        return try cursor.bytes(Int(length))
    }

    private mutating func valueType() throws -> ValueType {
        guard let type = ValueType(rawValue: try cursor.number(UInt32.self)) else { throw Inconsistency() }
        return type
    }

    private mutating func skipValue(_ type: ValueType, depth: Int) throws {
        switch type {
        case .string: try cursor.skip(try cursor.number(UInt64.self))
        case .array: try skipArray(depth: depth)
        default: try cursor.skip(1, width: type.width)
        }
    }

    private mutating func skipArray(depth: Int) throws {
        let type = try valueType()
        let count = try cursor.number(UInt64.self)
        guard depth > 0, count <= cursor.remaining / type.width else { throw Inconsistency() }
        switch type {
        case .string, .array: for _ in 0..<count { try skipValue(type, depth: depth - 1) }
        default: try cursor.skip(count, width: type.width)
        }
    }
}
