/// How a tar is compressed.
package enum Compression: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    /// Not at all.
    case none
    /// RFC 1952, one member or several: <https://www.rfc-editor.org/rfc/rfc1952>.
    case gzip
    /// RFC 8878, one frame or several: <https://www.rfc-editor.org/rfc/rfc8878>.
    case zstd

    /// Its name.
    package var description: String { rawValue }
}
