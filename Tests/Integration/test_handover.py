#!/usr/bin/env python3
"""Hand-over to the programs that load models (Hugging Face cache, Triton, Ollama), as a part of activation; and `init --from`.

    test_handover.py [--only WORD] [--list] [--jobs N]

huggingface_hub reads the cache that is made; Triton is a server of ours that keeps its repository API, and Ollama its files.
"""
import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

import faults
import machine
import registry as registries
import worlds
from fakes import Fake, unavailable
from faultserver import FaultServer
from hub import Hub, Repo
from machine import Machine, each, noise, says, sha256
from proxy import Certificate
from registry import Registry, modelkit, modelpack
from support import expect

REPO = "acme/vad"


def files_of(version, **more):
    return {"model.onnx": noise(60_000, version), "sub dir/\u00fc+%.json": b'{"v": "%s"}' % version.encode(), "empty.txt": b"", **more}


ONE, TWO, THREE = files_of("1.0.0"), files_of("1.1.0"), files_of("1.2.0")
FAILS = ", probe: { exec: [sh, -c, 'exit 1'], attempts: 1 }"
FAILS_FOR_NEW = ", probe: { exec: [sh, -c, 'case $RECONCILE_VERSION in 1.0.0) exit 0;; esac; exit 1'], attempts: 1 }"
WORKS = ", probe: { exec: [sh, -c, 'exit 0'], attempts: 1 }"


def quarantined(m):
    return m.status("vad")["quarantine"]


# The cache of huggingface_hub

CACHE = "huggingfaceCache: hf/hub"
FIND = """
import json, sys
from huggingface_hub import snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError
for line in sys.stdin:
    repo, cache, revision = json.loads(line)
    try:
        print(json.dumps(snapshot_download(repo, revision=revision, cache_dir=cache, local_files_only=True)), flush=True)
    except LocalEntryNotFoundError:
        print("null", flush=True)
"""
JUDGE, JUDGING = [], threading.Lock()  # huggingface_hub takes a while to start, so that one is kept


def snapshot(m, repo=REPO, revision="main", cache="hf/hub"):
    """What huggingface_hub finds without a network: its folder and {path: bytes}; None and None when it finds nothing."""
    with JUDGING:
        if not JUDGE:
            env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
            JUDGE.append(subprocess.Popen([os.path.join(worlds.environment("hf"), "python"), "-c", FIND], stdin=subprocess.PIPE,
                                          stdout=subprocess.PIPE, text=True, env=env))
        JUDGE[0].stdin.write(json.dumps([repo, m.path(cache), revision]) + "\n")
        JUDGE[0].stdin.flush()
        folder = json.loads(JUDGE[0].stdout.readline())
    return (folder, worlds.files(folder)) if folder else (None, None)


def ref(m, cache="hf/hub", repo=REPO):
    path = m.path(cache, "models--" + repo.replace("/", "--"), "refs", "main")
    return m.read(path).decode() if os.path.exists(path) else None


@contextlib.contextmanager
def cached(*versions, publish_as=CACHE, more="", keys="version: ^1.0"):
    """A hub with versions of acme/vad, and a machine that hands it over to a cache."""
    history = {"v" + version: files_of(version) for version in versions or ("1.0.0",)}
    repo = Repo.of(history)
    with Hub({REPO: repo}) as hub, Machine() as m:
        hub.repo = repo
        declare(m, hub, publish_as, more, keys)
        yield hub, m
        m.blobs()


def declare(m, hub, publish_as=CACHE, more="", keys="version: ^1.0"):
    m.declare({"hub": "huggingface: '%s'" % hub.url},
              {"vad": "from: hub/%s, %s%s%s" % (REPO, keys, publish_as and ", publishAs: { %s }" % publish_as, more)})


def handed(hub, m, files, version):
    """The cache has exactly this release as main, under its commit."""
    folder, found = snapshot(m)
    expect(folder, "huggingface_hub finds nothing; refs/main is %s" % ref(m))
    expect(found == files, "the snapshot has %s" % sorted(path for path in {**files, **found} if files.get(path) != found.get(path)))
    commit = hub.repo.tags["v" + version]
    expect(os.path.basename(folder) == commit == ref(m), "it is %s, refs/main is %s, and the commit %s" % (folder, ref(m), commit))
    m.has(files, "vad")


def age(m, model="vad"):
    """Makes as if what is not active had been left long ago, so that the next pass may delete it."""
    place = m.path("models/.reconcile/generations", model)
    active = os.path.basename(os.readlink(os.path.join(m.store, model)))
    for name in os.listdir(place):
        if os.path.isdir(os.path.join(place, name)) and name != active:
            os.utime(os.path.join(place, name), (time.time() - 8000,) * 2)


def test_cache():
    """A release becomes a snapshot that huggingface_hub finds offline, byte for byte; an update moves main; a second pass does nothing."""
    with cached() as (hub, m):
        says(m.run("plan"), "hand")
        m.run()
        handed(hub, m, ONE, "1.0.0")
        says(m.run(), "Nothing to do, 1 in sync")
        hub.repo.commit(TWO, tag="v1.1.0")
        m.run()
        handed(hub, m, TWO, "1.1.0")
        says(m.run(), "Nothing to do, 1 in sync")
        expect(snapshot(m, revision=hub.repo.tags["v1.0.0"])[1] == ONE, "the snapshot of what is kept for rollback is gone")
        for place, folders, names in os.walk(m.path("hf")):
            for name in folders + names:
                path = os.path.join(place, name)
                expect(not os.path.islink(path) or (not os.path.isabs(os.readlink(path)) and os.path.exists(path)), "a bad link: " + path)
                expect("tmp" not in name and "reconcile" not in name, "left behind: " + path)


def test_cache_rollback():
    """`rollback` and `resume` move main too."""
    with cached("1.0.0", "1.1.0", keys="version: '=1.0.0'") as (hub, m):
        m.run()
        declare(m, hub)
        m.run()
        handed(hub, m, TWO, "1.1.0")
        m.run("rollback", "vad", "--to", "1.0.0")
        handed(hub, m, ONE, "1.0.0")
        m.run()
        handed(hub, m, ONE, "1.0.0")
        m.run("resume", "vad")
        m.run()
        handed(hub, m, TWO, "1.1.0")


def test_cache_probe_fails():
    """When an update does not work, main is what it was; the probe saw the new one there."""
    with cached() as (hub, m):
        m.run()
        seen = ", probe: { exec: [sh, -c, 'cp hf/hub/models--acme--vad/refs/main seen-$RECONCILE_VERSION; test $RECONCILE_VERSION = 1.0.0'], attempts: 1 }"
        declare(m, hub, more=seen)
        hub.repo.commit(TWO, tag="v1.1.0")
        says(m.run(status=4), "rolled back")
        handed(hub, m, ONE, "1.0.0")
        expect(m.read("seen-1.1.0").decode() == hub.repo.tags["v1.1.0"], "the probe saw main at %s" % m.read("seen-1.1.0"))
        expect(m.read("seen-1.0.0").decode() == hub.repo.tags["v1.0.0"], "the probe of the old one saw main at %s" % m.read("seen-1.0.0"))
        expect("1.1.0" in json.dumps(quarantined(m)), "it was not quarantined")
        m.run(status=4)
        handed(hub, m, ONE, "1.0.0")


def test_cache_first_fails():
    """When the first install does not work, nothing is handed over: main is not there, or what somebody else had put there."""
    for own in (False, True):
        with cached("1.0.0", more=FAILS) as (hub, m):
            if own:
                hub.repo.commit(THREE)
                worlds.hf_download(hub.url, REPO, "main", m.path("hf"))
            before = ref(m)
            m.run(status=(1, 4))
            expect(m.files("vad") is None, "it is active")
            expect(ref(m) == before, "main is %s instead of %s" % (ref(m), before))
            declare(m, hub, more=WORKS)
            m.run()
            handed(hub, m, ONE, "1.0.0")


def test_cache_healed():
    """What disappears from the cache, or is changed there, comes back with the next pass."""
    with cached() as (hub, m):
        m.run()
        base = m.path("hf/hub/models--acme--vad")
        commit = hub.repo.tags["v1.0.0"]

        def row(name, harm):
            harm()
            m.run()
            handed(hub, m, ONE, "1.0.0")
            says(m.run(), "Nothing to do, 1 in sync")

        def overwrite(path, data):
            with open(path, "wb") as file:
                file.write(data)
        each([("the whole cache", lambda: shutil.rmtree(m.path("hf"))),
              ("refs", lambda: shutil.rmtree(base + "/refs")),
              ("the snapshot", lambda: shutil.rmtree(base + "/snapshots")),
              ("a link", lambda: os.unlink("%s/snapshots/%s/model.onnx" % (base, commit))),
              ("the blobs", lambda: shutil.rmtree(base + "/blobs")),
              ("a blob", lambda: os.unlink("%s/blobs/%s" % (base, sha256(ONE["model.onnx"])))),
              ("main says something else", lambda: overwrite(base + "/refs/main", b"0" * 40)),
              ("main is empty", lambda: overwrite(base + "/refs/main", b"")),
              ("what is remembered", lambda: shutil.rmtree(m.path("models/.reconcile/handovers"))),
              ], row)


def test_cache_damage_is_apart():
    """Writing into the cache does not change what is active, and what is handed over are the bytes that were verified."""
    with cached() as (hub, m):
        m.run()
        blob = m.path("hf/hub/models--acme--vad/blobs", sha256(ONE["model.onnx"]))
        before = m.state("vad")
        if os.stat(blob).st_nlink > 1:
            expect(not os.stat(blob).st_mode & 0o222, "a blob that the store shares can be written")
        os.unlink(blob)
        with open(blob, "wb") as file:
            file.write(b"x" * 60_000)
        expect(m.state("vad") == before, "the store has other bytes")
        os.unlink(m.path("hf/hub/models--acme--vad/refs/main"))  # so that it is handed over again
        m.run()
        handed(hub, m, ONE, "1.0.0")


def test_cache_added():
    """Adding publishAs to an installed model hands it over, and so does a change of it; a dry run writes nothing."""
    with cached("1.0.0", publish_as="") as (hub, m):
        m.run()
        declare(m, hub)
        says(m.run("--dry-run"), "vad")
        expect(not os.path.exists(m.path("hf")), "a dry run wrote the cache")
        m.run()
        handed(hub, m, ONE, "1.0.0")
        declare(m, hub, "huggingfaceCache: other, repository: my-org/my-vad")
        m.run()
        expect(snapshot(m, "my-org/my-vad", cache="other")[1] == ONE, "it is not at the other place")
        expect(snapshot(m)[0] is None, "it is at the old place too")
        says(m.run(), "Nothing to do")
        declare(m, hub, "")
        m.run()
        expect(snapshot(m, "my-org/my-vad", cache="other")[0] is None, "it is still handed over")
        says(m.run(), "Nothing to do")


def test_cache_of_removed():
    """When a model is removed, what was handed over goes too, and what others have in the cache stays."""
    with cached("1.0.0", "1.1.0", keys="version: '=1.0.0'") as (hub, m):
        hub.repo.commit(THREE, tag="nightly")
        worlds.hf_download(hub.url, REPO, "nightly", m.path("hf"))
        m.run()
        declare(m, hub)
        m.run()
        handed(hub, m, TWO, "1.1.0")
        m.declare({"zoo": "directory: catalog"}, {"other": "from: zoo/other, version: '*'"}, "prune: true\n")
        m.publish("other", "1.0.0", ONE)
        m.run()
        expect(m.files("vad") is None and snapshot(m)[0] is None, "main is still there: %s" % ref(m))
        expect(snapshot(m, revision="nightly")[1] == THREE, "the other snapshot is damaged")
        left = sorted(os.listdir(m.path("hf/hub/models--acme--vad/snapshots")))
        expect(len(left) == 1, "snapshots are left: %s" % left)


def test_cache_of_others():
    """What huggingface_hub itself downloaded into the cache stays and goes on working, also when our snapshots are swept away."""
    with cached("1.0.0", more=", keep: { last: 1, within: 0d }") as (hub, m):
        hub.repo.commit(THREE, tag="nightly")
        theirs = worlds.hf_download(hub.url, REPO, "nightly", m.path("hf"))
        m.run()
        handed(hub, m, ONE, "1.0.0")
        expect((theirs, snapshot(m, revision="nightly")[1]) == (THREE, THREE), "the other snapshot is damaged")
        for version in ("1.1.0", "1.2.0", "1.3.0"):
            hub.repo.commit(files_of(version), tag="v" + version)
            m.run()
            age(m)
        m.run("gc")
        hub.repo.commit(files_of("1.4.0"), tag="v1.4.0")
        m.run()
        handed(hub, m, files_of("1.4.0"), "1.4.0")
        expect(snapshot(m, revision=hub.repo.tags["v1.1.0"])[0] is None, "a snapshot whose generation is deleted is still there")
        expect(snapshot(m, revision="nightly")[1] == THREE, "the other snapshot was swept away")
        expect(worlds.hf_download(hub.url, REPO, "nightly", m.path("hf")) == THREE, "hf download does not get along with the cache")


def test_cache_of_others_same():
    """A snapshot that somebody else downloaded is not ours to delete, although we handed the same commit over later."""
    with cached("1.0.0", more=", keep: { last: 1, within: 0d }") as (hub, m):
        expect(worlds.hf_download(hub.url, REPO, "v1.0.0", m.path("hf")) == ONE, "hf download")
        commit = hub.repo.tags["v1.0.0"]
        m.run()
        handed(hub, m, ONE, "1.0.0")
        for version in ("1.1.0", "1.2.0"):
            hub.repo.commit(files_of(version), tag="v" + version)
            m.run()
            age(m)
        m.run("gc")
        hub.repo.commit(files_of("1.3.0"), tag="v1.3.0")
        m.run()
        expect(snapshot(m, revision=commit)[1] == ONE, "it was deleted")


def test_cache_include():
    """Another selection of the same commit is exactly what is found."""
    with cached("1.0.0") as (hub, m):
        m.run()
        declare(m, hub, keys="version: ^1.0, include: ['*.onnx']")
        m.run()
        handed(hub, m, {"model.onnx": ONE["model.onnx"]}, "1.0.0")
        declare(m, hub)
        m.run()
        handed(hub, m, ONE, "1.0.0")


def test_cache_from_catalog():
    """A model of a catalog or a registry, packed as a tar too, is found under the name that it is given."""
    with Registry() as registry, Machine() as m:
        registry.push("acme/vad", modelpack(ONE), "1.0.0")
        registry.push("acme/kit", modelkit(TWO), "1.0.0")
        m.publish("vad", "1.0.0", THREE)
        m.declare({"reg": "oci: '%s/acme'" % registry.host, "zoo": "directory: catalog"},
                  {"one": "from: reg/vad, version: ^1.0, publishAs: { huggingfaceCache: hf/hub, repository: acme/one }",
                   "two": "from: reg/kit, version: ^1.0, publishAs: { huggingfaceCache: hf/hub, repository: acme/two }",
                   "vad": "from: zoo/vad, version: ^1.0, publishAs: { huggingfaceCache: hf/hub }"})
        m.run()
        for repo, files in (("acme/one", ONE), ("acme/two", TWO), ("vad", THREE)):
            expect(snapshot(m, repo)[1] == files, repo)
        says(m.run(), "Nothing to do, 3 in sync")


def test_cache_group():
    """The models of a group are handed over together and go back together."""
    with Machine() as m:
        def declared(more):
            m.declare({"zoo": "directory: catalog"}, {name: "from: zoo/%s, version: ^1.0, group: g, publishAs: { huggingfaceCache: hf/hub }%s" % (
                name, more if name == "b" else "") for name in ("a", "b")})
        for name in ("a", "b"):
            m.publish(name, "1.0.0", files_of("1.0.0 " + name))
        declared(WORKS)
        m.run()
        for name in ("a", "b"):
            m.publish(name, "1.1.0", files_of("1.1.0 " + name))
        declared(FAILS_FOR_NEW)
        m.run(status=4)
        for name in ("a", "b"):
            expect(snapshot(m, name)[1] == files_of("1.0.0 " + name), "%s was not handed back" % name)
        declared(WORKS)
        for name in ("a", "b"):
            m.run("retry", name, status=None)
        m.run()
        for name in ("a", "b"):
            expect(snapshot(m, name)[1] == files_of("1.1.0 " + name), "%s was not handed over" % name)


class Reader(threading.Thread):
    """Resolves refs/main, then opens every file of the snapshot, as fast as it can; `problems` is what was ever missing."""

    def __init__(self, m, releases):
        super().__init__(daemon=True)
        self.base, self.releases = m.path("hf/hub/models--acme--vad"), releases
        self.problems, self.stopping, self.reads = [], False, 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.join()

    def run(self):
        while not self.stopping:
            commit = None
            try:
                with open(self.base + "/refs/main") as file:
                    commit = file.read()
                found = worlds.files("%s/snapshots/%s" % (self.base, commit))
                if found != self.releases.get(commit):
                    self.problems.append("%s: files %s" % (commit, sorted(found)))
                self.reads += 1
            except OSError as problem:
                self.problems.append("%s: %s" % (commit, problem))


def test_cache_reader():
    """LAW 4: whoever resolves main and opens files never misses one, through updates, rollbacks, failures, sweeps and repairs."""
    with cached() as (hub, m):
        m.run()
        keep = ", keep: { last: 1, within: 0d }"
        releases = {hub.repo.tags["v1.0.0"]: ONE}
        with Reader(m, releases) as reader:
            for number in range(1, 7):
                version = "1.%d.0" % number
                files = files_of(version)
                commit = hub.repo.commit(files, tag="v" + version)
                releases[commit] = files
                declare(m, hub, more=keep + (FAILS if number == 3 else WORKS))
                m.run(status=(1, 4) if number == 3 else 0)
                if number != 5:
                    age(m)
            m.run("rollback", "vad", "--to", "1.5.0", status=None)
            m.run("resume", "vad", status=None)
            m.run("gc", status=None)
            m.run()
        expect(reader.reads > 20 and not reader.problems, "of %d reads: %s" % (reader.reads, reader.problems[:5]))


def test_cache_kills():
    """Killed at any moment, main leads to a complete release, and the next pass reaches what an undisturbed one does."""
    with cached() as (hub, m):
        m.run()
        releases, lived = {hub.repo.tags["v1.0.0"]: ONE}, 0
        chance = random.Random(5)
        with Reader(m, releases) as reader:
            for number in range(1, 11):
                version = "1.%d.0" % number
                files = files_of(version)
                releases[hub.repo.commit(files, tag="v" + version)] = files
                wanted = hub.repo.tags["v" + version]
                if number % 3 == 0:
                    lived += m.killed(after=lambda: ref(m) == wanted)
                else:
                    lived += m.killed(after=chance.uniform(0.02, 0.5))
                expect(ref(m) in releases, "main is %s" % ref(m))
                m.run()
                handed(hub, m, files, version)
                says(m.run(), "Nothing to do")
        expect(lived > 3 and not reader.problems, "%d were killed; %s" % (lived, reader.problems[:5]))


def test_cache_cannot_be_written():
    """A place that cannot be used is told with its path, and the model that is active stays confirmed or goes back."""
    with cached("1.0.0") as (hub, m):
        m.run()
        hub.repo.commit(TWO, tag="v1.1.0")
        m.remove("hf")
        m.write("hf", "a file is here")
        result = m.run(status=(1, 4))
        says(result, "hf")
        expect(m.files("vad") in (ONE, TWO), "nothing is active")
        m.remove("hf")
        m.run()
        handed(hub, m, TWO, "1.1.0")


# Triton

class Triton(Fake):
    """A Triton server in explicit mode over a repository: its v2 repository API, as far as loading goes.

    It serves the highest version that is there when it is told to load. `loading` is how many seconds that takes, `bad` the
    contents that cannot be loaded: by an error of the load request, or, with `late`, told by the index only. `stays` means that a
    load answers 200 and goes on with what it had. `violations` tells of a directory that changed under a load.
    """

    def __init__(self, root):
        super().__init__()
        self.root, self.loading, self.bad, self.late, self.stays = root, 0, set(), False, False
        self.server = self.origin("triton")
        self.url, self.served, self.states, self.since, self.during = self.server.url.rstrip("/"), {}, {}, {}, {}

    def versions(self, model):
        place = os.path.join(self.root, model)
        return sorted(int(name) for name in os.listdir(place) if name.isdigit() and name != "0")

    def tree(self, model):
        return {path: sha256(data) for path, data in worlds.files(os.path.join(self.root, model)).items()}

    def settle(self, model):
        """What has become of a load."""
        if model in self.since:
            if self.tree(model) != self.during[model]:
                self.violations.append("the directory changed while it was loading: %s" % sorted(set(self.tree(model)) ^ set(self.during[model])))
                self.during[model] = self.tree(model)
            if time.monotonic() >= self.since[model]:
                del self.since[model]
                self.states[model].update(self.after)

    def load(self, x, model):
        if not os.path.isdir(os.path.join(self.root, model)):
            return x.json({"error": "failed to load '%s', failed to poll from model repository" % model}, status=400)
        version = self.versions(model)[-1]
        name = os.path.join(self.root, model, str(version))
        with open(os.path.join(name, os.listdir(name)[0]), "rb") as file:
            data = file.read()
        states = self.states.setdefault(model, {})
        if self.stays:
            return x.reply(200)
        if data in self.bad and not self.late:
            states[version] = ("UNAVAILABLE", "Internal: onnxruntime: bad model")
            return x.json({"error": "load failed for model '%s': version %d is at UNAVAILABLE state: Internal: onnxruntime: bad model;" % (
                model, version)}, status=400)
        if data in self.bad:
            self.after = {version: ("UNAVAILABLE", "Internal: onnxruntime: bad model")}
        else:
            self.after = {old: ("UNAVAILABLE", "unloaded") for old in states}
            self.after[version] = ("READY", "")
            self.served[model] = data
        states[version] = ("LOADING", "")
        self.since[model], self.during[model] = time.monotonic() + self.loading, self.tree(model)
        if not self.loading:
            self.settle(model)
        x.reply(200)

    def on_triton(self, x):
        parts = x.path.split("/")
        for model in list(self.since):
            self.settle(model)
        if x.method == "POST" and parts[:3] == ["v2", "repository", "models"] and parts[4] == "load":
            return self.load(x, parts[3])
        if x.method == "POST" and x.path == "v2/repository/index":
            return x.json([{"name": model, "version": str(version), "state": state, **({"reason": reason} if reason else {})}
                           for model, states in self.states.items() for version, (state, reason) in states.items()])
        if x.method == "GET" and parts[:2] == ["v2", "models"] and parts[-1] == "ready":
            states = self.states.get(parts[2], {})
            version = int(parts[4]) if parts[3] == "versions" else max(states, default=0)
            return x.reply(200 if states.get(version, ("", ""))[0] == "READY" else 400)
        x.json({"error": "not found"}, status=404)

    def loads(self):
        return len([r for r in list(self.log) if r.path.endswith("/load")])


@contextlib.contextmanager
def triton(server=True, timeout="5s", **more):
    """A catalog with vad 1.0.0, a Triton over a repository, and a machine that hands vad over to it."""
    with Machine() as m:
        os.makedirs(m.path("triton/vad"))
        m.write("triton/vad/config.pbtxt", 'name: "vad"')
        with Triton(m.path("triton")) as fake:
            fake.timeout = timeout
            m.publish("vad", "1.0.0", ONE)
            tell(m, fake if server else None, timeout=timeout, **more)
            yield fake, m
            expect(m.read("triton/vad/config.pbtxt") == b'name: "vad"', "config.pbtxt was changed")
            expect(fake.violations == [], "violations: %s" % fake.violations)
            m.blobs()


def tell(m, fake, url=None, timeout="5s", more="", file="model.onnx"):
    server = url or (fake.url if fake else None)
    m.declare({"zoo": "directory: catalog"}, {"vad": "from: zoo/vad, version: ^1.0, publishAs: { triton: triton/vad%s%s, timeout: %s }%s" % (
        ", file: '%s'" % file if file else "", ", server: '%s'" % server if server else "", timeout, more)})


def numbers(m):
    return {int(name): worlds.files(m.path("triton/vad", name)) for name in os.listdir(m.path("triton/vad")) if name.isdigit()}


def newest(m, files):
    """The highest version in the repository is this; returns its number."""
    found = numbers(m)
    number = max(found)
    expect(found[number] == {"model.onnx": files["model.onnx"]}, "version %d has %s" % (number, sorted(found[number])))
    return number


def test_triton():
    """Versions are integers that only grow: install, update, rollback and resume each make the next one, which is loaded and confirmed."""
    with triton() as (fake, m):
        m.run()
        expect(newest(m, ONE) == 1 and fake.served["vad"] == ONE["model.onnx"], "install: %s" % sorted(numbers(m)))
        loads = fake.loads()
        says(m.run(), "Nothing to do, 1 in sync")
        expect(fake.loads() == loads and newest(m, ONE) == 1, "a second pass did something")
        m.publish("vad", "1.1.0", TWO)
        m.run()
        expect(newest(m, TWO) == 2 and fake.served["vad"] == TWO["model.onnx"], "update: %s" % sorted(numbers(m)))
        m.run("rollback", "vad", "--to", "1.0.0")
        expect(newest(m, ONE) == 3 and fake.served["vad"] == ONE["model.onnx"], "rollback: %s" % sorted(numbers(m)))
        m.run("resume", "vad")
        m.run()
        expect(newest(m, TWO) == 4 and fake.served["vad"] == TWO["model.onnx"], "resume: %s" % sorted(numbers(m)))
        expect(set(numbers(m)) == {3, 4}, "versions that are no longer needed stay: %s" % sorted(numbers(m)))
        m.remove("models/.reconcile/handovers")
        m.run()
        expect(newest(m, TWO) >= 4 and fake.served["vad"] == TWO["model.onnx"], "without its record: %s" % sorted(numbers(m)))
        says(m.run(), "Nothing to do")


def test_triton_without_server():
    """Without a server only the versions are made; those that somebody else made stay, and ours come after them."""
    with triton(server=False) as (fake, m):
        m.write("triton/vad/3/model.onnx", "of somebody else")
        m.write("triton/vad/12/model.onnx", "of somebody else too")
        m.run()
        expect(newest(m, ONE) == 13, "versions: %s" % sorted(numbers(m)))
        for number in range(1, 5):
            m.publish("vad", "1.%d.0" % number, files_of("1.%d.0" % number))
            m.run()
        expect(newest(m, files_of("1.4.0")) == 17, "versions: %s" % sorted(numbers(m)))
        expect(m.read("triton/vad/3/model.onnx") == b"of somebody else" and m.read("triton/vad/12/model.onnx") == b"of somebody else too", "theirs")
        shutil.rmtree(m.path("triton/vad/17"))
        m.run()
        expect(newest(m, files_of("1.4.0")) == 18, "healed: %s" % sorted(numbers(m)))
        says(m.run(), "Nothing to do")
        expect(fake.log == [], "a server was asked")


def test_triton_files():
    """`file` names one of several; without it one that ends like a model is meant, and several are an error that says so."""
    with triton(server=False) as (fake, m):
        tell(m, None, file="")
        m.run()
        newest(m, ONE)
        both = {**TWO, "sub/other.onnx": noise(100)}
        m.publish("vad", "1.1.0", both)
        says(m.run(status=(1, 4)), "file")
        expect(m.files("vad") == ONE, "what cannot be handed over is active")
        newest(m, ONE)
        tell(m, None, file="sub/other.onnx")
        m.run("retry", "vad", status=None)
        m.run()
        expect(numbers(m)[max(numbers(m))] == {"model.onnx": noise(100)}, "another file than the one that was named")
        m.has(both, "vad")
        tell(m, None, file="nothing.onnx")
        says(m.run(status=(1, 4)), "nothing.onnx")
        m.has(both, "vad", "a wrong name changed what is active")


def broken(fake, m, words, quarantine=True, status=(1, 4)):
    """An update to 1.1.0 that must be taken back: the link, the repository and what is served."""
    m.publish("vad", "1.1.0", TWO)
    result = says(m.run(status=status, limit=90), *words)
    expect(m.files("vad") == ONE, "the link is not back: %s" % result.output)
    expect(("1.1.0" in json.dumps(quarantined(m))) == quarantine, "quarantined: %s\n%s" % (quarantined(m), result.output))
    return result


def test_triton_load_fails():
    """A model that Triton does not load is rolled back and quarantined, and the old one is loaded again, as a version of its own."""
    for late in (False, True):
        with triton() as (fake, m):
            m.run()
            fake.bad, fake.late = {TWO["model.onnx"]}, late
            broken(fake, m, ("bad model",), status=4)
            expect(newest(m, ONE) == 3 and fake.served["vad"] == ONE["model.onnx"], "versions: %s" % sorted(numbers(m)))
            ready = [version for version, (state, _) in fake.states["vad"].items() if state == "READY"]
            expect(ready == [3], "ready: %s" % fake.states)
            loads = fake.loads()
            m.run(status=4)
            expect(fake.loads() == loads, "what is quarantined was tried again")
            m.publish("vad", "1.2.0", THREE)
            m.run(status=(0, 4))
            expect(newest(m, THREE) == 4 and fake.served["vad"] == THREE["model.onnx"], "the next one: %s" % sorted(numbers(m)))


def test_triton_first_load_fails():
    """When the very first load fails, nothing is active, and the version is not left for the server to find."""
    with triton() as (fake, m):
        fake.bad = {ONE["model.onnx"]}
        says(m.run(status=(1, 4)), "bad model")
        expect(m.files("vad") is None, "it is active")
        expect(ONE["model.onnx"] not in [data for files in numbers(m).values() for data in files.values()], "it is left in the repository")
        fake.bad = set()
        m.run("retry", "vad")
        m.run()
        newest(m, ONE)


def test_triton_probe_fails():
    """When the probe fails after a good load, the old one is loaded again."""
    with triton(more=FAILS_FOR_NEW) as (fake, m):
        m.run()
        broken(fake, m, ("rolled back",), status=4)
        expect(newest(m, ONE) == 3 and fake.served["vad"] == ONE["model.onnx"], "versions: %s" % sorted(numbers(m)))


def test_triton_loading():
    """Loading takes its time: it is waited for, and nothing in the directory is touched meanwhile."""
    with triton(timeout="20s") as (fake, m):
        fake.loading = 1.5
        result = m.run()
        expect(result.seconds >= 1.5 and fake.served["vad"] == ONE["model.onnx"], "it was not waited for")
        m.publish("vad", "1.1.0", TWO)
        m.run()
        m.has(TWO, "vad")
        expect(newest(m, TWO) == 2, "versions: %s" % sorted(numbers(m)))


def test_triton_stays():
    """A server that answers 200 and goes on with the old version is found out."""
    with triton(timeout="3s") as (fake, m):
        m.run()
        fake.stays = True
        m.publish("vad", "1.1.0", TWO)
        result = m.run(status=(1, 4))
        expect(m.files("vad") == ONE, "a version that is not served is active: %s" % result.output)
        fake.stays = False


def test_triton_away():
    """A server that is not there cannot tell: the update is taken back, undecided and not quarantined, and works later."""
    with triton() as (fake, m):
        m.run()
        tell(m, None, url="http://127.0.0.1:9")
        m.run(status=(0, 1, 4))
        m.has(ONE, "vad", "a server that is away")
        broken(fake, m, ("refused",), quarantine=False)
        tell(m, fake)
        m.run("retry", "vad", status=None)
        m.run(status=(0, 1, 4))
        m.run()
        m.has(TWO, "vad")
        expect(newest(m, TWO) >= 2 and fake.served["vad"] == TWO["model.onnx"], "served: %s" % sorted(numbers(m)))


def test_triton_hangs():
    """A server that hangs for the new and for the old one cannot tell; the pass ends in time and nothing is quarantined."""
    with triton(timeout="2s") as (fake, m):
        m.run()
        play = fake.play(faults.silent, only="/load$")
        result = broken(fake, m, ("2 s",), quarantine=False)
        expect(result.seconds < 20, "it took %.0f s" % result.seconds)
        play.stop()
    with triton(timeout="2s") as (fake, m):
        m.run()
        # Only the new one hangs: the old version answers, so that it is the new one's fault.
        fake.play(faults.silent, only="/load$", times=1)
        broken(fake, m, ("2 s",), quarantine=True)
        expect(fake.served["vad"] == ONE["model.onnx"] and newest(m, ONE) == 3, "served: %s" % sorted(numbers(m)))


def test_triton_loading_for_ever():
    """A load without end is given up after its time, and the old one is loaded again when the server is done or not at all."""
    with triton(timeout="2s") as (fake, m):
        m.run()
        fake.loading = 6
        m.publish("vad", "1.1.0", TWO)
        m.run(status=(1, 4), limit=60)
        expect(m.files("vad") == ONE, "the link is not back")
        fake.loading = 0
        time.sleep(4)
        m.run(status=(0, 4))
        expect(m.files("vad") == ONE and newest(m, ONE) and fake.served["vad"] == ONE["model.onnx"], "served: %s" % sorted(numbers(m)))


def test_triton_odd_answers():
    """Answers that are not Triton's are told and taken back: HTML, 500, an index that is no JSON."""
    def row(name, fault, only):
        with triton(timeout="3s") as (fake, m):
            m.run()
            play = fake.play(fault, only=only, times=3)
            m.publish("vad", "1.1.0", TWO)
            m.run(status=(1, 4), limit=60)
            expect(m.files("vad") == ONE, "the link is not back")
            play.stop()
            m.run("retry", "vad", status=None)
            m.run(status=(0, 4))
            m.has(TWO, "vad")
    each([("500 for a load", lambda x: x.answer(500, b"\x1b[31mno"), "load$"), ("503 for a load", unavailable, "load$"),
          ("HTML for the index", lambda x: x.answer(200, b"<html>"), "index$"), ("404 for the index", lambda x: x.answer(404), "index$")], row)


def test_triton_kills():
    """Killed at any moment: every version there is complete, numbers only grow, and the next pass serves what is active."""
    with triton(timeout="20s") as (fake, m):
        m.run()
        chance, highest, lived = random.Random(7), 1, 0
        for number in range(1, 10):
            files = files_of("1.%d.0" % number)
            m.publish("vad", "1.%d.0" % number, files)
            fake.loading = 0.3 if number % 2 else 0
            known = fake.loads()
            lived += m.killed(after=(lambda: fake.loads() > known) if number % 3 == 0 else chance.uniform(0.02, 0.5))
            for version, held in numbers(m).items():
                expect(set(held) == {"model.onnx"} and len(held["model.onnx"]) == 60_000, "version %d is not complete: %s" % (version, sorted(held)))
            time.sleep(0.3)
            m.run()
            found = newest(m, files)
            expect(found > highest, "numbers do not grow: %d after %d" % (found, highest))
            expect(fake.served["vad"] == files["model.onnx"], "another one is served")
            says(m.run(), "Nothing to do")
            expect(not [name for name in os.listdir(m.path("triton/vad")) if not name.isdigit() and name != "config.pbtxt"],
                   "left behind: %s" % os.listdir(m.path("triton/vad")))
            highest = found
        expect(lived > 2, "only %d were killed" % lived)


# Ollama

def gguf(seed, size=5000):
    """The smallest header of a GGUF file, and something behind it."""
    return b"GGUF" + (3).to_bytes(4, "little") + bytes(16) + noise(size, seed)


@contextlib.contextmanager
def ollama(keys="name: 'acme/vad:1'", more="", **files):
    with Machine() as m:
        m.publish("vad", "1.0.0", {"vad.gguf": gguf("1.0.0"), "README.md": b"# vad\n", **files})
        pull(m, keys, more)
        yield m
        m.blobs()


def pull(m, keys="name: 'acme/vad:1'", more=""):
    m.declare({"zoo": "directory: catalog"}, {"vad": "from: zoo/vad, version: ^1.0, publishAs: { ollama: ollama%s }%s" % (keys and ", " + keys, more)})


def model_of(m, name="acme/vad/1"):
    """The weights that Ollama would load by a name, read as it does; None without a manifest."""
    path = m.path("ollama/manifests/registry.ollama.ai", name)
    if not os.path.exists(path):
        return None
    manifest = json.loads(m.read(path))
    expect(manifest["schemaVersion"] == 2 and manifest["mediaType"] == "application/vnd.docker.distribution.manifest.v2+json", manifest)

    def blob(layer):
        data = m.read(os.path.join("ollama/blobs", layer["digest"].replace(":", "-")))
        expect((len(data), "sha256:" + sha256(data)) == (layer["size"], layer["digest"]), "a blob is not what the manifest says")
        return data
    expect(manifest["config"]["mediaType"] == "application/vnd.docker.container.image.v1+json", manifest)
    config = json.loads(blob(manifest["config"]))
    layers = {layer["mediaType"]: blob(layer) for layer in manifest["layers"]}
    expect(list(layers) == ["application/vnd.ollama.image.model"], "layers: %s" % list(layers))
    expect(config["model_format"] == "gguf" and config["rootfs"]["diff_ids"] == [manifest["layers"][0]["digest"]], config)
    return layers["application/vnd.ollama.image.model"]


def test_ollama():
    """A GGUF file becomes a model of Ollama: blobs, config and manifest; an update and a rollback switch the manifest."""
    with ollama() as m:
        m.run()
        expect(model_of(m) == gguf("1.0.0"), "install")
        says(m.run(), "Nothing to do, 1 in sync")
        m.publish("vad", "1.1.0", {"vad.gguf": gguf("1.1.0")})
        m.run()
        expect(model_of(m) == gguf("1.1.0"), "update")
        m.run("rollback", "vad", "--to", "1.0.0")
        expect(model_of(m) == gguf("1.0.0"), "rollback")
        m.run("resume", "vad")
        m.run()
        expect(model_of(m) == gguf("1.1.0"), "resume")
        for path in ("ollama/manifests", "ollama/blobs", "ollama"):
            m.remove(path)
            m.run()
            expect(model_of(m) == gguf("1.1.0"), "%s was not healed" % path)
        says(m.run(), "Nothing to do")
        listed = sorted(os.listdir(m.path("ollama/blobs")))
        expect(all(re.fullmatch("sha256-[0-9a-f]{64}", name) for name in listed), "blobs: %s" % listed)


def test_ollama_names():
    """Names as Ollama knows them; what is none is an error before anything changes."""
    with ollama(keys="") as m:
        for keys, place in (("", "library/vad/latest"), ("name: vad2", "library/vad2/latest"), ("name: 'vad3:q4_K_M'", "library/vad3/q4_K_M"),
                            ("name: 'acme/vad4:1.0'", "acme/vad4/1.0")):
            pull(m, keys)
            m.run()
            expect(model_of(m, place) == gguf("1.0.0"), place)
        for name in ("../../evil", "a/b/c/d", "acme/", ":1", "a b", "acme/vad:../../x", "/etc/x"):
            pull(m, "name: '%s'" % name)
            before = m.run("validate", status=None)
            result = m.run(status=(1, 4))
            expect(before.status in (0, 1), before.output)
            m.has({"vad.gguf": gguf("1.0.0"), "README.md": b"# vad\n"}, "vad", name)
            expect(name in result.output, "it does not name “%s”: %s" % (name, result.output))
        expect(sorted(os.listdir(m.path("ollama/manifests/registry.ollama.ai"))) == ["acme", "library"], "names that are none were written")


def test_ollama_two_files():
    """Two GGUF files need `file:`; without it nothing is activated, and what was active stays in both places."""
    with ollama() as m:
        m.run()
        two = {"a.gguf": gguf("a"), "b.gguf": gguf("b")}
        m.publish("vad", "1.1.0", two)
        says(m.run(status=(1, 4)), "file")
        expect(m.files("vad").get("vad.gguf") == gguf("1.0.0") and model_of(m) == gguf("1.0.0"), "what cannot be handed over is active")
        m.publish("vad", "1.1.1", {"vad.gguf": gguf("1.1.1")})
        m.run(status=(0, 4))
        expect(model_of(m) == gguf("1.1.1"), "the next one, which has one file, is not taken")
        m.publish("vad", "1.1.2", two)
        pull(m, "name: 'acme/vad:1', file: b.gguf")
        m.run("retry", "vad", status=None)
        m.run()
        m.has(two, "vad")
        expect(model_of(m) == gguf("b"), "another file than the one that was named")
        m.publish("vad", "1.2.0", {"model.onnx": b"no GGUF at all"})
        says(m.run(status=(1, 4)), "b.gguf")
        m.has(two, "vad")


def test_ollama_fails():
    """When an update does not work, the manifest is what it was; after a first install that fails there is none."""
    with ollama(more=FAILS) as m:
        m.run(status=(1, 4))
        expect(model_of(m) is None and m.files("vad") is None, "something was left of a first install that failed")
        pull(m, more=FAILS_FOR_NEW)
        m.run()
        m.publish("vad", "1.1.0", {"vad.gguf": gguf("1.1.0")})
        m.run(status=4)
        expect(model_of(m) == gguf("1.0.0"), "the manifest is not back")


def test_ollama_reader():
    """Whoever reads the manifest and then its blobs never misses one, through updates and kills."""
    with ollama() as m:
        m.run()
        problems, stopping, known = [], threading.Event(), {gguf("1.0.0")}

        def read():
            while not stopping.is_set():
                try:
                    if model_of(m) not in known:
                        problems.append("no release")
                except (SystemExit, OSError, ValueError) as problem:
                    problems.append(str(problem))
        thread = threading.Thread(target=read)
        thread.start()
        try:
            for number in range(1, 11):
                data = gguf("1.%d.0" % number)
                known.add(data)
                m.publish("vad", "1.%d.0" % number, {"vad.gguf": data})
                m.killed(after=0.05 * number)
                m.run()
                expect(model_of(m) == data, "update %d" % number)
        finally:
            stopping.set()
            thread.join()
        expect(not problems, "%d problems: %s" % (len(problems), problems[:3]))


# Discovery

def discovered(m, *arguments, env=None, files=None, version=None, **more):
    """Runs init, and then what it wrote: it must be valid and install these files."""
    m.remove("desired-state.yaml")
    m.remove("models")
    result = m.run("init", *arguments, env=env)
    says(m.run("validate", env=env), "valid")
    text = m.read("desired-state.yaml").decode()
    if version:
        expect(version in text, "it does not say “%s”:\n%s" % (version, text))
    m.run(env=env)
    name = next(name for name in os.listdir(m.store) if not name.startswith("."))
    m.has(files, name)
    says(m.run(env=env), "Nothing to do")
    return result


def test_init_hub():
    """init --from hub/ORG/NAME declares the newest version's range, or the branch when there is none, and it installs."""
    with Hub({"Acme-AI/VAD.v2": Repo.of({"v1.0.0": ONE, "v1.1.0": TWO, "v2.0.0-rc.1": THREE}, license="apache-2.0"),
              "acme/plain": Repo([THREE]), "acme/private": Repo.of({"v1.0.0": ONE}, private=True)}, tokens={"hf_ana": {"acme/private"}}) as hub, \
            Machine({"HF_ENDPOINT": hub.url}) as m:
        result = discovered(m, "--from", "hub/Acme-AI/VAD.v2", files=TWO, version="^1.1")
        says(result, "1.1.0", "apache-2.0", "3 files")
        discovered(m, "--from", "hub/acme/plain", files=THREE, version="revision: main")
        discovered(m, "--from", "hub/acme/private", env={"HF_TOKEN": "hf_ana"}, files=ONE)
        m.keeps("hf_ana")
        m.remove("desired-state.yaml")
        for name in ("hub/acme/nothing", "hub/acme/private"):
            says(m.run("init", "--from", name, status=(1, 4)), name.removeprefix("hub/"))
            expect(not os.path.exists(m.path("desired-state.yaml")), "a file was written for what is not there")


def test_init_registry():
    """init --from oci://HOST/REPOSITORY, with platforms too."""
    with Registry() as registry, Machine() as m:
        registry.push("acme/models/vad", modelpack(ONE, licenses=("MIT",)), "1.0.0")
        registry.push("acme/models/vad", modelpack(TWO), "v1.3.0")
        platforms = registries.index([(name, modelpack({**THREE, "p": name.encode()})) for name in ("linux/amd64", "linux/arm64", "darwin/arm64")])
        registry.push("acme/multi", platforms, "2.0.0")
        discovered(m, "--from", "oci://%s/acme/models/vad" % registry.host, files=TWO, version="^1.3")
        m.remove("desired-state.yaml")
        m.remove("models")
        m.run("init", "--from", "oci://%s/acme/multi" % registry.host)
        m.run()
        expect(m.files("multi")["model.onnx"] == THREE["model.onnx"], "the platform")
        m.remove("desired-state.yaml")
        says(m.run("init", "--from", "oci://%s/acme/nothing" % registry.host, status=(1, 4)), "acme/nothing")
        says(m.run("init", "--from", "oci://127.0.0.1:9/acme/vad", status=(1, 4)), "does not answer")
        expect(not os.path.exists(m.path("desired-state.yaml")), "a file was written for what is not there")


def test_init_bucket():
    """init --from s3://BUCKET/PREFIX/MODEL, for plain objects and for a catalog."""
    import test_buckets
    with test_buckets.SHARED, test_buckets.amazon("models-init.s3.us-east-1.amazonaws.com") as (front, env), Machine(env) as m:
        front.s3.make_bucket("models-init")
        front.s3.put("models-init", {**test_buckets.below("prod/vad/1.0.0", ONE), **test_buckets.below("prod/vad/1.4.0", TWO)})
        discovered(m, "--from", "s3://models-init/prod/vad", files=TWO, version="^1.4")
        m.publish("asr", "3.2.1", THREE)
        front.s3.put("models-init", test_buckets.below("prod", worlds.files(m.path("catalog"))))
        discovered(m, "--from", "s3://models-init/prod/asr", files=THREE, version="^3.2")
        m.keeps(worlds.SECRET)
        m.remove("desired-state.yaml")
        says(m.run("init", "--from", "s3://models-init/prod/nothing", status=(1, 4)), "nothing")
        expect(not os.path.exists(m.path("desired-state.yaml")), "a file was written for what is not there")


def test_init_catalog():
    """init --from CATALOG/REPOSITORY and https://HOST/REPOSITORY, also when the names need quotes."""
    with Machine() as m, tempfile.TemporaryDirectory() as place:
        m.publish("vad", "0.3.0", ONE, "--license", "MIT")
        m.publish("vad", "1.0.0-beta.1", TWO, "--channel", "beta")
        says(discovered(m, "--from", "catalog/vad", files=ONE, version="^0.3"), "MIT")
        discovered(m, "--from", "./catalog/vad", files=ONE)
        discovered(m, "--from", m.path("catalog/vad"), files=ONE)
        with FaultServer(m.path("catalog")) as server:
            discovered(m, "--from", server.url + "vad", files=ONE)
        certificate = Certificate(place)
        with FaultServer(m.path("catalog"), tls=certificate) as server:
            discovered(m, "--from", server.url + "vad", files=ONE, env={"SSL_CERT_FILE": certificate.authority})

        def row(name):
            shutil.copytree(m.path("catalog"), m.path(name))
            discovered(m, "--from", name + "/vad", files=ONE)
        each([(name,) for name in ("my catalog", "a #b", "a: b", "it's", "{x}, y", "*d", "yes", "\u00fcber", "%41", 'q"q')], row)


def test_init_elsewhere():
    """A file that is written into another directory leads to the same catalog: its paths are relative to it."""
    with Machine() as m:
        m.publish("vad", "1.0.0", ONE)
        m.write("sub/x", "")
        m.run("init", "--from", "catalog/vad", "sub/desired-state.yaml")
        m.run("-f", "sub/desired-state.yaml", "--progress", "none")
        expect(worlds.files(os.path.realpath(m.path("sub/models/vad"))) == ONE, "it leads elsewhere")
        m.run("init", "--from", m.path("catalog/vad"), "sub/other.yaml")
        says(m.run("-f", "sub/other.yaml", "--progress", "none"), "Nothing to do")


def test_init_pre_releases():
    """Only pre-releases, or only another channel: what is written installs what was found, or says what to do."""
    with Machine() as m:
        m.publish("vad", "1.0.0-beta.2", TWO, "--channel", "beta")
        m.run("init", "--from", "catalog/vad")
        says(m.run("validate"), "valid")
        result = m.run(status=(0, 4))
        expect(m.files("vad") == TWO or "beta" in result.output, "it neither installs nor says why:\n%s\n%s" % (result.output, m.read("desired-state.yaml").decode()))


def test_init_several():
    """Several --from are declared side by side, with names of their own; one that is not there writes nothing."""
    with Registry() as registry, Hub({REPO: Repo.of({"v1.0.0": TWO})}) as hub, Machine({"HF_ENDPOINT": hub.url}) as m:
        registry.push("acme/vad", modelpack(THREE), "1.0.0")
        m.publish("vad", "1.0.0", ONE)
        m.publish("VAD", "1.0.0", ONE, catalog="catalog2")
        m.run("init", "--from", "catalog/vad", "--from", "hub/acme/vad", "--from", "oci://%s/acme/vad" % registry.host, "--from", "catalog2/VAD")
        says(m.run("validate"), "4 models", "4 sources")
        m.run()
        found = sorted(sha256(m.files(name)["model.onnx"]) for name in os.listdir(m.store) if not name.startswith("."))
        expect(found == sorted(sha256(files["model.onnx"]) for files in (ONE, TWO, THREE, ONE)), "installed: %s" % os.listdir(m.store))
        m.remove("desired-state.yaml")
        m.run("init", "--from", "catalog/vad", "--from", "catalog/nothing", status=(1, 4))
        expect(not os.path.exists(m.path("desired-state.yaml")), "a file was written for what is not there")


def test_init_never_overwrites():
    """init never overwrites what is there, be it a file, a link that leads nowhere or a directory, and asks nobody then."""
    with Hub({REPO: Repo.of({"v1.0.0": TWO})}) as hub, Machine({"HF_ENDPOINT": hub.url}) as m:
        m.write("desired-state.yaml", "mine")
        for arguments in ((), ("--from", "hub/acme/vad")):
            says(m.run("init", *arguments, status=1), "is there already")
            expect(m.read("desired-state.yaml") == b"mine", "it was overwritten")
        m.remove("desired-state.yaml")
        os.symlink("nowhere", m.path("desired-state.yaml"))
        m.run("init", "--from", "hub/acme/vad", status=1)
        expect(os.readlink(m.path("desired-state.yaml")) == "nowhere" and not os.path.exists(m.path("nowhere")), "a link was followed")
        expect(hub.log == [], "somebody was asked")
        m.remove("desired-state.yaml")
        for text in ("hub", "hub/", "oci://", "oci://host", "s3://", "s3://bucket", "https://host", "https://", "", "vad", "ftp://host/vad", "catalog/"):
            says(m.run("init", "--from", text, status=(1, 4, 64)), "")
            expect(not os.path.exists(m.path("desired-state.yaml")), "“%s” wrote a file" % text)


if __name__ == "__main__":
    try:
        sys.exit(machine.main("handover", __doc__, globals(), jobs=4))
    finally:
        for judge in JUDGE:
            judge.stdin.close()
            judge.wait()
