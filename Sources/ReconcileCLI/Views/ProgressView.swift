import Foundation
import ReconcileCore
import ReconcileEngine
import Synchronization

/// Shows what a pass does while it runs, on standard error: bars on a terminal, plain lines elsewhere, or JSON lines.
final class ProgressView: Sendable {
    /// How progress is shown.
    enum Mode: String, CaseIterable { case auto, plain, json, none }

    private enum Form { case bars, plain, json, none }

    /// Bytes that came of one file.
    private struct Transfer {
        var bytes: Int64 = 0
        let size: Int64
    }

    private struct State {
        var transfers: [String: Transfer] = [:]
        var steps: [ModelName: Step] = [:]
        var total: Int64 = 0
        var received: Int64 = 0
        var started: ContinuousClock.Instant?
        var drawn: ContinuousClock.Instant?
        var lines = 0
    }

    private let form: Form
    private let width: Int
    private let state = Mutex(State())

    /// At most this often is anything drawn or told about bytes.
    private static let interval = Duration.milliseconds(100)

    /// Whether nobody looks at what passes print: then what changed is told here.
    private let isService: Bool

    init(_ mode: Mode, isService: Bool = false) {
        self.isService = isService
        form =
            switch mode {
            case .auto: Style.isTerminal(2) && Environment.value("TERM") != "dumb" ? .bars : .plain
            case .plain: .plain
            case .json: .json
            case .none: .none
            }
        width = max(40, Style.terminalWidth)
    }

    /// Takes an event of a pass.
    func report(_ event: ReconcileEvent) {
        state.withLock { state in
            switch form {
            case .none: reportTrouble(event)
            case .json: reportJSON(event, &state)
            case .plain: reportPlain(event, &state)
            case .bars: reportBars(event, &state)
            }
        }
    }

    /// What is told in every form but JSON.
    private func reportTrouble(_ event: ReconcileEvent) {
        switch event {
        case .warning(let text): Output.message("warning: \(text)\n")
        case .desiredStateInvalid(let text, let isOlderInForce):
            let state = isOlderInForce ? "the last good one stays in force" : "nothing is in force yet"
            Output.message("\(text)\nThe desired state cannot be used; \(state).\n")
        default: break
        }
    }

    // MARK: Lines

    private func reportPlain(_ event: ReconcileEvent, _ state: inout State) {
        switch event {
        case .began(let model, let action, let version, let bytes):
            let size = bytes > 0 ? ", \(Format.bytes(bytes)) to download" : ""
            Output.message("\(model): \(action.rawValue) \(version?.description ?? "")\(size)\n")
        case .step(let model, let step): Output.message("\(model): \(step.rawValue)\n")
        case .waiting(let model, let seconds): Output.message("\(model): probe asked again in \(seconds) s\n")
        case .reverting(let model, _): Output.message("\(model): revert\n")
        case .warning, .desiredStateInvalid: reportTrouble(event)
        case .desiredStateChanged, .desiredStateValid, .updateAvailable, .condition:
            if isService { reportService(event) }
        case .received, .ended, .passBegan, .passEnded, .sleeping: break
        }
    }

    /// What a service tells its log: what changed, once.
    private func reportService(_ event: ReconcileEvent) {
        switch event {
        case .desiredStateValid: Output.message("the desired state can be used again\n")
        case .desiredStateChanged(let digest, let commit):
            Output.message(
                "desired state \(digest.short)\(commit.map { ", commit \($0.prefix(12))" } ?? "") is in force\n")
        case .updateAvailable(let blocked):
            Output.message("\(blocked.model): \(blocked.version) is available: \(Wording.words(for: blocked).why)\n")
        case .condition(let model, let condition):
            Output.message(
                "\(model): \(condition.type.rawValue)=\(condition.status ? "True" : "False") \(condition.reason)\(condition.message.isEmpty ? "" : ": \(condition.message)")\n"
            )
        default: break
        }
    }

    // MARK: JSON lines

    private struct Line: Encodable {
        var event: String
        var model: ModelName?
        var action: String?
        var version: Version?
        var step: String?
        var file: String?
        var receivedBytes: Int64?
        var totalBytes: Int64?
        var message: String?
        var commit: String?
        var pass: String?
        var exitStatus: Int32?
        var until: Timestamp?
        var condition: String?
        var status: Bool?
        var reason: String?
    }

    private func reportJSON(_ event: ReconcileEvent, _ state: inout State) {
        switch event {
        case .began(let model, let action, let version, let bytes):
            write(Line(event: "began", model: model, action: action.rawValue, version: version, totalBytes: bytes))
        case .step(let model, let step): write(Line(event: "step", model: model, step: step.rawValue))
        case .received(let model, let file, let bytes, let size):
            let transfer = add(bytes, size, "\(model)/\(file)", &state)
            guard transfer.bytes >= size || isDue(&state) else { return }
            write(
                Line(
                    event: "progress", model: model, file: file.description, receivedBytes: transfer.bytes,
                    totalBytes: size))
        case .waiting(let model, _): write(Line(event: "waiting", model: model))
        case .reverting(let model, _): write(Line(event: "reverting", model: model))
        case .ended(let outcome):
            write(
                Line(
                    event: "ended", model: outcome.change.model, receivedBytes: outcome.receivedBytes,
                    message: outcome.result.name))
        case .warning(let text): write(Line(event: "warning", message: text))
        case .desiredStateInvalid(let text, _): write(Line(event: "desiredStateInvalid", message: text))
        case .desiredStateValid: write(Line(event: "desiredStateValid"))
        case .desiredStateChanged(let digest, let commit):
            write(Line(event: "desiredStateChanged", message: digest.description, commit: commit))
        case .updateAvailable(let blocked):
            write(
                Line(
                    event: "updateAvailable", model: blocked.model, version: blocked.version,
                    message: Wording.words(for: blocked).why))
        case .condition(let model, let condition):
            write(
                Line(
                    event: "condition", model: model, message: condition.message, condition: condition.type.rawValue,
                    status: condition.status, reason: condition.reason))
        case .passBegan(let info): write(Line(event: "passBegan", commit: info.commit, pass: info.id))
        case .passEnded(let info, let status):
            write(Line(event: "passEnded", commit: info.commit, pass: info.id, exitStatus: status.rawValue))
        case .sleeping(let until): write(Line(event: "sleeping", until: until))
        }
    }

    private func write(_ line: Line) {
        guard let bytes = try? JSONFile.bytes(of: line, pretty: false) else { return }
        Output.message(String(decoding: bytes, as: UTF8.self))
    }

    // MARK: Bars

    private func reportBars(_ event: ReconcileEvent, _ state: inout State) {
        switch event {
        case .began(let model, _, _, let bytes):
            state.total += bytes
            state.started = state.started ?? .now
            state.steps[model] = .fetch
        case .step(let model, let step): state.steps[model] = step
        case .received(let model, let file, let bytes, let size):
            let name = "\(model)/\(file)"
            let transfer = add(bytes, size, name, &state)
            if transfer.bytes >= size { state.transfers[name] = nil }
        case .waiting, .reverting: break
        case .ended(let outcome):
            state.steps[outcome.change.model] = nil
            state.transfers = state.transfers.filter { !$0.key.hasPrefix("\(outcome.change.model)/") }
            return draw(&state)
        case .warning, .desiredStateInvalid:
            erase(&state)
            reportTrouble(event)
        case .passBegan, .passEnded, .updateAvailable, .condition, .desiredStateChanged, .desiredStateValid, .sleeping:
            return
        }
        if isDue(&state) { draw(&state) }
    }

    private func add(_ bytes: Int, _ size: Int64, _ name: String, _ state: inout State) -> Transfer {
        state.received += Int64(bytes)
        var transfer = state.transfers[name] ?? Transfer(size: size)
        transfer.bytes += Int64(bytes)
        state.transfers[name] = transfer
        return transfer
    }

    private func isDue(_ state: inout State) -> Bool {
        let now = ContinuousClock.now
        if let drawn = state.drawn, now - drawn < Self.interval { return false }
        state.drawn = now
        return true
    }

    private func erase(_ state: inout State) {
        if state.lines > 0 { Output.message("\u{1B}[\(state.lines)A\u{1B}[J") }
        state.lines = 0
    }

    private func draw(_ state: inout State) {
        erase(&state)
        var lines = state.transfers.sorted { $0.key < $1.key }.map { name, transfer in
            bar(name, transfer.bytes, transfer.size)
        }
        for (model, step) in state.steps.sorted(by: { $0.key < $1.key }) where step != .fetch {
            lines.append("\(model)  \(step.rawValue)")
        }
        if !state.steps.isEmpty, state.total > 0 { lines.append(totalLine(state)) }
        guard !lines.isEmpty else { return }
        Output.message(lines.map { String($0.prefix(width - 1)) + "\n" }.joined())
        state.lines = lines.count
    }

    private func bar(_ name: String, _ bytes: Int64, _ size: Int64) -> String {
        let cells = 20
        let share = size > 0 ? min(1, Double(bytes) / Double(size)) : 1
        let filled = Int(share * Double(cells))
        let label = Format.pad(String(name.suffix(24)), 24)
        return "\(label) [\(String(repeating: "#", count: filled))\(String(repeating: "-", count: cells - filled))] "
            + "\(Int(share * 100))%  \(Format.bytes(bytes)) / \(Format.bytes(size))"
    }

    private func totalLine(_ state: State) -> String {
        let elapsed = state.started.map { ContinuousClock.now - $0 } ?? .zero
        let seconds = Double(elapsed.components.seconds) + Double(elapsed.components.attoseconds) / 1e18
        let rate = seconds > 0 ? Double(state.received) / seconds : 0
        var text = bar("in all", state.received, state.total) + "  \(Format.bytes(Int64(rate)))/s"
        if rate > 0, state.total > state.received {
            text += "  \(Format.duration(milliseconds: Int64(Double(state.total - state.received) / rate * 1000))) left"
        }
        return text
    }
}

extension Outcome.Result {
    /// One word for scripts.
    var name: String {
        switch self {
        case .done: "done"
        case .skipped: "skipped"
        case .failed: "failed"
        case .rolledBack: "rolledBack"
        case .halted: "halted"
        case .interrupted: "interrupted"
        }
    }
}
