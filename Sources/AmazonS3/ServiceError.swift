package import Foundation

/// What S3 says when it does not do what was asked (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
///
/// The request as the server saw it, which goes with `SignatureDoesNotMatch` and holds the session token, is not kept.
package struct ServiceError: Error, Hashable, Sendable {
    /// What an error means for the one who asked.
    package enum Meaning: Hashable, Sendable {
        /// There is no such object.
        case noSuchKey
        /// There is no such bucket.
        case noSuchBucket
        /// The credentials do not allow it, or there are none.
        case accessDenied
        /// The access key is unknown, or lent keys have expired or are no keys.
        case badCredentials
        /// The secret key is wrong, or something on the way changed the request.
        case signatureMismatch
        /// The clocks are more than fifteen minutes apart; the server's time, if it says so.
        case clockSkewed(serverTime: Date?)
        /// The bucket is in another region, if it says which one, or has to be asked elsewhere.
        case wrongRegion(String?)
        /// `If-Match` or `If-None-Match` does not hold, or somebody else writes at the same time.
        case conditionFailed
        /// The object has no such bytes.
        case invalidRange
        /// The server is busy or broken; waiting can help.
        case unavailable
        /// Something else.
        case other
    }

    /// The status of the answer.
    package let status: Int
    /// The word for programs, such as `NoSuchKey`; `nil` when the answer has none, as that to `HEAD`.
    package let code: String?
    /// The sentence for people, without control characters and not longer than 300 characters.
    package let message: String?
    /// What the service's operators want to know.
    package let requestID: String?
    /// Where the bucket is, when the answer says so.
    package let region: String?
    /// The server's time, when the clocks differ too much.
    package let serverTime: Date?

    /// Reads an answer that is no success; a body that is not of S3 leaves the status and the headers.
    ///
    /// - Parameter header: The first value of a header, by its name in lower case.
    package init(status: Int, body: [UInt8], header: (_ name: String) -> String?) {
        let root = (try? AnswerElement.root(of: body)).flatMap { $0.name == "Error" ? $0 : nil }
        self.init(status: status, root: root, header: header)
    }

    /// Parses a body that must be an error; a `200` may have one too, when something fails late.
    ///
    /// - Throws: ``S3Fault`` `answerIsHTML`, `answerInvalid` or `answerTooLarge`.
    package init(status: Int, parsing body: [UInt8]) throws(S3Fault) {
        let root = try AnswerElement.root(of: body)
        guard root.name == "Error", root["Code"] != nil else { throw .answerInvalid(detail: "not an error of S3") }
        self.init(status: status, root: root) { _ in nil }
    }

    private init(status: Int, root: AnswerElement?, header: (_ name: String) -> String?) {
        self.status = status
        code = Self.shown(root?["Code"])
        message = Self.shown(root?["Message"])
        requestID = Self.shown(root?["RequestId"] ?? header("x-amz-request-id"))
        region = Self.shown(root?["Region"] ?? header("x-amz-bucket-region"))
        serverTime = root?["ServerTime"].flatMap(AmazonTime.parse)
    }

    private static func shown(_ text: String?) -> String? {
        guard let text, !text.isEmpty else { return nil }
        let printable = text.unicodeScalars.filter { $0.properties.generalCategory != .control }.prefix(300)
        return String(String.UnicodeScalarView(printable))
    }
}

extension ServiceError {
    /// What the error means; by the code, or by the status where there is none.
    package var meaning: Meaning {
        switch code {
        case "NoSuchKey"?: .noSuchKey
        case "NoSuchBucket"?: .noSuchBucket
        case "AccessDenied"?, "AllAccessDisabled"?: .accessDenied
        case "InvalidAccessKeyId"?, "ExpiredToken"?, "InvalidToken"?, "TokenRefreshRequired"?: .badCredentials
        case "SignatureDoesNotMatch"?: .signatureMismatch
        case "RequestTimeTooSkewed"?: .clockSkewed(serverTime: serverTime)
        case "PermanentRedirect"?, "TemporaryRedirect"?, "IllegalLocationConstraintException"?: .wrongRegion(region)
        // The scope of a signature can be malformed in other ways, which name no region.
        case "AuthorizationHeaderMalformed"?: region == nil ? .other : .wrongRegion(region)
        case "PreconditionFailed"?, "ConditionalRequestConflict"?: .conditionFailed
        case "InvalidRange"?: .invalidRange
        case "SlowDown"?, "InternalError"?, "ServiceUnavailable"?, "RequestTimeout"?: .unavailable
        default: meaningOfStatus
        }
    }

    private var meaningOfStatus: Meaning {
        switch status {
        case 301, 307: .wrongRegion(region)
        case 400 where code == nil && region != nil: .wrongRegion(region)
        case 401, 403: .accessDenied
        case 404 where code == nil: .noSuchKey
        case 412: .conditionFailed
        case 416: .invalidRange
        case 429, 500...599: .unavailable
        default: .other
        }
    }
}
