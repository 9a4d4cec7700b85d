import AmazonS3
import Testing

/// The region that a config file gives a profile, which stands for all settings.
private func region(_ config: String, profile: String? = nil) throws -> String? {
    let world = World(files: ["/home/me/.aws/config": config])
    return try CredentialChain(surroundings: world.surroundings, profile: profile).region()
}

@Suite struct `A shared file` {
    @Test(arguments: [
        "[default]\nregion=r", "[default]\r\nregion = r\r\n", "\u{FEFF}[default]\nregion = r",
        "[ default ]\nREGION : r",
        "# c\n; c\n\n[default] # c\nregion = r # c\n", "[default]\nregion = r\t; c", "[profile default]\nregion = r",
        "[default]\n  region = r", "[default]\nregion = x\n[default]\nregion = r",
        "[profile a]\nregion=x\n[default]\nregion=r",
        "[default]\ns3 =\n  region = nested\n\n  # c\nregion = r", "[default]\ns3 =\n  region = nested\n  a\n",
        "[services s]\nregion = x\n[default]\nregion = r\n[sso-session default]\nregion = y",
        "[default]\n    output = json\n    region = r",
    ])
    func `has the settings that the AWS CLI finds`(config: String) throws {
        #expect(try region(config) == (config.contains("  a\n") ? nil : "r"))
    }

    @Test func `keeps marks that begin no comment`() throws {
        #expect(try region("[default]\nregion = a#b;c=d") == "a#b;c=d")
    }

    @Test(arguments: ["[profile dev]", "[profile  dev ]", "[profile \"dev\"]", "[profile\tdev]"])
    func `has profiles by name`(section: String) throws {
        #expect(try region("\(section)\nregion = r", profile: "dev") == "r")
    }

    @Test(arguments: ["[dev]", "[profiledev]", "[profile dev2]"])
    func `does not take other sections for a profile`(section: String) {
        #expect(throws: CredentialFault.profileNotFound("dev")) { try region("\(section)\nregion = r", profile: "dev") }
    }

    @Test func `may give a profile without settings`() throws {
        #expect(try region("[profile dev]\n", profile: "dev") == nil)
    }

    @Test(arguments: [
        ("region = r", 1), ("[default]\nnonsense", 2), ("[default\nregion = r", 1), ("[]\n", 1),
        ("[default]\n\n = r", 3),
        ("[default] x\nregion = r", 1),
    ])
    func `names the line that has no meaning`(config: String, line: Int) {
        #expect(throws: CredentialFault.malformed(path: "~/.aws/config", line: line)) { try region(config) }
    }
}
