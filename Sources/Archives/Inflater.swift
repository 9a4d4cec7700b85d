/// Decompresses a stream into memory of the reader's choice, no more at a time than there is room for.
protocol Inflater: AnyObject {
    /// Whether the stream may end here: a member or frame has been handed out, and nothing of another one has been
    /// read.
    var isAtBoundary: Bool { get }

    /// Decompresses into `space` what `input` allows, and takes off `input` what was read of it.
    ///
    /// - Returns: How many bytes were written. When they are fewer than there was room for, nothing is held back.
    /// - Throws: `undecodable` when the bytes break a rule; `exceeded` when too much memory is wanted; `noMemory`.
    func read(
        _ input: inout UnsafeRawBufferPointer, into space: UnsafeMutableRawBufferPointer
    ) throws(ArchiveFault) -> Int
}
