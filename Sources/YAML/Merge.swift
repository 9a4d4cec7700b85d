extension Node {
    /// This document with another laid over it.
    ///
    /// Mappings merge key by key, `null` removes a key, and everything else is replaced whole. Every value keeps the mark
    /// of the file it was written in.
    ///
    /// - Parameter isWhole: Whether the mapping at a path (the keys from the root) is replaced whole instead of merged.
    public func overlaid(with other: Node, isWhole: ([String]) -> Bool) -> Node {
        overlaid(with: other, path: [], isWhole: isWhole)
    }

    private func overlaid(with other: Node, path: [String], isWhole: ([String]) -> Bool) -> Node {
        guard case .mapping(let below) = content, case .mapping(let above) = other.content, !isWhole(path) else {
            return other
        }
        var merged = below
        var places = Dictionary(below.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
        for entry in above {
            if entry.value.isNull {
                merged.removeAll { $0.key == entry.key }
                places = Dictionary(merged.enumerated().map { ($1.key, $0) }, uniquingKeysWith: { first, _ in first })
                continue
            }
            guard let place = places[entry.key] else {
                places[entry.key] = merged.count
                merged.append(entry)
                continue
            }
            let value = merged[place].value.overlaid(with: entry.value, path: path + [entry.key], isWhole: isWhole)
            merged[place] = Entry(key: entry.key, mark: entry.mark, value: value)
        }
        return Node(.mapping(merged), at: mark)
    }
}
