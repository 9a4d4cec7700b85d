/// Where the files of a tar are, for reading them at their offsets.
package struct TarIndex: Sendable {
    /// Fills the buffer with the bytes of the tar from an offset on.
    ///
    /// It returns how many bytes there were; fewer than the buffer has room for only at the end of the tar.
    package typealias Read = (_ offset: Int64, _ buffer: UnsafeMutableRawBufferPointer) throws -> Int

    /// The files, in the archive's order.
    package let members: [TarMember]
    private let byPath: [String: TarMember]

    /// Looks at the headers of a tar.
    ///
    /// - Throws: ``ArchiveFault`` when they break a rule or a limit; what `read` throws.
    package init(limits: ArchiveLimits = ArchiveLimits(), read: Read) throws {
        var members: [TarMember] = []
        var walker = TarWalker(limits: limits)
        while let wanted = walker.wanted {
            if let member = try walker.take(Self.bytes(wanted, read)) { members.append(member) }
        }
        self.members = members
        byPath = Dictionary(members.map { ($0.path, $0) }) { first, _ in first }
    }

    /// The file with that path.
    package subscript(path path: String) -> TarMember? { byPath[path] }

    /// The bytes in a range, as far as there are any.
    private static func bytes(_ range: Range<Int64>, _ read: Read) throws -> [UInt8] {
        // The walker wants no more than the limits allow for one header.
        let count = Int(clamping: range.upperBound - range.lowerBound)
        return try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let space = UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer).prefix(count))
            space.initializeMemory(as: UInt8.self, repeating: 0)
            filled = min(max(try read(range.lowerBound, space), 0), count)
        }
    }
}
