import ReconcileCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Tells systemd how the service is, by the protocol of sd_notify(3): datagrams to the socket that `NOTIFY_SOCKET` names.
/// Without that variable nobody is told.
package struct ServiceManager: Sendable {
    private let socketPath: String?
    /// How often the watchdog must hear from the service; `nil` when there is none.
    package let watchdogInterval: Duration?

    /// The service manager that started this process.
    package init() {
        socketPath = Environment.value("NOTIFY_SOCKET")
        let isOurs = Environment.value("WATCHDOG_PID").map { $0 == "\(getpid())" } ?? true
        let microseconds = isOurs ? Environment.value("WATCHDOG_USEC").flatMap { Int64($0) } : nil
        // Half of it, as sd_watchdog_enabled(3) recommends.
        watchdogInterval = microseconds.flatMap { $0 > 0 ? .microseconds($0 / 2) : nil }
    }

    /// The service works.
    package func ready() { send("READY=1") }
    /// The service ends.
    package func stopping() { send("STOPPING=1") }
    /// The service is alive.
    package func alive() { send("WATCHDOG=1") }
    /// What the service does, for `systemctl status`.
    package func status(_ text: String) { send("STATUS=\(text.printable)") }

    private func send(_ message: String) {
        guard let socketPath, socketPath.hasPrefix("/") || socketPath.hasPrefix("@") else { return }
        #if canImport(Darwin)
            let kind = SOCK_DGRAM
        #else
            let kind = CInt(SOCK_DGRAM.rawValue) | CInt(SOCK_CLOEXEC.rawValue)
        #endif
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // A name that begins with @ is in the abstract namespace, where it begins with a zero.
        let name = Array(socketPath.utf8.prefix(MemoryLayout.size(ofValue: address.sun_path) - 1))
        let bytes = name.first == 0x40 ? [0] + name.dropFirst() : name
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout.offset(of: \sockaddr_un.sun_path) ?? 2) + socklen_t(bytes.count)
        let text = Array(message.utf8)
        withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                _ = sendto(descriptor, text, text.count, 0, pointer, length)
            }
        }
    }
}
