/// A text that must not be seen: every way to print it shows `(secret)` instead.
///
/// Only ``revealed`` gives it, so that a search for that word finds every place where it can get out.
package struct Secret: Hashable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The text itself.
    package let revealed: String

    /// Keeps `text` from being seen.
    package init(_ text: String) { revealed = text }

    /// Always the same.
    package var description: String { "(secret)" }
    /// Always the same.
    package var debugDescription: String { description }
    /// Has no children: `dump` and the failures of tests look at them.
    package var customMirror: Mirror { Mirror(self, children: [] as [Mirror.Child]) }
}
