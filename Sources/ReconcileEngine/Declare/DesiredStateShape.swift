import ReconcileCore
package import YAML

/// The shape of `desired-state.yaml`: every key with its kind, default and meaning. The decoder checks files against it,
/// `reconcile schema` prints it, and the README's table of defaults is held against it.
package enum DesiredStateShape {
    /// The whole file.
    package static let root = Shape(
        "the desired state",
        keys: [
            Shape.Key("apiVersion", .choice(["reconcile/v1"]), "The format of this file.", isRequired: true),
            Shape.Key("store", .text(path), "Where the models are kept.", standard: "./models"),
            Shape.Key(
                "sources", .map(keys: name, values: .object(source)),
                "The places that publish models, by a name of your choice."),
            Shape.Key("facts", .map(keys: name, values: .text(words)), "What releases may require of this machine."),
            Shape.Key(
                "policy", .object(Shape("the policy", keys: policyKeys)),
                "How models may change; a model may set any of these keys itself."),
            Shape.Key("download", .object(download), "How bytes are fetched."),
            Shape.Key("prune", .boolean, "Whether models that are no longer declared are removed.", standard: "false"),
            Shape.Key("notify", .list(.object(notify)), "Who is told about what."),
            Shape.Key("models", .map(keys: modelName, values: .object(model)), "The models of this machine, by name."),
        ])

    static let source = Shape(
        "a source", exactlyOne: ["directory", "http", "huggingface", "oci", "s3", "bundle"],
        keys: [
            Shape.Key("directory", .text(path), "A catalog in a directory."),
            Shape.Key("http", secret(url), "A catalog on a web server."),
            Shape.Key("mirrors", .list(secret(url)), "Other addresses of the same catalog, tried in this order."),
            Shape.Key("huggingface", secret(url), "A Hugging Face hub; HF_ENDPOINT takes the place of the public one."),
            Shape.Key("oci", .text(registry), "An OCI registry, with what all its repositories begin with."),
            Shape.Key("s3", .text(bucket), "A bucket, with what all keys in it begin with."),
            Shape.Key(
                "bundle", .text(path), "What `reconcile bundle` wrote: an OCI image layout, as a tar or a directory."),
            Shape.Key("region", .text(words), "The bucket's region; else what the environment or the profile says."),
            Shape.Key("endpoint", secret(url), "Who serves the bucket, when that is not Amazon."),
            Shape.Key("profile", .text(words), "The profile of the AWS files whose keys are used."),
            Shape.Key(
                "anonymous", .boolean, "Whether the bucket is asked without keys, although there are some.",
                standard: "false"),
            Shape.Key(
                "addressing", .choice(["auto", "path", "host"]), "Where the bucket's name stands in addresses.",
                standard: "auto"),
            Shape.Key("token", secret(words), "Sent as a bearer token (oci: as the login), to this source only."),
            Shape.Key(
                "allowInsecure", .boolean, "Whether plain HTTP is allowed beyond this machine.", standard: "false"),
            Shape.Key("trust", .object(trust), "Whose signatures are required.", isSupported: false),
        ])

    static let trust = Shape(
        "trust",
        keys: [
            Shape.Key(
                "tuf", .object(Shape("a TUF root", keys: [Shape.Key("root", .text(path), "The trusted root.")])),
                "The Update Framework."),
            Shape.Key("signature", .text(path), "A public key."),
        ])

    static let download = Shape(
        "the download settings",
        keys: [
            Shape.Key(
                "bandwidth", .either([.text(rate), .list(.object(limit))]),
                "Bytes per second for all connections together; no limit without it."),
            Shape.Key("connections", .integer(1...256), "Connections at once, to all servers.", standard: "16"),
            Shape.Key(
                "connectionsPerHost", .integer(1...256),
                "Connections at once to one server; as many as in all without it."),
            Shape.Key(
                "directIO", .choice(DownloadPolicy.DirectIO.allCases.map(\.rawValue)),
                "Whether large files are written past the page cache; auto measures it once for a file system.",
                standard: "auto"),
            Shape.Key(
                "memory", .text(size), "Memory for file content on its way, from 8MiB to 4GiB.", standard: "64MiB"),
            Shape.Key(
                "seeds", .list(.text(path)),
                "Directories whose files are taken instead of downloaded, when their content is what is wanted."),
        ])

    static let limit = Shape(
        "a limit of the bandwidth",
        keys: [
            Shape.Key("rate", .text(rate), "Bytes per second.", isRequired: true),
            Shape.Key("during", .text(cron), "When a span begins in which it holds; always without it."),
            Shape.Key("duration", .text(duration), "How long the span lasts.", standard: "0"),
            Shape.Key("timeZone", .text(timeZone), "Whose clock counts.", standard: "UTC"),
        ])

    static let notify = Shape(
        "a notification", exactlyOne: ["webhook", "exec", "file"],
        keys: [
            Shape.Key("webhook", secret(url), "An address that the news is posted to, as JSON."),
            Shape.Key("exec", .list(.text(words)), "A program that gets the news on standard input, as JSON."),
            Shape.Key("file", .text(path), "A file that the news is added to, a line of JSON each."),
            Shape.Key("secret", secret(words), "The key of a webhook's signature, HMAC-SHA256."),
            Shape.Key(
                "template", .choice(Receiver.Template.allCases.map(\.rawValue)), "What is sent.", standard: "json"),
            Shape.Key("timeout", .text(duration), "How long one attempt may take.", standard: "10s"),
            Shape.Key("attempts", .integer(1...20), "How often it is attempted, with growing pauses.", standard: "5"),
            Shape.Key("events", .list(.choice(News.Kind.allCases.map(\.rawValue))), "What is told; all without it."),
            Shape.Key(
                "minimumPriority", .choice(Priority.allCases.map(\.rawValue)),
                "News of releases that are less urgent is not told.", standard: "low"),
            Shape.Key(
                "remind", .text(duration), "What is still broken is told again after this time; never without it."),
        ])

    static let keep = Shape(
        "keep",
        keys: [
            Shape.Key(
                "last", .integer(1...10_000), "This many generations stay, the active one included.", standard: "3"),
            Shape.Key("within", .text(duration), "Generations left no longer ago than this stay.", standard: "30d"),
        ])

    static let window = Shape(
        "a window", exactlyOne: ["allow", "deny"],
        keys: [
            Shape.Key("allow", .text(cron), "When a span begins in which activation is allowed."),
            Shape.Key("deny", .text(cron), "When a span begins in which it is not; deny beats allow."),
            Shape.Key("duration", .text(duration), "How long the span lasts.", isRequired: true),
            Shape.Key("timeZone", .text(timeZone), "Whose clock counts.", standard: "UTC"),
        ])

    static let automatic = Shape(
        "the automatic steps",
        keys: [
            Shape.Key("upTo", .choice(steps), "The largest step taken without a person.", standard: "minor"),
            Shape.Key(
                "orPriority", .choice(Priority.allCases.map(\.rawValue)),
                "Releases that their publisher calls at least this urgent are taken whatever their step."),
        ])

    static let steps = ["none", "patch", "minor", "major"]

    static let verify = Shape(
        "verify",
        keys: [
            Shape.Key("format", .choice(["strict", "warn", "off"]), "Checks of file formats."),
            Shape.Key("pickle", .choice(["deny", "scan", "allow"]), "What pickle files may do."),
        ])

    static let policyKeys = [
        Shape.Key(
            "automatic", .either([.choice(steps), .object(automatic)]), "The largest step taken without a person.",
            standard: "minor"),
        Shape.Key("channel", .text(channel), "The channel whose releases are taken.", standard: "stable"),
        Shape.Key("minimumAge", .text(duration), "A release younger than this waits.", standard: "0d"),
        Shape.Key(
            "drift", .choice(Policy.Drift.allCases.map(\.rawValue)), "What happens to files that changed on disk.",
            standard: "heal"),
        Shape.Key(
            "onFailure", .choice(Policy.OnFailure.allCases.map(\.rawValue)),
            "What happens when a new release does not work.", standard: "rollback"),
        Shape.Key(
            "keep", .object(keep), "Which generations stay for rollback; the active and the last good one always do."),
        Shape.Key("windows", .list(.object(window)), "When activation is allowed; always without it."),
        Shape.Key("licenses", .list(.text(words)), "SPDX identifiers of the licences that are taken; all without it."),
        Shape.Key("approvalExpires", .text(duration), "How long an approval lasts; without end without it."),
        Shape.Key("quarantineExpires", .text(duration), "How long a quarantine lasts; without end without it."),
        Shape.Key("verify", .object(verify), "Checks of file formats.", isSupported: false),
    ]

    static let exec = Shape.Key(
        "exec", .list(.text(words)), "A program with its arguments; `{path}` is the generation.")
    static let timeout = Shape.Key("timeout", .text(duration), "How long one attempt may take.", standard: "60s")

    static let http = Shape(
        "an HTTP request",
        keys: [
            Shape.Key(
                "method", .choice(["GET", "HEAD", "POST", "PUT"]), "The method.", standard: "GET (reload: POST)"),
            Shape.Key("url", secret(url), "The address.", isRequired: true),
            Shape.Key("headers", .map(keys: words, values: secret(words)), "Headers to send."),
            Shape.Key("body", .text(words), "What is sent."),
            Shape.Key("status", .integer(100...599), "The status that means it works.", standard: "200"),
        ])

    static let publishAs = Shape(
        "a hand-over", exactlyOne: ["huggingfaceCache", "triton", "ollama"],
        keys: [
            Shape.Key(
                "huggingfaceCache", .text(path), "The cache of huggingface_hub: the release becomes a snapshot in it."),
            Shape.Key("repository", .text(repository), "Its name in that cache; else the repository's own."),
            Shape.Key(
                "triton", .text(path), "A model's directory in a Triton repository: a file becomes its next version."),
            Shape.Key("server", secret(url), "The Triton server, which then loads it and must have it ready."),
            Shape.Key("ollama", .text(path), "The models of Ollama: the GGUF file becomes one of them."),
            Shape.Key("name", .text(words), "Its name there, such as acme/vad:6.2; else the model's own."),
            Shape.Key("file", .text(path), "Which file is meant, where there are several."),
            timeout,
        ])

    static let check = Shape("a check", exactlyOne: ["exec"], keys: [exec, timeout])
    static let reload = Shape(
        "a reload", exactlyOne: ["exec", "http"], keys: [exec, Shape.Key("http", .object(http), "A request."), timeout])
    static let probe = Shape(
        "a probe", exactlyOne: ["exec", "http"],
        keys: [
            exec, Shape.Key("http", .object(http), "A request."), timeout,
            Shape.Key("attempts", .integer(1...100), "How often it is asked before its answer counts.", standard: "3"),
        ])

    static let model = Shape(
        "a model", exactlyOne: ["version", "revision"],
        keys: [
            Shape.Key(
                "from", .either([.text(origin), .list(.text(origin))]),
                "The source and the repository in it; of several, the first that answers says what there is.",
                isRequired: true),
            Shape.Key("version", .text(range), "Which versions are wanted."),
            Shape.Key("revision", .text(revision), "A branch, tag, commit or manifest digest instead of a version."),
            Shape.Key("include", .list(.text(glob)), "Which files are wanted; all without it."),
            Shape.Key("exclude", .list(.text(glob)), "Which of them are not."),
            Shape.Key("notBefore", .text(time), "No activation before this moment."),
            Shape.Key("check", .object(check), "A test of the staged release, before it is activated."),
            Shape.Key("reload", .object(reload), "What makes the serving program load the new release."),
            Shape.Key("probe", .object(probe), "A test of the serving program, after the new release was activated."),
            Shape.Key(
                "publishAs", .object(publishAs),
                "How it is handed over to programs that read it in a form of their own."),
            Shape.Key("protect", .boolean, "Never pruned, also when this block is gone.", standard: "false"),
            Shape.Key("group", .text(name), "Models of a group switch together or not at all."),
            Shape.Key("dependsOn", .list(.text(modelName)), "Models that are activated before this one."),
        ] + policyKeys)
}
