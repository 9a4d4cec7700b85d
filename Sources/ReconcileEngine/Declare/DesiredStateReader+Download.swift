import ReconcileCore
import SystemPackage
import YAML

// The `download` block of the desired state.
extension DesiredStateReader {
    /// How bytes are fetched; what the file does not say is the built-in limit.
    func readDownload() -> DownloadPolicy {
        var policy = DownloadPolicy()
        guard let node = root["download"] else { return policy }
        policy.connections = node["connections"]?.text.flatMap { Int($0) } ?? policy.connections
        policy.connectionsPerHost = node["connectionsPerHost"]?.text.flatMap { Int($0) } ?? policy.connections
        policy.directIO = node["directIO"]?.text.flatMap(DownloadPolicy.DirectIO.init) ?? policy.directIO
        policy.memoryBytes = node["memory"]?.text.flatMap(Sizes.bytes).map { Int(clamping: $0) } ?? policy.memoryBytes
        policy.seeds = (node["seeds"]?.elements ?? []).map { path($0).string }
        if let rate = node["bandwidth"]?.text.flatMap(Sizes.rate) {
            policy.bandwidth = [DownloadPolicy.Limit(bytesPerSecond: rate)]
        }
        policy.bandwidth += (node["bandwidth"]?.elements ?? []).compactMap { limit in
            limit["rate"]?.text.flatMap(Sizes.rate).map {
                DownloadPolicy.Limit(bytesPerSecond: $0, window: window(of: limit))
            }
        }
        return policy
    }

    private func window(of limit: Node) -> Window? {
        guard let text = limit["during"]?.text, let begins = try? CronExpression(text),
            let seconds = limit["duration"]?.text.flatMap(Durations.seconds),
            let zone = TimeZones.rules(of: limit["timeZone"]?.text ?? "UTC")
        else { return nil }
        return Window(.allow, begins: begins, durationSeconds: seconds, zone: zone)
    }
}
