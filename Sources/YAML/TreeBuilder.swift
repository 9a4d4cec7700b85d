/// Builds the node tree from events, with a stack of its own so that depth costs no call stack.
struct TreeBuilder {
    private struct Frame {
        var isMapping: Bool
        var mark: Mark
        var anchor: String?
        var elements: [Node] = []
        var entries: [Node.Entry] = []
        var keys: [String: Mark] = [:]
        var pendingKey: (text: String, mark: Mark)?
        var nodes = 1
    }

    private let source: Source
    private let limits: Limits
    private var stack: [Frame] = []
    private var anchors: [String: (node: Node, nodes: Int)] = [:]
    private var aliasNodes = 0
    private var root: Node?
    private var documents = 0
    /// What is wrong without keeping the rest from being read.
    private(set) var problems = Problems()

    init(source: Source, limits: Limits) {
        self.source = source
        self.limits = limits
    }

    mutating func add(_ event: Event) throws {
        switch event.kind {
        case .documentStart:
            documents += 1
            guard documents == 1 else {
                throw Problem(event.mark, "a second document starts here; the file may hold one")
            }
        case .documentEnd: break
        case .sequenceStart: try open(event, isMapping: false, tag: "seq")
        case .mappingStart: try open(event, isMapping: true, tag: "map")
        case .collectionEnd: try close()
        case .scalar(let scalar):
            let typed = try apply(event.tag, to: scalar, at: event.mark)
            try place(Node(.scalar(typed), at: event.mark), anchor: event.anchor, nodes: 1)
        case .alias(let name): try expand(name, at: event.mark)
        }
    }

    func finish() throws -> Node {
        guard let root else { throw Problem(Mark(source: source, line: 1, column: 1), "the file is empty") }
        return root
    }

    private mutating func open(_ event: Event, isMapping: Bool, tag: String) throws {
        guard stack.count < limits.depth else {
            throw Problem(event.mark, "this is nested more than \(limits.depth) levels deep")
        }
        if let written = event.tag, written != "tag:yaml.org,2002:\(tag)" {
            throw Problem(event.mark, "the tag \(written) is not known here")
        }
        if stack.last?.isMapping == true, stack.last?.pendingKey == nil {
            throw Problem(event.mark, "a key must be plain text")
        }
        stack.append(Frame(isMapping: isMapping, mark: event.mark, anchor: event.anchor))
    }

    private mutating func close() throws {
        guard let frame = stack.popLast() else { return }
        let content: Node.Content = frame.isMapping ? .mapping(frame.entries) : .sequence(frame.elements)
        try place(Node(content, at: frame.mark), anchor: frame.anchor, nodes: frame.nodes)
    }

    private mutating func expand(_ name: String, at mark: Mark) throws {
        guard let target = anchors[name] else {
            throw Problem(
                mark, "the alias *\(name) names no anchor that is complete before it",
                hint: "if it is meant as text, quote it: \"*\(name)\"")
        }
        aliasNodes += target.nodes
        guard aliasNodes <= limits.aliasNodes else {
            throw Problem(mark, "the aliases of this file expand to more than \(limits.aliasNodes) values")
        }
        try place(target.node, anchor: nil, nodes: target.nodes, at: mark)
    }

    private mutating func place(_ node: Node, anchor: String?, nodes: Int, at place: Mark? = nil) throws {
        if let anchor { anchors[anchor] = (node, nodes) }
        guard var frame = stack.popLast() else {
            root = node
            return
        }
        frame.nodes += nodes
        if !frame.isMapping {
            frame.elements.append(node)
        } else if let key = frame.pendingKey {
            frame.entries.append(Node.Entry(key: key.text, mark: key.mark, value: node))
            frame.pendingKey = nil
        } else {
            let mark = place ?? node.mark
            guard case .scalar(let scalar) = node.content else { throw Problem(mark, "a key must be plain text") }
            if let first = frame.keys.updateValue(mark, forKey: scalar.text) {
                problems.add(mark, "the key “\(scalar.text)” was already set in line \(first.line)")
            }
            frame.pendingKey = (scalar.text, mark)
        }
        stack.append(frame)
    }

    private func apply(_ tag: String?, to scalar: Scalar, at mark: Mark) throws -> Scalar {
        switch tag {
        case nil: return scalar
        case "!", "tag:yaml.org,2002:str": return Scalar(scalar.text, isPlain: false)
        case "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float":
            return Scalar(scalar.text, isPlain: true)
        case .some(let other): throw Problem(mark, "the tag \(other) is not known here")
        }
    }
}
