/// Makes members of headers: blocks in, members and requests out. Reads nothing itself and sees no content.
///
/// All rules for what may be in an archive are here and in ``MemberPath``; ``TarReader`` and ``TarWalker`` only bring
/// the blocks, the one from a stream and the other from a file.
struct MemberParser {
    /// What comes after a header.
    enum Step {
        /// The content of an extended header, so many bytes and their padding, which ``takeExtension(_:)`` wants.
        case needsExtension(Int)
        /// The content of a file.
        case file(TarMember)
        /// The next header: this one was of a directory.
        case passed
        /// The end of the archive.
        case end
    }

    /// What extended headers say of the next member.
    private struct Announced {
        var pax: PaxRecords?
        var longName: [UInt8]?
        var hasLongLink = false
        var isEmpty: Bool { pax == nil && longName == nil && !hasLongLink }
    }

    private let limits: ArchiveLimits
    private var announced = Announced()
    /// What the content that was asked for is of.
    private var extensionKind = TarHeader.Kind.pax
    /// Where the block being read begins.
    private var offset: Int64 = 0
    private var memberCount = 0
    private var seenPaths: Set<String> = []

    /// Expects the first header.
    init(limits: ArchiveLimits) {
        self.limits = limits
    }

    /// Takes the block at an offset of the tar, where a header should be.
    mutating func takeHeader(_ block: [UInt8], at offset: Int64) throws(ArchiveFault) -> Step {
        self.offset = offset
        guard let header = try located({ () throws(Flaw) in try TarHeader(block) }) else {
            guard announced.isEmpty else { throw .damaged(.headerWithoutMember, offset: offset) }
            return .end
        }
        switch header.kind {
        case .pax, .globalPax, .longName, .longLink: return try requestExtension(header)
        case .file, .directory, .refused: return try takeMember(header)
        }
    }

    /// Takes the content that was asked for, without its padding.
    mutating func takeExtension(_ content: [UInt8]) throws(ArchiveFault) {
        switch extensionKind {
        case .pax: announced.pax = try located { () throws(Flaw) in try PaxRecords(content) }
        case .globalPax: try takeGlobal(located { () throws(Flaw) in try PaxRecords(content) })
        case .longName: announced.longName = Array(content.prefix { $0 != 0 })
        // Links are refused, so that nobody needs the target.
        case .longLink, .file, .directory, .refused: announced.hasLongLink = true
        }
    }

    /// Says where in the archive a rule is broken.
    private func located<Result>(_ body: () throws(Flaw) -> Result) throws(ArchiveFault) -> Result {
        do {
            return try body()
        } catch {
            throw .damaged(error.damage, offset: offset)
        }
    }
}

extension MemberParser {
    /// Asks for the content of an extended header, if this is where it may be.
    private mutating func requestExtension(_ header: TarHeader) throws(ArchiveFault) -> Step {
        let isAllowed =
            switch header.kind {
            case .pax: announced.pax == nil
            case .longName: announced.longName == nil
            case .longLink: !announced.hasLongLink
            case .globalPax, .file, .directory, .refused: announced.isEmpty
            }
        guard isAllowed else { throw .damaged(.ambiguousMember, offset: offset) }
        if header.kind == .globalPax { try count() }
        guard header.size <= Int64(limits.extendedHeaderBytes) else {
            throw .exceeded(.extendedHeaderBytes(limits.extendedHeaderBytes))
        }
        extensionKind = header.kind
        return .needsExtension(Int(header.size))
    }

    /// Passes over what a global header says, such as the commit an archive was made of.
    private func takeGlobal(_ records: PaxRecords) throws(ArchiveFault) {
        guard !records.describesMember else { throw .damaged(.globalOverride, offset: offset) }
    }

    /// Takes the header of a member, with what was announced for it.
    private mutating func takeMember(_ header: TarHeader) throws(ArchiveFault) -> Step {
        try count()
        let rawPath = try path(of: header)
        try checkKind(header, rawPath)
        let size = announced.pax?.size ?? header.size
        announced = Announced()
        let (path, hasSlash) = try MemberPath.normalised(rawPath, mostBytes: limits.pathBytes)
        if header.kind == .directory || hasSlash {
            guard size == 0 else { throw .damaged(.directoryWithContent, offset: offset) }
            return .passed
        }
        guard !path.isEmpty else { throw .refused(path: MemberPath.shown(rawPath), .emptyComponent) }
        let member = try placed(path, size)
        guard seenPaths.insert(path).inserted else { throw .refused(path: path, .duplicatePath) }
        return .file(member)
    }

    /// The member's path as the archive has it.
    private func path(of header: TarHeader) throws(ArchiveFault) -> [UInt8] {
        switch (announced.pax?.path, announced.longName) {
        case (nil, nil): return header.path
        case (let path?, nil), (nil, let path?): return path
        case (_?, _?): throw .damaged(.ambiguousMember, offset: offset)
        }
    }

    /// Refuses what is no plain file or directory.
    private func checkKind(_ header: TarHeader, _ path: [UInt8]) throws(ArchiveFault) {
        if case .refused(let refusal) = header.kind { throw .refused(path: MemberPath.shown(path), refusal) }
        if announced.pax?.isSparse == true { throw .refused(path: MemberPath.shown(path), .sparse) }
    }

    /// The file, if it is within the bounds.
    private func placed(_ path: String, _ size: Int64) throws(ArchiveFault) -> TarMember {
        let dataOffset = offset + Int64(TarFormat.blockBytes)
        let room = limits.unpackedBytes - dataOffset - Int64(TarFormat.paddingBytes(after: size))
        guard size <= room else { throw .exceeded(.unpackedBytes(limits.unpackedBytes)) }
        return TarMember(path: path, size: size, dataOffset: dataOffset)
    }

    /// Counts a member.
    private mutating func count() throws(ArchiveFault) {
        guard memberCount < limits.members else { throw .exceeded(.members(limits.members)) }
        memberCount += 1
    }
}
