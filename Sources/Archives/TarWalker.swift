/// Walks through a tar that lies in a file, from header to header, without reading content.
///
/// It says which bytes it wants, is given them, and says which file they are the header of:
///
///     var walker = TarWalker()
///     while let wanted = walker.wanted {
///         if let member = try walker.take(bytes(wanted)) { … }
///     }
///
/// The rules are those of ``TarReader``, except for what is not looked at: padding, and what follows the first block of
/// the end. A file that is cut off is noticed by its next header, which is not there.
package struct TarWalker {
    private let limits: ArchiveLimits
    private var parser: MemberParser
    /// How much of what is wanted is content of an extended header; `nil` when it is a header.
    private var extensionBytes: Int?

    /// Which bytes of the tar come next, by their offsets; `nil` at the end of the archive, or after a fault.
    package private(set) var wanted: Range<Int64>?

    /// Begins at the first header.
    package init(limits: ArchiveLimits = ArchiveLimits()) {
        self.limits = limits
        parser = MemberParser(limits: limits)
        wanted = 0..<Int64(TarFormat.blockBytes)
    }

    /// Takes the bytes that were wanted; fewer only where the file ends.
    ///
    /// - Returns: The file whose header they are, if they are one's.
    /// - Throws: ``ArchiveFault`` when they break a rule or a limit.
    package mutating func take(_ bytes: [UInt8]) throws(ArchiveFault) -> TarMember? {
        guard let range = wanted else { throw .damaged(.failedBefore, offset: 0) }
        wanted = nil
        guard range.upperBound <= limits.unpackedBytes else { throw .exceeded(.unpackedBytes(limits.unpackedBytes)) }
        guard bytes.count == range.upperBound - range.lowerBound else {
            throw .damaged(.endsEarly, offset: range.lowerBound)
        }
        if let extensionBytes {
            try parser.takeExtension(Array(bytes.prefix(extensionBytes)))
            want(TarFormat.blockBytes, at: range.upperBound)
            return nil
        }
        return try takeHeader(bytes, range)
    }

    /// Goes on after a header.
    private mutating func takeHeader(_ block: [UInt8], _ range: Range<Int64>) throws(ArchiveFault) -> TarMember? {
        switch try parser.takeHeader(block, at: range.lowerBound) {
        case .needsExtension(let count):
            want(count + TarFormat.paddingBytes(after: Int64(count)), at: range.upperBound, content: count)
        case .file(let member):
            want(TarFormat.blockBytes, at: member.nextOffset)
            return member
        case .passed:
            want(TarFormat.blockBytes, at: range.upperBound)
        case .end:
            break
        }
        return nil
    }

    /// Says what to read next.
    private mutating func want(_ count: Int, at offset: Int64, content: Int? = nil) {
        wanted = offset..<offset + Int64(count)
        extensionBytes = content
    }
}
