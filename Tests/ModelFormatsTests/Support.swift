import ModelFormats
import Testing

/// Whether the tests are built for release. Without that, code is slow whatever its algorithm is.
var isOptimised: Bool {
    #if DEBUG
        false
    #else
        true
    #endif
}

/// A number as the bytes of a little-endian file.
func little(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
}

/// The boundaries of a file that is in memory.
///
/// Reads that a file of this size cannot answer are recorded as issues: no header may make us ask for them.
func boundaries(_ file: [UInt8], size: Int? = nil) throws -> [Int64]? {
    let size = Int64(size ?? file.count)
    return try FileCuts.tensorBoundaries(fileSize: size) { offset, count in
        guard offset >= 0, count >= 0, Int64(count) <= size - offset else {
            Issue.record("read \(count) bytes at \(offset) of \(size)")
            return []
        }
        return Array(file.dropFirst(Int(offset)).prefix(count))
    }
}

/// Whether the answer for any file at all keeps the law: `nil`, or ascending offsets inside the file.
func isLawful(_ boundaries: [Int64]?, size: Int) -> Bool {
    guard let boundaries else { return true }
    let isAscending = zip(boundaries, boundaries.dropFirst()).allSatisfy { $0 < $1 }
    return isAscending && boundaries.allSatisfy { $0 > 0 && $0 < size }
}

/// A safetensors file with this header, and data of zeros.
func safetensors(_ header: String, dataBytes: Int = 0, length: UInt64? = nil) -> [UInt8] {
    little(length ?? UInt64(header.utf8.count)) + Array(header.utf8) + [UInt8](repeating: 0, count: dataBytes)
}

/// A header of tensors named `0`, `1`, … with these ranges.
func header(_ spans: [Range<Int>]) -> String {
    let tensors = spans.enumerated().map { index, span in
        let offsets = "\(span.lowerBound),\(span.upperBound)"
        return #""\#(index)":{"dtype":"U8","shape":[\#(span.count)],"data_offsets":[\#(offsets)]}"#
    }
    return "{\(tensors.joined(separator: ","))}"
}

/// A GGUF file that is put together by hand.
struct GGUF {
    var version: UInt32 = 3
    var tensorCount: UInt64?
    var keyCount: UInt64?
    var metadata: [[UInt8]] = []
    var tensors: [[UInt8]] = []
    var alignment = 32
    var dataBytes = 0

    static func string(_ text: String) -> [UInt8] { little(UInt64(text.utf8.count)) + Array(text.utf8) }

    static func key(_ name: String, type: UInt32, _ value: [UInt8]) -> [UInt8] { string(name) + little(type) + value }

    static func array(type: UInt32, count: UInt64, _ elements: [UInt8]) -> [UInt8] {
        little(type) + little(count) + elements
    }

    static func tensor(_ name: String, sizes: [UInt64] = [8, 4], at offset: UInt64) -> [UInt8] {
        string(name) + little(UInt32(sizes.count)) + sizes.flatMap { little($0) } + little(UInt32(0)) + little(offset)
    }

    /// Everything before the padding.
    var header: [UInt8] {
        Array("GGUF".utf8) + little(version) + little(tensorCount ?? UInt64(tensors.count))
            + little(keyCount ?? UInt64(metadata.count)) + metadata.joined() + tensors.joined()
    }

    /// Where the data begins.
    var dataStart: Int { (header.count + alignment - 1) / alignment * alignment }

    var bytes: [UInt8] {
        header + [UInt8](repeating: 0, count: dataStart - header.count + dataBytes)
    }

    /// Metadata of every type, an array of each kind, and three tensors that are not in the order of their data.
    static var sample: GGUF {
        let widths: KeyValuePairs<UInt32, Int> = [0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8]
        var file = GGUF(dataBytes: 224)
        file.metadata = widths.map { key("k\($0)", type: $0, [UInt8](repeating: 1, count: $1)) }
        file.metadata += [
            key("general.architecture", type: 8, string("llama")),
            key("words", type: 9, array(type: 8, count: 3, string("a") + string("") + string("ccc"))),
            key("scores", type: 9, array(type: 6, count: 5, [UInt8](repeating: 0, count: 20))),
            key("nested", type: 9, array(type: 9, count: 1, array(type: 2, count: 2, [1, 0, 2, 0]))),
        ]
        file.tensors = [tensor("b", at: 64), tensor("c", at: 192), tensor("a", at: 0)]
        return file
    }
}
