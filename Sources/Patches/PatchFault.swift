/// Why a patch or a compressed stream cannot be used.
///
/// What the caller's own closures throw is passed on as it is and never becomes one of these.
package enum PatchFault: Error, Hashable, Sendable {
    /// The bytes break a rule of their format, or belong to other files than the ones at hand.
    case damaged(detail: String)
    /// The bytes ask for more output or more memory than the caller allows.
    case tooLarge
    /// The machine refused something, such as memory.
    case io(detail: String)
}
