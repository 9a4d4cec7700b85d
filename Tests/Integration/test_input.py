#!/usr/bin/env python3
"""Bad input gets a clear error, and nothing is lost: each case runs on a machine that holds a confirmed model, which must
still be there, whole, when the program has ended, and the program must end by itself with a status of its own."""
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

from support import RECONCILE, expect, run

GOOD = "apiVersion: reconcile/v1\nsources: { zoo: { directory: catalog } }\nmodels: { vad: { from: zoo/vad, version: '*' } }\n"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


def machine(base):
    work = os.path.join(base, "template")
    for version in ("1.0.0", "1.1.0"):
        write(os.path.join(work, "src", version, "model.bin"), "model " + version)
        write(os.path.join(work, "src", version, "labels"), "same")
    write(os.path.join(work, "desired-state.yaml"), GOOD)
    run(work, "publish", "src/1.0.0", "--to", "catalog", "--model", "vad", "--version", "1.0.0")
    run(work)
    return work


class Case:
    def __init__(self, base, template):
        self.base, self.template, self.count = base, template, 0

    def __call__(self, what, prepare, status, words, *arguments, survives=True):
        work = os.path.join(self.base, "work")
        shutil.copytree(self.template, work, symlinks=True)
        prepare(work)
        result = subprocess.run([RECONCILE, *arguments], cwd=work, capture_output=True, timeout=60,
                                env=dict(os.environ, NO_COLOR="1", TERM="dumb"))
        text = (result.stdout + result.stderr).decode(errors="replace")
        expect(result.returncode == status, "%s: exit %s instead of %s\n%s" % (what, result.returncode, status, text))
        for word in [words] if isinstance(words, str) else words:
            expect(word in text, "%s: “%s” is not said:\n%s" % (what, word, text))
        if survives:
            with open(os.path.join(work, "models", "vad", "model.bin")) as file:
                expect(file.read() == "model 1.0.0", "%s: the model is gone" % what)
        shutil.rmtree(work)
        self.count += 1


def yaml(text):
    return lambda work: write(os.path.join(work, "desired-state.yaml"), text)


def release(files, **more):
    """Publishes 1.1.0 by hand, with whatever it is told."""
    def prepare(work):
        document = dict({"format": 1, "repository": "vad", "version": "1.1.0", "channel": "stable", "files": files}, **more)
        place_release(work, json.dumps(document))
    return prepare


def place_release(work, text):
    write(os.path.join(work, "catalog", "vad", "1.1.0", "release.json"), text)
    path = os.path.join(work, "catalog", "vad", "index.json")
    with open(path) as file:
        index = json.load(file)
    data = text if isinstance(text, bytes) else text.encode()
    index["releases"].append({"version": "1.1.0", "channel": "stable",
                              "release": {"path": "1.1.0/release.json", "sha256": hashlib.sha256(data).hexdigest()}})
    write(path, json.dumps(index))


def entry(path, size=1, digest="0" * 64):
    return {"path": path, "size": size, "sha256": digest}


def index(change):
    def prepare(work):
        path = os.path.join(work, "catalog", "vad", "index.json")
        with open(path) as file:
            write(path, change(file.read()))
    return prepare


def main():
    base = tempfile.mkdtemp(prefix="reconcile-input-")
    case = Case(base, machine(base))

    for what, text, words in [
        ("empty", "", "the file is empty"), ("broken", "a: [1", "error:"), ("two documents", GOOD + "---\na: 1\n", "a second document"),
        ("deep", "a: " + "[" * 5000, "64 levels"), ("not UTF-8", b"a: \xff\n", "not UTF-8"), ("list", "[]", "must be a mapping"),
        ("alias bomb", "a: &a [x]\n" + "".join("%s: &%s [%s]\n" % (chr(98 + i), chr(98 + i), ",".join(["*" + chr(97 + i)] * 9)) for i in range(20)),
         "expand to more than"),
        ("duplicate key", GOOD + "models: {}\n", "was already set in line 3"), ("unknown key", GOOD + "modles: {}\n", "did you mean “models”?"),
        ("huge", b"a: " + b"x" * (33 << 20), "more than"), ("range", GOOD.replace("'*'", "'^^1'"), "not a version"),
        ("unquoted range", "apiVersion: reconcile/v1\nmodels:\n  vad:\n    from: zoo/vad\n    version: >=6.0 <7\n", 'quote it: ">=6.0 <7"'),
        ("unknown source", GOOD.replace("zoo/vad", "zo/vad"), "did you mean “zoo”?"),
        ("not supported", GOOD + "policy: { verify: { format: off } }\n", "not supported yet"), ("case", GOOD.replace("vad: {", "VAD: { from: zoo/vad, version: '1' }, vad: {"), "differ only in case"),
    ]:
        case("YAML, " + what, yaml(text), 1, [words, "Nothing was changed"])
    many = yaml("apiVersion: v9\nstroe: x\nsources: { zoo: { directory: a, http: ftp://x } }\nmodels: { vad: { from: zoo } }\n")
    case("YAML, all problems at once", many, 1, ["6 problems", "desired-state.yaml:1:13", "desired-state.yaml:2:1", "exactly one of"])
    case("range that matches nothing", yaml(GOOD.replace("'*'", "^7.0")), 4, ["No release of “vad” is in the range “^7.0”", "there are: 1.0.0"])

    for what, files, words in [
        ("dots", [entry("../x")], "is not a safe relative path"), ("absolute", [entry("/x")], "is not a safe relative path"),
        ("empty", [entry("")], "is not a safe relative path"), ("twice", [entry("a"), entry("a")], "stands in it twice"),
        ("case", [entry("a"), entry("A")], "differ only in case"), ("none", [], "it has no files"), ("negative", [entry("a", -1)], "is negative"),
        ("file and directory", [entry("a"), entry("a/b")], "is a file and a directory"), ("digest", [entry("a", 1, "xyz")], "is not a SHA-256"),
        ("control character", [entry("a\x1b[31m")], "is not a safe relative path"),
    ]:
        case("release, " + what, release(files), 4, words)
    case("release, wrong format", release([entry("a")], format=9), 4, "format 9")
    case("release, other version", release([entry("a")], version="9.9.9"), 4, "it describes vad 9.9.9")
    case("release, cut", lambda work: place_release(work, '{"format": 1, "files": ['), 4, "cut short")
    case("release, 200 MB", lambda work: place_release(work, b" " * (200 << 20)), 4, "more than")
    case("release, wrong digest", lambda work: (release([entry("model.bin", 11)])(work),
                                                write(os.path.join(work, "catalog/vad/1.1.0/model.bin"), "model 1.1.0")), 1, "not those of the release")
    case("release, wrong size", lambda work: (release([entry("model.bin", 99)])(work),
                                              write(os.path.join(work, "catalog/vad/1.1.0/model.bin"), "model 1.1.0")), 1, "shorter than 99 bytes")
    case("release, missing file", release([entry("model.bin", 11)]), 1, "is not there")
    case("index, cut", index(lambda text: text[:40]), 4, "cut short")
    case("index, wrong format", index(lambda text: text.replace('"format" : 1', '"format" : 2').replace('"format": 1', '"format": 2')), 4, "format 2")
    case("index, 200 MB", index(lambda text: " " * (200 << 20)), 4, "more than")
    case("index, same version twice", index(lambda text: text.replace('"releases" : [', '"releases" : [{"version": "1.0", "channel": "stable", "release": {"path": "1.0/release.json", "sha256": "%s"}},' % ("0" * 64))),
         4, "are the same version")

    lock = lambda text: lambda work: (run(work, "lock"), edit(os.path.join(work, "desired-state.lock"), text))
    case("lock, cut", lock(lambda t: t[:50]), 1, "cut short")
    case("lock, conflict markers", lock(lambda t: "<<<<<<< HEAD\n" + t), 1, "conflict markers")
    case("lock, edited", lock(lambda t: t.replace('"size":11', '"size":12')), 1, "do not agree")
    case("lock, newer", lock(lambda t: t.replace('"lockVersion": 1', '"lockVersion": 2')), 1, "newer reconcile")
    memory = lambda text: lambda work: edit(os.path.join(work, "models/.reconcile/memory/vad.json"), text)
    case("memory, cut", memory(lambda t: t[:20]), 4, "cannot be used")
    case("memory, conflict markers", memory(lambda t: "<<<<<<< HEAD\n" + t), 4, "conflict markers")
    case("memory, newer", memory(lambda t: t.replace('"formatVersion" : 1', '"formatVersion" : 7')), 4, "format 7")
    control = lambda work, name: os.path.join(work, "models", ".reconcile", name)
    case("store, newer format", lambda work: write(control(work, "format"), "2\n"), 1, "has format 2")
    case("store, no format", lambda work: write(control(work, "format"), "x\n"), 1, "no format number")
    newer = lambda work: run(work, "publish", "src/1.1.0", "--to", "catalog", "--model", "vad", "--version", "1.1.0")
    for what, prepare in [("damaged", lambda work: write(control(work, "history.db"), "not a database" * 100)),
                          ("deleted", lambda work: os.unlink(control(work, "history.db")))]:
        case("history, " + what, lambda work: (newer(work), prepare(work)), 0, "1.0.0 → 1.1.0  replaced", survives=False)
    two_at_once(base)
    if sys.platform == "linux" and os.geteuid() == 0:
        full_disk(base)
    shutil.rmtree(base)
    print("input: %d bad inputs, each with a clear error and nothing lost" % case.count)


def edit(path, change):
    with open(path) as file:
        text = file.read()
    write(path, change(text))


def two_at_once(base):
    """Two passes started together: one store, shared content, and both end well or say who is at work."""
    for number in range(4):
        work = os.path.join(base, "two-%d" % number)
        for model in ("a", "b"):
            write(os.path.join(work, "src", "model.bin"), os.urandom(1 << 20) if model == "a" else b"b")
            write(os.path.join(work, "src", "labels"), "shared by both")
            run(work, "publish", "src", "--to", "catalog", "--model", model, "--version", "1.0.0")
        write(os.path.join(work, "desired-state.yaml"), GOOD.replace(
            "vad: { from: zoo/vad, version: '*' }", "a: { from: zoo/a, version: '*' }, b: { from: zoo/b, version: '*' }"))
        passes = [subprocess.Popen([RECONCILE], cwd=work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
        for process in passes:
            text = process.communicate(timeout=60)[0]
            expect(process.returncode in (0, 75), "two at once: exit %s\n%s" % (process.returncode, text))
        expect("2 in sync" in run(work).stdout, "two at once: the next pass has nothing to do")


def full_disk(base):
    """On a full disk nothing is half done; gc works with no byte free."""
    work = os.path.join(base, "full")
    os.makedirs(os.path.join(work, "models"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", os.path.join(work, "models")], capture_output=True).returncode != 0:
        print("input: no right to mount, so the full disk was not tried")
        return
    try:
        write(os.path.join(work, "src", "model.bin"), b"x" * (1 << 20))
        write(os.path.join(work, "desired-state.yaml"), GOOD)
        run(work, "publish", "src", "--to", "catalog", "--model", "vad", "--version", "1.0.0")
        run(work)
        write(os.path.join(work, "src", "model.bin"), b"y" * (30 << 20))
        run(work, "publish", "src", "--to", "catalog", "--model", "vad", "--version", "1.1.0")
        result = run(work, status=4)
        expect("The disk is too full for vad" in result.stdout and "are needed" in result.stdout, "numbers are said:\n" + result.stdout)
        with open(os.path.join(work, "models", "filler"), "wb") as file:
            try:
                while True:
                    file.write(b"z" * 65536)
                    file.flush()
            except OSError:
                pass
        run(work, "gc")
        expect(os.path.getsize(os.path.join(work, "models", "vad", "model.bin")) == 1 << 20, "the model is whole")
    finally:
        subprocess.run(["umount", os.path.join(work, "models")])


if __name__ == "__main__":
    main()
