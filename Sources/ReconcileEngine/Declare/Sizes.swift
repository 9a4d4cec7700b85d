/// Sizes and rates as they are written in the desired-state file and on the command line.
package enum Sizes {
    private static let units: [(name: String, bytes: Int64)] = [
        ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40),
        ("kB", 1000), ("KB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000), ("B", 1),
    ]

    /// Bytes of `50MiB`, `2GB` or `512KiB`, at most an exabyte; `nil` for anything else.
    package static func bytes(_ text: String) -> Int64? {
        guard let unit = units.first(where: { text.hasSuffix($0.name) }) else { return nil }
        let digits = text.dropLast(unit.name.count)
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let count = Int64(digits) else {
            return nil
        }
        let (bytes, overflow) = count.multipliedReportingOverflow(by: unit.bytes)
        return overflow || bytes > 1_000_000_000_000_000_000 ? nil : bytes
    }

    /// Bytes per second of `50MiB/s`; `nil` for anything else, and for nothing at all.
    package static func rate(_ text: String) -> Int64? {
        guard text.hasSuffix("/s"), let bytes = bytes(String(text.dropLast(2))), bytes > 0 else { return nil }
        return bytes
    }
}
