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
            headerEnd: headerEnd, edges: spans.flatMap { [headerEnd + $0.lowerBound, headerEnd + $0.upperBound] })
    }

    /// The ranges of all tensors in the data, ascending and without overlap.
    private static func tensors(in text: [UInt8], dataBytes: Int64) throws(Inconsistency) -> [Range<Int64>] {
        var spans: [Range<Int64>] = []
        var scanner = JSONScanner(text)
        try scanner.object(atMost: FileCuts.mostNames) { (scanner, name) throws(Inconsistency) in
            if name.elementsEqual("__metadata__".utf8) {
                try scanner.skipValue()
            } else {
                spans.append(try tensor(&scanner, dataBytes: dataBytes))
            }
        }
        try scanner.end()
        // Empty tensors come before the one that begins at the same place.
        spans.sort { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
        for (span, next) in zip(spans, spans.dropFirst()) where next.lowerBound < span.upperBound {
            throw Inconsistency()
        }
        return spans
    }

    /// The range of one tensor, from the object that describes it.
    private static func tensor(
        _ scanner: inout JSONScanner, dataBytes: Int64
    ) throws(Inconsistency) -> Range<Int64> {
        var span: Range<Int64>?
        try scanner.object(atMost: FileCuts.mostNames) { (scanner, key) throws(Inconsistency) in
            guard key.elementsEqual("data_offsets".utf8) else { return try scanner.skipValue() }
            let (begin, end) = try scanner.pair()
            guard begin <= end, end <= dataBytes else { throw Inconsistency() }
            span = begin..<end
        }
        guard let span else { throw Inconsistency() }
        return span
    }
}
