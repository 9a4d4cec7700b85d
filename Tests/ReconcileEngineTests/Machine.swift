import Foundation
import ReconcileCore
import ReconcileEngine
import ReconcileTesting

/// A machine on which time passes as the test says, driven through the library as a host program would.
struct Machine {
    static let start = Timestamp(seconds: 1_800_000_000)

    let work: Workspace
    let clock = ManualClock(Machine.start)

    /// - Parameters:
    ///   - models: The lines below `models:`.
    ///   - head: Other top-level keys.
    init(models: String, head: String = "") throws {
        work = try Workspace()
        try work.declare(models, head: head)
    }

    var reconciler: Reconciler {
        Reconciler(
            files: [work.url("desired-state.yaml").path()],
            settings: Settings(user: "ana@gpu1", clock: { [clock] in clock.now }, lockPatience: .seconds(1)))
    }

    func name(_ text: String) throws -> ModelName { try Sample.unwrap(ModelName(text)) }

    /// Publishes a release of `repository` with one file `v` whose content is `content`, the version unless said otherwise.
    func publish(
        _ repository: String, _ version: String, content: String? = nil, priority: Priority? = nil, age: Int64 = 0
    ) async throws {
        let source = "src/\(repository)-\(version)"
        try work.write(content ?? version, to: "\(source)/v")
        let publisher = try Publisher(catalog: work.url("catalog").path(), repository: repository)
        var description = Publisher.Description(version: try Sample.unwrap(Version(version)))
        description.priority = priority
        _ = try await publisher.publish(
            work.url(source).path(), description, at: clock.now.advanced(bySeconds: -age))
    }

    /// What programs that open the model's link read.
    func active(_ model: String) -> String? { work.read("models/\(model)/v") }

    /// The news that a receiver of the file `news` got, as JSON.
    func news() throws -> [News] {
        try (work.read("news") ?? "").split(separator: "\n").map {
            try JSONDecoder().decode(News.self, from: Data($0.utf8))
        }
    }
}
