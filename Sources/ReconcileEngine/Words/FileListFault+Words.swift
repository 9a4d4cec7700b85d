import ReconcileCore

extension FileListFault {
    /// What is wrong with the list, as the end of a sentence that begins with whose it is.
    var words: String {
        switch self {
        case .empty: "it has no files"
        case .negativeSize(let path): "the size of “\(path)” is negative"
        case .duplicate(let path): "“\(path)” stands in it twice"
        case .caseCollision(let first, let second): "“\(first)” and “\(second)” differ only in case"
        case .fileIsDirectory(let path): "“\(path)” is a file and a directory"
        }
    }
}
