#!/usr/bin/env python3
"""The program and Hugging Face hubs: a fake one that plays every fault (hub.py), and olah, with `hf` as the judge (worlds.py).

    test_hub.py [--only WORD] [--list] [--jobs N] [--slow]

Every test also looks at what must not change: the link and the files of what was active, its status, and a second model,
`other`, of another repository of the same hub. `--slow` plays the faults in first installs too, and adds those that take
minutes because a server says nothing.
"""
import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import fakes
import faults
import hub as hubs
import worlds
from hub import Hub, Repo
from support import RECONCILE, expect

MiB = 1 << 20
REPO, OTHER = "acme/vad", "acme/other"
PUBLIC = "https://huggingface.co"
TOKEN = "hf_s3cretTokenOfTheTest"
SPARED = {"http_proxy", "https_proxy", "no_proxy", "all_proxy", "netrc", "hugging_face_hub_token", "xdg_cache_home"}
EXPECTED = (1, 4)  # a model failed; blocked by a problem
SLOW = "--slow" in sys.argv


@functools.cache
def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def files_of(version, size=200_000):
    """The files of a version: two of LFS and three of git, one of which stays the same and one of which is empty."""
    return {"model.onnx": noise(size, "%s model" % version), "sub dir/\u00fc+%25.safetensors": noise(5000, version),
            "config.json": b'{"version": "%s"}' % version.encode(), "README.md": b"# vad\n" * 300, "empty.txt": b""}


ONE, TWO, THREE = files_of("1"), files_of("2"), files_of("3")
ROW = re.compile(r"^  [-+~=!\u00b1] (\S+) ")
OTHERS = {"weights.bin": noise(3000, "other"), "config.json": b'{"of": "other"}'}


class Result:
    def __init__(self, status, stdout, stderr, seconds):
        self.status, self.stdout, self.output, self.seconds = status, stdout, stdout + stderr, seconds

    def about(self, model):
        """What it says of one model."""
        lines, current = [], None
        for line in self.stdout.splitlines():
            found = ROW.match(line)
            current = found.group(1) if found else current if line.startswith("      ") else None
            if current == model:
                lines.append(line)
        return "\n".join(lines)


class Work:
    """A directory with a desired state, and a home of its own; `outputs` is all that was ever printed."""

    def __init__(self, hub=None):
        self.url = hub.url if hub else None
        self.base = tempfile.mkdtemp(prefix="reconcile-hub-")
        self.store, self.home = os.path.join(self.base, "models"), os.path.join(self.base, "home")
        os.makedirs(self.home)
        self.outputs = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.base, ignore_errors=True)

    def declare(self, models="version: '*'", source="", more="", url=None, other=True, sources=""):
        """Writes the desired state. `models` is {name: keys}, or the keys of `m`, a model of REPO; `other` is beside it."""
        models = models if isinstance(models, dict) else {"m": models}
        models = {**models, **({"other": "from: hub/%s, revision: main" % OTHER} if other else {})}
        lines = ["  %s: { %s%s }" % (name, "" if "from:" in keys else "from: hub/%s, " % REPO, keys) for name, keys in models.items()]
        self.write("desired-state.yaml", "apiVersion: reconcile/v1\nsources:\n  hub: { huggingface: '%s'%s }\n%s\n%s\nmodels:\n%s\n" % (
            url or self.url, source and ", " + source, sources, more, "\n".join(lines)))

    def write(self, name, text):
        path = os.path.join(self.base, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)

    def read(self, name):
        with open(os.path.join(self.base, name)) as file:
            return file.read()

    def environment(self, more=None):
        kept = {name: value for name, value in os.environ.items()
                if name.lower() not in SPARED and not name.startswith(("HF_", "RECONCILE_"))}
        return {**kept, "NO_COLOR": "1", "TERM": "dumb", "HOME": self.home, "NETRC": os.devnull, **(more or {})}

    def run(self, *arguments, status=0, env=None, limit=60):
        """Runs the program, which must end in time and as it is said: `status` is one, several, or None for any of its own."""
        start = time.monotonic()
        options = [] if arguments else ["--progress", "none"]
        try:
            done = subprocess.run([RECONCILE, *arguments, *options], cwd=self.base, capture_output=True, text=True,
                                  env=self.environment(env), timeout=limit)
        except subprocess.TimeoutExpired as late:
            raise SystemExit("FAILED: reconcile %s has no end in %d s: %s" % (" ".join(arguments), limit, late.stderr))
        result = Result(done.returncode, done.stdout, done.stderr, time.monotonic() - start)
        self.outputs.append(result.output)
        allowed = range(0, 256) if status is None else status if isinstance(status, tuple) else (status,)
        expect(result.status in allowed and "bug in reconcile" not in result.output, "reconcile %s: exit %s instead of %s\n%s" % (
            " ".join(arguments), result.status, status, result.output))
        return result

    # What is there

    def files(self, model="m"):
        """{path: bytes} behind a model's link; None without one."""
        link = os.path.join(self.store, model)
        return worlds.files(os.path.realpath(link)) if os.path.lexists(link) else None

    def state(self, model="m"):
        """What must not change when nothing may: where the link leads, the files there, and what status says of them."""
        return self.states(model)[model]

    def states(self, *models):
        said = {entry["model"]: entry for entry in json.loads(self.run("status", "-o", "json").stdout)["models"]}
        links = {model: os.path.join(self.store, model) for model in models}
        return {model: (os.readlink(link) if os.path.lexists(link) else None, self.files(model),
                        *(said.get(model, {}).get(key) for key in ("active", "contentDigest"))) for model, link in links.items()}

    def status(self, model="m"):
        found = json.loads(self.run("status", "-o", "json").stdout)
        return next((entry for entry in found["models"] if entry["model"] == model), {})

    def plan(self, *arguments, status=(0, 4), env=None):
        return json.loads(self.run("plan", "-o", "json", *arguments, status=status, env=env).stdout)

    def lock(self, model="m"):
        return json.loads(self.read("desired-state.lock"))["models"][model]

    def blobs(self):
        """The digests of what is in the store under them; all of them must be true."""
        found = set()
        for place, _, names in os.walk(os.path.join(self.store, ".reconcile", "blobs")):
            for name in names:
                with open(os.path.join(place, name), "rb") as file:
                    expect(hashlib.sha256(file.read()).hexdigest() == name, "a blob has other bytes than its name says: %s" % name)
                found.add(name)
        return found

    def holds(self, secret):
        """The files below the directory that a secret is in."""
        found = []
        for place, _, names in os.walk(self.base):
            for name in names:
                with open(os.path.join(place, name), "rb") as file:
                    if secret.encode() in file.read():
                        found.append(os.path.relpath(os.path.join(place, name), self.base))
        return found

    def is_(self, wanted, why, model="m"):
        found = self.files(model)
        expect(found == wanted, "%s: %s" % (why, "there is nothing" if found is None else "nothing was expected" if wanted is None else
               "other files or bytes: %s" % sorted(path for path in {**found, **wanted} if found.get(path) != wanted.get(path))))


def says(result, *words):
    output = result if isinstance(result, str) else result.output
    text = " ".join(output.split()).lower()
    for word in words:
        expect(word.lower() in text, "it does not say “%s”:\n%s" % (word, output))


def silent_about(work, *secrets):
    for secret in secrets:
        for output in work.outputs:
            expect(secret not in output, "it prints “%s”:\n%s" % (secret, output))


def quiet(hub):
    expect(hub.violations == [], "violations: %s" % hub.violations)


def each(rows, test):
    """Makes a test for each row, in turn, and tells of all that fail."""
    problems = []
    for row in rows:
        try:
            test(*row)
        except (SystemExit, Exception) as problem:
            problems.append("%s: %s" % (row[0], str(problem).removeprefix("FAILED: ") if isinstance(problem, SystemExit) else repr(problem)))
    expect(not problems, "%d of %d rows\n    %s" % (
        len(problems), len(rows), "\n    ".join(problem.replace("\n", "\n      ") for problem in problems)))


def world(history=None, **options):
    """A hub with REPO and OTHER."""
    repo = history if isinstance(history, Repo) else Repo.of(history or {"v1.0.0": ONE})
    return Hub({REPO: repo, OTHER: Repo([OTHERS])}, **options), repo


def asked(hub, start=""):
    return [r.target for r in hub.log if r.path.startswith(start)]


# What is a version

def test_versions():
    """Tags v1.2.3 and 1.2.3 are versions; ranges choose, other tags and pre-releases do not count."""
    history = {"v1.0.0": ONE, "1.1.0": TWO, "v1.2.0-rc.1": THREE, "latest": THREE, "release-9": THREE, "v2.0.0": THREE}
    hub, repo = world(history)
    with hub, Work(hub) as work:
        for keys, wanted, name in (("version: '~1.0'", ONE, "1.0.0"), ("version: '^1.0'", TWO, "1.1.0"),
                                   ("version: '>=1.0 <3', automatic: major", THREE, "2.0.0"), ("version: '=1.0.0'", ONE, "1.0.0")):
            work.declare(keys)
            work.run()
            work.is_(wanted, keys)
            expect(work.status()["active"] == name, "%s: %s" % (keys, work.status()["active"]))
        before = work.state()
        work.declare("version: ^7.0")
        says(work.run(status=4), "No release of “m” is in the range", "2.0.0", "1.1.0")
        expect(work.state() == before, "a range that nothing is in changed something")
        work.is_(OTHERS, "the other model", "other")
        work.declare("version: '~1.0'")
        says(work.run("outdated"), "2.0.0")
        quiet(hub)


def test_same_version_twice():
    """Two tags of one version on different commits are an error that names both; on one commit they are one version."""
    hub, repo = world({"v1.0.0": ONE})
    with hub, Work(hub) as work:
        repo.tags["1.0.0"] = repo.tags["v1.0.0"]
        work.declare("version: ^1.0")
        work.run()
        before = work.state()
        for first, second in (("v1.1.0", "1.1.0"), ("v1.1", "v1.1.0")):
            repo.tags.update({first: repo.commit(TWO), second: repo.commit(THREE)})
            says(work.run(status=4), "“%s”" % first, "“%s”" % second, "same version")
            expect(work.state() == before, "it changed something")
            expect(os.path.lexists(os.path.join(work.store, "other")), "the other model is gone")
            del repo.tags[first], repo.tags[second]
        repo.tags["v1.1.0"] = repo.commit(TWO)
        work.run()
        work.is_(TWO, "one tag is left")


def test_moved_tag():
    """A tag that moves publishes a known version with other bytes: blocked, until a person names it."""
    hub, repo = world({"v1.0.0": ONE})
    with hub, Work(hub) as work:
        work.declare("version: ^1.0")
        work.run()
        before = work.state()
        repo.commit(TWO, tag="v1.0.0")
        result = work.run(status=(0, 4))
        says(result, "other bytes")
        expect(work.state() == before, "a version that is republished was taken")
        repo.commit(THREE, tag="v1.0.1")
        work.run(status=(0, 4))
        work.is_(THREE, "the next version is taken")


def test_shrinking_list():
    """Tags that vanish never move a model backwards, and neither does a repository that vanishes."""
    hub, repo = world({"v1.0.0": ONE, "v1.1.0": TWO})
    with hub, Work(hub) as work:
        work.declare("version: ^1.0")
        work.run()
        before, tags = work.state(), dict(repo.tags)
        del repo.tags["v1.1.0"]
        work.run()
        expect(work.state() == before, "a shorter list moved the model")
        repo.tags.clear()
        work.run(status=(0, 4))
        expect(work.state() == before, "an empty list moved the model")
        kept = hub.repos.pop(REPO)
        says(work.run(status=4), REPO)
        expect(work.state() == before, "a repository that is gone moved the model")
        work.is_(OTHERS, "the other model", "other")
        hub.repos[REPO] = kept
        repo.tags.update(tags)
        says(work.run(), "Nothing to do")


def test_revisions():
    """revision: takes a branch, a tag or a commit; a change of the file is a person's word, a branch that moves is not."""
    hub, repo = world(Repo([ONE, TWO], tags={"v1.0.0": 0, "nightly": 0}, branches={"feature/x-y": 0}))
    first, second = list(repo.commits)
    with hub, Work(hub) as work:
        for revision, wanted in (("feature/x-y", ONE), ("main", TWO), ("nightly", ONE), (second, TWO), (first, ONE), ("v1.0.0", ONE),
                                 ("main", TWO)):
            work.declare("revision: '%s'" % revision)
            result = work.run()
            work.is_(wanted, "revision: " + revision)
            expect("needs approval" not in result.output, "a changed file needs no approval: " + result.output)
        third = repo.commit(THREE)
        before = work.state()
        result = work.run()
        says(result, "needs approval", "reconcile approve m")
        expect(work.state() == before, "a branch that moved was followed without a yes")
        hub.clear()
        work.run()
        expect(not hub.requests("model.onnx"), "what waits for approval was fetched")
        work.run("approve", "m")
        work.run()
        work.is_(THREE, "the approved commit")
        expect(third[:12] in work.status()["active"], "status names another commit: %s" % work.status()["active"])
        # A yes is for one commit: when the branch moves on in between, it is asked for again.
        repo.commit(ONE)
        work.run()
        work.run("approve", "m")
        repo.commit(TWO)
        says(work.run(), "needs approval")
        work.is_(THREE, "a yes to one commit let another one through")
        # Back to what was there before, as after a force-push: nothing to do, and nothing to approve.
        repo.branches["main"] = third
        says(work.run(), "Nothing to do")
        work.is_(OTHERS, "the other model", "other")
        quiet(hub)


def test_revision_of_other_kinds():
    """automatic: major follows a branch by itself; a revision that is not there, or leads to no commit, changes nothing."""
    hub, repo = world(Repo([ONE]))
    with hub, Work(hub) as work:
        work.declare("revision: main, automatic: major")
        work.run()
        repo.commit(TWO)
        work.run()
        work.is_(TWO, "automatic: major")
        before = work.state()
        for revision in ("gone", "0" * 40, "f" * 40):
            work.declare("revision: '%s'" % revision)
            says(work.run(status=4), revision, "no revision")
            expect(work.state() == before, "revision: %s changed something" % revision)
        work.declare("revision: main")
        for sha in ("HEAD", "../../x", "a" * 39, "", 7, None):
            branches = [{"name": "main", "ref": "refs/heads/main", "targetCommit": sha}]
            play = hub.play(functools.partial(hubs.edited, change=functools.partial(replaced, branches=branches)), "^api/models/acme/vad/refs")
            work.run(status=4)
            expect(work.state() == before, "the commit %r changed something" % sha)
            play.stop()
        says(work.run(), "Nothing to do")
        work.is_(OTHERS, "the other model", "other")


def replaced(value, **more):
    return {**value, **more}


def test_names():
    """A repository without an owner, and names with spaces, percents and umlauts, arrive as they are."""
    odd = {"a b/%2e%2e/\u00fc?#&=;+.txt": b"odd", "a b/%20.onnx": noise(400), "100%.bin": noise(30), ".gitattributes": b"*.onnx lfs"}
    hub = Hub({"gpt2": Repo.of({"v1.0.0": odd}), OTHER: Repo([OTHERS])})
    with hub, Work(hub) as work:
        work.declare("from: hub/gpt2, version: ^1.0")
        work.run()
        work.is_(odd, "odd names")
        work.is_(OTHERS, "the other model", "other")
        quiet(hub)


# The lock

def test_lock():
    """The lock pins the commit; with it nothing is asked, --locked notices what it no longer answers, and an update is a person's."""
    hub, repo = world(Repo.of({"v1.0.0": ONE}))
    first = repo.branches["main"]
    with hub, Work(hub) as work:
        work.declare({"m": "revision: main", "n": "version: ^1.0"})
        says(work.run("--locked", status=1), "desired-state.lock")
        expect(work.files() is None and work.files("other") is None, "--locked without a lock installed something")
        work.run("lock")
        expect(work.lock()["revision"] == first == work.lock("n")["revision"], "the lock pins %s" % work.lock()["revision"])
        hashes = {entry["path"]: (entry["size"], entry["sha256"]) for entry in work.lock()["files"]}
        expect(hashes == {path: (len(data), hashlib.sha256(data).hexdigest()) for path, data in ONE.items()}, "the lock's files: %s" % hashes)
        repo.commit(TWO, tag="v1.1.0")
        hub.clear()
        work.run("--locked")
        work.is_(ONE, "the locked commit")
        work.is_(ONE, "the locked version", "n")
        documents = [target for target in asked(hub, "api/") if not target.startswith("/api/resolve-cache/")]
        expect(documents == [], "with a lock it asked %s" % documents)
        expect(all(first in target for target in asked(hub, REPO)), "it asked for files of another commit")
        before = work.state(), work.state("n"), work.state("other")
        hub.clear()
        for arguments in ((), ("--locked",), ("--dry-run",), ("plan",), ("status",)):
            work.run(*arguments)
        expect(hub.log == [], "in sync with a lock, it asked %s" % asked(hub))
        work.run("lock")
        expect(work.lock()["revision"] == first, "lock alone moved what was locked")
        text = work.read("desired-state.lock")
        work.declare({"m": "revision: '%s'" % repo.branches["main"], "n": "version: ^1.0"})
        says(work.run("--locked", status=1), "does not answer", "reconcile lock")
        expect((work.state(), work.state("n"), work.state("other")) == before, "a stale lock changed something")
        expect(work.read("desired-state.lock") == text, "a pass wrote the lock")
        work.declare({"m": "revision: main", "n": "version: ^1.0"})
        work.run("lock", "--update", "m")
        expect(work.lock()["revision"] == repo.branches["main"] and work.lock("n")["version"] == "1.0.0", "lock --update m")
        work.run()
        work.is_(TWO, "merging a lock is the approval")
        work.is_(ONE, "the model that was not named", "n")
        quiet(hub)


def test_lock_elsewhere():
    """A lock feeds another machine, which believes its SHA-256 only; a commit that is gone is said."""
    hub, repo = world(Repo.of({"v1.0.0": ONE}))
    with hub, Work(hub) as work:
        work.declare("version: ^1.0")
        work.run("lock")
        for fault, only in ((fakes.wrong_bytes, r"config\.json$"), (fakes.wrong_bytes, r"model\.onnx$")):
            play = hub.play(fault, "acme/vad.*" + only if "config" in only else only, method="GET")
            work.run(status=1)
            expect(work.files() is None, "wrong bytes of %s were installed" % only)
            work.blobs()
            play.stop()
            shutil.rmtree(work.store)
        gone = repo.forget("v1.0.0")
        result = work.run(status=EXPECTED)
        expect(gone[:12] in result.output, "it does not name the commit:\n" + result.output)
        expect(work.files() is None, "a commit that is gone was installed")
        work.is_(OTHERS, "the other model", "other")


# Which files

def test_include_exclude():
    """include and exclude choose files; what is not chosen is not asked for."""
    files = {**ONE, "high/a.safetensors": noise(900), "high/deep/b.json": b"[1]", "low/c.json": b"[2]", "pytorch_model.bin": noise(50_000)}
    hub, repo = world(Repo.of({"v1.0.0": files}))
    with hub, Work(hub) as work:
        for keys, chosen in (
                ("include: ['high/**', '*.json']", ("high/a.safetensors", "high/deep/b.json", "config.json")),
                ("exclude: ['*.bin', 'high/**', 'sub dir/*']", ("model.onnx", "config.json", "README.md", "empty.txt", "low/c.json")),
                ("include: ['**/*.json'], exclude: ['low/**']", ("high/deep/b.json", "config.json"))):
            hub.clear()
            work.declare("version: ^1.0, " + keys)
            work.run()
            work.is_({path: files[path] for path in chosen}, keys)
            wanted = {r.path.split("/", 4)[4] for r in hub.log if "/resolve/" in r.path and r.path.startswith(REPO)}
            expect(wanted <= set(chosen), "it asked for files that nobody wants: %s" % (wanted - set(chosen)))
        before = work.state()
        work.declare("version: ^1.0, include: ['*.gguf']")
        says(work.run(status=4), "include", "no file")
        expect(work.state() == before, "an include that matches nothing changed something")
        work.is_(OTHERS, "the other model", "other")


# Requests

def test_nothing_new():
    """A pass with nothing new asks a repository at most once, however many models are of it."""
    def repo(number):
        return Repo([{"a.json": b"[%d]" % number}, {"a.json": b"[%d, 1]" % number}], tags={"v1.0.0": 0, "v1.1.0": 1}, branches={"dev": 0})
    sha = list(repo(5).commits)[0]
    rows = [("a version", "version: ^1.0"), ("two versions", "version: ^1.0", "version: '~1.0'"), ("a branch", "revision: main"),
            ("a branch twice", "revision: main", "revision: main, include: ['*.json']"), ("a tag", "revision: v1.0.0"),
            ("a commit", "revision: '%s'" % sha), ("two branches", "revision: main", "revision: dev"),
            ("a version and a branch", "version: ^1.0", "revision: main"), ("a version and a commit", "version: ^1.0", "revision: '%s'" % sha)]
    repos = {"acme/r%d" % number: repo(5 if "commit" in row[0] else number) for number, row in enumerate(rows)}
    models = {"r%d-%d" % (number, place): "from: hub/acme/r%d, %s" % (number, keys)
              for number, (_, *all) in enumerate(rows) for place, keys in enumerate(all)}
    hub = Hub({**repos, OTHER: Repo([OTHERS])})
    with hub, Work(hub) as work:
        work.declare(models)
        work.run()
        before = work.states(*models, "other")
        hub.clear()
        says(work.run(), "Nothing to do")
        expect(work.states(*models, "other") == before, "it changed something")

        def count(name, number):
            found = [target for target in asked(hub) if "/acme/r%d/" % number in target]
            expect(len(found) <= 1, "it asked %s" % found)
        each([(name, number) for number, (name, *_) in enumerate(rows)], count)
        quiet(hub)


def test_requests_beside_hf():
    """A first install needs at most two requests more than hf download, with few files and with 30."""
    many = {**{"layer-%02d.safetensors" % n: noise(2000, n) for n in range(15)}, **{"part-%02d.json" % n: b"[%d]" % n for n in range(15)}}

    def count(name, files, page):
        hub, _ = world(Repo.of({"v1.0.0": files}), page=page)
        with hub, Work(hub) as work, tempfile.TemporaryDirectory() as home:
            expect(worlds.hf_download(hub.url, REPO, "v1.0.0", home) == files, "hf")
            judge = len(hub.log)
            hub.clear()
            work.declare("version: ^1.0", other=False)
            work.run()
            work.is_(files, "installed")
            print("        %s: hf download %d requests, reconcile %d" % (name, judge, len(hub.log)))
            expect(len(hub.log) <= judge + 2, "%d requests; hf download needs %d" % (len(hub.log), judge))
            expect(all(r.method == "GET" for r in hub.log), "it asks otherwise than by GET")
            sent = hub.bytes_sent("safetensors", "cdn") + hub.bytes_sent("onnx", "cdn")
            expect(sent == sum(len(data) for path, data in files.items() if hubs.is_lfs(path)), "bytes of LFS: %d" % sent)
            quiet(hub)
    each([("few files", ONE, 1000), ("30 files", many, 1000), ("30 files in pages of 7", many, 7)], count)


def test_two_models_of_one():
    """Two models of one repository ask for what they share once: the tree, the card and every file."""
    hub, _ = world(Repo.of({"v1.0.0": ONE}))
    with hub, Work(hub) as work:
        work.declare({"m": "version: ^1.0", "n": "version: '*'", "o": "revision: main"}, other=False)
        work.run()
        for model in "mno":
            work.is_(ONE, "installed", model)
        twice = [target for target in asked(hub) if "/tree/" in target or REPO + "/resolve/" in target]
        expect(len(twice) == len(set(twice)), "asked more than once: %s" % sorted(t for t in set(twice) if twice.count(t) > 1))


def test_update_is_small():
    """An update reads and fetches only what differs, whatever commit it is in."""
    hub, repo = world(Repo.of({"v1.0.0": ONE}))
    with hub, Work(hub) as work:
        work.declare("version: ^1.0")
        work.run()
        repo.commit({**ONE, "config.json": b'{"new": 1}'}, tag="v1.0.1")
        hub.clear()
        work.run()
        expect(work.files()["config.json"] == b'{"new": 1}', "the update")
        wanted = {r.path.rsplit("/", 1)[-1] for r in hub.log if "/resolve/" in r.path}
        expect(wanted == {"config.json"}, "it asked for %s" % wanted)
        # A release with the same content is only relabelled.
        repo.tags["v1.0.2"] = repo.commit({**ONE, "config.json": b'{"new": 1}'}, title="nothing")
        hub.clear()
        work.run()
        expect(work.status()["active"] == "1.0.2" and not any("/resolve/" in r.path for r in hub.log), "a relabel fetched %s" % asked(hub))


def test_paging():
    """The tree comes in pages by Link; pages may be absolute, relative, or one entry long."""
    hub, repo = world(Repo.of({"v1.0.0": ONE}), page=1)
    with hub, Work(hub) as work:
        work.declare()
        work.run()
        work.is_(ONE, "pages of one entry")
        pages = [r for r in hub.log if "/tree/" in r.path and r.path.startswith("api/models/" + REPO)]
        expect(len(pages) == len(ONE) + 1, "%d pages" % len(pages))  # and a directory
        expect(all("recursive=true" in r.target for r in pages), "a page is not asked for recursively")

        def relative(x):
            if "Link" in x.fields:
                x.fields["Link"] = '</other>; rel="prev", <%s>; rel="next"' % x.fields["Link"].split(">")[0][1:].replace(hub.url, "")
            x.honest()
        hub.play(relative, "/tree/")
        repo.commit(TWO, tag="v1.0.1")
        work.run()
        work.is_(TWO, "relative links")


def tree_slash(x):
    """307 to the same address with a slash, as olah answers."""
    place, _, query = x.record.target.partition("?")
    if place.endswith("/"):
        return x.honest()
    x.answer(307, b"", {"Location": "%s/?%s" % (place, query)})


def test_redirects_of_the_api():
    """A redirect inside of the hub is followed with the token, of the tree and of all other calls."""
    repo = Repo.of({"v1.0.0": ONE}, private=True)
    hub, _ = world(repo, tokens={TOKEN: "*"})
    with hub, Work(hub) as work:
        hub.play(tree_slash, "^api/models/acme/vad/tree/")
        hub.play(functools.partial(fakes.redirect_chain, hops=3), "^api/models/acme/vad/(refs|revision)")
        work.declare(source="token: { env: ACME_TOKEN }")
        work.run(env={"ACME_TOKEN": TOKEN})
        work.is_(ONE, "through redirects")
        quiet(hub)


# Small files

def test_small_files():
    """Small files must have the git SHA-1 that the tree names, and later the SHA-256 that was computed from it."""
    hub, repo = world(Repo.of({"v1.0.0": ONE}))
    with hub, Work(hub) as work:
        work.declare("version: ^1.0")
        work.run()
        before = work.state()
        repo.commit(TWO, tag="v1.1.0")
        for fault in (fakes.wrong_bytes, fakes.empty):
            play = hub.play(fault, r"acme/vad.*config\.json$")
            result = work.run(status=EXPECTED)
            expect("config.json" in result.output, "it does not name the file:\n" + result.output)
            expect(work.state() == before, "wrong bytes changed something")
            work.blobs()
            play.stop()
        work.run("lock", "--update", "m")
        digest = {entry["path"]: entry["sha256"] for entry in work.lock()["files"]}["config.json"]
        expect(digest == hashlib.sha256(TWO["config.json"]).hexdigest(), "the SHA-256 is of other bytes")
        play = hub.play(fakes.wrong_bytes, r"acme/vad.*config\.json$")
        says(work.run(status=1), "config.json")
        expect(work.state() == before, "wrong bytes of a locked file changed something")
        play.stop()
        work.run()
        work.is_(TWO, "healed")
        work.is_(OTHERS, "the other model", "other")


def test_many_small_files():
    """A repository of 200 small files comes through, is in sync at once, and is repaired by itself."""
    files = {"d%02d/f%04d.json" % (n % 40, n): b"[%d]" % n for n in range(200)}
    hub, repo = world(Repo.of({"v1.0.0": files}))
    with hub, Work(hub) as work:
        work.declare()
        result = work.run(limit=120)
        work.is_(files, "all of them")
        print("        200 small files in %.1f s, %d requests" % (result.seconds, len(hub.log)))
        expect(len([r for r in hub.log if "/resolve/" in r.path and r.path.startswith(REPO)]) == 200, "each is asked for once")
        result = work.run()
        expect(result.seconds < 5, "in sync after %.1f s" % result.seconds)
        path = os.path.join(work.store, "m", "d00/f0000.json")
        os.chmod(path, 0o644)
        with open(path, "w") as file:
            file.write("damaged")
        hub.clear()
        work.run("verify", "--deep", "--repair", status=None)
        work.run()
        work.is_(files, "repaired")
        expect(len([r for r in hub.log if "/resolve/" in r.path]) <= 2, "a repair fetched %d files" % len(hub.log))


# Rollouts

def test_probe():
    """A version whose probe fails is rolled back and quarantined, by tag and by branch; the next one is taken."""
    probe = "probe: { exec: [sh, -c, '! grep -q bad models/m/config.json'], attempts: 1 }"
    bad, good = {**TWO, "config.json": b"bad"}, {**THREE, "config.json": b"good"}
    for keys, tags in (("version: ^1.0", ("v1.1.0", "v1.2.0")), ("revision: main, automatic: major", (None, None))):
        hub, repo = world(Repo.of({"v1.0.0": ONE}))
        with hub, Work(hub) as work:
            work.declare("%s, %s" % (keys, probe))
            work.run()
            before, other = work.state(), work.state("other")
            broken = repo.commit(bad, tags[0])
            says(work.run(status=4), "rolled back", "quarantined")
            expect(work.state() == before and work.state("other") == other, "%s: the old one is not as it was" % keys)
            hub.clear()
            says(work.run(status=4), "quarantined", "reconcile retry m")
            expect(work.state() == before and not any("/resolve/" in r.path for r in hub.log), "%s: tried again" % keys)
            # The same bytes under another name are as bad.
            repo.commit(bad, tags[0] and "v1.1.1", title="again")
            work.run(status=4)
            expect(work.state() == before, "%s: the same content was tried again" % keys)
            repo.commit(good, tags[1])
            work.run(status=(0, 4))
            work.is_(good, keys)
            expect(broken and work.state("other") == other, "the other model changed")
            says(work.run("history"), "rolledBack", "probe failed")


def test_rollback_of_versions():
    """rollback, hold and resume between versions."""
    hub, repo = world({"v1.0.0": ONE, "v1.1.0": TWO})
    with hub, Work(hub) as work:
        work.declare("version: =1.0.0")
        work.run()
        work.declare("version: ^1.0")
        work.run()
        other = work.state("other")
        hub.clear()
        work.run("rollback", "m", "--to", "1.0.0", "--reason", "false alarms", "--progress", "none")
        work.is_(ONE, "rolled back")
        expect(not any("/resolve/" in r.path for r in hub.log), "a rollback to a kept version downloads: %s" % asked(hub))
        repo.commit(THREE, tag="v1.2.0")
        says(work.run(), "held at 1.0.0", "false alarms")
        work.is_(ONE, "held")
        work.run("resume", "m")
        work.run()
        work.is_(THREE, "resumed")
        work.run("hold", "m", "--reason", "demo")
        repo.commit(TWO, tag="v1.3.0")
        says(work.run(), "held", "demo")
        work.is_(THREE, "held")
        work.run("resume", "m")
        work.run()
        work.is_(TWO, "resumed")
        expect(work.state("other") == other, "the other model changed")


def test_rollback_of_revisions():
    """rollback, hold and resume between commits of a branch, and a change of revision: that ends a rollback's hold."""
    hub, repo = world(Repo([ONE], branches={"stable": 0}))
    with hub, Work(hub) as work:
        work.declare("revision: main")
        work.run()
        first = work.status()["active"]
        repo.commit(TWO)
        work.run()
        work.run("approve", "m")
        work.run()
        second, other = work.status()["active"], work.state("other")
        expect(first != second and work.files() == TWO, "%s → %s" % (first, second))
        work.run("rollback", "m", "--reason", "false alarms", "--progress", "none")
        work.is_(ONE, "rolled back")
        expect(work.status()["active"] == first, "status: %s" % work.status()["active"])
        says(work.run(), "held", "false alarms")
        work.is_(ONE, "held")
        work.run("resume", "m")
        work.run()
        work.is_(TWO, "what was approved before needs no second yes")
        work.run("rollback", "m", "--to", first, "--progress", "none")
        work.is_(ONE, "rolled back by name")
        repo.commit(THREE)
        says(work.run(), "held")
        work.is_(ONE, "a branch that moves does not end a hold")
        work.declare("revision: '%s'" % repo.branches["main"])
        work.run()
        work.is_(THREE, "a changed revision: ends a rollback's hold")
        work.run("hold", "m", "--reason", "demo")
        work.declare("revision: stable")
        says(work.run(), "held", "demo")
        work.is_(THREE, "a person's hold stays")
        work.run("resume", "m")
        work.run()
        work.is_(ONE, "resumed")
        expect(work.state("other") == other, "the other model changed")


def test_branch_gone():
    """A branch that is deleted leaves what is active as it is."""
    hub, repo = world(Repo([ONE]))
    with hub, Work(hub) as work:
        work.declare("revision: main")
        work.run()
        before = work.state()
        del repo.branches["main"]
        says(work.run(status=4), "main", "no revision")
        expect(work.state() == before, "a branch that is gone changed something")
        work.is_(OTHERS, "the other model", "other")


# Who may

def test_token():
    """A token from the environment or a file goes to the hub and nowhere else, and is written and printed nowhere."""
    hub, repo = world(Repo.of({"v1.0.0": ONE}, private=True), tokens={TOKEN: "*"})
    with hub:
        for source, env, file in (("token: { env: ACME_TOKEN }", {"ACME_TOKEN": TOKEN}, None),
                                  ("token: { file: secret/token }", {}, TOKEN + "\n")):
            with Work(hub) as work:
                if file:
                    work.write("secret/token", file)
                work.declare(source=source)
                result = work.run("plan", "--out", "plan.json", env=env)
                work.run("lock", env=env)
                work.run(env=env)
                work.is_(ONE, source)
                play = hub.play(hubs.no_scope, "^api/models/acme/vad")
                os.unlink(os.path.join(work.base, "desired-state.lock"))
                work.run(status=4, env=env)
                play.stop()
                play = hub.play(fakes.html, "^api/models/acme/vad")
                work.run(status=4, env=env)
                play.stop()
                for arguments in (("history",), ("status", "-o", "json"), ("explain", "m"), ("plan", "-o", "json"), ("show", "plan.json"),
                                  ("history", "-o", "json"), ("plan", "-o", "markdown"), ("-v",), ("--progress", "json")):
                    work.run(*arguments, status=None, env=env)
                expect(result.status == 0 and work.files() == ONE, "it works")
                silent_about(work, TOKEN, "sig=")
                expect(work.holds(TOKEN) == (["secret/token"] if file else []), "the token is in %s" % work.holds(TOKEN))
                expect(work.holds("&sig=") == [], "a signed address is in %s" % work.holds("&sig="))
        heard = {r.authorization for r in hub.log if r.server == "hub"}
        expect(heard == {"Bearer " + TOKEN}, "the hub heard %s" % heard)
        quiet(hub)
        with Work(hub) as work:
            work.declare(source="token: { env: ACME_TOKEN }")
            hub.clear()
            says(work.run(status=EXPECTED), "ACME_TOKEN")
            expect(hub.log == [] and work.files() is None, "it asked without the token that it was told to use: %s" % asked(hub))
            work.declare(source="token: %s" % TOKEN)
            result = work.run(status=1)
            says(result, "token must not be written")


def test_ambient_token():
    """What this user has for the public hub is given to it, or to HF_ENDPOINT in its place, and to no other address."""
    hub, repo = world(Repo.of({"v1.0.0": ONE}, private=True), tokens={TOKEN: "*", "hf_other": "*"})

    def given(name, url, env, files, wanted):
        with Work(hub) as work:
            for path, text in files.items():
                work.write(os.path.join("home", path), text)
            work.declare(url=url or hub.url)
            hub.clear()
            result = work.run(status=0 if wanted else 4,
                              env={**env, **({} if url is None else {"HF_ENDPOINT": hub.url})} | {
                                  key: value.replace("~", work.home) for key, value in env.items() if "~" in value})
            heard = {r.authorization for r in hub.log if r.server == "hub"}
            expect(heard == ({"Bearer " + wanted} if wanted else {None}), "the hub heard %s" % heard)
            work.is_(ONE if wanted else None, "what is installed")
            silent_about(work, TOKEN)
            if not wanted:
                says(result, "token")
                work.is_(OTHERS, "the other model", "other")
    default = ".cache/huggingface/token"
    with hub:
        each([("HF_TOKEN", PUBLIC, {"HF_TOKEN": TOKEN}, {}, TOKEN),
              ("a slash at the end", PUBLIC + "/", {"HF_TOKEN": TOKEN}, {}, TOKEN),
              ("HUGGING_FACE_HUB_TOKEN", PUBLIC, {"HUGGING_FACE_HUB_TOKEN": TOKEN}, {}, TOKEN),
              ("HF_TOKEN before the file", PUBLIC, {"HF_TOKEN": TOKEN}, {default: "hf_other"}, TOKEN),
              ("~/.cache/huggingface/token", PUBLIC, {}, {default: TOKEN + "\n"}, TOKEN),
              ("HF_HOME", PUBLIC, {"HF_HOME": "~/hf"}, {"hf/token": TOKEN, default: "hf_other"}, TOKEN),
              ("HF_TOKEN_PATH", PUBLIC, {"HF_TOKEN_PATH": "~/mine", "HF_HOME": "~/hf"}, {"mine": TOKEN, "hf/token": "hf_other"}, TOKEN),
              ("XDG_CACHE_HOME", PUBLIC, {"XDG_CACHE_HOME": "~/x"}, {"x/huggingface/token": TOKEN}, TOKEN),
              ("an empty HF_TOKEN", PUBLIC, {"HF_TOKEN": ""}, {}, None),
              ("nothing", PUBLIC, {}, {}, None),
              ("another address", None, {"HF_TOKEN": TOKEN, "HUGGING_FACE_HUB_TOKEN": TOKEN}, {default: TOKEN}, None),
              ("another address, that HF_ENDPOINT names", None, {"HF_TOKEN": TOKEN, "HF_ENDPOINT": hub.url}, {default: TOKEN}, None)], given)
        quiet(hub)


def test_endpoint():
    """HF_ENDPOINT takes the place of the public hub only, must be as safe as any other address, and offline means offline."""
    hub, repo = world({"v1.0.0": ONE})
    with hub, Work(hub) as work:
        work.declare(url=PUBLIC)
        work.run("lock", env={"HF_ENDPOINT": hub.url + "/"})
        work.run(env={"HF_ENDPOINT": hub.url + "/"})
        work.is_(ONE, "HF_ENDPOINT")
        before, other = work.state(), work.state("other")
        os.unlink(os.path.join(work.base, "desired-state.lock"))
        work.declare(url=hub.url)
        work.run(env={"HF_ENDPOINT": "http://127.0.0.1:9"})
        work.declare(url=PUBLIC)
        result = work.run(status=EXPECTED, env={"HF_ENDPOINT": "http://192.0.2.1/", "HF_TOKEN": TOKEN}, limit=15)
        says(result, "plain HTTP")
        result = work.run(status=EXPECTED, env={"HF_ENDPOINT": "http://ana:pa55w0rd@127.0.0.1:9", "HF_TOKEN": TOKEN}, limit=15)
        silent_about(work, "pa55w0rd", TOKEN)
        for bad in ("nonsense", "ftp://127.0.0.1/", "http://", "file:///etc"):
            work.run(status=EXPECTED, env={"HF_ENDPOINT": bad}, limit=15)
        hub.clear()
        for value in ("1", "true", "ON", "yes"):
            says(work.run(status=4, env={"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": value}), "HF_HUB_OFFLINE")
        expect(hub.log == [], "offline, it asked %s" % asked(hub))
        expect((work.state(), work.state("other")) == (before, other), "offline, something changed")
        work.run(env={"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"})
        expect(hub.log != [], "HF_HUB_OFFLINE=0 is not offline")
        work.run("lock", env={"HF_ENDPOINT": hub.url})
        hub.clear()
        says(work.run(env={"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "1"}), "Nothing to do")
        shutil.rmtree(work.store)
        says(work.run(status=EXPECTED, env={"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "1"}), "HF_HUB_OFFLINE")
        expect(hub.log == [] and work.files() is None, "offline with a lock, it asked %s" % asked(hub))


def test_access():
    """What a hub refuses is told apart as far as its answer allows, says what to do, and leaves everything as it is."""
    lfs, large = {"model.onnx": noise(3000)}, {"b.bin": noise(9 * MiB)}
    repos = {"acme/private": Repo.of({"v1.0.0": ONE}, private=True), "acme/gated": Repo.of({"v1.0.0": ONE}, gated="manual"),
             "acme/gated-lfs": Repo.of({"v1.0.0": lfs}, gated="auto"), "acme/large": Repo.of({"v1.0.0": large}, gated="auto"),
             "acme/disabled": Repo.of({"v1.0.0": ONE}, disabled=True), OTHER: Repo([OTHERS])}
    tokens = {"BOB": "hf_bobHasNothing", "OLD": "hf_oldHasExpired", "ANA": "hf_anaHasEverything"}
    hub = Hub(repos, tokens={tokens["BOB"]: set(), tokens["ANA"]: "*"})
    terms = ("terms", "accept", hub.url + "/acme/")
    rows = [("private, no token", "hub/acme/private", ("token",)), ("private, a token without access", "bob/acme/private", ("token",)),
            ("missing", "hub/acme/missing", ("token",)), ("missing, with a token", "ana/acme/missing", ("token",)),
            ("gated, no token", "hub/acme/gated", terms), ("gated, a token without access", "bob/acme/gated", terms),
            ("gated, LFS only, no token", "hub/acme/gated-lfs", terms), ("gated, LFS only", "bob/acme/gated-lfs", terms),
            ("gated, a large file, no token", "hub/acme/large", terms), ("gated, a large file", "bob/acme/large", terms),
            ("disabled", "hub/acme/disabled", ("taken down", "disabled")),
            ("a token that is not valid", "old/acme/private", ("not valid", "token", "expired"))]
    with hub, Work(hub) as work:
        sources = "\n".join("  %s: { huggingface: '%s', token: { env: %s } }" % (name.lower(), hub.url, name) for name in tokens)
        work.declare({"r%d" % number: "from: %s, version: '*'" % origin for number, (_, origin, _) in enumerate(rows)}, sources=sources)
        result = work.run(status=EXPECTED, env=tokens)

        def refused(name, origin, words):
            model = "r%d" % [row[0] for row in rows].index(name)
            expect(work.files(model) is None, "something was installed")
            text = result.about(model)
            says(text, origin.partition("/")[2], *words)
            for word in ("does not exist", *(("token",) if name == "disabled" else ())):
                expect(word not in text.lower(), "it says “%s”: %s" % (word, text))
        work.is_(OTHERS, "the other model", "other")
        silent_about(work, *tokens.values())
        quiet(hub)
        each(rows, refused)
        models = {name: "from: ana/acme/" + name for name in ("private", "gated", "gated-lfs", "large")}
        work.declare({name: keys + ", version: '*'" for name, keys in models.items()}, sources=sources)
        work.run(env=tokens)
        for name, files in (("private", ONE), ("gated", ONE), ("gated-lfs", lfs), ("large", large)):
            work.is_(files, "with access", name)
        quiet(hub)


def test_access_later():
    """Access that ends while a model is active: it stays, the error says what to do, and it goes on when access is back."""
    large = ("small", "large", "resolve")
    rows = [Row("private", hubs.repo_not_found, "api", 4, ("token",)), Row("gated", hubs.gated, "api", 4, ("terms", "accept")),
            Row("no scope", hubs.no_scope, "api", 4, ("token", "read access")), Row("disabled", hubs.disabled, "api", 4, ("taken down",)),
            Row("an invalid token", hubs.bad_credentials, "api", 4, ("not valid", "token")), Row("not found", hubs.not_found, "api", 4, ("token",))]
    for where in large:
        rows += [Row("gated: " + where, hubs.gated, where, NO, ("terms", "accept")),
                 Row("no scope: " + where, hubs.no_scope, where, NO, ("token", "read access")),
                 Row("an invalid token: " + where, hubs.bad_credentials, where, NO, ("not valid", "token")),
                 Row("disabled: " + where, hubs.disabled, where, NO, ("taken down",)),
                 Row("a file that is gone: " + where, hubs.entry_not_found, where, NO, ("not there",))]
    suffer(rows)


def test_licenses():
    """A policy of licences blocks others with the reason, for one model or for all, and never the same twice."""
    repos = {"acme/mit": Repo.of({"v1.0.0": ONE}), "acme/apache": Repo.of({"v1.0.0": ONE}, license="apache-2.0"),
             "acme/nc": Repo.of({"v1.0.0": ONE}, license="cc-by-nc-4.0"), "acme/none": Repo.of({"v1.0.0": ONE}, license=None),
             OTHER: Repo([OTHERS])}
    hub = Hub(repos)
    policy = "policy: { licenses: [mit, apache-2.0] }"
    with hub, Work(hub) as work:
        models = {name: "from: hub/acme/%s, version: ^1.0" % name for name in ("mit", "apache", "nc", "none")}
        work.declare(models, more=policy)
        result = work.run(status=(0, 4))
        says(result.about("nc"), "1.0.0", "cc-by-nc-4.0", "licence")
        says(result.about("none"), "licence")
        for name in ("mit", "apache"):
            work.is_(ONE, name, name)
        for name in ("nc", "none"):
            work.is_(None, name, name)
        work.is_(OTHERS, "the other model", "other")
        blocked = {entry["model"] for entry in work.plan()["blocked"]}
        expect({"nc", "none"} <= blocked, "the plan blocks %s" % blocked)
        work.declare({**models, "nc": models["nc"] + ", licenses: [CC-BY-NC-4.0]"}, more=policy)
        work.run(status=(0, 4))
        work.is_(ONE, "its own policy", "nc")
        # A licence that changes stops updates, and nothing else.
        repos["acme/mit"].license = "other"
        repos["acme/mit"].commit(TWO, tag="v1.1.0")
        before = work.state("mit")
        result = work.run(status=(0, 4))
        says(result.about("mit"), "1.1.0", "licence, other")
        expect(work.state("mit") == before, "a licence that is not allowed was taken")
        repos["acme/mit"].license = "MIT"
        repos["acme/mit"].commit(TWO, tag="v1.2.0", title="MIT again")
        work.run(status=(0, 4))
        work.is_(TWO, "MIT again", "mit")


# Faults

NO, EITHER, YES = (1, 4), (0, 1, 4), (0,)


class Row:
    """A fault in a repository of its own: where it is played, how a pass may end because of it, and what is said of the model.

    `wanted` are exit statuses; 0 is the new release, whole and right.
    """

    def __init__(self, name, fault, where, wanted, words=(), times=None, size=100_000):
        self.name, self.fault, self.where, self.words, self.times, self.size = name, fault, where, words, times, size
        self.wanted = wanted if isinstance(wanted, tuple) else (wanted,)

    def place(self, number):
        self.number, self.model, self.repo = number, "r%02d" % number, "acme/r%02d" % number
        self.old, self.new = self.files("1"), self.files("2")
        self.commits = Repo.of({"v1.0.0": self.old, "v1.1.0": self.new})

    def files(self, version):
        mark = "%s %s" % (self.model, version)
        return {"model.onnx": noise(self.size, mark), "config.json": b'{"of": "%s"}' % mark.encode(), "README.md": mark.encode() * 90}

    def play(self, hub):
        repo, digest = re.escape(self.repo), hashlib.sha256(self.new["model.onnx"]).hexdigest()
        api = "^api/models/%s/" % repo
        only, on = {"api": (api, "hub"), "refs": (api + "refs", "hub"), "card": (api + "revision/", "hub"), "tree": (api + "tree/", "hub"),
                    "small": (repo + r"/.*config\.json$", "hub"), "large": ("^%s/resolve/.*model" % repo, "hub"),
                    "resolve": ("^%s/resolve/" % repo, "hub"), "cdn": ("^blobs/" + digest, "cdn")}[self.where]
        return hub.play(self.fault, only, self.times, on)

    def check(self, work, result, before, played):
        expect(played > 0, "the fault was not played")
        found, text = work.files(self.model), result.about(self.model)
        if 0 in self.wanted and found == self.new:
            return
        expect(self.wanted != YES, "it is not installed:\n" + text)
        expect(found != self.new, "it was installed all the same")
        expect((found, os.path.lexists(os.path.join(work.store, self.model))) == (before, before is not None), "something else is active")
        says(text, *self.words)
        expect("Error" not in text.replace("X-Error", ""), "it speaks of an error as programs do:\n" + text)


def suffer(rows, fresh=SLOW, limit=120, seconds=90):
    """All rows in one pass, each model with its own fault: an update and, with `fresh`, a first install. Then all are healed."""
    for number, row in enumerate(rows):
        row.place(number)
    hub = Hub({**{row.repo: row.commits for row in rows}, OTHER: Repo([OTHERS])})
    problems = {}

    def note(row, life, test, *arguments):
        try:
            test(*arguments)
        except SystemExit as problem:
            problems.setdefault("%s (%s)" % (row.name, life), str(problem).removeprefix("FAILED: "))

    with hub:
        for life in ("update", "first install") if fresh else ("update",):
            with Work(hub) as work:
                if life == "update":
                    work.declare({row.model: "from: hub/%s, version: =1.0.0" % row.repo for row in rows})
                    work.run(limit=limit)
                before = work.states(*(row.model for row in rows), "other") if life == "update" else {}
                work.declare({row.model: "from: hub/%s, version: ^1.0" % row.repo for row in rows})
                plays = [row.play(hub) for row in rows]
                statuses = {status for row in rows for status in row.wanted}
                result = work.run(status=tuple(statuses), limit=limit)
                expect(result.seconds < seconds, "it took %.0f s" % result.seconds)
                for row, play in zip(rows, plays):
                    note(row, life, row.check, work, result, before[row.model][1] if before else None, play.played)
                    play.stop()
                work.blobs()
                silent_about(work, "sig=")
                if before:
                    after = work.states(*before)
                    for row in rows:
                        if work.files(row.model) == row.old:
                            note(row, life, expect, after[row.model] == before[row.model], "its status changed: %s" % (after[row.model][2:],))
                    expect(after["other"] == before["other"], "the other model changed")
                work.is_(OTHERS, "the other model", "other")
                result = work.run(status=None, limit=limit)
                for row in rows:
                    note(row, life + ", healed", expect, work.files(row.model) == row.new, "it stays broken when the hub is right again:\n"
                         + (result.about(row.model) or result.output[:300]))
                work.blobs()
        quiet(hub)
    expect(not problems, "%d problems\n    %s" % (len(problems), "\n    ".join(
        "%s: %s" % (name, text.replace("\n", "\n      ")) for name, text in problems.items())))


def json_with(change):
    return functools.partial(hubs.edited, change=change)


def test_faults_of_documents():
    """Answers of the API that are no answers: the model is unknown, everything stays, and it goes on when they are right."""
    def chain(hops):
        return functools.partial(fakes.redirect_chain, hops=hops)
    suffer([
        Row("HTML", fakes.html, "api", 4, ("web page",)), Row("cut JSON", fakes.cut_json, "api", 4, ("cannot be used",)),
        Row("an empty body", fakes.empty, "api", 4, ("cannot be used",)), Row("cut JSON of the tree", fakes.cut_json, "tree", 4, ("cannot be used",)),
        Row("HTML for the card", fakes.html, "card", 4, ("web page",)), Row("cut JSON of the card", fakes.cut_json, "card", 4, ("cannot be used",)),
        Row("deep JSON", fakes.deep_json, "refs", 4, ("cannot be used",)), Row("deep JSON of the tree", fakes.deep_json, "tree", 4, ("cannot be used",)),
        Row("huge JSON", fakes.huge_json, "tree", 4, ("bytes",)), Row("gzip", fakes.gzipped, "api", (0, 4)),
        Row("503 for good", fakes.unavailable, "api", 4, ("503",)), Row("a redirect loop", fakes.redirect_loop, "api", 4, ("redirect",)),
        Row("30 redirects", chain(30), "tree", 4, ("redirect",)), Row("5 redirects", chain(5), "tree", YES),
        Row("a redirect elsewhere", fakes.redirect_elsewhere, "api", (0, 4)),
        Row("the same page for ever", hubs.pages_for_ever, "tree", 4, ("no end",)),
        Row("new pages for ever", hubs.new_pages_for_ever, "tree", 4, ("no end",)),
        Row("a page elsewhere", hubs.next_page_elsewhere, "tree", 4, ("another server",)),
        Row("connections reset", functools.partial(faults.reset_after, count=50), "api", 4, ("reset",)),
        Row("connections closed", faults.short_body, "api", 4, ("connection",)),
        Row("another commit", json_with(functools.partial(replaced, sha="0" * 40)), "card", 4, ("000000",)),
        Row("a list instead of an object", json_with(lambda value: [value]), "refs", 4, ("cannot be used",)),
        Row("a card that is a list", json_with(lambda value: [value]), "card", 4, ("cannot be used",)),
        Row("418", functools.partial(fakes.answers, status=418), "api", 4, ("418",)),
        Row("503 once", functools.partial(fakes.unavailable, retry_after=1), "api", YES, times=1),
        Row("a reset once", functools.partial(faults.reset_after, count=50), "api", YES, times=1),
        Row("HTML once, for the tree", fakes.html, "tree", (0, 4), times=1)])


def entries_with(change):
    """The tree with other entries."""
    def fault(x):
        entries = json.loads(x.data)
        changed = change(entries)
        x.honest(json.dumps(entries if changed is None else changed).encode())
    return fault


def put(**more):
    return entries_with(lambda entries: next(e for e in entries if e["path"] == "config.json").update(more))


def put_lfs(**more):
    return entries_with(lambda entries: next(e for e in entries if e["path"] == "model.onnx")["lfs"].update(more))


def all_huge(entries):
    for entry in entries:
        if "lfs" in entry:
            entry["lfs"]["size"] = entry["size"] = (1 << 63) - 1


def two_huge(entries):
    all_huge(entries)
    return entries + [{**next(e for e in entries if "lfs" in e), "path": "second.onnx"}]


def test_faults_of_the_tree():
    """Trees with paths, sizes and hashes that cannot be: nothing is taken, nothing is written elsewhere."""
    paths = ["../../escape.json", "/etc/escape.json", "a/../../escape.json", "a//b.json", "./a.json", "a/./b.json", "", ".", "..", "a/", "a\0b.json",
             "a\nb.json", "model.onnx", "model.onnx/x.json", "MODEL.onnx", "x" * 5000, ".git/config", "\ud800.json"]
    changes = [("path %.20r" % path, put(path=path)) for path in paths] + [
        ("a negative size", put(size=-1)), ("no size", put(size=None)), ("a size of words", put(size="2")), ("a huge size", put(size=1 << 62)),
        ("a larger size than any", put(size=1 << 70)), ("no oid", put(oid=None)), ("a short oid", put(oid="abc")), ("an oid of words", put(oid="z" * 40)),
        ("an empty oid of LFS", put_lfs(oid="")), ("a short oid of LFS", put_lfs(oid="ab" * 16)), ("a negative size of LFS", put_lfs(size=-5)),
        ("a size that nothing has", entries_with(all_huge)), ("sizes that have no sum", entries_with(two_huge)),
        ("an entry twice", entries_with(lambda entries: entries + entries[:3])),
        ("nothing", entries_with(lambda entries: [])), ("no list", entries_with(lambda entries: {"error": "x"})),
        ("other hashes", hubs.tree_disagrees), ("other sizes", hubs.size_disagrees)]
    suffer([Row(name, fault, "tree", NO) for name, fault in changes])


def test_harmless_trees():
    """What a tree may say beside what is read: members that nobody knows, and kinds that nobody knows."""
    new = entries_with(lambda entries: [{**entry, "xetHash": "a" * 64, "new": {"deep": [1]}} for entry in entries] + [
        {"type": "submodule", "path": "sub", "oid": "0" * 40, "size": 0}, {"type": "directory", "path": "../x", "oid": "0" * 40, "size": 0}])
    suffer([Row("unknown members", new, "tree", YES)], fresh=True)


def test_faults_of_files():
    """Answers for files that are not what was asked for: installed and verified, or a clear error, and nothing wrong anywhere."""
    def broken(count):
        return functools.partial(faults.reset_after, count=count)
    rows = [Row("wrong bytes, small", fakes.wrong_bytes, "small", NO, ("config.json",)), Row("gzip, small", fakes.gzipped, "small", EITHER),
            Row("HTML, small", fakes.html, "small", NO, ("config.json",)), Row("empty, small", fakes.empty, "small", NO, ("config.json",)),
            Row("an ETag that disagrees, small", hubs.etag_disagrees, "small", NO, ("config.json", "ETag")),
            Row("an ETag that disagrees, LFS", hubs.etag_disagrees, "large", NO, ("model.onnx",)),
            Row("X-Repo-Commit of another commit", hubs.wrong_commit, "resolve", EITHER), Row("no X-Repo-Commit", hubs.no_commit, "resolve", EITHER),
            Row("HTML instead of the redirect", fakes.html, "large", NO, ("model.onnx",)),
            Row("a redirect loop", fakes.redirect_loop, "resolve", NO, ("redirect",)),
            Row("a redirect elsewhere, small", fakes.redirect_elsewhere, "small", EITHER),
            Row("a redirect elsewhere, LFS", fakes.redirect_elsewhere, "large", EITHER),
            Row("503 once, small", fakes.unavailable, "small", YES, times=1), Row("503 once, LFS", fakes.unavailable, "large", YES, times=1),
            Row("a reset once, small", broken(1), "small", YES, times=1), Row("half a body, small", faults.short_body, "small", NO, ("config.json",))]
    for kind, size in (("", 100_000), (", large", 3 * MiB)):
        rows += [Row("wrong bytes" + kind, fakes.wrong_bytes, "cdn", NO, ("model.onnx",), size=size),
                 Row("gzip" + kind, fakes.gzipped, "cdn", EITHER, size=size), Row("HTML" + kind, fakes.html, "cdn", NO, ("model.onnx",), size=size),
                 Row("HTML of the right size" + kind, faults.html_page_of_right_size, "cdn", NO, ("model.onnx",), size=size),
                 Row("ranges ignored" + kind, hubs.ignores_range, "cdn", YES, size=size),
                 Row("an empty body" + kind, fakes.empty, "cdn", NO, ("model.onnx",), size=size),
                 Row("half a body" + kind, faults.short_body, "cdn", EITHER, size=size),
                 Row("reset behind 50 kB" + kind, broken(50_000), "cdn", EITHER, size=size),
                 Row("403 of the CDN" + kind, functools.partial(fakes.answers, status=403), "cdn", NO, ("model.onnx",), size=size),
                 Row("404 of the CDN" + kind, functools.partial(fakes.answers, status=404), "cdn", NO, ("model.onnx",), size=size),
                 Row("503 of the CDN once" + kind, fakes.unavailable, "cdn", YES, times=1, size=size),
                 Row("403 of the CDN once" + kind, functools.partial(fakes.answers, status=403), "cdn", YES, times=1, size=size)]
    suffer(rows)


def test_rate_limits():
    """What RateLimit or Retry-After asks for is waited for, everywhere; what asks for too much is told and not waited for."""
    limited, busy = functools.partial(hubs.rate_limited, seconds=2), functools.partial(hubs.busy, seconds=2)
    rows = [Row("%s, %s" % (where, name), fault, where, YES, times=1) for where in ("refs", "card", "tree", "small", "large", "cdn")
            for name, fault in (("RateLimit", limited), ("Retry-After", busy))]
    rows += [Row("an hour of RateLimit", functools.partial(hubs.rate_limited, seconds=3600), "refs", 4, ("429", "360")),
             Row("an hour of Retry-After", functools.partial(fakes.unavailable, retry_after=3600), "tree", 4, ("503", "360"))]
    for number, row in enumerate(rows):
        row.place(number)
    hub = Hub({**{row.repo: row.commits for row in rows}, OTHER: Repo([OTHERS])})
    with hub, Work(hub) as work:
        work.declare({row.model: "from: hub/%s, version: ^1.0" % row.repo for row in rows})
        plays = [row.play(hub) for row in rows]
        result = work.run(status=None)
        expect(result.seconds < 25, "it took %.0f s" % result.seconds)

        def wait(name, row, play):
            row.check(work, result, None, play.played)
            if row.wanted == YES:
                digest = hashlib.sha256(row.new["model.onnx"]).hexdigest()
                mine = [r for r in list(hub.log) if row.repo in r.path or digest in r.path]
                path = next(r.path for r in mine if r.status == 429)
                times = [r.started for r in mine if r.path == path]
                expect(1.9 <= times[1] - times[0] < 8, "asked to wait for 2 s, it waited for %.2f s" % (times[1] - times[0]))
        each([(row.name, row, play) for row, play in zip(rows, plays)], wait)
        work.is_(OTHERS, "the other model", "other")
        quiet(hub)


def test_rate_window():
    """A hub that keeps to its quota is not asked more often than it allows, and comes to an end all the same."""
    files = {"f%02d.json" % n: b"[%d]" % n for n in range(24)}
    hub, repo = world(Repo.of({"v1.0.0": files}), rates={"resolvers": (20, 2)})
    with hub, Work(hub) as work:
        work.declare(other=False)
        work.run(limit=60)
        work.is_(files, "24 files at 10 requests a second")
        refused = len([r for r in hub.log if r.status == 429])
        print("        %d requests, %d of them too many" % (len(hub.log), refused))
        expect(refused <= 24, "%d requests were too many" % refused)


def test_expiring_links():
    """Signed addresses that end in the middle of a download are asked for anew, and bytes are not fetched twice."""
    size = 24 * MiB
    files = {"model.safetensors": noise(size), "config.json": b"{}"}

    def run(name, fault, **options):
        hub, repo = world(Repo.of({"v1.0.0": files}), **options)
        with hub, Work(hub) as work:
            if fault:
                hub.play(fault, "^blobs/.*model", on="cdn")
            work.declare()
            work.run(limit=60)
            work.is_(files, "installed")
            sent = hub.bytes_sent("model.safetensors", "cdn")
            print("        %s: %d addresses, %.2f of the file" % (name, len(hub.links), sent / size))
            expect(sent < 1.3 * size, "%.1f of the file came" % (sent / size))
            silent_about(work, "sig=")
            quiet(hub)
    each([("one use", None, {"link_uses": 1}), ("three uses", None, {"link_uses": 3}), ("0.4 s", functools.partial(paced, rate=8 * MiB), {"link_seconds": 0.4}),
          ("broken connections", functools.partial(faults.close_after, count=3_000_000), {"link_uses": 2})],
         lambda name, fault, options: run(name, fault, **options))


def paced(x, rate):
    """The right answer, at so many bytes a second for each connection."""
    if x.status not in (200, 206):
        return x.honest()
    x.honest(upto=0)
    start, end = x.bounds if x.record.status == 206 else (0, len(x.data))
    step = rate // 50
    for at in range(start, end if x.record.status in (200, 206) else start, step):
        x.send(memoryview(x.data)[at:min(end, at + step)])
        time.sleep(0.02)


def test_ranges_only():
    """A file that the CDN gives by ranges only, as it does beyond 50 GB, comes by ranges only, also after a death."""
    size = 24 * MiB
    hub, repo = world(Repo.of({"v1.0.0": {"model.safetensors": noise(size)}}), plain_limit=20 * MiB)
    with hub, Work(hub) as work:
        work.declare()
        work.run()
        work.is_({"model.safetensors": noise(size)}, "by ranges")
        plain = [r for r in hub.requests("model.safetensors", "cdn") if not r.headers.get("range")]
        expect(plain == [], "%d requests without a range" % len(plain))
    hub, repo = world(Repo.of({"v1.0.0": {"model.safetensors": noise(size)}}))
    with hub, Work(hub) as work:
        hub.play(hubs.ignores_range, on="cdn")
        work.declare()
        work.run()
        work.is_({"model.safetensors": noise(size)}, "without ranges")
        work.is_(OTHERS, "the other model", "other")


def test_resets():
    """A large file over connections that break all the time comes through, and little of it twice."""
    size = 24 * MiB

    def run(name, fault):
        hub, repo = world(Repo.of({"v1.0.0": {"model.safetensors": noise(size)}}))
        with hub, Work(hub) as work:
            hub.play(fault, "model", on="cdn")
            work.declare()
            work.run(limit=60)
            work.is_({"model.safetensors": noise(size)}, "installed")
            sent = hub.bytes_sent("model.safetensors", "cdn")
            expect(sent < 1.3 * size, "%.2f of the file came" % (sent / size))
    each([("reset behind 2 MiB", functools.partial(faults.reset_after, count=2 * MiB)),
          ("closed behind 3 MB", functools.partial(faults.close_after, count=3_000_000))], run)


def test_kill():
    """kill -9 in the middle of a large download: the CDN sends less than 1.1 of the file in all."""
    size = 224 * MiB
    data = noise(size, "kill")
    hub, repo = world(Repo.of({"v1.0.0": {"small.bin": noise(10)}, "v1.1.0": {"model.safetensors": data, "config.json": b"{}"}}))
    with hub, Work(hub) as work:
        work.declare("version: =1.0.0")
        work.run()
        before, other = work.state(), work.state("other")
        work.declare("version: ^1.0")
        slow = hub.play(functools.partial(paced, rate=10 * MiB), r"model\.safetensors$", on="cdn")
        for part in (0.5,):
            process = subprocess.Popen([RECONCILE, "--progress", "none"], cwd=work.base, env=work.environment(), stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            end = time.monotonic() + 30
            while hub.bytes_sent("model.safetensors", "cdn") < part * size and time.monotonic() < end and process.poll() is None:
                time.sleep(0.005)
            expect(process.poll() is None, "it ended before it was killed")
            process.send_signal(signal.SIGKILL)
            process.wait()
            expect(work.state() == before and work.state("other") == other, "a kill changed something")
        slow.stop()
        work.run()
        work.is_({"model.safetensors": data, "config.json": b"{}"}, "after the kill")
        sent = hub.bytes_sent("model.safetensors", "cdn")
        print("        %.3f of the file were sent" % (sent / size))
        expect(sent < 1.1 * size, "%.3f of the file were sent" % (sent / size))
        expect(work.state("other") == other, "the other model changed")
        left = [name for _, _, names in os.walk(os.path.join(work.store, ".reconcile", "partial")) for name in names]
        expect(left == [], "left over: %s" % left)


def test_silence():
    """Servers that say nothing, or a byte a second: an end with an error within minutes, and everything stays. (slow)"""
    suffer([Row("silence of the API", faults.silent, "api", 4), Row("a head of the API and no more", faults.head_only, "refs", 4),
            Row("silence for a small file", faults.silent, "small", 4), Row("silence of the CDN", faults.silent, "cdn", 1),
            Row("a head of the CDN and no more", faults.head_only, "cdn", 1, size=3 * MiB)], fresh=False, limit=600, seconds=300)


def test_trickles():
    """The same of servers that send a byte a second. (slow)"""
    suffer([Row("a tree", faults.trickle, "tree", 4), Row("a small file", faults.trickle, "small", 4), Row("LFS", faults.trickle, "cdn", 1),
            Row("large", faults.trickle, "cdn", 1, size=3 * MiB)], fresh=False, limit=900, seconds=600)


# A hub that nobody here wrote

def test_olah():
    """silero-vad from olah: an install and an update are byte for byte what hf download fetches."""
    history = {"v" + version: files for version, files in worlds.silero(["5.1", "6.0.0"]).items()}
    with worlds.olah(history, "acme/silero-vad") as server, Work() as work, tempfile.TemporaryDirectory() as home:
        work.url = server.url
        work.declare("from: hub/acme/silero-vad, version: ^5.0", other=False)
        for version, keys in (("v5.1", "version: ^5.0"), ("v6.0.0", "version: '>=5 <7'")):
            work.declare("from: hub/acme/silero-vad, " + keys, other=False)
            result = work.run()
            if "needs approval" in result.output:
                before = worlds.hf_download(server.url, "acme/silero-vad", "v5.1", home)
                work.is_(before, "it waits for a yes")
                work.run("approve", "m")
                work.run()
            judge = worlds.hf_download(server.url, "acme/silero-vad", version, home)
            expect({path: judge[path] for path in history[version]} == history[version], "hf got something else")
            work.is_(judge, version)
            expect(work.status()["active"] == version[1:], work.status()["active"])
        work.run("lock")
        expect(work.lock()["revision"] == server.commits["v6.0.0"], "the lock names another commit than git")
        before = work.state()
        work.declare("from: hub/acme/silero-vad, revision: nothing", other=False)
        os.unlink(os.path.join(work.base, "desired-state.lock"))
        says(work.run(status=4), "acme/silero-vad")
        expect(work.state() == before, "a revision that is not there changed something")
        work.declare("from: hub/acme/silero-vad, revision: main, include: ['**/*.onnx']", other=False)
        work.run()
        work.is_({path: data for path, data in judge.items() if path.endswith(".onnx")}, "revision: main with include")
        server.stop()
        before = work.state()
        says(work.run(status=4), "does not answer")
        expect(work.state() == before, "a hub that is away changed something")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="tests whose name holds this")
    parser.add_argument("--list", action="store_true", help="only list the tests")
    parser.add_argument("--jobs", type=int, default=4)
    parser.add_argument("--slow", action="store_true", help="also those that take minutes")
    options = parser.parse_args()
    tests = [function for name, function in globals().items() if name.startswith("test_") and options.only in name
             and (options.slow or "(slow)" not in function.__doc__)]
    tests.sort(key=lambda test: not test.__name__.startswith(("test_faults", "test_access_later", "test_silence", "test_trickles")))  # the long ones first
    if options.list:
        return print("\n".join("%-28s %s" % (test.__name__, test.__doc__) for test in tests))
    failures, start = [], time.monotonic()

    def timed(test):
        begin = time.monotonic()
        try:
            return test(), time.monotonic() - begin
        except (SystemExit, Exception) as problem:
            problem.seconds = time.monotonic() - begin
            raise

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = {pool.submit(timed, test): test for test in tests}
        for future in concurrent.futures.as_completed(futures):
            test = futures[future]
            try:
                print("ok      %4.1f s  %s" % (future.result()[1], test.__doc__), flush=True)
            except (SystemExit, Exception) as problem:  # every test is made, whatever one of them shows
                text = str(problem) if isinstance(problem, SystemExit) else repr(problem)
                failures.append(test.__name__)
                print("FAILED  %4.1f s  %s: %s" % (problem.seconds, test.__name__, text.removeprefix("FAILED: ")), flush=True)
    expect(not failures, "%d of %d: %s" % (len(failures), len(tests), ", ".join(failures)))
    print("hub: %d tests passed in %.0f s" % (len(tests), time.monotonic() - start))


if __name__ == "__main__":
    sys.exit(main())
