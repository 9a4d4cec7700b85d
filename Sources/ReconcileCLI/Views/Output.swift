import Foundation
import ReconcileEngine
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Where text goes: data to standard output, everything else to standard error.
enum Output {
    /// Writes data.
    static func data(_ text: String) { write(text, to: .standardOutput) }

    /// Writes a value as JSON.
    ///
    /// - Throws: ``Fault`` of kind `bug`.
    static func json(_ value: some Encodable) throws {
        data(String(decoding: try JSONFile.bytes(of: value), as: UTF8.self))
    }

    /// Writes a message.
    static func message(_ text: String) { write(text, to: .standardError) }

    /// Whether something that was to be written could not be: the exit status must not say that all is well.
    static var hasFailed: Bool { failed.load(ordering: .relaxed) }

    private static let failed = Atomic(false)

    /// A reader that went away (`reconcile plan | head`) is no reason to stop a rollout; a full disk is not one either, but
    /// must not look like success.
    private static func write(_ text: String, to handle: FileHandle) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { send(handle.fileDescriptor, $0) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                if errno != EPIPE { failed.store(true, ordering: .relaxed) }
                return
            }
            bytes = bytes.dropFirst(count)
        }
    }

    private static func send(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Glibc)
            Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #elseif canImport(Musl)
            Musl.write(descriptor, bytes.baseAddress, bytes.count)
        #else
            Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }
}
