import Testing
import YAML

private let shape = Shape(
    "a thing", exactlyOne: ["left", "right"],
    keys: [
        Shape.Key(
            "name", .text(Shape.Text("a name", example: "x") { $0 == "bad" ? "“bad” is bad" : nil }), "Its name.",
            isRequired: true),
        Shape.Key("left", .boolean, "Left."), Shape.Key("right", .integer(1...9), "Right."),
        Shape.Key("colour", .choice(["red", "green"]), "Colour."),
        Shape.Key("later", .boolean, "Later.", isSupported: false),
        Shape.Key("list", .list(.integer(0...1)), "List."),
    ])

private func problems(_ text: String) throws -> [String] {
    var decoder = Decoder()
    decoder.check(try Parser(Source(name: "t", bytes: Array(text.utf8))).parse(), against: shape)
    return decoder.problems.list.map {
        "\($0.mark.line):\($0.mark.column) \($0.message)" + ($0.hint.map { " (\($0))" } ?? "")
    }
}

@Suite struct `A decoder` {
    @Test func `finds nothing in what is right`() throws {
        #expect(try problems("{name: n, left: true, list: [0, 1]}").isEmpty)
    }

    @Test(arguments: [
        ("[]", ["1:1 a thing must be a mapping, but this is a list"]),
        ("{left: true}", ["1:1 a thing needs the key “name”"]),
        ("{name: n}", ["1:1 a thing must have exactly one of “left”, “right”, but has none of them"]),
        (
            "{name: n, left: true, right: 1}",
            ["1:1 a thing must have exactly one of “left”, “right”, but has “left” and “right”"]
        ),
        ("{name: bad, left: true}", ["1:8 “name”: “bad” is bad (a name, like x)"]),
        (
            "{nmae: n, left: yes, name: n}",
            [
                "1:2 a thing has no key “nmae” (did you mean “name”?)",
                "1:17 “left” must be true or false, but this is the text “yes”",
            ]
        ),
        ("{name: n, right: 12}", ["1:18 “right” must be a whole number from 1 to 9, but this is the number 12"]),
        (
            "{name: n, left: true, colour: rde}",
            ["1:31 “colour” must be one of red, green, but this is the text “rde” (did you mean “red”?)"]
        ),
        ("{name: n, left: true, later: true}", ["1:23 “later” is not supported yet by this version of reconcile"]),
        (
            "{name: n, left: true, list: [0, x, 2]}",
            [
                "1:33 an element of “list” must be a whole number from 0 to 1, but this is the text “x”",
                "1:36 an element of “list” must be a whole number from 0 to 1, but this is the number 2",
            ]
        ),
    ])
    func `reports everything that is wrong, with its place`(text: String, expected: [String]) throws {
        #expect(try problems(text) == expected)
    }
}

@Suite struct `The nearest word` {
    @Test(arguments: [("verison", "version"), ("chanel", "channel"), ("form", "from"), ("zzz", nil), ("", nil)])
    func `is the one that was meant`(word: String, expected: String?) {
        #expect(nearest(to: word, in: ["from", "version", "channel", "include"]) == expected)
    }
}
