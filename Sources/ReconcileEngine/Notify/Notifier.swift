package import ReconcileCore
import SystemPackage

/// Tells receivers what changed: puts it down first, and brings it then, so that nothing is lost when the program dies and
/// nothing waits for a receiver that does not answer.
package struct Notifier: Sendable {
    private let book: NewsBook
    private let receivers: [Receiver]
    private let settings: Settings

    package init(history: History, receivers: [Receiver], settings: Settings) {
        (book, self.receivers, self.settings) = (NewsBook(history: history), receivers, settings)
    }

    /// Puts news down for those who want it.
    ///
    /// - Parameter ending: Models whose trouble is over.
    func post(_ news: [News], ending: [ModelName] = []) {
        guard !receivers.isEmpty else { return }
        var news = news
        if !news.isEmpty {
            let head = book.history.head()
            for index in news.indices { news[index].historyHead = head }
        }
        let entries = news.flatMap { news in receivers.filter { $0.wants(news) }.map { ($0.name, news) } }
        if let warning = book.add(entries, ending: ending) { settings.report(.warning(warning)) }
    }

    /// Reminders of trouble that goes on, for those who asked for them.
    func remind(of troubles: [News], at now: Timestamp) {
        var entries: [(receiver: String, news: News)] = []
        for receiver in receivers {
            guard let seconds = receiver.remindSeconds else { continue }
            for trouble in troubles where receiver.wants(trouble) {
                guard let model = trouble.model, let last = book.lastTold(receiver.name, model),
                    last.advanced(bySeconds: seconds) <= now
                else { continue }
                entries.append((receiver.name, trouble))
            }
        }
        if let warning = book.add(entries, ending: []) { settings.report(.warning(warning)) }
    }

    /// When something is to be brought next; `nil` when nothing waits.
    package func nextDelivery() -> Timestamp? { receivers.isEmpty ? nil : book.nextDue() }

    /// Brings what is due. What does not arrive is tried again with growing pauses, by a later pass if need be.
    ///
    /// - Parameter limit: How long this may take in all.
    /// - Returns: Whether what was brought could be noted; if not, nothing more is brought for now, lest it be brought twice.
    @discardableResult
    package func deliver(within limit: Duration) async -> Bool {
        guard !receivers.isEmpty else { return true }
        let deadline = ContinuousClock.now + limit
        for item in book.due(at: settings.clock()) {
            guard ContinuousClock.now < deadline, !Task.isCancelled else { return true }
            guard let receiver = receivers.first(where: { $0.name == item.receiver }) else {
                // Whom the file no longer names is told nothing more.
                guard book.note(item, next: nil) == nil else { return false }
                continue
            }
            guard await deliver(item, to: receiver) else { return false }
        }
        return true
    }

    private func deliver(_ item: NewsBook.Item, to receiver: Receiver) async -> Bool {
        let pause = Backoff(base: 2, limit: 3600).seconds(after: item.attempts + 1)
        let isLast = item.attempts + 1 >= receiver.attempts
        let next = isLast ? nil : settings.clock().advanced(bySeconds: pause)
        // Noted before it is tried: where nothing can be noted, it would be brought again and again.
        guard book.note(item, next: next) == nil else { return false }
        do {
            let id = Hashing.digest(of: item.identity).description
            try await Courier(receiver: receiver).deliver(item.body, id: id)
            return book.settle(item) == nil
        } catch is CancellationError {
            return true
        } catch {
            let why = (error as? Fault).map { Wording.message(for: $0).summary } ?? "\(error)"
            let end = isLast ? "it was given up" : "tried again in \(pause) s"
            settings.report(.warning("news did not reach \(receiver.shownName): \(why) \(end)"))
            return true
        }
    }
}

extension Receiver {
    /// The receiver as people know it; an address may be a secret.
    var shownName: String {
        switch address {
        case .webhook: "the webhook"
        case .exec(let command, _): command.first ?? "the program"
        case .file(let path): path.string
        }
    }
}
