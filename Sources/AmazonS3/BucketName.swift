/// The names of buckets (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>).
enum BucketName {
    /// Checks that a bucket can have this name.
    ///
    /// - Parameter isAmazons: Whether the bucket is at Amazon. Others allow capitals and underscores too.
    /// - Throws: ``S3Fault`` `invalidBucketName`.
    static func validate(_ name: String, isAmazons: Bool) throws(S3Fault) {
        func require(_ condition: Bool, _ detail: String) throws(S3Fault) {
            guard condition else { throw .invalidBucketName(name, detail: detail) }
        }
        try require((3...63).contains(name.utf8.count), "it has less than 3 or more than 63 characters")
        let allowed = "abcdefghijklmnopqrstuvwxyz0123456789.-" + (isAmazons ? "" : "ABCDEFGHIJKLMNOPQRSTUVWXYZ_")
        try require(name.unicodeScalars.allSatisfy(allowed.unicodeScalars.contains), "it has other characters")
        let ends = [name.first, name.last].compactMap { $0 }
        try require(ends.allSatisfy { $0.isLetter || $0.isNumber }, "it begins or ends with a punctuation mark")
        try require(!name.contains(".."), "it has two dots side by side")
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        try require(!(parts.count == 4 && parts.allSatisfy { UInt8($0) != nil }), "it looks like an IP address")
        guard isAmazons else { return }
        try require(!name.hasPrefix("xn--") && !name.hasPrefix("sthree-"), "its beginning is reserved")
        try require(!name.hasSuffix("--x-s3"), "directory buckets are not supported")
        try require(!name.hasSuffix("--table-s3") && !name.hasSuffix(".mrap"), "its end is reserved")
    }
}
