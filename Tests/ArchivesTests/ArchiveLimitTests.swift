import Archives
import Testing

@Suite struct `The limits of an archive` {
    @Test func `let in what keeps them exactly`() {
        let limits = ArchiveLimits(
            members: 7, unpackedBytes: Int64(sampleTar.count), pathBytes: 125, extendedHeaderBytes: 126)
        #expect(Reading(sampleTar, limits: limits).fault == nil)
    }

    @Test(
        arguments: [
            (ArchiveLimits(members: 6), .members(6)),
            (ArchiveLimits(pathBytes: 124), .pathBytes(124)),
            (ArchiveLimits(extendedHeaderBytes: 125), .extendedHeaderBytes(125)),
            (ArchiveLimits(members: -1), .members(0)),
            (ArchiveLimits(unpackedBytes: .min), .unpackedBytes(0)),
        ] as [(ArchiveLimits, ArchiveFault.Bound)])
    func `stop an archive that needs more`(limits: ArchiveLimits, bound: ArchiveFault.Bound) {
        #expect(Reading(sampleTar, limits: limits).fault == .exceeded(bound))
    }

    @Test func `let no byte through beyond the total`() {
        for limit in stride(from: 0, to: Int64(sampleTar.count), by: 97) {
            let limits = ArchiveLimits(unpackedBytes: limit)
            let reading = Reading(sampleTar, limits: limits)
            #expect(reading.fault == .exceeded(.unpackedBytes(limit)) && reading.uncompressedBytes <= limit)
            #expect(Reading(sampleTar, limits: limits, cut: { 1 }).fault == reading.fault)
        }
    }

    @Test(arguments: ["8589934592", "4611686018427387904", "9223372036854775807"])
    func `stop a file that is too large before it begins`(size: String) {
        for limit in [8_589_934_592, Int64.max] {
            let limits = ArchiveLimits(unpackedBytes: limit)
            let reading = Reading(pax([("size", size)]) + member("a", "b"), limits: limits)
            #expect(reading.fault == .exceeded(.unpackedBytes(limits.unpackedBytes)) || size == "8589934592")
            #expect(reading.files.isEmpty || reading.damage == .endsEarly)
        }
    }

    @Test func `count zeros after the end too`() {
        let reading = Reading(end + end, limits: ArchiveLimits(unpackedBytes: 1500))
        #expect(reading.fault == .exceeded(.unpackedBytes(1500)))
    }

    @Test func `count global headers as members`() {
        let headers = (0..<4).flatMap { _ in pax([("comment", "x")], type: "g") }
        #expect(Reading(headers + end, limits: ArchiveLimits(members: 3)).fault == .exceeded(.members(3)))
    }

    @Test(arguments: ["x", "g", "L", "K"]) func `keep extended headers small by themselves`(type: String) throws {
        let header = HandMade("x", type: try #require(type.first), size: 65_537).block
        #expect(Reading(header).fault == .exceeded(.extendedHeaderBytes(65_536)))
    }

    @Test(arguments: [1025, 60_000]) func `keep paths short by themselves`(length: Int) {
        let path = String(repeating: "x", count: length)
        for header in [longName(path), pax([("path", path)])] {
            #expect(Reading(header + member("x") + end).fault == .exceeded(.pathBytes(1024)))
        }
    }
}
