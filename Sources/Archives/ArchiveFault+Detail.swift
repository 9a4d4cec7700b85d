extension ArchiveFault {
    /// What is wrong, as a clause to continue a sentence with, such as "it ends too early"; "it" is the archive.
    package var detail: String {
        switch self {
        case .damaged(let damage, let offset): "\(damage.clause) (at byte \(offset) of the tar)"
        case .undecodable(let compression, let reason): "its \(compression) data is damaged: \(reason)"
        case .refused(let path, let refusal): "its member `\(path)` \(refusal.clause)"
        case .exceeded(let bound): bound.clause
        case .noMemory: "there is no memory to read it"
        }
    }
}

extension ArchiveFault.Damage {
    /// What is wrong with the tar.
    fileprivate var clause: String {
        switch self {
        case .wrongChecksum: "it has a header with a wrong checksum, or is no tar archive"
        case .badSize: "it has a header with an impossible size"
        case .badPaxRecord: "it has a damaged pax header"
        case .globalOverride: "it has a global pax header that sets what only one member can have"
        case .ambiguousMember: "it describes one member twice"
        case .headerWithoutMember: "it has an extended header without a member"
        case .directoryWithContent: "it has a directory with content"
        case .endsEarly: "it ends too early"
        case .trailingBytes: "it goes on after its end"
        case .failedBefore: "reading it has failed before"
        }
    }
}

extension ArchiveFault.Refusal {
    /// What is wrong with the member; its name comes before.
    fileprivate var clause: String {
        switch self {
        case .absolutePath: "has an absolute path"
        case .parentComponent: "has a path with the component `..`"
        case .emptyComponent: "has a path with an empty component or a `.` in it"
        case .controlCharacter: "has a path with a control character"
        case .backslash: "has a path with a backslash"
        case .notUTF8: "has a path that is not UTF-8"
        case .duplicatePath: "comes twice"
        case .hardLink: "is a hard link"
        case .symbolicLink: "is a symbolic link"
        case .device: "is a device"
        case .pipe: "is a named pipe"
        case .sparse: "is a sparse file"
        case .unknownType(let flag): "is of the unknown type \(flag)"
        case .impossibleSize: "has an impossible size"
        }
    }
}

extension ArchiveFault.Bound {
    /// What there is too much of.
    fileprivate var clause: String {
        switch self {
        case .members(let most): "it has more than \(most) members"
        case .unpackedBytes(let most): "it unpacks to more than \(most) bytes"
        case .pathBytes(let most): "it has a path of more than \(most) bytes"
        case .extendedHeaderBytes(let most): "it has an extended header of more than \(most) bytes"
        case .windowBytes(let most): "decompressing it takes a window of more than \(most) bytes"
        }
    }
}
