import NIOCore
import NIOHTTP1
import NIOPosix

/// A web server on a free port of this machine that has one file, and gives ranges of it.
final class LoopbackServer: Sendable {
    private let channel: any Channel

    /// Where the file is.
    let url: String

    /// A server of these bytes.
    init(_ file: [UInt8]) async throws {
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.pipeline.configureHTTPServerPipeline().flatMapThrowing {
                    try channel.pipeline.syncOperations.addHandler(Handler(file))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        url = "http://127.0.0.1:\(channel.localAddress?.port ?? 0)/file"
    }

    /// Takes no more connections.
    func close() async throws { try await channel.close() }

    private final class Handler: ChannelInboundHandler {
        typealias InboundIn = HTTPServerRequestPart
        typealias OutboundOut = HTTPServerResponsePart

        private let file: [UInt8]

        init(_ file: [UInt8]) { self.file = file }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            guard case .head(let request) = unwrapInboundIn(data) else { return }
            let range = Self.range(request.headers.first(name: "Range") ?? "", file.count)
            let body = file[range ?? 0..<file.count]
            var head = HTTPResponseHead(version: .http1_1, status: range == nil ? .ok : .partialContent)
            head.headers.add(name: "Content-Length", value: "\(body.count)")
            if let range {
                head.headers.add(
                    name: "Content-Range", value: "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.count)")
            }
            context.write(wrapOutboundOut(.head(head)), promise: nil)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }

        /// The range that a request asks for; `nil` for none.
        private static func range(_ text: String, _ size: Int) -> Range<Int>? {
            let ends = text.dropFirst("bytes=".count).split(separator: "-").compactMap { Int($0) }
            guard ends.count == 2, ends[0] <= ends[1], ends[1] < size else { return nil }
            return ends[0]..<ends[1] + 1
        }
    }
}
