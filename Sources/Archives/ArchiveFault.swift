/// Why an archive cannot be read, or a tar not be written as asked.
///
/// What the caller's own closures throw is passed on as it is and never becomes one of these.
package enum ArchiveFault: Error, Hashable, Sendable {
    /// The tar breaks a rule of its format; `offset` counts the bytes of the uncompressed tar up to where it does.
    case damaged(Damage, offset: Int64)
    /// The compressed stream breaks a rule of its format; `reason` is the library's word for it.
    case undecodable(Compression, reason: String)
    /// The tar is well formed, but has a member of a kind or name that is never unpacked.
    ///
    /// The path is made fit to be shown: it is cut to a bearable length, and its control characters are replaced.
    case refused(path: String, Refusal)
    /// The archive asks for more than the caller allows.
    case exceeded(Bound)
    /// The machine has no memory for it.
    case noMemory

    /// A broken rule of the format.
    package enum Damage: Hashable, Sendable {
        /// The bytes of the header do not add up to its checksum; the usual sign of something that is no tar at all.
        case wrongChecksum
        /// The size is not a number, is negative, or does not fit into 63 bits.
        case badSize
        /// A pax header is not a row of records, or a record that matters here has no possible value.
        case badPaxRecord
        /// A pax header for all members sets what only one member can have: its path, its size, or a map of holes.
        case globalOverride
        /// Two extended headers of the same kind, or two paths, are given for one member.
        case ambiguousMember
        /// An extended header is followed by no member.
        case headerWithoutMember
        /// A directory has content, which some programs would skip and others take for headers.
        case directoryWithContent
        /// The bytes end before the archive does.
        case endsEarly
        /// Something other than zeros follows the end of the archive.
        case trailingBytes
        /// The reader was fed again after it had failed.
        case failedBefore
    }

    /// What a member must not be.
    package enum Refusal: Hashable, Sendable {
        /// Its path begins with a slash.
        case absolutePath
        /// Its path has a component `..`.
        case parentComponent
        /// Its path has an empty component, or a `.` that is not at its beginning, or is empty as a whole.
        case emptyComponent
        /// Its path has a control character.
        case controlCharacter
        /// Its path has a backslash, which separates components elsewhere.
        case backslash
        /// Its path is not UTF-8.
        case notUTF8
        /// An earlier file has the same path.
        case duplicatePath
        /// It is another name of an earlier member.
        case hardLink
        /// It is a symbolic link.
        case symbolicLink
        /// It is a character or block device.
        case device
        /// It is a named pipe.
        case pipe
        /// It is stored without its holes.
        case sparse
        /// It is of a type that is not known here, such as a part of a file on several volumes.
        case unknownType(UInt8)
        /// Its size is negative or beyond what can be written.
        case impossibleSize
    }

    /// What the caller has set a bound for; the payload is that bound.
    package enum Bound: Hashable, Sendable {
        /// Files, directories and global headers.
        case members(Int)
        /// Bytes of the uncompressed tar.
        case unpackedBytes(Int64)
        /// Bytes of one path.
        case pathBytes(Int)
        /// Bytes of one extended header.
        case extendedHeaderBytes(Int)
        /// Bytes of the window that a zstd frame wants.
        case windowBytes(Int)
    }
}
