/// A file of settings that all programs for AWS share: `~/.aws/config` or `~/.aws/credentials`.
///
/// The format is that of <https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html>, with what the AWS CLI accepts
/// besides: indented settings, `:` for `=`, keys in any case, and settings that are nested below another one, which are
/// skipped because no setting read here can have any.
struct SharedFile {
    /// What a file's sections are called.
    enum Kind {
        /// `[default]` and `[profile NAME]`; other sections are about other things.
        case config
        /// `[NAME]`.
        case credentials
    }

    /// The settings by the name of the profile, with keys in lower case.
    private(set) var profiles: [String: [String: String]] = [:]

    /// No settings, as of a file that is not there.
    init() {}

    /// Parses a file.
    ///
    /// - Parameter path: Only named in faults.
    /// - Throws: `malformed` with the first line that is neither section, setting nor comment.
    init(_ text: String, path: String, kind: Kind) throws(CredentialFault) {
        var section: Section?
        let lines = text.drop { $0 == "\u{FEFF}" }.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        for (index, line) in lines.enumerated() {
            switch Line(line, below: section?.indentation) {
            case .nothing, .nested: continue
            case .section(let name):
                section = Section(profile: Self.profile(name, kind))
                if let profile = section?.profile { profiles[profile, default: [:]].merge([:]) { $1 } }
            case .setting(let key, let value, let indentation):
                guard section != nil else { throw .malformed(path: path, line: index + 1) }
                section?.indentation = indentation
                if let profile = section?.profile { profiles[profile]?[key] = value }
            case .unknown: throw .malformed(path: path, line: index + 1)
            }
        }
    }

    /// The section that lines belong to.
    private struct Section {
        /// `nil` when the section is no profile.
        let profile: String?
        /// How far the last setting was indented; `nil` before the first one.
        var indentation: Int?
    }

    /// The profile that a section describes. `[profile default]` is the same as `[default]`.
    private static func profile(_ name: String, _ kind: Kind) -> String? {
        guard kind == .config else { return name }
        if name == "default" { return name }
        guard name.hasPrefix("profile"), name.dropFirst(7).first?.isWhitespace == true else { return nil }
        return unquoted(name.dropFirst(7).trimmed)
    }

    private static func unquoted(_ name: String) -> String {
        for quote in ["\"", "'"] where name.count > 1 && name.hasPrefix(quote) && name.hasSuffix(quote) {
            return String(name.dropFirst().dropLast())
        }
        return name
    }
}

extension SharedFile {
    /// What one line says.
    private enum Line {
        /// An empty line or a comment.
        case nothing
        case section(String)
        case setting(key: String, value: String, indentation: Int)
        /// A line indented deeper than the setting before it.
        case nested
        case unknown

        init(_ line: Substring, below indentation: Int?) {
            let own = line.prefix(while: \.isWhitespace).count
            let text = line.trimmed
            if text.isEmpty || text.hasPrefix("#") || text.hasPrefix(";") {
                self = .nothing
            } else if let indentation, own > indentation {
                self = .nested
            } else if text.hasPrefix("[") {
                self = Self.section(in: text)
            } else {
                self = Self.setting(in: text, indentation: own)
            }
        }

        private static func section(in text: String) -> Line {
            guard let end = text.firstIndex(of: "]"),
                text[text.index(after: end)...].drop(while: \.isWhitespace).first.map({ "#;".contains($0) }) ?? true
            else { return .unknown }
            let name = text[..<end].dropFirst().trimmed
            return name.isEmpty ? .unknown : .section(name)
        }

        private static func setting(in text: String, indentation: Int) -> Line {
            guard let separator = text.firstIndex(where: { "=:".contains($0) }) else { return .unknown }
            let key = text[..<separator].trimmed.lowercased()
            guard !key.isEmpty else { return .unknown }
            let value = withoutComment(text[text.index(after: separator)...]).trimmed
            return .setting(key: key, value: value, indentation: indentation)
        }

        /// A comment may follow a value, with space between them.
        private static func withoutComment(_ value: Substring) -> Substring {
            for marker in value.indices where "#;".contains(value[marker]) {
                if value[..<marker].last?.isWhitespace == true { return value[..<marker] }
            }
            return value
        }
    }
}

extension Substring {
    /// Without space around it.
    fileprivate var trimmed: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
