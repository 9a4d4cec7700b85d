import Foundation
import Synchronization

/// Remembers what a ``CredentialChain`` found, and looks again before it stops to be true.
///
/// Lent credentials are renewed five minutes before they expire; if that fails they are used until the end. That there are
/// none is believed for five minutes. Several tasks may look at the same time; each gets what is right.
package final class CredentialCache: Sendable {
    /// How long before their expiry credentials are renewed, and how long it is believed that there are none.
    private static let marginSeconds: TimeInterval = 300

    private let chain: CredentialChain
    private let held = Mutex<Held?>(nil)

    private struct Held {
        let finding: CredentialChain.Finding
        /// When to look again.
        let renewal: Date
    }

    /// Remembers nothing yet.
    package init(_ chain: CredentialChain) { self.chain = chain }

    /// The credentials to sign with now.
    ///
    /// - Throws: ``CredentialFault``; what cancels the task.
    package func current() async throws -> CredentialChain.Finding {
        let now = chain.surroundings.now()
        let old = held.withLock { $0 }
        if let old, now < old.renewal { return old.finding }
        do {
            let finding = try await chain.find()
            held.withLock { $0 = Held(finding: finding, renewal: Self.renewal(of: finding, from: now)) }
            return finding
        } catch let fault as CredentialFault {
            if let finding = old?.finding, let expiry = finding.credentials?.expiry, now < expiry { return finding }
            throw fault
        }
    }

    /// Forgets what was found; for when a service says that the keys are not known or have expired.
    package func forget() { held.withLock { $0 = nil } }

    private static func renewal(of finding: CredentialChain.Finding, from now: Date) -> Date {
        if let expiry = finding.credentials?.expiry { return expiry.addingTimeInterval(-marginSeconds) }
        return finding.origin == .nothingFound ? now.addingTimeInterval(marginSeconds) : .distantFuture
    }
}
