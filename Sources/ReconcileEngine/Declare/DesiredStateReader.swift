import ReconcileCore
import SystemPackage
import YAML

/// Turns a checked document into a ``Declaration``. What the shape cannot say (names that must exist, names that collide)
/// is checked here, so that all problems still come in one report.
struct DesiredStateReader {
    let root: Node
    var decoder = Decoder()
    private let directories: [String: FilePath]
    /// The windows of the common policy, which most models share.
    private var commonSchedule = Schedule()

    /// - Parameter directories: The directory of each file, by the name its marks have.
    init(root: Node, directories: [String: FilePath]) {
        (self.root, self.directories) = (root, directories)
    }

    /// Adds what was found while the files were parsed to the report.
    mutating func note(_ problems: Problems) { decoder.note(problems) }

    /// The declaration.
    ///
    /// - Throws: ``Problems`` with everything that is wrong.
    mutating func read(digest: Digest, lockPath: FilePath, defaultDirectory: FilePath) throws -> Declaration {
        decoder.check(root, against: DesiredStateShape.root)
        let sources = readSources()
        let facts = readTexts(root["facts"])
        commonSchedule = Schedule(windows(root["policy"]?["windows"]))
        let models = readModels(sources: sources, facts: facts)
        checkDependencies(models)
        checkHandOvers(models)
        let receivers = readReceivers()
        guard decoder.problems.isEmpty else { throw decoder.problems }
        let desired = DesiredState(
            digest: digest, facts: facts, prune: root["prune"]?.bool ?? false, models: models,
            schedule: commonSchedule, download: readDownload())
        let store = root["store"].map { path($0) } ?? defaultDirectory.appending("models")
        return Declaration(
            desired: desired, store: store, sources: sources, receivers: receivers, lockPath: lockPath,
            places: Declaration.Places(windows: windowPlaces()))
    }

    private mutating func readModels(sources: [String: SourceDeclaration], facts: [String: String]) -> [ModelName:
        DesiredModel]
    {
        var models: [ModelName: DesiredModel] = [:]
        var folded: [String: Node.Entry] = [:]
        let factsText = facts.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)\n" }.joined()
        for entry in root["models"]?.entries ?? [] {
            guard let name = ModelName(entry.key) else { continue }
            if entry.value.isNull {
                decoder.report(entry.mark, "the model “\(name)” says nothing; it needs “from” and “version”")
            }
            if let first = folded.updateValue(entry, forKey: name.folded) {
                decoder.report(entry.mark, "“\(entry.key)” and “\(first.key)” differ only in case")
            }
            if let model = readModel(name, entry, sources: sources, factsText: factsText) { models[name] = model }
        }
        return models
    }

    private mutating func readModel(
        _ name: ModelName, _ entry: Node.Entry, sources: [String: SourceDeclaration], factsText: String
    ) -> DesiredModel? {
        let node = entry.value
        guard let from = node["from"] else { return nil }
        let origins = readOrigins(from, sources: sources)
        let revision = node["revision"]?.text
        guard let origin = origins.first,
            let range = (revision == nil ? node["version"]?.text : "*").flatMap({ try? VersionRange($0) })
        else { return nil }
        let selection = FileSelection(include: globs(node["include"]), exclude: globs(node["exclude"]))
        for key in ["check", "reload", "probe"] {
            guard let exec = node[key]?["exec"], exec.elements.isEmpty else { continue }
            decoder.report(exec.mark, "“exec” must name a program")
        }
        let check = node["check"].flatMap { hook($0, isReload: false) }
        let reload = node["reload"].flatMap { hook($0, isReload: true) }
        let probe = node["probe"].flatMap { hook($0, isReload: false) }
        let trialText =
            factsText
            + ["check", "reload", "probe"].map { node[$0].map(canonicalText) ?? "-" }.joined(separator: "\u{1}")
            + (node["publishAs"].map { "\u{1}\(canonicalText($0))" } ?? "")
        let wanted = revision.map { "revision \($0)" } ?? range.description
        let selector =
            "\(origins.map(\.description).joined(separator: " "))\n\(wanted)\n\(selection.texts.joined(separator: "\n"))"
        return DesiredModel(
            name: name, origin: origin, alternatives: Array(origins.dropFirst()), range: range, revision: revision,
            selection: selection, policy: policy(of: node),
            notBefore: node["notBefore"]?.text.flatMap(Timestamp.init), check: check, reload: reload, probe: probe,
            handOver: node["publishAs"].flatMap(handOver), group: node["group"]?.text,
            dependsOn: dependencies(of: node), isProtected: node["protect"]?.bool ?? false,
            place: entry.mark.description,
            trialInputs: Hashing.digest(of: trialText), selector: Hashing.digest(of: selector))
    }

    /// A model's own keys, else those of the common policy, else the defaults.
    private func policy(of node: Node) -> Policy {
        let common = root["policy"]
        func value(_ key: String) -> Node? { node[key] ?? common?[key] }
        func seconds(_ node: Node?) -> Int64? { node?.text.flatMap(Durations.seconds) }
        let standard = Policy()
        let keep = value("keep")
        let automatic = value("automatic")
        return Policy(
            automatic: (automatic?["upTo"] ?? automatic)?.text.flatMap(StepSize.init) ?? standard.automatic,
            channel: value("channel")?.text ?? standard.channel,
            minimumAgeSeconds: seconds(value("minimumAge")) ?? standard.minimumAgeSeconds,
            drift: value("drift")?.text.flatMap(Policy.Drift.init) ?? standard.drift,
            onFailure: value("onFailure")?.text.flatMap(Policy.OnFailure.init) ?? standard.onFailure,
            keep: Policy.Keep(
                last: keep?["last"]?.integer ?? standard.keep.last,
                withinSeconds: seconds(keep?["within"]) ?? standard.keep.withinSeconds),
            automaticPriority: automatic?["orPriority"]?.text.flatMap(Priority.init),
            schedule: node["windows"].map { Schedule(windows($0)) } ?? commonSchedule,
            approvalSeconds: seconds(value("approvalExpires")),
            quarantineSeconds: seconds(value("quarantineExpires")),
            licenses: LicensePolicy((value("licenses")?.elements ?? []).compactMap(\.text)))
    }

    private func globs(_ node: Node?) -> [Glob] { node?.elements.compactMap { $0.text.flatMap(Glob.init) } ?? [] }

    /// The sources of a model, which must be declared; one or several.
    private mutating func readOrigins(_ from: Node, sources: [String: SourceDeclaration]) -> [Origin] {
        let nodes = from.text == nil ? from.elements : [from]
        if nodes.isEmpty, from.text == nil { decoder.report(from.mark, "“from” must name a source") }
        var origins: [Origin] = []
        for node in nodes {
            guard let origin = node.text.flatMap(Origin.init) else { continue }
            if sources[origin.source] == nil {
                let known = sources.keys.sorted()
                decoder.report(
                    node.mark, "no source is named “\(origin.source)”",
                    hint: nearest(to: origin.source, in: known).map { "did you mean “\($0)”?" }
                        ?? (known.isEmpty
                            ? "declare it below “sources”" : "there are: \(known.joined(separator: ", "))"))
            }
            if origins.contains(origin) { decoder.report(node.mark, "“\(origin)” stands twice in “from”") }
            origins.append(origin)
        }
        return origins
    }

    /// Windows in the order of the file.
    private func windows(_ node: Node?) -> [Window] {
        (node?.elements ?? []).compactMap { element in
            let kind: Window.Kind = element["allow"] == nil ? .deny : .allow
            guard let text = (element["allow"] ?? element["deny"])?.text, let begins = try? CronExpression(text),
                let seconds = element["duration"]?.text.flatMap(Durations.seconds),
                let zone = TimeZones.rules(of: element["timeZone"]?.text ?? "UTC")
            else { return nil }
            return Window(kind, begins: begins, durationSeconds: seconds, zone: zone)
        }
    }

    private func dependencies(of node: Node) -> [ModelName] {
        (node["dependsOn"]?.elements ?? []).compactMap { $0.text.flatMap(ModelName.init) }
    }

    /// What a model depends on must be declared, and there must be a model to begin with.
    private mutating func checkDependencies(_ models: [ModelName: DesiredModel]) {
        for entry in root["models"]?.entries ?? [] {
            for node in entry.value["dependsOn"]?.elements ?? [] {
                guard let text = node.text, let name = ModelName(text), models[name] == nil,
                    !(root["models"]?.entries ?? []).contains(where: { $0.key == text })
                else { continue }
                decoder.report(
                    node.mark, "“\(entry.key)” depends on “\(text)”, which is not declared",
                    hint: nearest(to: text, in: models.keys.map(\.description).sorted()).map { "did you mean “\($0)”?" }
                )
            }
        }
        let all = DesiredState(digest: Hashing.digest(of: ""), facts: [:], prune: false, models: models)
        guard let cycle = all.dependencyCycle, let first = cycle.first,
            let entry = root["models"]?.entries.first(where: { $0.key == first.description })
        else { return }
        let words = cycle.map { name in
            "“\(name)”" + (models[name]?.group.map { " (of group “\($0)”)" } ?? "")
        }
        decoder.report(
            entry.mark, "models depend on each other in a circle: \(words.joined(separator: " → "))",
            hint: "take one of these out of “dependsOn”")
    }

    private func readReceivers() -> [Receiver] {
        (root["notify"]?.elements ?? []).compactMap { node in
            let address: Receiver.Address
            if let webhook = node["webhook"].flatMap(secret) {
                address = .webhook(webhook)
            } else if let exec = node["exec"] {
                address = .exec(
                    command: command(exec.elements.compactMap(\.text), in: directory(exec)),
                    directory: directory(exec).string)
            } else if let file = node["file"] {
                address = .file(path(file))
            } else {
                return nil
            }
            return Receiver(
                address: address, secret: node["secret"].flatMap(secret),
                template: node["template"]?.text.flatMap(Receiver.Template.init) ?? .json,
                timeoutSeconds: node["timeout"]?.text.flatMap(Durations.seconds) ?? 10,
                attempts: node["attempts"]?.integer ?? 5,
                kinds: node["events"].map { Set($0.elements.compactMap { $0.text.flatMap(News.Kind.init) }) },
                minimumPriority: node["minimumPriority"]?.text.flatMap(Priority.init) ?? .low,
                remindSeconds: node["remind"]?.text.flatMap(Durations.seconds))
        }
    }

    /// Where each schedule stands in the files: the common one, and those of models with their own.
    private func windowPlaces() -> [(mark: Mark, models: [ModelName])] {
        var places: [(mark: Mark, models: [ModelName])] = []
        var common: [ModelName] = []
        for entry in root["models"]?.entries ?? [] {
            guard let name = ModelName(entry.key) else { continue }
            if let own = entry.value["windows"] { places.append((own.mark, [name])) } else { common.append(name) }
        }
        if let mark = root["policy"]?["windows"]?.mark { places.append((mark, common)) }
        return places
    }

    private func hook(_ node: Node, isReload: Bool) -> Hook? {
        let timeout = node["timeout"]?.text.flatMap(Durations.seconds) ?? 60
        let attempts = node["attempts"]?.integer ?? (isReload ? 1 : 3)
        if let exec = node["exec"] {
            let words = exec.elements.compactMap(\.text)
            return Hook(
                call: .exec(command: command(words, in: directory(exec)), directory: directory(exec).string),
                timeoutSeconds: timeout, attempts: attempts)
        }
        guard let http = node["http"], let url = http["url"].flatMap(secret) else { return nil }
        var headers: [String: SecretText] = [:]
        for header in http["headers"]?.entries ?? [] { headers[header.key] = secret(header.value) }
        return Hook(
            call: .http(
                method: http["method"]?.text ?? (isReload ? "POST" : "GET"), url: url, headers: headers,
                body: http["body"]?.text, status: http["status"]?.integer ?? 200),
            timeoutSeconds: timeout, attempts: attempts)
    }

    /// A program that is named by a path is meant relative to the file; one without a slash is looked up in PATH.
    private func command(_ words: [String], in directory: FilePath) -> [String] {
        guard let program = words.first, program.contains("/") else { return words }
        return [directory.pushing(FilePath(program)).lexicallyNormalized().string] + words.dropFirst()
    }

    /// A hook as it is written, whatever directory the file is in and however it is laid out.
    func canonicalText(_ node: Node) -> String {
        switch node.content {
        case .scalar(let scalar): "\"\(scalar.text)\""
        case .sequence(let elements): "[\(elements.map(canonicalText).joined(separator: "\u{0}"))]"
        case .mapping(let entries):
            "{\(entries.sorted { $0.key < $1.key }.map { "\($0.key)=\(canonicalText($0.value))" }.joined(separator: "\u{0}"))}"
        }
    }

    private func readTexts(_ node: Node?) -> [String: String] {
        Dictionary(
            (node?.entries ?? []).compactMap { entry in entry.value.text.map { (entry.key, $0) } },
            uniquingKeysWith: { $1 })
    }

    func secret(_ node: Node) -> SecretText? {
        if let name = node["env"]?.text { return .environment(name: name) }
        if let file = node["file"] { return .file(path: path(file).string) }
        return node.text.map(SecretText.literal)
    }

    private func directory(_ node: Node) -> FilePath { directories[node.mark.source.name] ?? "." }

    func path(_ node: Node) -> FilePath {
        let written = node.text ?? ""
        let expanded = written.hasPrefix("~/") ? (Environment.value("HOME") ?? "~") + written.dropFirst() : written
        return directory(node).pushing(FilePath(expanded)).lexicallyNormalized()
    }
}

extension Node {
    /// The whole number that a scalar stands for.
    fileprivate var integer: Int? {
        if case .scalar(let scalar) = content { scalar.int } else { nil }
    }
}
