import ReconcileEngine

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// Colour, only where it can be seen: on a terminal, and not where `NO_COLOR` is set (https://no-color.org).
enum Style {
    case plain, coloured

    enum Colour: Int { case red = 31, green = 32, yellow = 33, blue = 34 }

    /// The style for standard output.
    static var output: Style { isTerminal(STDOUT_FILENO) && !isColourRefused ? .coloured : .plain }

    private static var isColourRefused: Bool {
        !(Environment.value("NO_COLOR") ?? "").isEmpty || Environment.value("TERM") == "dumb"
    }

    /// Whether people read what is written to a descriptor.
    static func isTerminal(_ descriptor: CInt) -> Bool { isatty(descriptor) == 1 }

    /// The columns of the terminal that standard error writes to; 80 where there is none.
    static var terminalWidth: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    func paint(_ text: String, _ colour: Colour) -> String {
        switch self {
        case .plain: text
        case .coloured: "\u{1B}[\(colour.rawValue)m\(text)\u{1B}[0m"
        }
    }
}
