#if canImport(Darwin)
    private import Darwin
#elseif canImport(Glibc)
    private import Glibc
#elseif canImport(Musl)
    private import Musl
#endif

/// A block of memory with one owner, of a fixed size, freed with it.
///
/// It starts as zeros, so that whatever a damaged patch asks for, nobody's old memory can end up in an output.
struct Scratch: ~Copyable {
    /// The block; valid for as long as the scratch lives.
    let bytes: UnsafeMutableRawBufferPointer

    /// Takes `count` bytes of memory.
    init(count: Int) {
        bytes = .allocate(byteCount: max(count, 1), alignment: 64)
        bytes.clear()
    }

    deinit {
        bytes.deallocate()
    }
}

extension UnsafeMutableRawBufferPointer {
    /// Sets every byte to zero.
    func clear() {
        if let baseAddress { memset(baseAddress, 0, count) }
    }

    /// Up to `length` bytes from `start` on; fewer, or none, where this buffer ends.
    func part(_ start: Int, _ length: Int) -> UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: dropFirst(Swift.max(start, 0)).prefix(Swift.max(length, 0)))
    }
}

extension UnsafeRawBufferPointer {
    /// Up to `length` bytes from `start` on; fewer, or none, where this buffer ends.
    func part(_ start: Int, _ length: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: dropFirst(Swift.max(start, 0)).prefix(Swift.max(length, 0)))
    }

    /// Whether both buffers hold the same bytes.
    func holdsSame(as other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        guard let baseAddress, let otherAddress = other.baseAddress else { return true }
        return memcmp(baseAddress, otherAddress, count) == 0
    }
}
