import ReconcileCore
import Testing

@Suite struct `A timestamp` {
    @Test(
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2026-11-20T02:00:00Z", 1_795_140_000), ("2000-02-29T12:00:00Z", 951_825_600),
            ("2026-12-01T02:00:00+02:00", 1_796_083_200), ("1969-12-31T23:59:59Z", -1),
            ("2026-12-01 00:00:00.123z", 1_796_083_200),
            ("0001-01-01T00:00:00Z", -62_135_596_800), ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] as [(String, Int64)])
    func `is read by RFC 3339`(text: String, seconds: Int64) { #expect(Timestamp(text)?.seconds == seconds) }

    @Test(arguments: [
        "", "2026-11-20", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00",
        "2026-01-01T00:00:00+25:00", "2026-01-01T00:00:00.Z", "0000-01-01T00:00:00Z", "2026-1-01T00:00:00Z",
        "x026-01-01T00:00:00Z",
    ])
    func `is refused when it is not one`(text: String) { #expect(Timestamp(text) == nil) }

    @Test func `is written as it is read`() {
        var seconds: Int64 = -62_135_596_800
        while seconds < 253_402_300_799 {
            let time = Timestamp(seconds: seconds)
            #expect(Timestamp(time.description) == time)
            seconds += 86_400 * 97 + 12_345
        }
    }

    @Test func `does not overflow`() {
        #expect(Timestamp(seconds: .max).advanced(bySeconds: .max) == Timestamp(seconds: .max))
    }
}
