import ReconcileCore
import Synchronization
import SystemPackage

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Whether large files are written past the page cache: measured once for a file system, or as the file says.
enum WriteMode {
    /// What was measured, in `.reconcile/write-mode`.
    private struct Measurement: Codable {
        let device: UInt64
        let isDirect: Bool
        let directMicroseconds: Int64
        let bufferedMicroseconds: Int64
    }

    private static let probeBytes = 4 << 20
    private static let rounds = 2

    /// Whether files of a store are written past the page cache.
    static func isDirect(_ setting: DownloadPolicy.DirectIO, _ layout: StoreLayout) -> Bool {
        switch setting {
        case .on: return true
        case .off: return false
        case .auto: break
        }
        guard let device = DiskReader.entry(at: layout.partials)?.device else { return false }
        if let bytes = try? DiskReader.contents(of: layout.writeMode, limit: 4096),
            let known = try? JSONFile.value(Measurement.self, from: bytes, name: layout.writeMode.string),
            known.device == device
        {
            return known.isDirect
        }
        let measured = measure(layout, device)
        // It is only a memory of a measurement: without it, the next pass measures again.
        if let bytes = try? JSONFile.bytes(of: measured) { try? Disk().write(bytes, to: layout.writeMode) }
        return measured.isDirect
    }

    /// Writes the same bytes both ways. A file system that cannot do without its cache takes for ever to.
    private static func measure(_ layout: StoreLayout, _ device: UInt64) -> Measurement {
        let block = Block()
        func microseconds(_ open: (String) -> CInt) -> Int64? {
            let path = layout.partials.appending(".probe-\(UInt64.random(in: 0 ... .max))")
            defer { unlink(path.string) }
            close(Platform.create(path.string))
            let descriptor = open(path.string)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            let start = ContinuousClock.now
            for offset in stride(from: 0, to: probeBytes, by: Block.bytes) {
                let count = block.withBytes { pwrite(descriptor, $0.baseAddress, $0.count, off_t(offset)) }
                guard count == Block.bytes else { return nil }
            }
            guard Platform.synchroniseData(descriptor) else { return nil }
            return Int64((ContinuousClock.now - start).inSeconds * 1_000_000)
        }
        var (direct, buffered): (Int64, Int64) = (.max, .max)
        for _ in 0..<rounds {
            direct = min(direct, microseconds(Platform.openDirect) ?? .max)
            buffered = min(buffered, microseconds(Platform.openPlain) ?? .max)
        }
        // The page cache costs processor time, which is what a fast download lacks; so it has to be much faster to be worth it.
        return Measurement(
            device: device, isDirect: direct / 2 <= buffered, directMicroseconds: direct, bufferedMicroseconds: buffered
        )
    }
}
