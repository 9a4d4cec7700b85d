import Archives
import Testing

@Suite struct `The detail of a fault` {
    @Test(
        arguments: [
            (
                .damaged(.wrongChecksum, offset: 512),
                "it has a header with a wrong checksum, or is no tar archive (at byte 512 of the tar)"
            ),
            (.damaged(.endsEarly, offset: 0), "it ends too early (at byte 0 of the tar)"),
            (.undecodable(.gzip, reason: "incorrect data check"), "its gzip data is damaged: incorrect data check"),
            (.refused(path: "../a", .parentComponent), "its member `../a` has a path with the component `..`"),
            (.refused(path: "a", .symbolicLink), "its member `a` is a symbolic link"),
            (.refused(path: "a", .duplicatePath), "its member `a` comes twice"),
            (.exceeded(.unpackedBytes(5)), "it unpacks to more than 5 bytes"),
            (.exceeded(.windowBytes(1 << 27)), "decompressing it takes a window of more than 134217728 bytes"),
            (.noMemory, "there is no memory to read it"),
        ] as [(ArchiveFault, String)])
    func `says what is wrong`(fault: ArchiveFault, detail: String) {
        #expect(fault.detail == detail)
    }

    @Test func `cannot move the cursor of who reads it`() {
        let fault = Reading(member("\u{1B}[2Ja", type: "2") + end).fault
        #expect(fault?.detail == "its member `\u{FFFD}[2Ja` is a symbolic link")
    }
}
