/// The header of a safetensors file.
///
///     ┌──────────────┬──────────────────────────────────────────────────┬──────┐
///     │ N: u64, LE   │ N bytes of JSON, begins with `{`, may end in     │ data │
///     │              │ spaces: {"name": {"data_offsets": [b, e], …}, …} │      │
///     └──────────────┴──────────────────────────────────────────────────┴──────┘
///
/// Offsets count from the beginning of the data. Only they are looked at: types and shapes do not say where to cut. Holes
/// between tensors, which the format forbids, are harmless here and become segments of their own; tensors that overlap are
/// not. Source: <https://github.com/huggingface/safetensors#format>.
enum SafetensorsHeader {
    /// The most bytes the JSON text may have: the limit of the reference implementation, `MAX_HEADER_SIZE`.
    static let mostBytes: UInt64 = 100_000_000
    /// Bytes of the length that precedes the JSON text.
    private static let lengthBytes = 8

    /// Reads the header and checks it against the size of the file.
    ///
    /// - Throws: ``Inconsistency`` when this is no safetensors file; what reading throws.
    static func layout(of file: ByteSource) throws -> TensorLayout {
        let start = try file.bytes(at: 0, count: lengthBytes + 1)
        let length = start.prefix(lengthBytes).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        // The first character is looked at before anything large is read, because any file comes this far.
        guard length <= mostBytes, start.last == UInt8(ascii: "{") else { throw Inconsistency() }
        let headerEnd = Int64(length) + Int64(lengthBytes)
        let text = try file.bytes(at: Int64(lengthBytes), count: Int(length))
        let spans = try tensors(in: text, dataBytes: file.size - headerEnd)
        return TensorLayout(
            headerEnd: headerEnd,
            edges: spans.flatMap { [headerEnd + $0.range.lowerBound, headerEnd + $0.range.upperBound] },
            tensors: spans.map { tensor in
                NamedTensor(
                    name: tensor.name,
                    range: headerEnd + tensor.range.lowerBound..<headerEnd + tensor.range.upperBound,
                    elementBytes: tensor.elementBytes)
            })
    }

    /// The ranges of all tensors in the data, ascending and without overlap.
    private static func tensors(in text: [UInt8], dataBytes: Int64) throws(Inconsistency) -> [NamedTensor] {
        var spans: [NamedTensor] = []
        var scanner = JSONScanner(text)
        try scanner.object(atMost: FileCuts.mostNames) { (scanner, name) throws(Inconsistency) in
            if name.elementsEqual("__metadata__".utf8) {
                try scanner.skipValue()
            } else {
                spans.append(try tensor(&scanner, name, dataBytes: dataBytes))
            }
        }
        try scanner.end()
        // Empty tensors come before the one that begins at the same place.
        spans.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
        for (span, next) in zip(spans, spans.dropFirst()) where next.range.lowerBound < span.range.upperBound {
            throw Inconsistency()
        }
        return spans
    }

    /// The range of one tensor, from the object that describes it.
    private static func tensor(
        _ scanner: inout JSONScanner, _ name: [UInt8], dataBytes: Int64
    ) throws(Inconsistency) -> NamedTensor {
        var span: Range<Int64>?
        var elementBytes = 1
        try scanner.object(atMost: FileCuts.mostNames) { (scanner, key) throws(Inconsistency) in
            if key.elementsEqual("dtype".utf8), let type = try scanner.textOrSkip() {
                elementBytes = Self.elementBytes(type)
            } else if key.elementsEqual("data_offsets".utf8) {
                let (begin, end) = try scanner.pair()
                guard begin <= end, end <= dataBytes else { throw Inconsistency() }
                span = begin..<end
            } else if !key.elementsEqual("dtype".utf8) {
                try scanner.skipValue()
            }
        }
        guard let span else { throw Inconsistency() }
        return NamedTensor(name: name, range: span, elementBytes: elementBytes)
    }

    /// Bytes of an element of a type whose exponents and mantissas lie apart.
    private static func elementBytes(_ type: [UInt8]) -> Int {
        switch String(decoding: type, as: UTF8.self) {
        case "BF16", "F16", "I16", "U16": 2
        case "F32", "I32", "U32", "F64", "I64", "U64": 4
        default: 1
        }
    }
}
