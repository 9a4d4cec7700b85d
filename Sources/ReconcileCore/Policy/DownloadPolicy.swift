/// How bytes are fetched: the limits that all downloads of a pass share.
public struct DownloadPolicy: Hashable, Sendable {
    /// Whether large files are written past the page cache.
    public enum DirectIO: String, Codable, Sendable, CaseIterable {
        /// Where it was measured to be faster.
        case auto
        /// Wherever the file system can.
        case on
        /// Never.
        case off
    }

    /// A limit of the bandwidth, for some of the time.
    public struct Limit: Hashable, Sendable {
        /// Bytes per second.
        public let bytesPerSecond: Int64
        /// When it holds; always when `nil`.
        public let window: Window?

        /// A limit.
        public init(bytesPerSecond: Int64, window: Window? = nil) {
            (self.bytesPerSecond, self.window) = (bytesPerSecond, window)
        }
    }

    /// Limits for all connections together: the first that holds counts; none, no limit.
    public var bandwidth: [Limit] = []
    /// Connections at once, to all servers.
    public var connections = 16
    /// Connections at once to one server.
    public var connectionsPerHost = 16
    /// Whether large files are written past the page cache.
    public var directIO = DirectIO.auto
    /// Memory for file content on its way, in bytes, whatever the number of files and connections.
    public var memoryBytes = 64 << 20

    /// Directories whose files may have the content that is wanted.
    public var seeds: [String] = []

    /// The built-in limits.
    public init() {}

    /// Bytes per second at a moment; `nil` for no limit.
    public func bandwidth(at moment: Timestamp) -> Int64? {
        bandwidth.first { $0.window?.covers(moment) ?? true }?.bytesPerSecond
    }
}
