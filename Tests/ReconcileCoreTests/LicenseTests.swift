import ReconcileCore
import Testing

@Suite struct `A licence policy` {
    private let policy = LicensePolicy(["MIT", "apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"])

    @Test(arguments: [
        "mit", "MIT", "Apache-2.0", "MIT OR Proprietary", "(Proprietary or MIT)", "MIT AND Apache-2.0",
        "MIT AND (Proprietary OR Apache-2.0)", "gpl-2.0-only with classpath-exception-2.0",
    ])
    func `admits what it names, in any letters, and one side of an OR`(expression: String) {
        #expect(policy.admits(expression))
    }

    @Test(arguments: [
        "cc-by-nc-4.0", "MIT AND Proprietary", "other", "", "MIT OR", "(MIT", "MIT)", "MIT MIT", "AND MIT",
        "GPL-2.0-only", "MIT WITH something",
    ])
    func `admits nothing else, and nothing that it cannot read`(expression: String) {
        #expect(!policy.admits(expression))
    }

    @Test func `does not admit a release that names no licence`() { #expect(!policy.admits(nil)) }

    @Test func `that names nothing admits everything`() {
        #expect(LicensePolicy().admits(nil))
        #expect(LicensePolicy().admits("anything at all"))
    }

    @Test func `ends whatever the depth of the parentheses is`() {
        #expect(!policy.admits(String(repeating: "(", count: 4000)))
    }
}
