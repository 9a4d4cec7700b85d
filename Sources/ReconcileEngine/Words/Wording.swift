package import ReconcileCore
import YAML

/// Every sentence about what went wrong or waits: what happened, what state we are in now, and the command that helps.
package enum Wording {
    /// A message in three parts.
    package struct Message {
        /// What happened, on one line.
        package let summary: String
        /// What state we are in.
        package var state: String?
        /// The command that helps, alone on its line.
        package var command: String?

        /// The message as it is printed after `Error: `.
        package var text: String {
            [summary, state, command.map { "    \($0)" }].compactMap(\.self).joined(separator: "\n")
        }
    }

    /// The message for a fault.
    ///
    /// - Parameter commands: The commands of the program, one of which may be meant by a name that is no model.
    package static func message(for fault: Fault, commands: [String] = []) -> Message {
        let name = fault.model?.description ?? "MODEL"
        switch fault.kind {
        case .fileMissing(let path):
            return Message(
                summary: "\(path) is not there.", state: "Nothing was changed.",
                command: path.hasSuffix(".yaml") ? "reconcile init" : nil)
        case .fileDamaged(let path, let detail):
            return Message(
                summary: "\(path) cannot be used: \(detail).", state: "Nothing was changed because of it.",
                command: repair(path, name))
        case .formatUnknown(let path, let found, let supported):
            return Message(
                summary: "\(path) has format \(found); this program knows format \(supported).",
                state: found > supported
                    ? "It was written by a newer reconcile. Nothing was changed; use that version."
                    : "Nothing was changed.")
        case .system(let operation, let path, let detail):
            return Message(
                summary: "Could not \(operation) \(path): \(detail).", state: "What was active before is active still.",
                command: detail.contains("No space") ? "reconcile gc" : nil)
        case .busy(let path, let holder):
            let who = holder.isEmpty ? "another process" : holder
            return Message(
                summary: "Another process is at work: \(path) is locked by \(who).",
                state: "Nothing was changed. Try again when it is done, or wait for it with --lock-timeout 5m.")
        case .diskFull(let needed, let free):
            return Message(
                summary:
                    "The disk is too full\(fault.model.map { " for \($0)" } ?? ""): \(Format.bytes(needed)) are needed, \(Format.bytes(free)) are free.",
                state: "Nothing was downloaded; what is active stays.", command: "reconcile gc --dry-run")
        case .occupied(let path):
            return Message(
                summary:
                    "Somebody's own files stand where the model “\(name)” belongs: \(path) in the store is not a link of reconcile.",
                state: "They were not touched. Move them away, or let reconcile take them over:",
                command: "reconcile adopt \(name)")
        case .secretMissing(let what):
            return Message(summary: "A secret is not there: \(what).", state: "Nothing was sent without it.")
        case .modelUnknown(let name, let nearestModel):
            let command = nearest(to: name, in: commands).map { "reconcile \($0)" }
            let meant = nearestModel.map { "“\($0)”" } ?? command.map { "the command “\($0)”" }
            return Message(
                summary: "No model is named “\(name)”." + (meant.map { " Did you mean \($0)?" } ?? ""),
                state: "Nothing was changed.",
                command: nearestModel == nil ? command ?? "reconcile status" : "reconcile status")
        case .stillDeclared(let place):
            return Message(
                summary: "“\(name)” is still declared at \(place).",
                state: "It was not removed: the next pass would install it again. Take its block out first.")
        case .protected:
            return Message(
                summary: "“\(name)” is protected.", state: "It was not removed. If you are sure:",
                command: "reconcile remove \(name) --protected")
        case .insecureAddress(let url):
            return Message(
                summary: "\(url) is plain HTTP, which can be read and changed on its way.",
                state: "Nothing was asked. Use https://, or set allowInsecure: true on the source.")
        default: return sourceMessage(for: fault, name)
        }
    }

    private static func sourceMessage(for fault: Fault, _ name: String) -> Message {
        let stays = fault.model == nil ? "Nothing was changed." : "“\(name)” stays as it is."
        switch fault.kind {
        case .sourceUnreachable(let url, let detail):
            return Message(
                summary: "\(url) does not answer: \(detail).",
                state: fault.model == nil ? stays : "“\(name)” stays as it is; the next pass asks again.")
        case .sourceLacks(let url):
            return Message(summary: "\(url) is not there, or may not be read.", state: stays)
        case .sourceRefuses(let url, let reason): return message(for: reason, url, fault.model)
        case .sourceInvalid(let url, let detail):
            return Message(
                summary: "\(url) cannot be used: \(detail).", state: "\(stays.dropLast()); tell the publisher.")
        case .noMatch(let range, let available):
            let there = available.isEmpty ? "nothing is published" : "there are: \(available.joined(separator: ", "))"
            return Message(
                summary: "No release of “\(name)” is in the range “\(range)”; \(there).",
                state: "“\(name)” stays as it is.",
                command: "reconcile outdated \(name)")
        case .ambiguous(let versions):
            return Message(
                summary:
                    "“\(name)” could be any of \(versions.joined(separator: ", ")), which are equal in precedence.",
                state: "It stays as it is. Name one exactly, as in version: \"=\(versions.first ?? "1.0.0")\".")
        case .nothingIncluded(let version):
            return Message(
                summary: "The “include” of “\(name)” matches no file of \(version).", state: "“\(name)” stays as it is."
            )
        case .lockMissing(let path):
            return Message(
                summary: "\(path) is not there, but --locked asks for it.", state: "Nothing was changed.",
                command: "reconcile lock")
        case .lockStale(let path):
            return Message(
                summary: "\(path) does not answer what is declared for “\(name)”.", state: "Nothing was changed.",
                command: "reconcile lock")
        case .stalePlan(let moved):
            return Message(
                summary: "The plan no longer fits this machine:\n" + moved.map { "  - \($0)" }.joined(separator: "\n"),
                state: "Nothing was changed. Make a new one:", command: "reconcile plan --out plan.json")
        default: return modelMessage(for: fault, name)
        }
    }

    private static func modelMessage(for fault: Fault, _ name: String) -> Message {
        switch fault.kind {
        case .digestMismatch(let path, let expected, let received):
            return Message(
                summary:
                    "The bytes of “\(path)” are not those of the release: expected \(expected.short)…, received \(received.short)….",
                state:
                    "They were thrown away; what was active before is active still. If it was published again on purpose:",
                command: "reconcile lock --update \(name)")
        case .sizeMismatch(let path, let expected, let received):
            return Message(
                summary: "“\(path)” has \(received) bytes instead of \(expected).",
                state: "They were thrown away; what was active before is active still.")
        case .hookFailed(_, let detail):
            return Message(
                summary: "“\(name)” does not work: \(detail).",
                state:
                    "It was quarantined and never activated; what was active before is active still. To try it again:",
                command: "reconcile retry \(name)")
        case .hookUndecided(_, let detail):
            return Message(
                summary: "It cannot be told whether “\(name)” works: \(detail).",
                state:
                    "It was not activated; what was active before is active still. It is tried again later, or now with:",
                command: "reconcile retry \(name)")
        case .halted(let detail):
            return Message(
                summary: "“\(name)” is halted: \(detail).",
                state: "The new version is active and unconfirmed, as onFailure: halt asks for. Go back, or try again:",
                command: "reconcile rollback \(name)    or    reconcile retry \(name)")
        case .drifted(let damage):
            return Message(
                summary:
                    "\(count(damage.count, "file")) of “\(name)” \(damage.count == 1 ? "differs" : "differ") from the release: \(list(damage.map(\.path.description))).",
                state: "It was not repaired, as drift: warn asks for.", command: "reconcile verify \(name) --repair")
        case .recordLost(let path):
            return Message(
                summary: "The record of what is active of “\(name)” is missing or damaged: .reconcile/\(path).",
                state:
                    "Its files were not touched. A pass writes the record anew when the source still has that release.")
        case .requirementUnmet(let repository, let needed, let found):
            return Message(
                summary: "“\(name)” needs \(repository) \(needed), which is "
                    + (found.map { "at \($0)" } ?? "not installed") + ".",
                state: "It was not activated; what was active before is active still.")
        case .heldBack(let other):
            return Message(
                summary: "“\(name)” waits for “\(other)”, which did not get through.",
                state: "It was not activated; what was active before is active still.",
                command: "reconcile explain \(other)")
        case .holdLost(let version):
            return Message(
                summary: "“\(name)” is held at \(version), which is no longer whole on disk.",
                state: "What is active stays.",
                command: "reconcile resume \(name)")
        case .notKept(let version, let kept):
            let there = kept.isEmpty ? "nothing else is kept" : "kept are: \(kept.joined(separator: ", "))"
            return Message(
                summary: version.map { "\($0) of “\(name)” is not on disk; \(there)." }
                    ?? "Nothing of “\(name)” is on disk to use; \(there).",
                state: "Nothing was changed.", command: "reconcile status \(name)")
        case .nothingToApprove where fault.model == nil:
            return Message(
                summary: "Nothing waits for an approval.", state: "Nothing was changed.", command: "reconcile plan")
        case .nothingToApprove:
            return Message(
                summary: "Nothing of “\(name)” waits for an approval.", state: "Nothing was changed.",
                command: "reconcile plan \(name)")
        case .waitedInVain(let condition, let seconds, let models):
            return Message(
                summary: "Not \(condition) within \(seconds) s:\n" + models.map { "  - \($0)" }.joined(separator: "\n"),
                state: "Nothing was changed.", command: "reconcile status")
        case .pruneRefused(let number, let of):
            return Message(
                summary: "Pruning would remove \(number) of \(of) models, which looks like a mistake.",
                state: "None was removed. If it is meant, remove them one by one:", command: "reconcile remove MODEL")
        case .alreadyPublished(let version, let path):
            return Message(
                summary: "\(version) is published already, with other bytes: \(path).",
                state: "Nothing was published. A version never changes: publish a new one.")
        case .unusable(let what, let detail):
            return Message(summary: "\(what) cannot be used: \(detail).", state: "Nothing was changed.")
        case .interrupted:
            return Message(summary: "Interrupted.", state: "Nothing is half done; partial downloads are kept.")
        case .bug(let detail): return Message(summary: "\(detail).", state: "This is a bug in reconcile.")
        default: return Message(summary: "\(fault.kind).", state: "This is a bug in reconcile.")
        }
    }

    private static func repair(_ path: String, _ model: String) -> String? {
        if path.hasSuffix(".lock") { return "git checkout \(path)    or    rm \(path) && reconcile lock" }
        if path.contains("/memory/") {
            return "cat \(path)    (mend it, or delete it: holds, quarantine and approvals of \(model) go with it)"
        }
        return nil
    }

    /// Why a release is not taken, when it can be, and what releases it.
    package static func words(for blocked: Plan.Blocked) -> (why: String, command: String?) {
        let (why, command) = words(for: blocked.obstacle, blocked.model)
        guard let moment = blocked.possibleAt, moment != blocked.obstacle.endsAt else { return (why, command) }
        return ("\(why); possible from \(moment.weekdayMinute)", command)
    }

    /// A conflict, as a chain of what requires what.
    private static func words(for steps: [Conflict]) -> String {
        guard !steps.isEmpty else { return "does not fit together with the other models" }
        return steps.map { step in
            switch step {
            case .undeclared(let repository, let needed):
                return "needs \(repository) \(needed), which no model here takes"
            case .requires(let repository, let needed, let model, let available):
                let there = available.map(\.description).joined(separator: " or ")
                return "needs \(repository) \(needed), and \(model) can be \(there.isEmpty ? "nothing" : there)"
            case .waits(let model, let version, let obstacle): return "\(model) \(version) is \(obstacle)"
            case .contended(let by, let version, let repository, let needed):
                return "\(by) \(version) needs \(repository) \(needed)"
            }
        }.joined(separator: "; ")
    }

    private static func words(for obstacle: Obstacle, _ model: ModelName) -> (why: String, command: String?) {
        switch obstacle {
        case .yanked: return ("withdrawn by its publisher", nil)
        case .channel(let name): return ("on channel \(name)", nil)
        case .factDiffers(let name, let needed, let found):
            return (
                "needs \(name) \(needed), "
                    + (found.map { "this machine has \($0)" } ?? "which this machine does not declare"), nil
            )
        case .modelDiffers(let repository, let needed, let found):
            return (
                "needs \(repository) \(needed), " + (found.map { "which is at \($0)" } ?? "which is not installed"), nil
            )
        case .incomplete: return ("listed, but none of its files is there", nil)
        case .license(let found):
            return (
                found.map { "its licence, \($0.printable), is not one of those that are allowed" }
                    ?? "it names no licence, and some are asked for", nil
            )
        case .tooYoung(let until): return ("too young until \(until.minute)", nil)
        case .ageUnknown:
            return ("of unknown age, and minimumAge is set", "reconcile approve \(model)")
        case .republished(let known):
            return ("published again with other bytes (known as \(known.short))", "reconcile approve \(model)")
        case .needsApproval(let size): return ("needs approval (\(size.rawValue) step)", "reconcile approve \(model)")
        case .notBefore(let time): return ("not before \(time.minute)", nil)
        case .quarantined(let cause, let at, let until):
            let end = until.map { " until \($0.minute)" } ?? ""
            return ("quarantined since \(at.date)\(end): \(cause)", "reconcile retry \(model)")
        case .undecided(let cause, let retryAt):
            return ("could not be tested: \(cause); tried again after \(retryAt.minute)", "reconcile retry \(model)")
        case .held(let by, let reason, let until, let version):
            let end = until.map { " until \($0.minute)" } ?? ""
            return ("held at \(version) by \(by)\(end)" + (reason.map { ": \($0)" } ?? ""), "reconcile resume \(model)")
        case .window(let opens):
            return (
                opens.map { "waits for its window, which opens \($0.weekdayMinute)" } ?? "its windows never open", nil
            )
        case .dependency(let other, .absent):
            return ("depends on \(other), which is not installed", "reconcile explain \(other)")
        case .dependency(let other, .failing):
            return ("depends on \(other), which does not work", "reconcile explain \(other)")
        case .dependency(let other, .changing):
            return ("waits for \(other), which must change with it or before it", nil)
        case .group(let group, let other):
            return ("its group \(group) waits for \(other)", "reconcile explain \(other)")
        case .conflict(let steps): return (words(for: steps), nil)
        case .olderThanFailed(let version):
            return ("older than \(version), which did not work; only newer ones are tried", "reconcile retry \(model)")
        }
    }

    /// What a notice says.
    package static func words(for notice: Plan.Notice) -> String {
        switch notice {
        case .activeYanked(let model, let version):
            "\(model) \(version) was withdrawn by its publisher; it stays until there is another"
        case .activeUnlisted(let model, let version): "\(model) \(version) is no longer listed by its source; it stays"
        case .activeUnfit(let model, let version, let obstacle):
            "\(model) \(version) \(words(for: obstacle, model).why); it stays"
        case .undeclared(let model): "\(model) is on disk but not declared: reconcile remove \(model)"
        case .protected(let model): "\(model) is not declared, but protected or held; it is not pruned"
        case .lockSilent(let model): "the lock does not answer \(model); it was resolved afresh: reconcile lock"
        }
    }

    /// `1 file`, `2 files`.
    package static func count(_ number: Int, _ noun: String) -> String {
        number == 1 ? "1 \(noun)" : "\(number) \(noun)s"
    }

    private static func list(_ items: [String]) -> String {
        items.prefix(3).joined(separator: ", ") + (items.count > 3 ? " and \(items.count - 3) more" : "")
    }
}
