/// Turns the difference of two equally long pieces into byte planes, and back.
///
/// The elements of a tensor differ mostly in their low bytes. Side by side, low and high bytes hide that from a
/// compressor; plane by plane, the high bytes are one long run of zeros:
///
///     OLD xor NEW   l0 h0 l1 h1 l2 h2 …
///     plane 0       l0 l1 l2 …
///     plane 1       h0 h1 h2 …
///
/// The loops are without a branch or a check, so that the compiler can vectorise them. What makes that safe is the number of
/// steps: it is cut down to what every buffer has room for.
enum BytePlanes {
    /// Writes the planes of `old` xor `new` one after the other.
    ///
    /// - Parameters:
    ///   - width: Bytes per element: 1, 2 or 4.
    ///   - planes: As long as `old` and `new`.
    /// - Returns: A bit for each plane that has a byte other than zero; bit 0 is the plane of the lowest bytes.
    static func split(
        _ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer, width: Int,
        into planes: UnsafeMutableRawBufferPointer
    ) -> UInt8 {
        let length = min(old.count, new.count, planes.count)
        switch width {
        case 4: return split(UInt32.self, old, new, length / 4, planes)
        case 2: return split(UInt16.self, old, new, length / 2, planes)
        default: return split(UInt8.self, old, new, length, planes)
        }
    }

    /// The planes of `count` elements, each of as many bytes as there are planes; `planes` has room for them.
    private static func split<Element: FixedWidthInteger & UnsignedInteger>(
        _ element: Element.Type, _ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer, _ count: Int,
        _ planes: UnsafeMutableRawBufferPointer
    ) -> UInt8 {
        let width = MemoryLayout<Element>.size
        var seen: Element = 0
        var index = 0
        while index < count {
            let element = Element(
                littleEndian: old.loadUnaligned(fromByteOffset: index &* width, as: Element.self)
                    ^ new.loadUnaligned(fromByteOffset: index &* width, as: Element.self))
            seen |= element
            var plane = 0
            while plane < width {
                planes.storeBytes(
                    of: UInt8(truncatingIfNeeded: element &>> Element(truncatingIfNeeded: 8 &* plane)),
                    toByteOffset: plane &* count &+ index, as: UInt8.self)
                plane &+= 1
            }
            index &+= 1
        }
        return (0..<width).reduce(0) { mask, plane in
            UInt8(truncatingIfNeeded: seen >> (8 * plane)) == 0 ? mask : mask | 1 << UInt8(plane)
        }
    }

    /// Changes `bytes`, which hold a piece of OLD, into the piece of NEW.
    ///
    /// - Parameter planes: The planes that `mask` has a bit for, each `bytes.count / width` long, one after the other.
    static func merge(
        _ planes: UnsafeRawBufferPointer, mask: UInt8, width: Int, into bytes: UnsafeMutableRawBufferPointer
    ) {
        guard width > 0 else { return }
        var rest = planes
        for number in 0..<width where mask & (1 << UInt8(number)) != 0 {
            let plane = rest.part(0, bytes.count / width)
            rest = rest.part(plane.count, rest.count)
            var index = 0
            while index < plane.count {
                let place = index &* width &+ number
                let byte =
                    bytes.loadUnaligned(fromByteOffset: place, as: UInt8.self)
                    ^ plane.loadUnaligned(fromByteOffset: index, as: UInt8.self)
                bytes.storeBytes(of: byte, toByteOffset: place, as: UInt8.self)
                index &+= 1
            }
        }
    }
}
