import NIOCore
import NIOPosix
import ReconcileCore
import SystemPackage

/// Copies what is missing of a file from a file of this machine.
struct LocalCopy: Sendable {
    private let location: Location
    private let assembly: Assembly
    private let report: @Sendable (Int) -> Void

    /// Blocks that may wait for the disk or the hash.
    private static let outstandingLimit = 4

    /// - Parameter location: A file, or a part of one.
    init(_ location: Location, into assembly: Assembly, report: @escaping @Sendable (Int) -> Void) {
        (self.location, self.assembly, self.report) = (location, assembly, report)
    }

    /// Copies until everything is there.
    ///
    /// - Throws: `CancellationError`; ``Fault`` when the disk that is written to failed.
    func run() async throws -> LargeFetch.Ending {
        guard let source = ReadableFile(location, size: assembly.size) else {
            return .failed(Fault(.sourceLacks(url: location.shown)))
        }
        guard source.size == assembly.size else {
            return .unfit(
                "its file is \(source.size < assembly.size ? "shorter" : "longer") than \(assembly.size) bytes")
        }
        while let flight = assembly.next(for: 0, wanted: RangeBook.largest, connections: 1, rates: [:]) {
            defer { assembly.land(0) }
            guard let ending = try await copy(flight, from: source) else { continue }
            return ending
        }
        return .complete
    }

    private func copy(_ flight: RangeBook.Flight, from source: ReadableFile) async throws -> LargeFetch.Ending? {
        let loop = MultiThreadedEventLoopGroup.singleton.any()
        var outstanding: [EventLoopFuture<Assembly.Verdict>] = []
        var position = flight.position
        while position < flight.end, assembly.fault == nil {
            try Task.checkCancellation()
            let block = try await assembly.pool.take(on: loop).get()
            let range = position..<assembly.blockEnd(from: position, limit: flight.end)
            guard try await assembly.read(range, from: source, at: position, into: block) else {
                assembly.pool.give(block)
                return .failed(Fault(.sourceUnreachable(url: location.shown, detail: "it cannot be read")))
            }
            _ = assembly.advance(0, by: range.count)
            report(range.count)
            outstanding.append(assembly.absorb(block, range, isRemote: false, on: loop))
            position = range.upperBound
            if outstanding.count >= Self.outstandingLimit, try await outstanding.removeFirst().get() == .wrong {
                return .wrongBytes
            }
        }
        for future in outstanding where try await future.get() == .wrong { return .wrongBytes }
        if let fault = assembly.fault { throw fault }
        return nil
    }
}
