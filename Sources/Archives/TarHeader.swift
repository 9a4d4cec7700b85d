/// A header block whose checksum is right.
struct TarHeader {
    /// What the header is of.
    enum Kind: Equatable {
        /// A file, or a directory if its path ends with a slash, as before directories had a type of their own.
        case file
        case directory
        /// Pax records for the next member.
        case pax
        /// Pax records for all members that follow.
        case globalPax
        /// The path of the next member.
        case longName
        /// The target of the next member, which is a link.
        case longLink
        /// A member that is never unpacked.
        case refused(ArchiveFault.Refusal)
    }

    /// What it is of.
    let kind: Kind
    /// The path in the header itself, as it stands there.
    let path: [UInt8]
    /// Bytes of content; not negative.
    let size: Int64

    /// Reads a block.
    ///
    /// - Returns: `nil` for a block of zeros, which ends the archive.
    /// - Throws: `wrongChecksum`, `badSize`, or `endsEarly` when the block is too short.
    init?(_ block: [UInt8]) throws(Flaw) {
        guard block.count == TarFormat.blockBytes else { throw Flaw(.endsEarly) }
        guard block.contains(where: { $0 != 0 }) else { return nil }
        guard Self.hasRightChecksum(block) else { throw Flaw(.wrongChecksum) }
        guard let size = TarNumber.field(block[.size]) else { throw Flaw(.badSize) }
        self.size = size
        kind = Kind(flag: block[.type].first ?? 0)
        path = Self.path(block)
    }

    /// Whether the bytes add up to the checksum, which counts as eight spaces itself.
    ///
    /// By the standard the bytes have no sign; some old programs gave them one.
    private static func hasRightChecksum(_ block: [UInt8]) -> Bool {
        guard let expected = TarNumber.field(block[.checksum]) else { return false }
        return expected == checksum(block) { Int64($0) } || expected == checksum(block) { Int64(Int8(bitPattern: $0)) }
    }

    /// The sum of what each byte counts.
    static func checksum(_ block: [UInt8], counting value: (UInt8) -> Int64 = { Int64($0) }) -> Int64 {
        let all = block.reduce(0) { $0 + value($1) }
        let own = block[.checksum].reduce(0) { $0 + value($1) }
        return all - own + 8 * Int64(UInt8(ascii: " "))
    }

    /// The name, with the prefix before it if the format has one.
    private static func path(_ block: [UInt8]) -> [UInt8] {
        let name = block[.name].prefix { $0 != 0 }
        let prefix = block[.prefix].prefix { $0 != 0 }
        guard block[.magic].starts(with: Array("ustar\0".utf8)), !prefix.isEmpty else { return Array(name) }
        return prefix + [UInt8(ascii: "/")] + name
    }
}

extension TarHeader.Kind {
    /// What a header with that type flag is of.
    fileprivate init(flag: UInt8) {
        self =
            switch flag {
            case 0, UInt8(ascii: "0"), UInt8(ascii: "7"): .file
            case UInt8(ascii: "1"): .refused(.hardLink)
            case UInt8(ascii: "2"): .refused(.symbolicLink)
            case UInt8(ascii: "3"), UInt8(ascii: "4"): .refused(.device)
            case UInt8(ascii: "5"): .directory
            case UInt8(ascii: "6"): .refused(.pipe)
            case UInt8(ascii: "K"): .longLink
            case UInt8(ascii: "L"): .longName
            case UInt8(ascii: "S"): .refused(.sparse)
            case UInt8(ascii: "g"): .globalPax
            case UInt8(ascii: "x"): .pax
            default: .refused(.unknownType(flag))
            }
    }
}

extension [UInt8] {
    /// The bytes of a field; fewer, or none, where the block ends.
    subscript(_ field: TarField) -> ArraySlice<UInt8> {
        dropFirst(field.offset).prefix(field.count)
    }
}

/// A broken rule, found by what does not know where in the archive it is.
struct Flaw: Error {
    /// The rule.
    let damage: ArchiveFault.Damage

    /// Says which rule is broken.
    init(_ damage: ArchiveFault.Damage) {
        self.damage = damage
    }
}
