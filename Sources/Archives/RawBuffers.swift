extension UnsafeRawBufferPointer {
    /// Up to `length` bytes from `start` on; fewer, or none, where this buffer ends.
    func part(_ start: Int, _ length: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: dropFirst(Swift.max(start, 0)).prefix(Swift.max(length, 0)))
    }
}
