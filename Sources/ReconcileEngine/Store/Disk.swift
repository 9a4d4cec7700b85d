import ReconcileCore
package import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The one place that changes the disk. Every method leaves either the old state or the new one after a power cut: what is
/// written goes to a temporary name, is synchronised, renamed, and its directory synchronised. A file whose
/// synchronisation failed is thrown away, never retried (the kernel may have marked its pages clean).
package struct Disk: Sendable {
    /// Changes the disk of this machine.
    package init() {}

    /// Makes a directory and the missing ones above it.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func makeDirectory(_ path: FilePath) throws {
        if mkdir(path.string, 0o755) == 0 { return try synchroniseDirectory(path.removingLastComponent()) }
        if errno == EEXIST {
            guard access(path.string, X_OK) == 0, isDirectory(path) else {
                throw Fault(
                    .system(operation: "make the directory", path: path.string, detail: Platform.message(EEXIST)))
            }
            return
        }
        guard errno == ENOENT, path.components.count > 1 else {
            throw DiskReader.systemFault("make the directory", path)
        }
        try makeDirectory(path.removingLastComponent())
        guard mkdir(path.string, 0o755) == 0 || errno == EEXIST else {
            throw DiskReader.systemFault("make the directory", path)
        }
        try synchroniseDirectory(path.removingLastComponent())
    }

    /// Replaces a small file by new content in one step.
    ///
    /// - Throws: ``Fault`` of kind `system`; the old content is then still there.
    package func write(_ bytes: [UInt8], to path: FilePath) throws {
        let temporary = Self.temporaryName(beside: path)
        let descriptor = open(temporary.string, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard descriptor >= 0 else { throw DiskReader.systemFault("write", path) }
        do {
            defer { close(descriptor) }
            try Self.writeAll(bytes, to: descriptor, path)
            guard Platform.synchronise(descriptor) else { throw DiskReader.systemFault("synchronise", path) }
            try move(temporary, to: path)
        } catch {
            unlink(temporary.string)
            throw error
        }
    }

    /// Puts a file in place whose durability somebody else sees to, in one step. For what may be lost, but not be half there.
    ///
    /// - Throws: ``Fault`` of kind `system`; nothing is then there.
    func write(_ bytes: [UInt8], unsynchronisedTo path: FilePath) throws {
        let temporary = Self.temporaryName(beside: path)
        var descriptor = open(temporary.string, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o444)
        if descriptor < 0, errno == ENOENT {
            try makeDirectory(path.removingLastComponent())
            descriptor = open(temporary.string, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o444)
        }
        guard descriptor >= 0 else { throw DiskReader.systemFault("write", path) }
        do {
            defer { close(descriptor) }
            try Self.writeAll(bytes, to: descriptor, path)
            guard rename(temporary.string, path.string) == 0 else { throw DiskReader.systemFault("rename to", path) }
        } catch {
            unlink(temporary.string)
            throw error
        }
    }

    /// Begins a file that is written piece by piece.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func beginFile(in directory: FilePath) throws -> GrowingFile {
        try makeDirectory(directory)
        return try GrowingFile(Self.temporaryName(beside: directory.appending("file")))
    }

    /// Moves many files to their final names: their contents are made durable together, then the names.
    ///
    /// - Throws: ``Fault`` of kind `system`; no name stands for content that is not durable.
    func moveTogether(_ files: [(source: FilePath, target: FilePath)]) throws {
        guard let directory = files.first?.source.removingLastComponent() else { return }
        for parent in Set(files.map { $0.target.removingLastComponent() }) where DiskReader.entry(at: parent) == nil {
            try makeDirectory(parent)
        }
        if Platform.canSynchroniseFileSystems {
            try synchroniseFileSystem(of: directory)
        } else {
            for file in files { try synchroniseFile(file.source) }
        }
        for file in files where rename(file.source.string, file.target.string) != 0 {
            // Another process had the same file, and was faster.
            guard errno == ENOENT, DiskReader.entry(at: file.target) != nil else {
                throw DiskReader.systemFault("rename to", file.target)
            }
        }
        if Platform.canSynchroniseFileSystems {
            try synchroniseFileSystem(of: directory)
        } else {
            for parent in Set(files.map { $0.target.removingLastComponent() }) { try synchroniseDirectory(parent) }
        }
    }

    /// Makes all that was written to the file system of a directory durable.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    func synchroniseFileSystem(of directory: FilePath) throws {
        let descriptor = open(directory.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DiskReader.systemFault("synchronise", directory) }
        defer { close(descriptor) }
        guard Platform.synchroniseFileSystem(descriptor) else {
            throw DiskReader.systemFault("synchronise", directory)
        }
    }

    /// Saves a file that a person named: in one step where a regular file is or will be, through a link to where it points,
    /// and straight into anything else (a pipe, a device), which a rename would destroy.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func save(_ bytes: [UInt8], to path: FilePath) throws {
        switch DiskReader.entry(at: path)?.kind {
        case nil, .file: try write(bytes, to: path)
        case .link, .directory, .other:
            if let target = DiskReader.realPath(path), DiskReader.entry(at: target)?.kind == .file {
                return try write(bytes, to: target)
            }
            let descriptor = open(path.string, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { throw DiskReader.systemFault("write", path) }
            defer { close(descriptor) }
            try Self.writeAll(bytes, to: descriptor, path)
        }
    }

    /// Adds a line to the end of a file that a person named, unless it is one of its last lines already.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func append(line: String, to path: FilePath) throws {
        let descriptor = open(path.string, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw DiskReader.systemFault("write", path) }
        defer { close(descriptor) }
        let end = max(0, lseek(descriptor, 0, SEEK_END))
        var tail = [UInt8](repeating: 0, count: 64 << 10)
        let count = tail.withUnsafeMutableBytes {
            pread(descriptor, $0.baseAddress, $0.count, max(0, end - off_t($0.count)))
        }
        let last = String(decoding: tail.prefix(max(0, count)), as: UTF8.self)
        guard !last.split(separator: "\n").contains(line[...]) else { return }
        // After a write that was cut short the next line begins on a line of its own.
        let lead = last.isEmpty || last.hasSuffix("\n") || count <= 0 ? "" : "\n"
        try Self.writeAll(Array("\(lead)\(line)\n".utf8), to: descriptor, path)
        guard Platform.synchronise(descriptor) else { throw DiskReader.systemFault("synchronise", path) }
    }

    /// Moves a file or a complete directory to its final name and makes that durable.
    ///
    /// - Throws: ``Fault`` of kind `system`; then nothing has moved.
    package func move(_ source: FilePath, to target: FilePath) throws {
        guard rename(source.string, target.string) == 0 else { throw DiskReader.systemFault("rename to", target) }
        try synchroniseDirectory(target.removingLastComponent())
    }

    /// Makes a link point somewhere else in one rename, so that no reader ever finds none.
    ///
    /// - Throws: ``Fault`` of kind `system`; then the link is as it was.
    package func setLink(_ link: FilePath, to destination: String) throws {
        let temporary = Self.temporaryName(beside: link)
        unlink(temporary.string)
        guard symlink(destination, temporary.string) == 0 else { throw DiskReader.systemFault("make the link", link) }
        defer { unlink(temporary.string) }
        try move(temporary, to: link)
    }

    /// Makes a link take the place of a file or directory of somebody else, which moves to `aside` first.
    ///
    /// Between the two renames the path is not there; the caller has the other's consent.
    /// - Throws: ``Fault`` of kind `system`; the path is then what it was.
    package func exchange(_ path: FilePath, withLinkTo destination: String, aside: FilePath) throws {
        try move(path, to: aside)
        do {
            try setLink(path, to: destination)
        } catch {
            try move(aside, to: path)
            throw error
        }
    }

    /// Takes a file or link away, if it is there.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func remove(_ path: FilePath) throws {
        guard unlink(path.string) == 0 else {
            if errno == ENOENT || errno == ENOTDIR { return }
            throw DiskReader.systemFault("remove", path)
        }
        try synchroniseDirectory(path.removingLastComponent())
    }

    /// Takes a directory and all that is below it away, without following links. Needs no free space.
    ///
    /// - Throws: ``Fault`` of kind `system` for the first entry that stays.
    package func removeTree(_ path: FilePath) throws {
        guard let entry = DiskReader.entry(at: path) else { return }
        guard entry.kind == .directory else {
            guard unlink(path.string) == 0 || errno == ENOENT else { throw DiskReader.systemFault("remove", path) }
            return
        }
        for name in try DiskReader.names(in: path) { try removeTree(path.appending(name)) }
        guard rmdir(path.string) == 0 || errno == ENOENT else { throw DiskReader.systemFault("remove", path) }
    }

    /// Gives a file the content of a blob: shares its blocks where the file system can, else links it, else copies it.
    ///
    /// - Throws: ``Fault`` of kind `system`; then the target is not there.
    package func materialise(_ blob: FilePath, at target: FilePath) throws {
        if Platform.clone(blob.string, to: target.string) {
            chmod(target.string, 0o444)
            return try synchroniseFile(target)
        }
        if link(blob.string, target.string) == 0 { return }
        try copy(blob, to: target, mode: 0o444)
    }

    /// Makes an independent copy of a file: shares its blocks where the file system can, else copies them.
    ///
    /// - Throws: ``Fault`` of kind `system`; then the target is not there.
    package func duplicate(_ source: FilePath, at target: FilePath) throws {
        guard Platform.clone(source.string, to: target.string) else { return try copy(source, to: target, mode: 0o644) }
        chmod(target.string, 0o644)
        try synchroniseFile(target)
    }

    /// Puts the content of a blob over a damaged file, in one step.
    ///
    /// - Throws: ``Fault`` of kind `system`; then the file is as it was.
    package func replace(_ target: FilePath, withBlob blob: FilePath) throws {
        let temporary = Self.temporaryName(beside: target)
        unlink(temporary.string)
        try materialise(blob, at: temporary)
        // rename(2) does nothing when both names are links to one file, and leaves the temporary one.
        defer { unlink(temporary.string) }
        try move(temporary, to: target)
    }

    /// Sets a directory's time to now: when its generation was used last.
    func touch(_ directory: FilePath) {
        utimes(directory.string, nil)
    }

    /// Makes the entries of a directory durable.
    ///
    /// - Throws: ``Fault`` of kind `system`.
    package func synchroniseDirectory(_ path: FilePath) throws {
        let directory: FilePath = path.isEmpty ? "." : path
        let descriptor = open(directory.string, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DiskReader.systemFault("synchronise", directory) }
        defer { close(descriptor) }
        // Some network file systems refuse to synchronise a directory; there is nothing better to ask them for.
        guard Platform.synchronise(descriptor) || errno == EINVAL || errno == ENOTSUP else {
            throw DiskReader.systemFault("synchronise", directory)
        }
    }

    func synchroniseFile(_ path: FilePath) throws {
        let descriptor = open(path.string, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw DiskReader.systemFault("synchronise", path) }
        defer { close(descriptor) }
        guard Platform.synchronise(descriptor) else {
            let fault = DiskReader.systemFault("synchronise", path)
            unlink(path.string)
            throw fault
        }
    }

    private func copy(_ source: FilePath, to target: FilePath, mode: mode_t) throws {
        let input = open(source.string, O_RDONLY | O_CLOEXEC)
        guard input >= 0 else { throw DiskReader.systemFault("read", source) }
        defer { close(input) }
        let output = open(target.string, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
        guard output >= 0 else { throw DiskReader.systemFault("write", target) }
        defer { close(output) }
        do {
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            while true {
                let count = buffer.withUnsafeMutableBytes { read(input, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { throw DiskReader.systemFault("read", source) }
                guard count > 0 else { break }
                try Self.writeAll(buffer[..<count], to: output, target)
            }
            guard Platform.synchronise(output) else { throw DiskReader.systemFault("synchronise", target) }
        } catch {
            unlink(target.string)
            throw error
        }
    }

    private func isDirectory(_ path: FilePath) -> Bool {
        var status = stat()
        return stat(path.string, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    static func writeAll(_ bytes: some Collection<UInt8>, to descriptor: CInt, _ path: FilePath) throws {
        let written: Bool? = bytes.withContiguousStorageIfAvailable { buffer in
            var rest = UnsafeRawBufferPointer(buffer)
            while !rest.isEmpty {
                let count = systemWrite(descriptor, rest.baseAddress, rest.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
            return true
        }
        guard written != false else { throw DiskReader.systemFault("write", path) }
        guard written == nil else { return }
        try writeAll(Array(bytes), to: descriptor, path)
    }

    /// A name in the same directory that nobody else uses; what a crash leaves of it is swept by `gc`.
    private static let temporaryPrefix = ".tmp-"

    /// Whether a name is one that a file has before it is complete.
    static func isTemporary(_ name: String) -> Bool { name.hasPrefix(temporaryPrefix) }

    private static func temporaryName(beside path: FilePath) -> FilePath {
        path.removingLastComponent().appending("\(temporaryPrefix)\(getpid())-\(UInt32.random(in: 0...UInt32.max))")
    }
}

/// write(2), which the methods of the same name hide.
private func systemWrite(_ descriptor: CInt, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
