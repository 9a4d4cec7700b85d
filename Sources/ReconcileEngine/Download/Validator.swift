import Foundation
import NIOCore
import NIOHTTP1
import ReconcileCore
import Synchronization

/// Decides whether an answer's head promises the bytes that were asked for (RFC 9110, sections 14 and 15.3.7).
final class Validator: Sendable {
    /// What a head is worth.
    enum Judgement: Hashable {
        case fits
        /// The whole file, although a part was asked for.
        case wholeInstead
        case refused(RangeReceiver.Refusal)
    }

    /// What tells one state of a file at this location from another.
    private let known = Mutex<(etag: String?, changed: String?)>((nil, nil))
    private let acceptances = Atomic(0)

    /// Whether some answer promised what was asked for.
    var hasAccepted: Bool { acceptances.load(ordering: .relaxed) > 0 }

    /// Judges a head.
    ///
    /// - Parameters:
    ///   - asked: The range that was asked for; `nil` when the whole file was.
    ///   - size: The size of the file.
    func judge(_ head: HTTPResponseHead, asked: Range<Int64>?, size: Int64) -> Judgement {
        let headers = head.headers
        switch head.status.code {
        case 206:
            guard let asked else { return .refused(.unfit("it sends a part where the whole was asked for")) }
            let expected = "bytes \(asked.lowerBound)-\(asked.upperBound - 1)/\(size)"
            guard headers.first(name: "Content-Range")?.lowercased() == expected else {
                return .refused(.unfit("it sends another part of the file than was asked for"))
            }
        case 200: break
        case 416: return .refused(.unfit("its file is shorter than \(size) bytes"))
        default:
            return .refused(.status(Int(head.status.code), retryAfter: RetryAfter.wait(headers)))
        }
        let encoding = headers.first(name: "Content-Encoding")?.lowercased() ?? "identity"
        guard encoding == "identity" else { return .refused(.unfit("it compresses what must not be changed")) }
        let expected = head.status.code == 206 ? Int64(asked?.count ?? 0) : size
        if let length = headers.first(name: "Content-Length").flatMap(Int64.init), length != expected {
            return .refused(
                .unfit(
                    length < expected
                        ? "its file is shorter than \(size) bytes" : "its file is longer than \(size) bytes"))
        }
        guard isSame(headers) else { return .refused(.changed) }
        acceptances.add(1, ordering: .relaxed)
        return head.status.code == 206 || asked == nil ? .fits : .wholeInstead
    }

    /// Whether the file is still the one of the first answer, as far as the server tells: by its strong entity tag, else by the
    /// time of its last change (RFC 9110, section 8.8).
    private func isSame(_ headers: HTTPHeaders) -> Bool {
        let etag = headers.first(name: "ETag").flatMap { $0.hasPrefix("W/") ? nil : $0 }
        let changed = headers.first(name: "Last-Modified")
        return known.withLock { known in
            defer { known = (known.etag ?? etag, known.changed ?? changed) }
            if let etag, let first = known.etag { return etag == first }
            guard let changed, let first = known.changed else { return true }
            return changed == first
        }
    }

    /// Forgets the first answer, because the file is begun anew.
    func forget() { known.withLock { $0 = (nil, nil) } }
}

/// How long a server asks to be left alone.
enum RetryAfter {
    private static let longest: Int64 = 86_400

    /// `Retry-After` in seconds, or as a date beside the server's own `Date` (RFC 9110, section 10.2.3), else the reset of an
    /// exhausted `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    static func wait(_ headers: HTTPHeaders) -> Duration? {
        if let after = headers.first(name: "Retry-After")?.trimmed {
            if let seconds = Int64(after) { return seconds >= 0 ? .seconds(min(seconds, longest)) : nil }
            if let moment = HTTPDate.seconds(after), let now = headers.first(name: "Date").flatMap(HTTPDate.seconds) {
                return .seconds(min(max(0, moment - now), longest))
            }
        }
        guard let limit = headers.first(name: "RateLimit") else { return nil }
        let parts = limit.split(separator: ";").map { $0.trimmed }
        func number(_ key: String) -> Int64? {
            parts.first { $0.hasPrefix("\(key)=") }.flatMap { Int64($0.dropFirst(key.count + 1)) }
        }
        guard number("r") == 0, let seconds = number("t"), seconds >= 0 else { return nil }
        return .seconds(min(seconds, longest - 1) + 1)
    }
}

/// The date of HTTP headers (RFC 9110, section 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
private enum HTTPDate {
    /// Seconds since 1970; `nil` when it is no such date.
    static func seconds(_ text: String) -> Int64? {
        let format: Date.FormatString = """
            \(weekday: .abbreviated), \(day: .twoDigits) \(month: .abbreviated) \(year: .defaultDigits) \
            \(hour: .twoDigits(clock: .twentyFourHour, hourCycle: .zeroBased)):\(minute: .twoDigits):\
            \(second: .twoDigits) GMT
            """
        let strategy = Date.ParseStrategy(
            format: format, locale: Locale(identifier: "en_US_POSIX"), timeZone: .gmt, isLenient: false)
        return (try? Date(text, strategy: strategy)).map { Int64($0.timeIntervalSince1970) }
    }
}

extension StringProtocol {
    /// The text without blanks at its ends.
    fileprivate var trimmed: String {
        String(drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
    }
}
