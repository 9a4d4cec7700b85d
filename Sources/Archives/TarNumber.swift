/// Reads the numbers of a tar. Each function gives `nil` for what is no number, is negative, or does not fit.
enum TarNumber {
    /// A numeric field of a header: octal digits between spaces and zeros, nothing at all, which is 0, or base 256.
    static func field(_ bytes: ArraySlice<UInt8>) -> Int64? {
        guard let first = bytes.first else { return nil }
        return first & 0x80 == 0 ? octal(bytes) : base256(bytes)
    }

    /// Octal digits, before which spaces may stand, and after which there are only spaces and zeros.
    private static func octal(_ bytes: ArraySlice<UInt8>) -> Int64? {
        let text = bytes.drop { $0 == UInt8(ascii: " ") }
        let digits = text.prefix { UInt8(ascii: "0")...UInt8(ascii: "7") ~= $0 }
        guard text.dropFirst(digits.count).allSatisfy({ $0 == 0 || $0 == UInt8(ascii: " ") }) else { return nil }
        return number(digits, radix: 8)
    }

    /// The number's bytes, highest first, the highest bit set as a mark; the next bit is the sign.
    private static func base256(_ bytes: ArraySlice<UInt8>) -> Int64? {
        guard bytes.first == 0x80 else { return nil }
        let significant = bytes.dropFirst().drop { $0 == 0 }
        guard significant.count <= 8 else { return nil }
        return Int64(exactly: significant.reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }

    /// One decimal digit or more and nothing else, as in pax records.
    static func decimal(_ bytes: ArraySlice<UInt8>) -> Int64? {
        let areDigits = bytes.allSatisfy { UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 }
        return bytes.isEmpty || !areDigits ? nil : number(bytes, radix: 10)
    }

    /// The number that the digits make; 0 when there are none.
    private static func number(_ digits: ArraySlice<UInt8>, radix: Int64) -> Int64? {
        var value: Int64 = 0
        for digit in digits {
            let shifted = value.multipliedReportingOverflow(by: radix)
            let sum = shifted.partialValue.addingReportingOverflow(Int64(digit & 0x0F))
            guard !shifted.overflow, !sum.overflow else { return nil }
            value = sum.partialValue
        }
        return value
    }
}
