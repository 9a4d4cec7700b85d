extension RandomAccessCollection {
    /// The first place from which on a property holds, found by bisection; `endIndex` when it holds nowhere.
    ///
    /// - Parameter property: Once it holds for an element, it has to hold for all behind it.
    package func firstPlace(where property: (Element) -> Bool) -> Index {
        var (low, count) = (startIndex, self.count)
        while count > 0 {
            let half = count / 2
            let middle = index(low, offsetBy: half)
            if property(self[middle]) {
                count = half
            } else {
                low = index(after: middle)
                count -= half + 1
            }
        }
        return low
    }
}
