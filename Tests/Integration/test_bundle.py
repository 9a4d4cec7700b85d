#!/usr/bin/env python3
"""Bundles, which feed machines without a network, and several sources for one model; skopeo and oras-py read what we write.

    test_bundle.py [--only WORD] [--list] [--jobs N]
"""
import contextlib
import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

import fakes
import faults
import machine
import registry as registries
import worlds
from hub import Hub, Repo
from machine import Machine, MiB, Skipped, each, noise, says, sha256
from registry import Registry, index, modelkit, modelpack
from support import expect

SYSTEM = "linux" if sys.platform == "linux" else "darwin"
PLATFORM = SYSTEM + "/" + {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}[os.uname().machine]
PLATFORMS = sorted({"linux/amd64", "linux/arm64", "darwin/arm64", PLATFORM})


def files_of(seed, size=50_000):
    return {"model.onnx": noise(size, seed), "sub dir/\u00fc+%25.json": b'{"of": "%s"}' % seed.encode(), "empty.txt": b"", "README.md": b"# vad\n"}


# What each source has: the repository in it, and what a machine gets of it.
HUB, RAW, TAR, MULTI, KIT, ZOO = (files_of(seed) for seed in ("hub", "raw", "tar", "multi", "kit", "zoo"))


class Site:
    """A hub, a registry and a catalog, a machine that asks them, and machines that cannot."""

    def __init__(self, stack):
        history = {"v1.0.0": HUB, "v1.1.0": files_of("hub 2")}
        self.hub = stack.enter_context(Hub({"Acme-AI/VAD.v2": Repo.of(history), "acme/vad": Repo.of({"v1.0.0": HUB})}))
        self.registry = stack.enter_context(Registry())
        self.online = stack.enter_context(Machine())
        self.stack = stack
        self.registry.push("acme/raw", modelpack(RAW, licenses=("Apache-2.0",)), "1.0.0")
        self.registry.push("acme/tar", modelpack(TAR, "tar+gzip"), "1.0.0")
        self.registry.push("acme/kit", modelkit(KIT), "1.0.0")
        self.registry.push("acme/multi", index([(name, modelpack({**MULTI, "platform.txt": name.encode()})) for name in PLATFORMS]), "1.0.0")
        self.online.publish("zoo", "1.0.0+cpu.1", ZOO, "--channel", "beta", "--license", "MIT", "--priority", "high")
        self.models = {
            "hub": ("hub/Acme-AI/VAD.v2", "version: '~1.0.0'", HUB), "branch": ("hub/acme/vad", "revision: main", HUB),
            "raw": ("reg/raw", "version: ^1.0", RAW), "tar": ("reg/tar", "version: ^1.0", TAR), "kit": ("reg/kit", "version: ^1.0", KIT),
            "multi": ("reg/multi", "version: ^1.0", {**MULTI, "platform.txt": PLATFORM.encode()}),
            "zoo": ("zoo/zoo", "version: ^1.0, channel: beta", ZOO)}
        self.declare(self.online)

    def declare(self, m, *models, stick="stick.tar"):
        chosen = {name: self.models[name] for name in models or self.models}
        m.declare({"hub": "huggingface: '%s'" % self.hub.url, "reg": "oci: '%s/acme'" % self.registry.host, "zoo": "directory: catalog",
                   "stick": "bundle: '%s'" % stick},
                  {name: "from: [%s, stick/%s], %s" % (origin, origin.partition("/")[2], keys) for name, (origin, keys, _) in chosen.items()})

    def bundled(self, *models, out="stick.tar"):
        """Locks and bundles; what the command said as JSON."""
        self.declare(self.online, *models)
        self.online.run("lock")
        return self.online.run("bundle", "--out", out, "-o", "json").json

    def air_gapped(self, out="stick.tar"):
        """A machine that has the declaration, the lock and the stick, and nobody to ask."""
        m = self.stack.enter_context(Machine())
        for name in ("desired-state.yaml", "desired-state.lock"):
            shutil.copy(self.online.path(name), m.path(name))
        source = self.online.path(out)
        (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, m.path("stick.tar"))
        return m

    def cut(self):
        """Nobody answers any more."""
        for fake in (self.hub, self.registry):
            fake.__exit__()
        self.online.remove("catalog")


@contextlib.contextmanager
def site():
    with contextlib.ExitStack() as stack:
        yield Site(stack)


# The stick

def air_gap(out):
    with site() as s:
        said = s.bundled(out=out)
        expect(len(said["releases"]) == len(s.models), "bundled: %s" % said)
        multi = next(item for item in said["releases"] if item["name"].startswith("multi:"))
        expect(multi["platforms"] == PLATFORMS, "platforms: %s" % multi)
        expect(not [name for name in os.listdir(s.online.base) if "partial" in name], "left behind: %s" % os.listdir(s.online.base))
        if not out.endswith("/"):
            data = s.online.read(out)
            expect((said["sha256"], said["bytes"]) == (sha256(data), len(data)), "it says other figures of the file: %s" % said)
        s.online.run()
        digests = {name: s.online.status(name)["contentDigest"] for name in s.models}
        m = s.air_gapped(out)
        for fake in (s.hub, s.registry):
            fake.clear()
        plan = m.run("plan", "-o", "json", status=(0, 2)).json
        expect({change["model"] for change in plan["changes"]} == set(s.models), "the plan: %s" % plan["changes"])
        expect(s.hub.log == [] and s.registry.log == [], "to plan with a lock it asked %s" % [r.target for r in s.hub.log + s.registry.log])
        s.cut()
        m.run(limit=120)
        for name, (_, _, wanted) in s.models.items():
            m.has(wanted, name)
            expect(m.status(name)["contentDigest"] == digests[name], "%s has another content digest" % name)
        m.blobs()
        says(m.run("verify", "--deep"), "7")
        m.remove("stick.tar")
        says(m.run(), "Nothing to do, 7 in sync")
        says(m.run("--locked"), "Nothing to do, 7 in sync")


def test_air_gap_tar():
    """Models of a hub, a registry (raw, tar, kit, platforms) and a catalog go by a tar to a machine without a network, with the same lock."""
    air_gap("stick.tar")


def test_air_gap_directory():
    """The same by a directory."""
    air_gap("layout/")


def test_stick_alone():
    """A bundle is a source by itself: without a lock the versions in it are found, with their channel, licence and priority."""
    with site() as s:
        s.bundled()
        m = s.air_gapped()
        s.cut()
        m.remove("desired-state.lock")
        for name, (origin, keys, wanted) in s.models.items():
            if "revision" in keys:
                continue
            m.declare({"stick": "bundle: stick.tar"}, {"m": "from: stick/%s, %s" % (origin.partition("/")[2], keys)})
            m.remove("models")
            m.run()
            m.has(wanted, "m", name)
        m.declare({"stick": "bundle: stick.tar"}, {"m": "from: stick/zoo, version: ^1.0"})
        m.remove("models")
        says(m.run(status=(0, 4)), "beta")
        expect(m.files("m") is None, "a release of another channel was taken")
        m.declare({"stick": "bundle: stick.tar"}, {"m": "from: stick/zoo, version: ^1.0, channel: beta, licenses: [Apache-2.0]"})
        says(m.run(status=(0, 4)), "MIT")
        expect(m.files("m") is None, "a release under another licence was taken")
        m.declare({"stick": "bundle: stick.tar"}, {"m": "from: stick/nothing, version: ^1.0"})
        says(m.run(status=4), "nothing")


def test_update_by_stick():
    """A second stick updates, rolls back by itself when its release does not work, and an older stick moves nothing back."""
    with site() as s:
        s.models = {"hub": ("hub/Acme-AI/VAD.v2", "version: '~1.0.0'", HUB)}
        s.bundled(out="one.tar")
        s.models = {"hub": ("hub/Acme-AI/VAD.v2", "version: '^1.0'", HUB)}
        s.declare(s.online)
        s.online.run("lock", "--update")
        s.online.run("bundle", "--out", "two.tar")
        s.cut()
        m = s.stack.enter_context(Machine())

        def plug(name, more=""):
            shutil.copy(s.online.path(name), m.path("stick.tar"))
            m.declare({"stick": "bundle: stick.tar"}, {"hub": "from: stick/Acme-AI/VAD.v2, version: ^1.0" + more})
        plug("one.tar")
        m.run()
        m.has(HUB, "hub")
        plug("two.tar", ", probe: { exec: [sh, -c, 'exit 1'], attempts: 1 }")
        m.run(status=(0, 4))
        plug("two.tar")
        m.run("retry", "hub", status=None)
        m.run()
        m.has(files_of("hub 2"), "hub")
        plug("one.tar")
        m.run(status=(0, 4))
        m.has(files_of("hub 2"), "hub", "an older stick")
        m.run("rollback", "hub", "--to", "1.0.0")
        m.has(HUB, "hub")


def test_deterministic():
    """The same locked releases give the same bytes, from the network or from the store, wherever they are written."""
    with site() as s:
        first = s.bundled(out="a.tar")
        s.online.run()
        s.online.write("elsewhere/x", "")
        second = s.online.run("bundle", "--out", "elsewhere/b.tar", "-o", "json").json
        expect(s.online.read("a.tar") == s.online.read("elsewhere/b.tar"), "two bundles differ: %s" % [first, second])
        s.online.run("bundle", "--out", "c/")
        members = {}
        with tarfile.open(s.online.path("a.tar")) as file:
            for entry in file:
                expect(entry.isreg() and (entry.mtime, entry.uid, entry.gid, entry.uname) == (0, 0, 0, ""), "%s: %s" % (entry.name, entry.get_info()))
                members[entry.name] = file.extractfile(entry).read()
        expect(members == worlds.files(s.online.path("c")), "tar and directory differ: %s" % sorted(
            name for name in {**members, **worlds.files(s.online.path("c"))}))
        for name, data in members.items():
            expect(not name.startswith("blobs/") or name == "blobs/sha256/" + sha256(data), "%s has other bytes" % name)
        expect(subprocess.run(["tar", "-tf", s.online.path("a.tar")], capture_output=True).returncode == 0, "GNU tar does not read it")
        # The store's own copy is not trusted: what it has wrong is fetched again.
        s.online.remove("a.tar")
        blob = sha256(RAW["model.onnx"])
        place = next(os.path.join(place, blob) for place, _, names in os.walk(s.online.store) if blob in names)
        os.chmod(place, 0o644)
        with open(place, "r+b") as file:
            file.write(b"damaged")
        s.online.run("bundle", "--out", "a.tar", status=None)
        expect(not os.path.exists(s.online.path("a.tar")) or s.online.read("a.tar") == s.online.read("elsewhere/b.tar"), "damage was bundled")


def test_some_models():
    """Only the models that are named are bundled; contents that several share are in it once."""
    with site() as s:
        s.bundled()
        said = s.online.run("bundle", "raw", "--out", "raw.tar", "-o", "json").json
        expect([item["name"] for item in said["releases"]] == ["raw:1.0.0"], said)
        with tarfile.open(s.online.path("stick.tar")) as file:
            names = file.getnames()
        expect(len(names) == len(set(names)), "something is in it twice")
        expect(os.path.getsize(s.online.path("raw.tar")) < os.path.getsize(s.online.path("stick.tar")) / 3, "raw.tar is too large")
        says(s.online.run("bundle", "nothing", "--out", "x.tar", status=1), "nothing")
        expect(not os.path.exists(s.online.path("x.tar")), "x.tar is there")


def test_lock_is_needed():
    """Without a lock, or with one that does not answer, nothing is bundled, and the words say what to run."""
    with site() as s:
        s.declare(s.online, "raw", "hub")
        says(s.online.run("bundle", "--out", "stick.tar", status=1), "lock", "reconcile lock")
        s.online.run("lock")
        s.models["hub"] = ("hub/Acme-AI/VAD.v2", "version: '=1.1.0'", HUB)
        s.declare(s.online, "raw", "hub")
        says(s.online.run("bundle", "--out", "stick.tar", status=1), "lock")
        expect(not os.path.exists(s.online.path("stick.tar")), "a bundle is there")
        s.online.run("bundle", "raw", "--out", "stick.tar")
        s.declare(s.online)
        says(s.online.run("bundle", "--out", "other.tar", status=1), "lock")
        s.online.declare({"zoo": "directory: catalog"}, {})
        says(s.online.run("bundle", "--out", "other.tar", status=1), "no model")
        expect(not os.path.exists(s.online.path("other.tar")), "a bundle is there")


def test_same_names():
    """Releases of two sources that have the same repository and version are both on the stick, or refused in clear words."""
    with site() as s:
        s.online.publish("raw", "1.0.0", ZOO)
        s.models = {"one": ("reg/raw", "version: ^1.0", RAW), "two": ("zoo/raw", "version: ^1.0", ZOO)}
        s.declare(s.online)
        s.online.run("lock")
        result = s.online.run("bundle", "--out", "stick.tar", status=(0, 1))
        if result.status == 1:
            return says(result, "raw")
        m = s.air_gapped()
        s.cut()
        m.run()
        m.has(RAW, "one")
        m.has(ZOO, "two")


# Other programs

def read_index(m, out):
    """{name: digest} of a layout."""
    entries = json.loads(m.read(os.path.join(out, "index.json")))["manifests"]
    return {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in entries}


def test_skopeo():
    """skopeo copies a bundle, tar or directory, into docker-registry with its digests unchanged, and it is installed from there."""
    with site() as s, worlds.docker_registry() as server:
        s.bundled("raw", "tar", "multi", "hub", "zoo")
        s.online.run("bundle", "--out", "layout/")
        names = read_index(s.online, "layout")
        s.online.run()
        digests = {name: s.online.status(name)["contentDigest"] for name in ("raw", "tar", "multi", "hub", "zoo")}
        for source, path in (("oci", "layout"), ("oci-archive", "stick.tar")):
            for name, digest in names.items():
                repository, _, tag = name.rpartition(":")
                place = "%s/%s/%s:%s" % (server.host, source, repository.lower(), tag)
                worlds.skopeo("copy", "-q", "--all", "--preserve-digests", "--dest-tls-verify=false",
                              "%s:%s:%s" % (source, s.online.path(path), name), "docker://" + place)
                found = worlds.skopeo("inspect", "--tls-verify=false", "--raw", "docker://" + place).stdout
                expect(registries.digest(found.encode()) == digest, "%s has another digest there" % name)
        s.cut()
        m = s.stack.enter_context(Machine())
        for source in ("oci", "oci-archive"):
            m.remove("models")
            m.declare({"copy": "oci: '%s/%s'" % (server.host, source)},
                      {name: "from: copy/%s, version: ^1.0, channel: beta" % s.models[name][0].partition("/")[2].lower() for name in digests})
            m.run()
            for name in digests:
                m.has(s.models[name][2], name, source)
                expect(m.status(name)["contentDigest"] == digests[name], "%s has another content digest" % name)


def test_oras():
    """oras-py pulls the files of a bundle that skopeo put into a registry."""
    with site() as s, worlds.docker_registry() as server, tempfile.TemporaryDirectory() as place:
        s.bundled("raw")
        worlds.skopeo("copy", "-q", "--preserve-digests", "--dest-tls-verify=false", "oci-archive:%s:raw:1.0.0" % s.online.path("stick.tar"),
                      "docker://%s/mirror/raw:1.0.0" % server.host)
        script = ("import sys, oras.client\n"
                  "oras.client.OrasClient(hostname=sys.argv[1], insecure=True).pull(target=sys.argv[2], outdir=sys.argv[3])")
        worlds.client([os.path.join(worlds.environment("oras"), "python"), "-c", script, server.host, server.host + "/mirror/raw:1.0.0", place])
        expect(worlds.files(place) == RAW, "oras-py pulled %s" % sorted(worlds.files(place)))


def test_skopeo_layout():
    """A layout that skopeo made of a registry, as a directory or a tar, works as bundle:, whatever made the artifacts."""
    with worlds.docker_registry() as server, Machine() as m:
        for repo, image in (("acme/raw", modelpack(RAW)), ("acme/tar", modelpack(TAR, "tar+zstd")), ("acme/kit", modelkit(KIT, compression="gzip")),
                            ("acme/multi", index([(name, modelpack({**MULTI, "platform.txt": name.encode()})) for name in PLATFORMS]))):
            server.push(repo, image, "1.0.0")
        flat = {path.rpartition("/")[2]: data for path, data in RAW.items()}
        worlds.oras_push(server.host, "acme/oras:1.0.0", flat)
        wanted = {"raw": RAW, "tar": TAR, "kit": KIT, "multi": {**MULTI, "platform.txt": PLATFORM.encode()}, "oras": flat}
        for name, files in wanted.items():
            layout = m.path("layout-" + name)
            digest = worlds.skopeo_copy(server.host, "acme/%s:1.0.0" % name, layout, "1.0.0")
            subprocess.run(["tar", "-cf", layout + ".tar", "-C", layout, "."], check=True)
            for path in (layout, layout + ".tar"):
                m.declare({"stick": "bundle: '%s'" % path}, {"m": "from: stick/acme/%s, version: ^1.0" % name})
                m.remove("models")
                m.run()
                m.has(files, "m", path)
            m.remove("desired-state.lock")
            m.run("lock")
            expect(m.lock("m")["revision"] == digest, "the lock names %s" % m.lock("m")["revision"])
            m.remove("desired-state.lock")


# Damage

def repacked(data, change):
    """A tar with its members changed: `change` gets and gives [(name, bytes)]."""
    with tarfile.open(fileobj=io.BytesIO(data)) as file:
        members = [(entry.name, file.extractfile(entry).read()) for entry in file]
    return registries.archive([(name, body, {}) for name, body in change(members)], tarfile.USTAR_FORMAT)


def with_index(change):
    """Changes what index.json says, as JSON."""
    def changed(members):
        found = dict(members)
        index_ = json.loads(found["index.json"])
        return [(name, json.dumps(change(index_)).encode() if name == "index.json" else body) for name, body in members]
    return lambda data: repacked(data, changed)


def replaced(name, body):
    return lambda data: repacked(data, lambda members: [(n, body if n == name else b) for n, b in members])


def flipped(data, what):
    at = data.index(what[:64]) + len(what) // 2
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def test_damaged():
    """Sticks that are damaged, cut or made to harm are refused in clear words; what was active stays, and a good stick heals it all."""
    with site() as s:
        s.bundled("raw", "tar")
        good, manifest = s.online.read("stick.tar"), None
        with tarfile.open(fileobj=io.BytesIO(good)) as file:
            entries = json.loads(file.extractfile("index.json").read())["manifests"]
            manifest = next(e["digest"][7:] for e in entries if e["annotations"]["org.opencontainers.image.ref.name"] == "raw:1.0.0")
            body = file.extractfile("blobs/sha256/" + manifest).read()
        s.cut()
        m = s.stack.enter_context(Machine())
        blob = sha256(RAW["model.onnx"])

        def row(name, damage, *words):
            for locked in (False, True):
                m.remove("models")
                m.declare({"stick": "bundle: stick.tar"}, {"raw": "from: stick/raw, version: ^1.0"})
                shutil.copy(s.online.path("stick.tar"), m.path("stick.tar"))
                m.remove("desired-state.lock")
                if locked:
                    m.run("lock")
                m.write("stick.tar", damage(good))
                result = says(m.run(status=(1, 4), limit=30), *words)
                expect(m.files("raw") is None, "something became active: %s" % result.output)
                m.blobs()
                expect(not os.path.lexists("/tmp/evil") and not os.path.lexists(m.path("evil")), "it wrote outside")
                m.write("stick.tar", good)
                m.run()
                m.has(RAW, "raw")
                before = m.state("raw")
                m.write("stick.tar", damage(good))
                m.run(status=(0, 1, 4), limit=30)
                expect(m.state("raw") == before, "a damaged stick changed what was active")

        def reading(name, damage, *words):
            """What only shows when the stick is read without a lock, or whole."""
            m.remove("models")
            m.remove("desired-state.lock")
            m.declare({"stick": "bundle: stick.tar"}, {"raw": "from: stick/raw, version: ^1.0"})
            m.write("stick.tar", damage(good))
            says(m.run(status=(1, 4), limit=30), *words)
            expect(m.files("raw") is None, "something became active")

        stick = "stick.tar"
        each([("a flipped bit of a file", lambda data: flipped(data, RAW["model.onnx"]), "stick.tar"),
              ("cut in the middle of a file", lambda data: data[:data.index(RAW["model.onnx"][:64]) + 1000], stick),
              ("a file is missing", lambda data: repacked(data, lambda ms: [x for x in ms if blob not in x[0]]), stick),
              ("empty", lambda data: b"", stick),
              ("no tar", lambda data: b"<!doctype html>" * 1000, stick),
              ("cut at its beginning", lambda data: data[:700], stick),
              ], row)
        each([("a flipped bit of a manifest", lambda data: flipped(data, body), "bytes", stick),
              ("a manifest is missing", lambda data: repacked(data, lambda ms: [x for x in ms if manifest not in x[0]]), stick),
              ("no index.json", lambda data: repacked(data, lambda ms: [x for x in ms if x[0] != "index.json"]), "index.json"),
              ("index.json is not JSON", replaced("index.json", b"not JSON"), stick),
              ("index.json is cut", lambda data: repacked(data, lambda ms: [(n, b[:50] if n == "index.json" else b) for n, b in ms]), stick),
              ("index.json is empty", replaced("index.json", b""), stick),
              ("index.json is deep", replaced("index.json", b"[" * 100_000), stick),
              ("index.json names nothing", replaced("index.json", b'{"schemaVersion":2,"manifests":[]}'), "raw"),
              ("a digest that is a path", with_index(lambda i: {**i, "manifests": [{**e, "digest": "sha256:../../../../../etc/passwd"} for e in i["manifests"]]}), ""),
              ("names that leave the stick", lambda data: repacked(data, lambda ms: [("../" + n, b) for n, b in ms]), stick),
              ("a manifest of another size", with_index(lambda i: {**i, "manifests": [{**e, "size": e["size"] + 1} for e in i["manifests"]]}), ""),
              ], reading)
        directory = m.path("empty")
        os.makedirs(directory)
        m.declare({"stick": "bundle: empty"}, {"raw": "from: stick/raw, version: ^1.0"})
        says(m.run(status=(1, 4)), "index.json")
        m.declare({"stick": "bundle: nowhere.tar"}, {"raw": "from: stick/raw, version: ^1.0"})
        says(m.run(status=(1, 4)), "nowhere.tar")


def test_hostile_names():
    """A stick whose members have names that lead out, or are links and devices, writes nothing outside and is read as far as it is sound."""
    with site() as s:
        s.bundled("raw")
        good = s.online.read("stick.tar")
        s.cut()
        m = s.stack.enter_context(Machine())
        m.declare({"stick": "bundle: stick.tar"}, {"raw": "from: stick/raw, version: ^1.0"})

        def row(name, make):
            m.remove("models")
            extra = make()
            extra = extra[:-len(extra) % 512 or None] if len(extra) % 512 else extra
            m.write("stick.tar", extra.rstrip(b"\0") + bytes(-len(extra.rstrip(b"\0")) % 512) + good)
            result = m.run(status=(0, 1, 4), limit=30)
            expect(m.files("raw") in (None, RAW), "other files: %s" % result.output)
            expect(m.files("raw") == RAW or result.status in (1, 4), "it failed in silence: %s" % result.output)
            expect(not os.path.lexists("/tmp/evil") and not os.path.lexists(m.path("evil")), "it wrote outside")
        each([(name, make) for name, make in registries.ATTACKS.items() if name != "bomb"], row)


def test_tar_layers_of_a_stick():
    """A tar layer that tries to escape is refused from a stick as it is from a registry."""
    with Machine() as m, tempfile.TemporaryDirectory() as place:
        for name in ("traversal", "absolute", "symlink up", "device", "hard link"):
            image = modelpack({"model.onnx": b"x"}, tars=[registries.ATTACKS[name]()])
            layout = os.path.join(place, name.replace(" ", "-"))
            os.makedirs(os.path.join(layout, "blobs", "sha256"))
            for digest, data in {**image.blobs, image.digest: image.data}.items():
                with open(os.path.join(layout, "blobs", "sha256", digest[7:]), "wb") as file:
                    file.write(data)
            with open(os.path.join(layout, "index.json"), "w") as file:
                json.dump({"schemaVersion": 2, "manifests": [image.descriptor(annotations={"org.opencontainers.image.ref.name": "1.0.0"})]}, file)
            m.declare({"stick": "bundle: '%s'" % layout}, {"m": "from: stick/any, version: ^1.0"})
            m.remove("models")
            m.run(status=(1, 4))
            expect(m.files("m") is None and not os.path.lexists("/tmp/evil"), name)


# Interruptions

def test_kills():
    """kill -9 at any moment leaves the bundle that was there, or none, and never half of one; the next run completes it."""
    with site() as s:
        s.registry.push("acme/raw", modelpack({**RAW, "big.bin": noise(24 * MiB, "big")}), "1.0.1")
        s.bundled("raw", "hub", "tar")
        m, good = s.online, s.online.read("stick.tar")
        lived = 0
        for number in range(14):
            old = b"an older bundle"
            m.remove("new.tar")
            if number % 2:
                m.write("new.tar", old)
            lived += m.killed("bundle", "--out", "new.tar", after=0.03 * number + 0.05)
            found = m.read("new.tar") if os.path.exists(m.path("new.tar")) else None
            expect(found in (None if number % 2 == 0 else old, good), "half a bundle: %s bytes" % (found and len(found)))
            m.run("bundle", "--out", "new.tar")
            expect(m.read("new.tar") == good, "after a kill it writes something else")
            expect(not [name for name in os.listdir(m.base) if "partial" in name or name.startswith(".tmp")], "left behind: %s" % os.listdir(m.base))
        expect(lived >= 3, "only %d runs were killed" % lived)
        wanted = None
        for number in range(8):
            m.killed("bundle", "--out", "layout/", after=0.04 * number + 0.05)
            m.run("bundle", "--out", "layout/")
            wanted = wanted or worlds.files(m.path("layout"))
            expect(worlds.files(m.path("layout")) == wanted, "after a kill the directory has something else")


def test_disk_full():
    """A disk that is full leaves no bundle and no half of one, and says so; what was there before stays."""
    with site() as s:
        s.registry.push("acme/raw", modelpack({"big.bin": noise(9 * MiB, "full")}), "1.0.1")
        s.declare(s.online, "raw")
        s.online.run("lock")
        place = s.online.path("full")
        os.makedirs(place)
        # The content and the bundle need it twice: 12 MiB hold the first and not the second.
        for size in ("4m", "12m"):
            if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "tmpfs", place], capture_output=True).returncode:
                raise Skipped("no file system can be mounted here")
            try:
                s.online.write("full/stick.tar", "an older bundle")
                result = s.online.run("bundle", "--out", "full/stick.tar", status=1)
                expect("disk" in result.output or "No space left" in result.output, "it does not say what is full: " + result.output)
                expect("MODEL" not in result.output, "words for a model where there is none: " + result.output)
                expect(s.online.read("full/stick.tar") == b"an older bundle", "the older bundle is gone")
                s.online.remove("full/stick.tar")
                s.online.run("bundle", "--out", "full/stick.tar", status=1)
                expect([name for name in os.listdir(place) if name != ".stick.tar.partial"] == [], "left behind: %s" % os.listdir(place))
                s.online.run("bundle", "--out", "full/layout/", status=1)
                expect(not os.path.exists(os.path.join(place, "layout", "index.json")), "an index of what is not there")
            finally:
                subprocess.run(["umount", place], check=True)
        s.online.run("bundle", "--out", "full/stick.tar")


# Several sources

@contextlib.contextmanager
def pair(history=None, mirrored=None):
    """A hub, a mirror of it that is a catalog behind a fake web server, and a machine that names both."""
    history = history or {"v1.0.0": files_of("1.0.0"), "v1.1.0": files_of("1.1.0")}
    mirrored = history if mirrored is None else mirrored
    with Hub({"acme/vad": Repo.of(history)}) as hub, Machine() as m, tempfile.TemporaryDirectory() as empty:
        os.makedirs(m.path("mirror"), exist_ok=True)
        for version, files in mirrored.items():
            m.publish("vad", version.removeprefix("v"), files, catalog="mirror")
        from faultserver import FaultServer
        with FaultServer(m.path("mirror")) as mirror:
            hub.history, hub.mirror, hub.empty = history, mirror, empty
            declare(m, hub)
            yield hub, mirror, m
            m.blobs()


def declare(m, hub, keys="version: ^1.0", order="hub/acme/vad, mirror/vad", down=()):
    m.declare({"hub": "huggingface: '%s'" % ("http://127.0.0.1:9" if "hub" in down else hub.url),
               "mirror": "http: '%s'" % ("http://127.0.0.1:9" if "mirror" in down else hub.mirror.url)}, {"vad": "from: [%s], %s" % (order, keys)})


def test_second_lists():
    """When the first source is away, the second says what there is; when it is back, it is asked again, alone."""
    with pair() as (hub, mirror, m):
        declare(m, hub, down=["hub"])
        m.run()
        m.has(files_of("1.1.0"), "vad")
        digest = m.status("vad")["contentDigest"]
        hub.clear(), mirror.log.clear()
        declare(m, hub)
        says(m.run(), "Nothing to do")
        expect(len(hub.log) >= 1 and not mirror.log, "asked: %s, mirror %s" % ([r.target for r in hub.log], [r.path for r in mirror.log]))
        hub.clear()
        m.run()
        expect(len(hub.log) <= 1 and not mirror.log, "nothing new cost %s and %s" % ([r.target for r in hub.log], [r.path for r in mirror.log]))
        expect(m.status("vad")["contentDigest"] == digest, "another content digest")
        declare(m, hub, down=["hub", "mirror"])
        before = m.state("vad")
        says(m.run(status=4), "does not answer")
        expect(m.state("vad") == before, "it changed something")


def test_bytes_of_the_second():
    """The first source lists; when it does not deliver, or delivers something else, the second does."""
    def row(name, fault):
        with pair() as (hub, mirror, m):
            play = hub.play(fault, only="model.onnx$", on="cdn")
            m.run(limit=120)
            m.has(files_of("1.1.0"), "vad")
            expect(play.played > 0, "the first was not asked")
            expect(mirror.bytes_sent("model.onnx") >= 50_000, "the second delivered %d bytes" % mirror.bytes_sent("model.onnx"))
    each([("503", fakes.unavailable), ("404", functools.partial(fakes.answers, status=404)), ("wrong bytes", fakes.wrong_bytes), ("HTML", fakes.html),
          ("cut", faults.short_body)], row)


def test_second_disagrees():
    """A second source with other bytes under the version is told and not used, also when the first cannot deliver."""
    history = {"v1.0.0": files_of("1.0.0"), "v1.1.0": files_of("1.1.0")}
    with pair(history, {"v1.0.0": files_of("1.0.0"), "v1.1.0": files_of("something else")}) as (hub, mirror, m):
        declare(m, hub, "version: '=1.0.0'")
        m.run()
        declare(m, hub)
        play = hub.play(fakes.unavailable, on="cdn")
        before = m.state("vad")
        result = says(m.run(status=(1, 4), limit=120), "mirror/vad", "other content")
        expect(m.state("vad") == before, "it changed something: " + result.output)
        expect(mirror.bytes_sent("1.1.0/model.onnx") == 0, "it was fetched from the other")
        play.stop()
        result = says(m.run(), "mirror/vad", "other content")
        m.has(files_of("1.1.0"), "vad")


def test_lagging_mirror():
    """LAW 6: a mirror that lags never moves a model backwards, and one that is ahead is no reason to go back later."""
    three = {"v1.2.0": files_of("1.2.0")}
    history = {"v1.0.0": files_of("1.0.0"), "v1.1.0": files_of("1.1.0")}
    with pair(history, {"v1.0.0": files_of("1.0.0")}) as (hub, mirror, m):
        m.run()
        m.has(files_of("1.1.0"), "vad")
        before = m.state("vad")
        declare(m, hub, down=["hub"])
        m.run(status=(0, 4))
        expect(m.state("vad") == before, "a lagging mirror moved the model back")
        declare(m, hub, order="mirror/vad, hub/acme/vad")
        m.run(status=(0, 4))
        expect(m.files("vad") == files_of("1.1.0"), "a lagging mirror that comes first moved the model back")
        m.publish("vad", "1.2.0", three["v1.2.0"], catalog="mirror")
        declare(m, hub, down=["hub"])
        m.run()
        m.has(three["v1.2.0"], "vad")
        declare(m, hub)
        m.run(status=(0, 4))
        m.has(three["v1.2.0"], "vad", "the first is back and does not know it")


def test_lock_of_one():
    """A lock that was made from one source is answered by the other, both ways, and by both in another order."""
    for down in ("hub", "mirror"):
        with pair() as (hub, mirror, m):
            other = {"hub": "mirror", "mirror": "hub"}[down]
            order = ["hub/acme/vad", "mirror/vad"] if down == "hub" else ["mirror/vad", "hub/acme/vad"]
            declare(m, hub, order=", ".join(order))
            m.run("lock")
            expect(m.lock("vad")["source"].startswith(down + "/"), "the lock: %s" % m.lock("vad")["source"])
            declare(m, hub, order=", ".join(order), down=[down])
            m.run(limit=120)
            m.has(files_of("1.1.0"), "vad", "from %s" % other)
            says(m.run("--locked"), "Nothing to do")
            declare(m, hub, order=", ".join(reversed(order)), down=[down])
            says(m.run("--locked"), "Nothing to do")


def test_lock_does_not_follow_the_mirror():
    """With a lock, a mirror whose bytes under the version changed since is not used."""
    with pair() as (hub, mirror, m):
        m.run("lock")
        m.remove("mirror")
        m.publish("vad", "1.1.0", files_of("something else"), catalog="mirror")
        declare(m, hub, down=["hub"])
        result = m.run(status=(1, 4), limit=120)
        says(result, "other content")
        expect(m.files("vad") is None, "other bytes than the lock's became active")


if __name__ == "__main__":
    worlds.need("zstd", "skopeo")
    sys.exit(machine.main("bundle", __doc__, globals(), jobs=4))
