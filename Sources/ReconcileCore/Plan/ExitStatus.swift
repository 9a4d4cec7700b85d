/// How the program ends, for scripts. Where several apply, the first of this order is taken:
/// interrupted, busy, stale, failed, problem, pending, success.
public enum ExitStatus: Int32, Sendable {
    /// Done, in sync, or waiting for a person or a window.
    case success = 0
    /// Invalid input, or a model failed.
    case failed = 1
    /// A plan or dry run has changes, and `--detailed-exitcode` was given.
    case pending = 2
    /// A saved plan no longer fits.
    case stale = 3
    /// Rolled back in this pass, or blocked by a problem.
    case problem = 4
    /// The command line is wrong.
    case usage = 64
    /// Another process holds the store.
    case busy = 75
    /// Ended by Ctrl-C.
    case interrupted = 130
    /// Ended by SIGTERM.
    case terminated = 143

    /// The status of a plan that is only shown.
    public init(showing plan: Plan, detailed: Bool) {
        self = plan.hasProblems ? .problem : detailed && plan.isActionable ? .pending : .success
    }

    /// The status of a plan that was carried out.
    public init(applying plan: Plan, outcomes: [Outcome]) {
        let statuses = outcomes.map(\.result.exitStatus) + [plan.hasProblems ? .problem : .success]
        let order: [ExitStatus] = [.interrupted, .busy, .stale, .failed, .problem]
        self = order.first(where: statuses.contains) ?? .success
    }

    /// The status of a fault that ended a command.
    public init(_ fault: Fault) {
        switch fault.kind {
        case .busy: self = .busy
        case .stalePlan: self = .stale
        case .interrupted: self = .interrupted
        default: self = .failed
        }
    }
}

extension Outcome.Result {
    /// What a model's outcome says about the pass.
    var exitStatus: ExitStatus {
        switch self {
        case .done, .skipped: .success
        case .failed(let fault): if case .heldBack = fault.kind { .success } else { ExitStatus(fault) }
        case .rolledBack: .problem
        case .halted: .failed
        case .interrupted: .interrupted
        }
    }
}
