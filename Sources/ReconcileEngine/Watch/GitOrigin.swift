import Foundation
import ReconcileCore
import Subprocess
import Synchronization
package import SystemPackage

/// A branch of a git repository, kept as a clone whose work tree is the commit in force. Uses the `git` program.
///
/// The newest commit of the branch is what is wanted, whatever came before: a force-push or a revert is just another desired
/// state. Nothing of the repository is run by git: no hooks, no submodules, no external transports.
package struct GitOrigin: DesiredStateOrigin {
    /// What is followed.
    package struct Options: Sendable {
        /// The repository, as `git fetch` takes it.
        package let url: String
        /// The branch.
        package let branch: String
        /// The desired state's file in the repository.
        package let path: String
        /// The file of allowed signers (ssh-keygen(1)), when only signed commits count.
        package let signers: FilePath?
        /// The clone.
        package let clone: FilePath

        package init(url: String, branch: String, path: String, signers: FilePath?, clone: FilePath) {
            (self.url, self.branch, self.path) = (url, branch, path)
            (self.signers, self.clone) = (signers, clone)
        }
    }

    private final class Position: Sendable {
        /// The newest commit that may be taken.
        let wanted = Mutex<String?>(nil)
    }

    private let options: Options
    private let lock: StoreLock
    private let position = Position()

    /// No answer of a remote may take longer, in seconds.
    private static let deadline: Int64 = 60
    private static let ref = "refs/reconcile/head"

    /// Takes over the clone, making it when there is none.
    ///
    /// - Throws: ``Fault`` of kind `busy` when another process has it, `unusable` when git cannot make it.
    package init(_ options: Options) async throws {
        self.options = options
        for (what, text) in [("repository", options.url), ("branch", options.branch)] where text.hasPrefix("-") {
            throw Fault(.unusable(what: "“\(WebAddress.withoutSecrets(text))”", detail: "this is not a \(what)"))
        }
        guard !options.path.hasPrefix("/"), !options.path.split(separator: "/").contains("..") else {
            throw Fault(.unusable(what: "“\(options.path)”", detail: "this is not a path inside a repository"))
        }
        try Disk().makeDirectory(options.clone.removingLastComponent())
        lock = try await StoreLock.take(
            FilePath(options.clone.string + ".lock"), holder: Platform.user(), patience: .seconds(2))
        try await prepareClone()
        if let signers = options.signers, DiskReader.entry(at: signers) == nil {
            throw Fault(.fileMissing(path: signers.string))
        }
        // What was in force before counts again, unless its signature no longer does.
        if let head = try? await git("rev-parse", "--verify", "--quiet", "HEAD^{commit}"), Self.isCommit(head),
            (try? await checkSignature(of: head)) != nil
        {
            position.wanted.withLock { $0 = head }
        }
    }

    /// Makes the clone where there is none, or where it no longer is a repository: it only holds what the remote has.
    ///
    /// - Throws: ``Fault`` of kind `unusable` for a directory that somebody else made.
    private func prepareClone() async throws {
        let marker = options.clone.appending(".git").appending("reconcile-clone")
        if DiskReader.entry(at: options.clone) != nil {
            let names = try DiskReader.names(in: options.clone)
            guard names.isEmpty || DiskReader.entry(at: marker) != nil else {
                throw Fault(
                    .unusable(
                        what: options.clone.string,
                        detail: "it is there already and was not made by watch; name another directory with --clone"))
            }
            try removeLocks()
            if !names.isEmpty, (try? await git("rev-parse", "--git-dir")) == ".git" { return }
            try Disk().removeTree(options.clone.appending(".git"))
        }
        position.wanted.withLock { $0 = nil }
        _ = try await Self.git(["init", "--quiet", options.clone.string], in: nil)
        try Disk().write(Array("made by reconcile watch\n".utf8), to: marker)
    }

    /// Removes what a git that was killed left behind; nobody else works in this clone.
    private func removeLocks() throws {
        for name in ["index.lock", "HEAD.lock", "shallow.lock", "config.lock", "refs/reconcile/head.lock"] {
            try Disk().remove(options.clone.appending(".git").pushing(FilePath(name)))
        }
    }

    /// The file of the desired state in the clone.
    package var file: FilePath { options.clone.pushing(FilePath(options.path)) }

    package func glance() -> String { position.wanted.withLock { $0 } ?? "" }

    /// Fetches the newest commit of the branch. One without an allowed signature is refused, and the one before it stays.
    package func refresh() async throws {
        try await prepareClone()
        do {
            try await fetch()
        } catch let fault as Fault {
            guard case .unusable(_, let detail) = fault.kind else { throw fault }
            throw Fault(.sourceUnreachable(url: WebAddress.withoutSecrets(options.url), detail: Self.plain(detail)))
        }
        let commit = try await git("rev-parse", "--verify", "--quiet", "\(Self.ref)^{commit}")
        guard Self.isCommit(commit) else {
            throw Fault(.sourceInvalid(url: WebAddress.withoutSecrets(options.url), detail: "git names no commit"))
        }
        guard commit != glance() else { return }
        try await checkSignature(of: commit)
        position.wanted.withLock { $0 = commit }
    }

    private func fetch() async throws {
        _ = try await git(
            "fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--force", "--", options.url,
            "+refs/heads/\(options.branch):\(Self.ref)")
    }

    package func preview() async throws -> Declaration {
        guard let commit = position.wanted.withLock({ $0 }) else { throw unknown }
        let text: String
        do {
            text = try await git("show", "\(commit):\(options.path)", limit: 32 << 20, isTrimmed: false)
        } catch let fault as Fault {
            guard case .unusable = fault.kind else { throw fault }
            throw Fault(.unusable(what: "commit \(commit.prefix(12))", detail: "it has no file \(options.path)"))
        }
        return try DesiredStateLoader(paths: [file], contents: [file: Array(text.utf8)]).load()
    }

    package func adopt() async throws -> Declaration {
        guard let commit = position.wanted.withLock({ $0 }) else { throw unknown }
        try removeLocks()
        let before = try? await git("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
        do {
            _ = try await git("checkout", "--quiet", "--force", "--detach", commit)
            var declaration = try DesiredStateLoader(paths: [file]).load().pinningLock()
            declaration.commit = commit
            // What older commits left takes room; that it stays is no reason to stop.
            _ = try? await git("-c", "gc.pruneExpire=now", "-c", "gc.auto=512", "gc", "--auto", "--quiet")
            return declaration
        } catch {
            // The programs that hooks name must be those of the desired state that stays in force.
            if let before, Self.isCommit(before) {
                _ = try? await git("checkout", "--quiet", "--force", "--detach", before)
            }
            throw error
        }
    }

    private var unknown: Fault {
        Fault(
            .sourceUnreachable(
                url: WebAddress.withoutSecrets(options.url), detail: "no commit of \(options.branch) was taken yet"))
    }

    private func checkSignature(of commit: String) async throws {
        guard let signers = options.signers else { return }
        do {
            // Only keys of the file count: other kinds of signatures are not asked about.
            _ = try await git(
                "-c", "gpg.format=ssh", "-c", "gpg.ssh.allowedSignersFile=\(signers)", "-c", "gpg.program=false",
                "-c", "gpg.openpgp.program=false", "-c", "gpg.x509.program=false", "-c", "gpg.minTrustLevel=fully",
                "verify-commit", commit)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw Fault(
                .unusable(
                    what: "commit \(commit.prefix(12))", detail: "it has no valid signature by a key of \(signers)"))
        }
    }

    private func git(_ arguments: String..., limit: Int = 64 << 10, isTrimmed: Bool = true) async throws -> String {
        do {
            return try await Self.git(arguments, in: options.clone, limit: limit, isTrimmed: isTrimmed)
        } catch let fault as Fault {
            // The address may hold a password in a form that is not told by its looks.
            guard case .unusable(let what, let detail) = fault.kind else { throw fault }
            let shown = detail.replacing(options.url, with: WebAddress.withoutSecrets(options.url))
            throw Fault(.unusable(what: what, detail: WebAddress.withoutSecrets(shown)))
        }
    }

    private static func git(
        _ arguments: [String], in directory: FilePath?, limit: Int = 64 << 10, isTrimmed: Bool = true
    ) async throws -> String {
        let fixed = [
            "git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-c", "protocol.ext.allow=never",
            "-c", "transfer.fsckObjects=true", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
            "-c", "filter.lfs.smudge=", "-c", "filter.lfs.process=", "-c", "filter.lfs.required=false",
            "-c", "http.lowSpeedLimit=100", "-c", "http.lowSpeedTime=30", "-c", "advice.detachedHead=false",
        ]
        let ssh = Environment.value("GIT_SSH_COMMAND") ?? "ssh -oBatchMode=yes -oConnectTimeout=20"
        let environment: [Subprocess.Environment.Key: String?] = [
            "GIT_TERMINAL_PROMPT": "0", "GIT_LFS_SKIP_SMUDGE": "1", "GIT_SSH_COMMAND": ssh, "GIT_DIR": nil,
            "GIT_WORK_TREE": nil,
            "GIT_INDEX_FILE": nil, "GIT_OBJECT_DIRECTORY": nil, "LC_ALL": "C",
        ]
        let (answer, output) = try await HookRunner().execute(
            fixed + arguments, in: directory?.string ?? "", seconds: deadline, environment: environment, limit: limit)
        switch answer {
        case .works: return isTrimmed ? String(output.drop(while: \.isNewline).prefix { !$0.isNewline }) : output
        case .broken(let detail), .timedOut(let detail), .undecided(let detail):
            let verb = arguments.first { !$0.hasPrefix("-") && !$0.contains("=") } ?? "git"
            throw Fault(.unusable(what: "git \(verb)", detail: detail))
        }
    }

    /// What git says went wrong, without the words around it.
    private static func plain(_ detail: String) -> String {
        let fatal = detail.split(separator: " | ").compactMap { line in
            line.range(of: "fatal: ").map { String(line[$0.upperBound...]) }
        }
        let text = fatal.last ?? detail
        return text.hasSuffix(".") ? String(text.dropLast()) : text
    }

    private static func isCommit(_ text: String) -> Bool {
        (text.utf8.count == 40 || text.utf8.count == 64) && text.allSatisfy(\.isHexDigit)
    }
}
