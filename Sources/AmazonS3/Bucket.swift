/// A bucket, and the host that answers for it.
package struct Bucket: Hashable, Sendable {
    /// Where a request names the bucket (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html>).
    package enum Style: Hashable, Sendable {
        /// In the path when an endpoint is given or the name has dots, which certificates do not cover; else in the host.
        case automatic
        /// `https://HOST/BUCKET/KEY`
        case path
        /// `https://BUCKET.HOST/KEY`
        case virtualHost
    }

    /// The ends of Amazon's host names by the beginnings of regions, the longer ones first; all others have `amazonaws.com`
    /// (`partitions.json` of the AWS SDKs).
    private static let domains = [
        ("cn-", "amazonaws.com.cn"), ("eusc-", "amazonaws.eu"), ("us-isob-", "sc2s.sgov.gov"),
        ("us-isof-", "csp.hci.ic.gov"), ("us-iso-", "c2s.ic.gov"), ("eu-isoe-", "cloud.adc-e.uk"),
    ]

    /// The bucket's name.
    package let name: String
    /// The region that signatures are for.
    package let region: String
    /// Who is asked.
    package let origin: WebOrigin
    /// What goes before every key: ends in a slash.
    private let root: String

    /// A bucket.
    ///
    /// - Parameter endpoint: Where a service other than Amazon's listens; only then may it be without TLS.
    /// - Throws: ``S3Fault`` `invalidBucketName`, `invalidRegion` or `invalidAddress`.
    package init(name: String, region: String, endpoint: String? = nil, style: Style = .automatic) throws(S3Fault) {
        try BucketName.validate(name, isAmazons: endpoint == nil)
        let isRegion = (1...64).contains(region.utf8.count) && region.unicodeScalars.allSatisfy(Self.isInRegion)
        guard isRegion else { throw .invalidRegion(region) }
        (self.name, self.region) = (name, region)
        let service = try endpoint.map(Self.parsed) ?? Self.service(in: region)
        if style == .virtualHost || (style == .automatic && endpoint == nil && !name.contains(".")) {
            guard !service.host.hasPrefix("["), !name.contains("_") else {
                throw .invalidAddress(service.description, detail: "no host's name can begin with the bucket's")
            }
            (origin, root) = (service.prefixed(by: name), "\(service.path)/")
        } else {
            (origin, root) = (service, "\(service.path)/\(name)/")
        }
    }

    /// The path of an object, encoded; of the bucket itself when the key is empty.
    func path(of key: String) -> String { root + PercentEncoding.encode(key, keepingSlashes: true) }

    private static func parsed(_ endpoint: String) throws(S3Fault) -> WebOrigin {
        guard let origin = WebOrigin(endpoint) else {
            throw .invalidAddress(endpoint, detail: "an endpoint is https://HOST, perhaps with a port and a path")
        }
        return origin
    }

    private static func service(in region: String) -> WebOrigin {
        let domain = domains.first { region.hasPrefix($0.0) }?.1 ?? "amazonaws.com"
        return WebOrigin(secureHost: "s3.\(region).\(domain)")
    }

    private static func isInRegion(_ character: Unicode.Scalar) -> Bool {
        switch character {
        case "A"..."Z", "a"..."z", "0"..."9", "-": true
        default: false
        }
    }
}
