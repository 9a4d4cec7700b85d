/// Turns the difference of two equally long pieces into byte planes, and back.
///
/// The elements of a tensor differ mostly in their low bytes. Side by side, low and high bytes hide that from a
/// compressor; plane by plane, the high bytes are one long run of zeros:
///
///     OLD xor NEW   l0 h0 l1 h1 l2 h2 …
///     plane 0       l0 l1 l2 …
///     plane 1       h0 h1 h2 …
///
/// The loops take a whole element a step, without a branch or a check, so that the compiler can vectorise them. What
/// makes that safe is the number of steps: it is cut down to what every buffer has room for.
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
        case 4: return split4(old, new, length / 4, planes)
        case 2: return split2(old, new, length / 2, planes)
        default: return split1(old, new, length, planes)
        }
    }

    /// Changes `bytes`, which hold a piece of OLD, into the piece of NEW.
    ///
    /// - Parameters:
    ///   - planes: The planes that `mask` has a bit for, each `bytes.count / width` long, one after the other.
    ///   - zeros: What stands for the other planes: zeros, at least as long as a plane.
    static func merge(
        _ planes: UnsafeRawBufferPointer, mask: UInt8, width: Int, zeros: UnsafeRawBufferPointer,
        into bytes: UnsafeMutableRawBufferPointer
    ) {
        let length = bytes.count / max(width, 1)
        var next = 0
        /// The next of `planes`, if it is there.
        func plane(_ bit: UInt8) -> UnsafeRawBufferPointer {
            guard mask & bit != 0 else { return zeros.part(0, length) }
            defer { next += length }
            return planes.part(next, length)
        }
        switch width {
        case 4: merge4(plane(1), plane(2), plane(4), plane(8), bytes)
        case 2: merge2(plane(1), plane(2), bytes)
        default: merge1(plane(1), bytes)
        }
    }
}

extension BytePlanes {
    /// The one plane of `count` elements of one byte.
    private static func split1(
        _ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer, _ count: Int,
        _ planes: UnsafeMutableRawBufferPointer
    ) -> UInt8 {
        var seen: UInt8 = 0
        var index = 0
        while index < count {
            let byte =
                old.loadUnaligned(fromByteOffset: index, as: UInt8.self)
                ^ new.loadUnaligned(fromByteOffset: index, as: UInt8.self)
            seen |= byte
            planes.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
            index &+= 1
        }
        return seen == 0 ? 0 : 1
    }

    /// The two planes of `count` elements of two bytes; `planes` has room for them.
    private static func split2(
        _ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer, _ count: Int,
        _ planes: UnsafeMutableRawBufferPointer
    ) -> UInt8 {
        let (low, high) = (planes.part(0, count), planes.part(count, count))
        var seen: UInt16 = 0
        var index = 0
        while index < count {
            let element = UInt16(
                littleEndian: old.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
                    ^ new.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self))
            seen |= element
            low.storeBytes(of: UInt8(truncatingIfNeeded: element), toByteOffset: index, as: UInt8.self)
            high.storeBytes(of: UInt8(truncatingIfNeeded: element &>> 8), toByteOffset: index, as: UInt8.self)
            index &+= 1
        }
        return mask(UInt32(seen))
    }

    /// The four planes of `count` elements of four bytes; `planes` has room for them.
    private static func split4(
        _ old: UnsafeRawBufferPointer, _ new: UnsafeRawBufferPointer, _ count: Int,
        _ planes: UnsafeMutableRawBufferPointer
    ) -> UInt8 {
        let (first, second) = (planes.part(0, count), planes.part(count, count))
        let (third, fourth) = (planes.part(count &* 2, count), planes.part(count &* 3, count))
        var seen: UInt32 = 0
        var index = 0
        while index < count {
            let element = UInt32(
                littleEndian: old.loadUnaligned(fromByteOffset: index &* 4, as: UInt32.self)
                    ^ new.loadUnaligned(fromByteOffset: index &* 4, as: UInt32.self))
            seen |= element
            first.storeBytes(of: UInt8(truncatingIfNeeded: element), toByteOffset: index, as: UInt8.self)
            second.storeBytes(of: UInt8(truncatingIfNeeded: element &>> 8), toByteOffset: index, as: UInt8.self)
            third.storeBytes(of: UInt8(truncatingIfNeeded: element &>> 16), toByteOffset: index, as: UInt8.self)
            fourth.storeBytes(of: UInt8(truncatingIfNeeded: element &>> 24), toByteOffset: index, as: UInt8.self)
            index &+= 1
        }
        return mask(seen)
    }

    /// A bit for each byte of `seen` that is not zero.
    private static func mask(_ seen: UInt32) -> UInt8 {
        (seen & 0xFF == 0 ? 0 : 1) | (seen & 0xFF00 == 0 ? 0 : 2)
            | (seen & 0xFF_0000 == 0 ? 0 : 4) | (seen & 0xFF00_0000 == 0 ? 0 : 8)
    }

    /// Changes elements of one byte.
    private static func merge1(_ plane: UnsafeRawBufferPointer, _ bytes: UnsafeMutableRawBufferPointer) {
        let count = min(plane.count, bytes.count)
        var index = 0
        while index < count {
            let byte =
                bytes.loadUnaligned(fromByteOffset: index, as: UInt8.self)
                ^ plane.loadUnaligned(fromByteOffset: index, as: UInt8.self)
            bytes.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
            index &+= 1
        }
    }

    /// Changes elements of two bytes.
    private static func merge2(
        _ low: UnsafeRawBufferPointer, _ high: UnsafeRawBufferPointer, _ bytes: UnsafeMutableRawBufferPointer
    ) {
        let count = min(low.count, high.count, bytes.count / 2)
        var index = 0
        while index < count {
            let change =
                UInt16(low.loadUnaligned(fromByteOffset: index, as: UInt8.self))
                | UInt16(high.loadUnaligned(fromByteOffset: index, as: UInt8.self)) &<< 8
            let old = bytes.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)
            bytes.storeBytes(of: old ^ change.littleEndian, toByteOffset: index &* 2, as: UInt16.self)
            index &+= 1
        }
    }

    /// Changes elements of four bytes.
    private static func merge4(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, _ third: UnsafeRawBufferPointer,
        _ fourth: UnsafeRawBufferPointer, _ bytes: UnsafeMutableRawBufferPointer
    ) {
        let count = min(first.count, second.count, third.count, fourth.count, bytes.count / 4)
        var index = 0
        while index < count {
            let change =
                UInt32(first.loadUnaligned(fromByteOffset: index, as: UInt8.self))
                | UInt32(second.loadUnaligned(fromByteOffset: index, as: UInt8.self)) &<< 8
                | UInt32(third.loadUnaligned(fromByteOffset: index, as: UInt8.self)) &<< 16
                | UInt32(fourth.loadUnaligned(fromByteOffset: index, as: UInt8.self)) &<< 24
            let old = bytes.loadUnaligned(fromByteOffset: index &* 4, as: UInt32.self)
            bytes.storeBytes(of: old ^ change.littleEndian, toByteOffset: index &* 4, as: UInt32.self)
            index &+= 1
        }
    }
}
