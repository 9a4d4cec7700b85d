import Foundation
public import ReconcileCore
import SystemPackage

/// Looks at a repository and says how it would be declared: `reconcile init --from`.
public struct Discovery: Sendable {
    /// What was found.
    public struct Finding: Codable, Sendable {
        /// The name of the source, as it is declared.
        public let source: String
        /// What stands after that name: `{ huggingface: https://huggingface.co }`.
        public let address: String
        /// The repository in it.
        public let repository: String
        /// A name for the model.
        public let model: String
        /// The newest version; `nil` when none is published as one.
        public let newest: Version?
        /// How many versions there are.
        public let versions: Int
        /// The branch that stands in for versions.
        public let revision: String?
        /// The licence, as the publisher says it.
        public let license: String?
        /// How many files the release has, as far as that is known.
        public let files: Int
        /// Their bytes.
        public let bytes: Int64

        /// What is written into the model's block: `version: ^6.2`, or `revision: main`.
        public var selection: String {
            guard let newest else { return "revision: \(revision ?? "main")" }
            // A range that begins with 0.0 would hold this one version only, and so it does.
            return "version: ^\(newest.major).\(newest.minor)" + (newest.isPrerelease ? ".\(newest.patch)-0" : "")
        }
    }

    private let declaration: SourceDeclaration
    private let address: String
    private let repository: String

    /// Understands where something is: `hub/ORG/NAME` on Hugging Face, `oci://HOST/REPOSITORY`, `s3://BUCKET/…/MODEL`,
    /// `https://HOST/…/REPOSITORY` or a directory of a catalog.
    ///
    /// - Parameter file: Where the declaration is going to be written: paths in it are relative to that.
    /// - Throws: ``Fault`` of kind `unusable` when it is none of these.
    public init(_ text: String, writtenTo file: String = "desired-state.yaml") throws {
        let place = Place(text, writtenTo: FilePath(file))
        guard let place, let origin = Origin("source/\(place.repository)") else {
            throw Fault(
                .unusable(
                    what: "“\(text.printable)”",
                    detail:
                        "write hub/ORG/NAME, oci://HOST/REPOSITORY, s3://BUCKET/PREFIX/MODEL, https://HOST/REPOSITORY or CATALOG/REPOSITORY"
                ))
        }
        (address, repository) = ("{ \(place.key): \(Self.quoted(place.text)) }", origin.repository)
        declaration = SourceDeclaration(name: place.name, address: place.address, token: nil, allowsInsecure: false)
    }

    /// A text as YAML takes it inside of braces: as it is where nothing in it means something else, else in quotes.
    private static func quoted(_ text: String) -> String {
        let plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-:+"
        let isPlain =
            text.utf8.allSatisfy { plain.utf8.contains($0) } && !text.hasPrefix("-") && !text.hasSuffix(":")
            && text.contains { $0.isLetter }
        guard !isPlain else { return text }
        let escaped = text.unicodeScalars.map { scalar -> String in
            if scalar == "\"" || scalar == "\\" { return "\\\(scalar)" }
            guard scalar.value < 0x20 || scalar.value == 0x7F else { return String(scalar) }
            return "\\x\(scalar.value < 16 ? "0" : "")\(String(scalar.value, radix: 16))"
        }
        return "\"\(escaped.joined())\""
    }

    /// Where something is, taken apart.
    private struct Place {
        let name: String
        let address: SourceDeclaration.Address
        /// The key that declares it, and what stands behind that.
        let key: String
        let text: String
        let repository: String

        init?(_ text: String, writtenTo file: FilePath) {
            func cut(_ rest: Substring) -> (before: String, last: String)? {
                guard let slash = rest.lastIndex(of: "/"), rest.index(after: slash) < rest.endIndex else { return nil }
                return (String(rest[..<slash]), String(rest[rest.index(after: slash)...]))
            }
            if text.hasPrefix("hub/") {
                (name, repository) = ("hub", String(text.dropFirst(4)))
                (address, key, self.text) = (
                    .huggingface(.literal("https://huggingface.co")), "huggingface", "https://huggingface.co"
                )
            } else if text.hasPrefix("oci://") || text.hasPrefix("oci:") {
                guard let (host, last) = cut(text.dropFirst(text.hasPrefix("oci://") ? 6 : 4)) else { return nil }
                (name, repository, address) = ("registry", last, .oci(host))
                (key, self.text) = ("oci", host)
            } else if text.hasPrefix("s3://") {
                guard let (bucket, last) = cut(text[...]), bucket.utf8.count > 5 else { return nil }
                let declared = BucketDeclaration(
                    address: bucket, region: nil, endpoint: nil, profile: nil, isAnonymous: false, addressing: .auto)
                (name, repository, address) = ("bucket", last, .s3(declared))
                (key, self.text) = ("s3", bucket)
            } else if text.hasPrefix("https://") || text.hasPrefix("http://") {
                guard let (base, last) = cut(text[...]), base.contains("://") else { return nil }
                (name, repository) = ("web", last)
                (address, key, self.text) = (.http([.literal("\(base)/")]), "http", "\(base)/")
            } else {
                guard let (folder, last) = cut(text[...]) else { return nil }
                (name, repository, address, key) = ("catalog", last, .directory(FilePath(folder)), "directory")
                let isElsewhere = !file.removingLastComponent().isEmpty && !folder.hasPrefix("/")
                self.text = isElsewhere ? DiskReader.realPath(FilePath(folder))?.string ?? folder : folder
            }
        }
    }

    /// Asks what is published.
    ///
    /// - Throws: ``Fault`` of the source.
    public func find() async throws -> Finding {
        let cache = SourceCache(path: FilePath("/nonexistent"), canWrite: false)
        let source = declaration.makeSource(cache: cache)
        let listings = try await source.list(repository).filter { !$0.isYanked }
        let newest = listings.filter { !$0.version.isPrerelease && $0.channel == "stable" }.max {
            $0.version < $1.version
        }
        var revision: String?
        let listing: Listing
        if let best = newest ?? listings.max(by: { $0.version < $1.version }) {
            listing = best
        } else {
            revision = "main"
            listing = try await source.listing(of: "main", in: repository)
        }
        let platform = try await source.platforms(of: listing, in: repository).isEmpty ? Platform.target : .any
        let release = try await source.describe(listing, of: repository, choosing: FileSelection(), for: platform)
        return Finding(
            source: declaration.name, address: address, repository: repository,
            model: Self.modelName(repository), newest: revision == nil ? listing.version : nil,
            versions: listings.count, revision: revision, license: release.license, files: release.deliveries.count,
            bytes: release.bytes)
    }

    private static func modelName(_ repository: String) -> String {
        let last = repository.split(separator: "/").last.map { $0.lowercased() } ?? "model"
        return ModelName(last)?.description ?? "model"
    }
}
