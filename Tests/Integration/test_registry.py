#!/usr/bin/env python3
"""Models from OCI registries: what becomes a version, what is asked, who may ask, and that nothing wrong ever gets active.

    test_registry.py [--only REGEX] [--list] [--jobs N] [--all]

Names say the group: test_version_…, test_lock_…, test_index_…, test_license_…, test_auth_…, test_fault_…, test_archive_…,
test_real_…. Every world has a second model, `other`, that must get its release whatever happens to `vad`.
"""
import argparse
import base64
import concurrent.futures
import contextlib
import functools
import glob
import hashlib
import http.server
import json
import os
import random
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time

import faults
import registry as registries
import worlds
from fakes import cut_json, deep_json, empty, gzipped, html, huge_json, redirect_chain, redirect_elsewhere, redirect_loop, slow, wrong_bytes
from faults import MiB
from registry import MANIFEST, Registry, digest, image, index, modelkit, modelpack, oras, tar
from support import RECONCILE, expect

ACCOUNT = ("ana", "pa55-w0rd-0f-ana")
LOGIN = {"LOGIN": "%s:%s" % ACCOUNT}
TOKEN = ", token: { env: LOGIN }"
BIG = random.Random(5).randbytes(24 * MiB)
PLATFORM = "linux/" + {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine] if sys.platform == "linux" else "darwin/arm64"
OTHERS = [name for name in ("linux/amd64", "linux/arm64", "darwin/arm64") if name != PLATFORM]
SMALL = 200 * MiB  # more than this no command may need


def files(version, **more):
    """What is in a release."""
    return {"model.onnx": random.Random(version).randbytes(20_000), "config.json": json.dumps({"v": version}).encode(), **more}


def released(version, **options):
    return modelpack(files(version), version=version, **options)


def peak_memory(process):
    """The most memory that a process has had so far; 0 where the system does not tell."""
    try:
        with open("/proc/%d/status" % process) as file:
            return next((int(line.split()[1]) << 10 for line in file if line.startswith("VmHWM")), 0)
    except OSError:
        return 0


# A machine

class Machine:
    """A directory with a desired state, and all that its commands said."""

    def __init__(self, work, host):
        self.work, self.host, self.said = work, host, ""
        self.home = os.path.join(work, "home")
        self.env = {"HOME": self.home, "DOCKER_CONFIG": os.path.join(self.home, ".docker"), "NO_COLOR": "1", "TERM": "dumb"}
        os.makedirs(self.env["DOCKER_CONFIG"])

    def path(self, *parts):
        return os.path.join(self.work, *parts)

    def write(self, name, text, mode=0o644):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as file:
            file.write(text)
        os.chmod(self.path(name), mode)

    def read(self, name):
        with open(self.path(name)) as file:
            return file.read()

    def declare(self, vad="version: ^1.0", source="", policy="", more="", **models):
        """`vad` and `other` as they are wanted; `source` and `policy` are further keys, `more` further lines."""
        models = {"vad": "from: reg/vad, " + vad, "other": "from: reg/other, version: '*'", **models}
        self.write("desired-state.yaml", "apiVersion: reconcile/v1\nsources: { reg: { oci: '%s/acme'%s } }\npolicy: { %s }\n%s\nmodels:\n%s" % (
            self.host, source, policy, more, "".join("  %s: { %s }\n" % pair for pair in models.items() if pair[1])))

    def run(self, *arguments, status=0, seconds=30, env=None):
        """Runs the program within a time; returns what it said. `status` may be several, or None for any."""
        arguments = arguments or ("--progress", "none")
        shown = "reconcile " + " ".join(arguments)
        with tempfile.TemporaryFile("w+") as output:
            started, rss = time.monotonic(), 0
            process = subprocess.Popen([RECONCILE, *arguments], cwd=self.work, stdout=output, stderr=subprocess.STDOUT,
                                       env={name: text for name, text in {**os.environ, **self.env, **(env or {})}.items() if text is not None})
            while process.poll() is None:
                rss = max(rss, peak_memory(process.pid))
                if time.monotonic() > started + seconds:
                    process.kill()
                time.sleep(0.005)
            self.status, self.seconds = process.returncode, time.monotonic() - started
            output.seek(0)
            text = output.read()
        self.said += text
        expect(self.seconds < seconds, "%s took more than %s s\n%s" % (shown, seconds, text))
        wanted = status if isinstance(status, (tuple, type(None))) else (status,)
        expect(wanted is None or self.status in wanted, "%s: exit %s instead of %s\n%s" % (shown, self.status, status, text))
        expect(self.status >= 0 and "Fatal error" not in text, "%s crashed: %s\n%s" % (shown, self.status, text))
        expect(rss < SMALL, "%s needed %d MiB of memory" % (shown, rss >> 20))
        return text

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "-o", "json"))

    def active(self, model="vad"):
        """{path: bytes} of what is active; None when nothing is."""
        place = self.path("models", model)
        return worlds.files(place) if os.path.exists(place) else None

    def version(self, model="vad"):
        return next((row.get("active") for row in self.json("status")["models"] if row["model"] == model), None)

    def state(self, *models):
        """What must not change when a model is not updated: its link, its bytes, what was confirmed and what is quarantined."""
        found = {}
        for name in models or ("vad", "other"):
            place, memory = self.path("models", name), {}
            with contextlib.suppress(FileNotFoundError):
                memory = json.loads(self.read("models/.reconcile/memory/%s.json" % name))
            found[name] = (os.readlink(place) if os.path.islink(place) else None, self.active(name), memory.get("confirmed"), memory.get("quarantine"))
        return found

    def look(self):
        """What status says is what the links say."""
        for row in self.json("status")["models"]:
            place = self.path("models", row["model"])
            found = os.path.basename(os.readlink(place)) if os.path.islink(place) else None
            said = "%s-%s" % (row["active"], row["contentDigest"][:12]) if row.get("active") else None
            expect(found == said, "status says %s where the link of %s leads to %s" % (said, row["model"], found))

    def refused(self, words, *arguments, status=(1, 4), models=("vad", "other"), seconds=30, env=None, look=True):
        """Runs what must fail with all these words, and change none of these models."""
        before = self.state(*models)
        text = self.run(*arguments, status=status, seconds=seconds, env=env)
        for word in [words] if isinstance(words, str) else words:
            expect(re.search(word, text, re.I), "“%s” is not said:\n%s" % (word, text))
        after = self.state(*models)
        changed = [name for name in before if before[name] != after[name]]
        expect(not changed, "%s changed: %s instead of %s\n%s" % (
            changed, [after[name][::2] for name in changed], [before[name][::2] for name in changed], text))
        if look:
            self.look()
        self.check()
        return text

    def installed(self, wanted, *arguments, model="vad", env=None, seconds=30):
        """Runs what must succeed and make these files active."""
        text = self.run(*arguments, env=env, seconds=seconds)
        found = self.active(model)
        expect(found == wanted, "%s has %s instead of %s\n%s" % (model, sizes(found), sizes(wanted), text))
        self.check()
        return text

    def tree(self):
        """Everything of the store by path, with sizes and times: for commands that write nothing."""
        found = {}
        for place, folders, names in os.walk(self.path("models")):
            for name in folders + names:
                entry = os.lstat(os.path.join(place, name))
                found[os.path.relpath(os.path.join(place, name), self.work)] = (entry.st_size, entry.st_mtime_ns, entry.st_mode)
        return found

    def check(self):
        """Nothing is outside of the store, and nothing wrong in it."""
        known = {"desired-state.yaml", "desired-state.lock", "plan.json", "models", "home", "bin", "asked"}
        expect(set(os.listdir(self.work)) <= known, "outside of the store: %s" % os.listdir(self.work))
        for name in ("/tmp/evil", os.path.join(os.path.dirname(self.work), "evil")):
            expect(not os.path.lexists(name), "an archive wrote %s" % name)
        store = self.path("models", ".reconcile")
        for place, folders, names in os.walk(store):
            for name in folders + names:
                mode, shown = os.lstat(os.path.join(place, name)).st_mode, os.path.relpath(os.path.join(place, name), store)
                expect("evil" not in name, "in the store: " + shown)
                expect(stat.S_ISREG(mode) or stat.S_ISDIR(mode) or (stat.S_ISLNK(mode) and place.split("/")[-1] in ("good", "groups")),
                       "%s is %o" % (shown, mode))
                expect(not mode & 0o7000 and not (mode & 0o022 and not stat.S_ISLNK(mode)), "%s has mode %o" % (shown, mode))
        for path in glob.glob(os.path.join(store, "blobs", "sha256", "*", "*")):
            with open(path, "rb") as file:
                expect(hashlib.sha256(file.read()).hexdigest() == os.path.basename(path), "a blob has other bytes than its name says")
        for path in glob.glob(os.path.join(store, "generations", "*", "*.json")):
            if os.path.isdir(path[:-5]):
                listed = self.read(path)
                for name, data in worlds.files(path[:-5]).items():
                    expect(hashlib.sha256(data).hexdigest() in listed, "%s of a generation is not of its release" % name)

    def keeps(self, *secrets):
        """No secret was said or written."""
        for place, _, names in os.walk(self.work):
            for name in names:
                path = os.path.join(place, name)
                if place.startswith((self.home, self.path("bin"))) or not os.path.isfile(path):
                    continue
                with open(path, "rb") as file:
                    data = file.read()
                for secret in secrets:
                    expect(secret.encode() not in data, "%s holds a secret" % os.path.relpath(path, self.work))
        for secret in (*secrets, "sig="):
            expect(secret not in self.said, "a secret was said: %s" % [line for line in self.said.splitlines() if secret in line][:2])


def sizes(found):
    return found and {path: (len(data), hashlib.sha256(data).hexdigest()[:8]) for path, data in found.items()}


@contextlib.contextmanager
def world(*versions, account=ACCOUNT, **options):
    """A registry that has these versions of acme/vad, and a machine that wants ^1.0."""
    with Registry(account=account, **options) as registry, tempfile.TemporaryDirectory(prefix="reconcile-registry-") as place:
        work = os.path.join(place, "work")
        os.makedirs(work)
        registry.push("acme/other", modelpack({"model.onnx": b"other" * 100}), "1.0.0")
        for version in versions:
            registry.push("acme/vad", released(version), version)
        machine = Machine(work, registry.host)
        machine.declare()
        yield registry, machine
        machine.check()
        if registry.auth:
            for command in (("status",), ("history",)):
                machine.run(*command)
        machine.keeps(account[1], registries.basic(*account)[6:], *list(registry.tokens))
        expect(registry.violations == [], "violations: %s" % registry.violations)


def asked(registry, what, repo="acme/vad", status=None):
    """How often something of a repository was asked for: tags, manifests, blobs or referrers."""
    return len([r for r in list(registry.log) if r.path.startswith("v2/%s/%s/" % (repo, what)) and status in (None, r.status)])


# Versions

def test_version_tags():
    """Tags are versions: with v or without, in pages; floating ones, latest, signatures and other words are none."""
    with world("1.1.0", page=3) as (registry, machine):
        for tag in ("v1.0.0", "1.2.3", "v2.0.0-rc.1", "1.3.0-beta.2"):
            registry.push("acme/vad", released(tag), tag)
        for tag in ("1", "1.2", "latest", "main", "nightly-2026", "1.2.3.4", "sha256-" + "0" * 64, "sha256-%s.sig" % ("1" * 64)):
            registry.push("acme/vad", released("moving"), tag)
        machine.declare("version: '*'")
        machine.installed(files("1.2.3"))
        expect(machine.version() == "1.2.3", machine.version())
        expect(asked(registry, "tags") >= 5, "the tags were in one page")
        expect(asked(registry, "manifests") == 1, "manifests of versions that are not taken were read")
        machine.declare("version: ^9")
        text = machine.refused("No release of “vad” is in the range")
        expect("there are: 2.0.0-rc.1, 1.3.0-beta.2, 1.2.3, 1.1.0, 1.0.0" in text, text)


def test_version_short():
    """A short tag alone is a version, as it is spelt."""
    with world() as (registry, machine):
        for tag in ("v5.0", "5.1", "4"):
            registry.push("acme/vad", released(tag), tag)
        machine.declare("version: '>=5'")
        machine.installed(files("5.1"))
        expect(machine.version() == "5.1", machine.version())


def test_version_builds():
    """`_` stands for `+`: builds are matched exactly, and a tie is an error that lists them."""
    with world("1.0.0") as (registry, machine):
        machine.run()
        for tag in ("1.2.0_cuda.12", "v1.2.0_cpu"):
            registry.push("acme/vad", released(tag), tag)
        machine.refused([r"1\.2\.0\+cuda\.12", r"1\.2\.0\+cpu"])
        machine.declare("version: '=1.2.0+cpu'")
        machine.installed(files("v1.2.0_cpu"))
        expect(machine.version() == "1.2.0+cpu", machine.version())


def test_version_twice():
    """Two tags of one version must be one manifest."""
    with world("1.0.0") as (registry, machine):
        machine.run()
        registry.push("acme/vad", released("1.1.0"), "1.1.0")
        registry.push("acme/vad", released("another"), "v1.1.0")
        machine.refused(["“1.1.0”", "“v1.1.0”"])
    with world("1.0.0") as (registry, machine):
        for tag in ("1.1.0", "v1.1.0"):
            registry.push("acme/vad", released("1.1.0"), tag)
        machine.installed(files("1.1.0"))


def test_version_prereleases():
    """Pre-releases are taken when the range names one."""
    with world("1.0.0", "1.1.0-rc.1", "1.1.0-rc.2") as (registry, machine):
        machine.installed(files("1.0.0"))
        machine.declare("version: '>=1.1.0-rc.1 <2'")
        machine.installed(files("1.1.0-rc.2"))
        registry.push("acme/vad", released("1.1.0"), "1.1.0")
        machine.installed(files("1.1.0"))


def test_version_ranges():
    """Many models of one repository: ranges as everywhere, and the tags are asked for once."""
    ranges = {"a": ("^1.0", "1.2.0"), "b": ("~1.1", "1.1.5"), "c": (">=1.1 <1.2", "1.1.5"), "d": ("1.0.0", "1.0.0"), "e": ("2.x || 1.0", "2.0.0"),
              "f": ("1.0 - 1.1", "1.1.5")}
    with world("1.0.0", "1.1.0", "1.1.5", "1.2.0", "2.0.0") as (registry, machine):
        machine.declare("version: '=1.0.0'", **{name: "from: reg/vad, version: '%s'" % text for name, (text, _) in ranges.items()})
        machine.run()
        for name, (_, version) in ranges.items():
            expect(machine.active(name) == files(version), "%s is %s" % (name, machine.version(name)))
        expect(asked(registry, "tags") == 1, "the tags were asked for %d times" % asked(registry, "tags"))


def test_version_steps():
    """Small steps are taken, large ones wait for a yes; going back costs no request."""
    with world("1.0.0") as (registry, machine):
        machine.declare("version: '>=1'")
        machine.installed(files("1.0.0"))
        registry.push("acme/vad", released("1.1.0"), "1.1.0")
        machine.installed(files("1.1.0"))
        registry.push("acme/vad", released("2.0.0"), "v2.0.0")
        machine.refused("needs approval", status=0)
        expect(asked(registry, "blobs/" + digest(files("2.0.0")["model.onnx"])) == 0, "what waits was fetched")
        machine.run("approve", "vad")
        machine.installed(files("2.0.0"))
        registry.clear()
        machine.run("rollback", "vad", "--to", "1.1.0", "--progress", "none")
        expect(machine.active() == files("1.1.0") and not registry.log, "rolled back with %s" % registry.log)


def test_version_moved():
    """A tag of a version that moves never changes the version, also when the caches are lost."""
    with world("1.0.0", "1.1.0") as (registry, machine):
        machine.installed(files("1.1.0"))
        registry.push("acme/vad", released("moved"), "1.1.0")
        machine.refused("", status=0)
        os.unlink(machine.path("models", ".reconcile", "history.db"))
        text = machine.refused("", status=(0, 4))
        expect("published again" in text, "nobody is told that it was published again:\n" + text)
        registry.push("acme/vad", released("1.2.0"), "1.2.0")
        machine.installed(files("1.2.0"))


def test_version_gone():
    """What is active stays when its tag, all tags, or the repository are gone."""
    with world("1.0.0", "1.1.0") as (registry, machine):
        machine.installed(files("1.1.0"))
        registry.forget("acme/vad", "1.1.0")
        machine.refused("", status=(0, 4))
        registry.forget("acme/vad", "1.0.0")
        machine.refused("", status=(0, 4))
        registry.manifests.pop("acme/vad"), registry.blobs.pop("acme/vad")
        machine.refused("vad is not there", status=4)


def test_version_names():
    """Repositories in repositories, and names that no registry has."""
    with world() as (registry, machine):
        registry.push("acme/sub/vad", released("1.0.0"), "1.0.0")
        machine.declare("version: '*'", deep="from: reg/sub/vad, version: '*'")
        machine.run(status=4)
        expect(machine.active("deep") == files("1.0.0") and machine.active("other"), "the repository in a repository")
        machine.declare("version: '*'", upper="from: reg/Vad, version: '*'")
        registry.push("acme/vad", released("1.0.0"), "1.0.0")
        before = machine.state("other")
        text = machine.run(status=4)
        expect("lower-case" in text and machine.active() == files("1.0.0") and machine.state("other") == before, text)


def test_version_include():
    """Only chosen files are asked for."""
    with world("1.0.0") as (registry, machine):
        machine.declare("version: ^1.0, include: ['*.onnx']")
        machine.installed({"model.onnx": files("1.0.0")["model.onnx"]})
        expect(not registry.requests(digest(files("1.0.0")["config.json"])), "a file that is not wanted was fetched")
        machine.declare("version: ^1.0, include: ['*.gguf']")
        machine.refused("include")


def test_version_warning():
    """What the registry wants its users to know is shown."""
    with world("1.0.0") as (registry, machine):
        registry.play(registries.warning, "vad/(manifests|tags)")
        text = machine.installed(files("1.0.0"))
        expect("this tag goes away in May" in text, "the registry's Warning is not shown:\n" + text)


# Requests

def test_requests_nothing_new():
    """Nothing new costs one request for each repository, and a dry run writes nothing."""
    for auth in (None, "bearer"):
        with world("1.0.0", auth=auth) as (registry, machine):
            machine.declare(twin="from: reg/vad, version: '1.0.0'")
            machine.run("--dry-run")
            expect(not os.path.exists(machine.path("models")), "a dry run wrote")
            machine.run()
            registry.clear()
            machine.refused("Nothing to do", status=0, models=("vad", "other", "twin"))
            for repo in ("acme/vad", "acme/other"):
                good = [r for r in registry.log if r.path.startswith("v2/%s/" % repo) and r.status in (200, 304)]
                expect(len(good) <= 1, "%s: %s" % (repo, [(r.method, r.path) for r in good]))
            limit = 2 if auth is None else 6  # a refusal, a token, an answer
            expect(len(registry.log) <= limit, "%s: %d requests: %s" % (auth, len(registry.log), [(r.method, r.path) for r in registry.log]))
            registry.push("acme/vad", released("1.1.0"), "1.1.0")
            before = machine.tree()
            machine.refused("1 to replace", "--dry-run", status=0)
            expect(machine.tree() == before, "a dry run wrote")


def test_requests_shared_blobs():
    """What several releases, or several models, have in common is fetched once."""
    with world("1.0.0", redirects=True) as (registry, machine):
        common = random.Random(2).randbytes(3 * MiB)
        for version in ("1.1.0", "1.2.0"):
            registry.push("acme/vad", modelpack(files(version, **{"common.onnx": common})), version)
        registry.push("acme/twin", oras(files("twin", **{"renamed.bin": common})), "1.0.0")
        machine.declare("version: '=1.1.0'", twin="from: reg/twin, version: '*'")
        machine.run()
        machine.declare("version: ^1.0", twin="from: reg/twin, version: '*'")
        machine.installed(files("1.2.0", **{"common.onnx": common}))
        sent = sum(r.sent for r in registry.log if r.path.endswith(digest(common)) and r.server == "storage")
        expect(sent == len(common), "%d bytes were sent of a blob of %d" % (sent, len(common)))
        expect(machine.active("twin")["renamed.bin"] == common, "the twin")


# Revisions

def test_revision_tag():
    """A tag that moves is followed with a yes; one that does not costs one request."""
    with world() as (registry, machine):
        registry.push("acme/vad", released("1.4.0"), "latest")
        machine.declare("revision: latest")
        machine.installed(files("1.4.0"))
        registry.clear()
        machine.refused("Nothing to do", status=0)
        expect(asked(registry, "tags") + asked(registry, "manifests") + asked(registry, "blobs") <= 1, [r.path for r in registry.log])
        registry.push("acme/vad", released("1.5.0"), "latest")
        machine.refused("needs approval", status=0)
        machine.refused("needs approval", status=0)
        expect(not registry.requests(digest(files("1.5.0")["model.onnx"])), "what waits was fetched")
        machine.run("approve", "vad")
        machine.installed(files("1.5.0"))
        machine.refused("Nothing to do", status=0)
        registry.forget("acme/vad", "latest")
        machine.refused("no revision “latest”", status=4)


def test_revision_version():
    """The version of a revision is what its publisher says."""
    with world() as (registry, machine):
        registry.push("acme/vad", oras(files("1.4.0"), annotations={"org.opencontainers.image.version": "1.4.0"}), "latest")
        registry.push("acme/pack", released("1.6.0"), "latest")
        machine.declare("revision: latest", pack="from: reg/pack, revision: latest")
        machine.installed(files("1.4.0"))
        expect(machine.version().startswith("1.4.0"), machine.version())
        expect(machine.version("pack").startswith("1.6.0"), "the version in the config of a ModelPack is not used: %s" % machine.version("pack"))


def test_revision_digest():
    """A digest is pinned: its manifest is taken, and no other under its name."""
    with world("1.0.0", "1.1.0") as (registry, machine):
        old, new = released("1.0.0"), released("1.1.0")
        machine.declare("revision: '%s'" % old.digest)
        machine.installed(files("1.0.0"))
        registry.clear()
        machine.refused("Nothing to do", status=0)
        expect(asked(registry, "tags") + asked(registry, "manifests") <= 1, [r.path for r in registry.log])
        registry.play(functools.partial(registries.replaced_manifest, image=old), "manifests/" + new.digest)
        machine.declare("revision: '%s'" % new.digest, policy="automatic: major")
        machine.refused("manifest", status=4)
        registry.heal()
        machine.installed(files("1.1.0"))
        machine.declare("revision: 'sha256:%s'" % ("0" * 64), policy="automatic: major")
        machine.refused("no revision “sha256:0000", status=4)


# The lock

def test_lock_pins():
    """The lock holds the manifest's digest; with it nothing is asked but the bytes, wherever the tag went."""
    with world("1.0.0") as (registry, machine):
        machine.run("lock")
        entry = json.loads(machine.read("desired-state.lock"))["models"]["vad"]
        expect(entry["revision"] == released("1.0.0").digest and entry["version"] == "1.0.0" and "platforms" not in entry, entry)
        expect({row["path"]: (row["size"], row["sha256"]) for row in entry["files"]} == {
            path: (len(data), digest(data)[7:]) for path, data in files("1.0.0").items()}, entry)
        expect(not os.path.exists(machine.path("models")), "lock wrote to the store")
        registry.push("acme/vad", released("moved"), "1.0.0")
        registry.push("acme/vad", released("1.1.0"), "1.1.0")
        registry.clear()
        machine.installed(files("1.0.0"), "--locked", "--progress", "none")
        expect(asked(registry, "tags") + asked(registry, "manifests") == 0, [r.path for r in registry.log])
        registry.clear()
        machine.refused("Nothing to do", status=0)
        expect(not registry.log, [r.path for r in registry.log])
        machine.run("lock", "--update")
        expect(json.loads(machine.read("desired-state.lock"))["models"]["vad"]["revision"] == released("1.1.0").digest, "the lock did not move")
        machine.installed(files("1.1.0"))


def test_lock_away():
    """A registry that does not answer changes neither the lock nor the machine."""
    with world("1.0.0") as (registry, machine):
        machine.run()
        machine.run("lock")
        lock = machine.read("desired-state.lock")
        registry.push("acme/vad", released("1.1.0"), "1.1.0")
        registry.play(registries.denied, "acme/vad")
        machine.refused("", "lock", "--update", "vad")
        expect(machine.read("desired-state.lock") == lock, "the lock changed")
        machine.refused("Nothing to do", status=0)
        registry.heal()
        machine.run("lock", "--update", "vad")
        registry.play(functools.partial(registries.replaced_manifest, image=released("evil twin")), "acme/vad/manifests")
        machine.installed(files("1.1.0"))


def test_lock_lies():
    """A lock that was changed by hand, or names what the registry has not, is not followed."""
    with world("1.0.0", "1.1.0") as (registry, machine):
        machine.declare("version: '=1.0.0'")
        machine.run()
        machine.declare()
        machine.run("lock")
        lock = machine.read("desired-state.lock")
        before = machine.active(), machine.active("other")
        machine.write("desired-state.lock", lock.replace(digest(files("1.1.0")["model.onnx"])[7:], "0" * 64))
        text = machine.run(status=1)
        expect("lock" in text and (machine.active(), machine.active("other")) == before, text)
        machine.write("desired-state.lock", lock)
        registry.forget("acme/vad", digest(files("1.1.0")["model.onnx"]))
        machine.refused("model.onnx", status=1)


def test_lock_plan():
    """A saved plan and a lock hold no secret, and do what they say."""
    with world("1.0.0", auth="bearer", anonymous=False, redirects=True) as (registry, machine):
        machine.declare(source=TOKEN)
        machine.run("plan", "--out", "plan.json", env=LOGIN)
        machine.run("lock", env=LOGIN)
        for command in (("plan", "-o", "json"), ("plan", "-o", "markdown"), ("show", "plan.json"), ("explain", "vad"), ("outdated",)):
            machine.run(*command, env=LOGIN)
        os.unlink(machine.path("desired-state.lock"))
        machine.installed(files("1.0.0"), "apply", "plan.json", env=LOGIN)
        machine.run("--progress", "json", env=LOGIN)


# Indexes

def platforms(version, *names):
    return index([(name, modelpack(files("%s of %s" % (version, name)), version=version)) for name in names])


def test_index_platform():
    """Of an index the entry of this machine is taken; the lock holds one for each platform."""
    with world() as (registry, machine):
        both = platforms("1.0.0", OTHERS[0], PLATFORM, OTHERS[1])
        registry.push("acme/vad", both, "1.0.0")
        machine.installed(files("1.0.0 of " + PLATFORM))
        for name in OTHERS:
            expect(not registry.requests(digest(files("1.0.0 of " + name)["model.onnx"])), "another platform's file was fetched")
        expect(machine.version() == "1.0.0", machine.version())
        registry.clear()
        machine.refused("Nothing to do", status=0)
        expect(asked(registry, "tags") + asked(registry, "manifests") + asked(registry, "blobs") <= 1, [r.path for r in registry.log])
        machine.run("lock")
        entry = json.loads(machine.read("desired-state.lock"))["models"]["vad"]
        expect(entry["revision"] == both.digest and set(entry["platforms"]) == {PLATFORM, *OTHERS}, entry)
        for name, variant in entry["platforms"].items():
            expect({row["path"]: row["sha256"] for row in variant["files"]} == {
                path: digest(data)[7:] for path, data in files("1.0.0 of " + name).items()}, "%s: %s" % (name, variant))
        registry.clear()
        machine.refused("Nothing to do", status=0)
        expect(not registry.log, [r.path for r in registry.log])


def test_index_common():
    """An entry that names no platform is for all that have none of their own, floating and locked alike."""
    with world() as (registry, machine):
        common, other = released("common"), released("other")
        registry.push("acme/vad", index([(OTHERS[0], other), (None, common)]), "1.0.0")
        machine.installed(files("common"))
        machine.run("lock")
        entry = json.loads(machine.read("desired-state.lock"))["models"]["vad"]
        expect(set(entry["platforms"]) == {OTHERS[0], "any/any"}, entry)
        expect(entry["contentDigest"] == entry["platforms"]["any/any"]["contentDigest"], entry)
        machine.run("bundle", "--out", "all.tar")
        with tarfile.open(machine.path("all.tar")) as bundle:
            read = lambda digest: json.load(bundle.extractfile("blobs/sha256/" + digest[7:]))
            names = read(json.load(bundle.extractfile("index.json"))["manifests"][-1]["digest"])["manifests"]
        expect(sorted("architecture" in entry.get("platform", {}) for entry in names) == [False, True], names)
        os.unlink(machine.path("all.tar"))
        registry.clear()
        machine.refused("Nothing to do", status=0)
        shutil.rmtree(machine.path("models"))
        machine.installed(files("common"), "--locked", "--progress", "none")
        expect(asked(registry, "tags") + asked(registry, "manifests") == 0, [r.path for r in registry.log])


def test_index_missing():
    """An index without this machine's platform is a clear error; the lock is made all the same."""
    with world("1.0.0") as (registry, machine):
        machine.run()
        registry.push("acme/vad", platforms("1.1.0", *OTHERS), "1.1.0")
        machine.refused([PLATFORM, *OTHERS], status=4)
        machine.run("lock")
        entry = json.loads(machine.read("desired-state.lock"))["models"]["vad"]
        expect(entry["version"] == "1.1.0" and set(entry["platforms"]) == set(OTHERS), entry)
        registry.clear()
        machine.refused([PLATFORM, *OTHERS], status=4)
        expect(not registry.log, [r.path for r in registry.log])


def test_index_same_lock():
    """The lock of an index is the same bytes whatever this machine holds, and works where nothing was asked before."""
    with world() as (registry, machine):
        registry.push("acme/vad", platforms("1.0.0", *OTHERS, PLATFORM), "1.0.0")
        machine.run("lock")
        first = machine.read("desired-state.lock")
        registry.clear()
        machine.installed(files("1.0.0 of " + PLATFORM), "--locked", "--progress", "none")
        expect(asked(registry, "tags") + asked(registry, "manifests") == 0, [r.path for r in registry.log])
        os.unlink(machine.path("desired-state.lock"))
        machine.run("lock")
        expect(machine.read("desired-state.lock") == first, "the lock depends on what is on the disk")


def test_index_entries():
    """Entries for every platform, variants, and what is no model: attestations and signatures."""
    with world() as (registry, machine):
        plain, old = released("any"), released("arm")
        value = index([("unknown/unknown", registries.signature(plain, b"{}")), (None, plain)])
        registry.push("acme/vad", value, "1.0.0")
        machine.installed(files("any"))
        registry.push("acme/vad", index([("linux/riscv64", old), (PLATFORM + "/v1", released("variant"))]), "1.1.0")
        machine.installed(files("variant"))
        registry.push("acme/vad", index([(PLATFORM, index([(PLATFORM, old)]))]), "1.2.0")
        machine.refused("manifest", status=4)
        registry.push("acme/vad", index([]), "1.3.0")
        machine.refused("", status=4)


# Licences

def test_license():
    """Licences of configs and annotations are told, and hold back what the policy does not allow."""
    with world("1.0.0") as (registry, machine):
        machine.installed(files("1.0.0"))
        expect("MIT" in machine.run("explain", "vad"), "explain tells the licence")
        cases = [
            ("MIT, from the config", modelpack(files("1.1.0"), licenses=("MIT",)), "[apache-2.0]", None),
            ("two licences", modelpack(files("1.1.0"), licenses=("MIT", "GPL-3.0-only")), "[mit]", "GPL-3.0-only"),
            ("none in the config", modelpack(files("1.1.0"), licenses=()), "[mit]", "names no licence"),
            ("annotation", oras(files("1.1.0"), annotations={"org.opencontainers.image.licenses": "GPL-2.0-only"}), "[mit]", "GPL-2.0-only"),
            ("no annotation", oras(files("1.1.0")), "[mit]", "names no licence"),
        ]
        for name, each, allowed, words in cases:
            registry.forget("acme/vad", "1.1.0")
            registry.push("acme/vad", each, "1.1.0")
            os.unlink(machine.path("models", ".reconcile", "history.db"))
            machine.declare("version: '>=1.1', licenses: %s" % allowed)
            machine.refused(["licen[cs]e", words or "MIT"], status=(0, 4))
        registry.push("acme/vad", oras(files("1.2.0"), annotations={"org.opencontainers.image.licenses": "GPL-2.0-only OR Apache-2.0"}), "1.2.0")
        machine.declare(policy="licenses: [mit, apache-2.0]")
        machine.installed(files("1.2.0"))
        expect(machine.active("other"), "other is under MIT")


# Manifests

def changed(each, change):
    """An image whose manifest was changed by a function."""
    value = each.manifest
    change(value)
    return registries.Image(registries.dump(value), each.media_type, each.blobs)


def test_manifest_paths():
    """Paths that leave the model, or cannot be on every disk, are refused by name."""
    with world("1.0.0") as (registry, machine):
        machine.run()
        cases = [(path, [path]) for path in ("../evil", "/tmp/evil", "sub/../../evil", "..", "sub//evil", "a\\evil", ".", "sub/./evil")]
        cases += [("", [""]), ("a\nevil", ["a\nevil"]), ("two of one path", ["model.onnx", "model.onnx"]),
                  ("two by case", ["model.onnx", "MODEL.onnx"]), ("file and folder", ["model", "model/part"]), ("long", ["x" * 5000])]
        for number, (name, paths) in enumerate(cases):
            tag, held = "1.1.%d" % number, [(path, b"%d" % place) for place, path in enumerate(paths)]
            if number % 2:
                each = image([("application/octet-stream", data, {"org.opencontainers.image.title": path}) for path, data in held])
            else:
                each = image([("application/vnd.cncf.model.weight.v1.raw", data, {"org.cncf.model.filepath": path}) for path, data in held],
                             artifact_type="application/vnd.cncf.model.manifest.v1+json")
            registry.push("acme/vad", each, tag)
            try:
                text = machine.refused("path|model|“|name", status=4, look=False)
                expect(paths[0][:60] in text or len(paths) > 1 or name in ("", "a\nevil"), "the path is not named:\n" + text)
            except SystemExit as problem:
                raise SystemExit("%r: %s" % (name[:20], problem)) from None
            registry.forget("acme/vad", tag)


def test_manifest_unusable():
    """Manifests that cannot be used, or mean two things, are refused with the reason."""
    good = oras(files("1.1.0"))
    cases = [
        ("a container image", "says neither", image([("application/vnd.oci.image.layer.v1.tar+gzip", b"x", None)])),
        ("no layers", "layers", changed(good, lambda m: m.update(layers=[]))),
        ("layers of another kind", "", changed(good, lambda m: m.update(layers={}))),
        ("neither manifest nor index", "manifest", changed(good, lambda m: m.pop("layers"))),
        ("both manifest and index", "", changed(good, lambda m: m.update(manifests=[released("1.0.0").descriptor()]))),
        ("sha512", "sha256", changed(good, lambda m: m["layers"][0].update(digest="sha512:" + "0" * 128))),
        ("a digest that is none", "", changed(good, lambda m: m["layers"][0].update(digest="sha256:../../evil"))),
        ("a size below zero", "negative", changed(good, lambda m: m["layers"][0].update(size=-1))),
        ("a size of 2^63", "", changed(good, lambda m: m["layers"][0].update(size=1 << 63))),
        ("far too large a file", "", changed(good, lambda m: m["layers"][0].update(size=1 << 55))),
        ("a size that is too small", "longer|more|size", changed(good, lambda m: m["layers"][0].update(size=m["layers"][0]["size"] - 1))),
        ("a size that is too large", "bytes instead of", changed(good, lambda m: m["layers"][0].update(size=m["layers"][0]["size"] + 1))),
        ("an unknown packing", "not known", image([("application/vnd.cncf.model.weight.v1.rar", b"x", {"org.cncf.model.filepath": "a"})])),
        ("two sizes of one blob", "", changed(good, lambda m: m["layers"].append({**m["layers"][0], "size": 5, "annotations": {
            "org.opencontainers.image.title": "again"}}))),
        ("text", "", registries.Image(b"no JSON", MANIFEST)), ("a list", "", registries.Image(b"[]", MANIFEST)),
    ]
    with world("1.0.0") as (registry, machine):
        machine.run()

        def step(number, name, words, each):
            tag = "1.1.%d" % number
            for data in each.blobs.values():
                registry.push_blob("acme/vad", data)
            registry.push_manifest("acme/vad", each.data, tag, MANIFEST)
            try:
                machine.refused(words, look=False)
            except SystemExit as problem:
                raise SystemExit("%s: %s" % (name, problem)) from None
            finally:
                registry.forget("acme/vad", tag)
        gather([functools.partial(step, number, *case) for number, case in enumerate(cases)])
        registry.push("acme/vad", released("1.2.0"), "1.2.0")
        machine.installed(files("1.2.0"))


def test_manifest_kinds():
    """Raw ModelPacks of today and of the drafts, files of ORAS, empty files, deep paths, and Docker's own media type."""
    held = {**files("1"), "sub/dir/\u00fc + %25 name.txt": b"hello", "empty.txt": b"", "./dot.txt"[2:]: b"dot"}
    draft = changed(modelpack(held), lambda m: [m["config"].update(mediaType=m["config"]["mediaType"].replace("cncf", "cnai"))] + [
        row.update(mediaType=row["mediaType"].replace("cncf", "cnai"), annotations={
            "org.cnai.model.filepath": row["annotations"]["org.cncf.model.filepath"]}) for row in m["layers"]])
    docker = changed(oras(held), lambda m: m.update(mediaType="application/vnd.docker.distribution.manifest.v2+json"))
    docker.media_type = docker.manifest["mediaType"]
    bare = changed(oras(held), lambda m: m.pop("mediaType"))
    with world() as (registry, machine):
        for number, each in enumerate((modelpack(held), draft, oras(held), docker, bare)):
            registry.push("acme/vad", each, "1.%d.0" % number)
            machine.installed(held)
            expect(machine.version() == "1.%d.0" % number, machine.version())


# Who may ask

WAYS = ("token", "config", "config with a scheme", "helper", "store")


def log_in(machine, way, account=ACCOUNT):
    """Gives a machine a login; returns the environment that it needs."""
    host, text = machine.host, base64.b64encode(("%s:%s" % account).encode()).decode()
    machine.declare(source=TOKEN if way == "token" else "")
    if way == "token":
        return {"LOGIN": "%s:%s" % account}
    config = {"config": {"auths": {host: {"auth": text}}}, "config with a scheme": {"auths": {"https://%s/v2/" % host: {"auth": text}}},
              "helper": {"credHelpers": {host: "test"}}, "store": {"credsStore": "test", "auths": {host: {}}}}[way]
    machine.write("home/.docker/config.json", json.dumps({"auths": {"other.example.com": {"auth": "YTpi"}}, **config}), 0o600)
    answer = json.dumps({"ServerURL": host, "Username": account[0], "Secret": account[1]})
    machine.write("bin/docker-credential-test", "#!/bin/sh\nread host\necho \"$1 $host $#\" >> '%s'\necho 'a warning' >&2\n"
                  "[ \"$host\" = '%s' ] && echo '%s' && exit 0\necho 'credentials not found in native keychain'; exit 1\n" % (
                      machine.path("asked"), host, answer), 0o755)
    return {"PATH": "%s:%s" % (machine.path("bin"), os.environ["PATH"])}


def test_auth_anonymous():
    """Tokens for everybody: one for each repository and pass, in either field, with or without its age."""
    for field, says in (("token", True), ("access_token", False)):
        with world("1.0.0", auth="bearer", redirects=True) as (registry, machine):
            registry.token_field, registry.says_seconds = field, says
            machine.installed(files("1.0.0"))
            expect(len(registry.requests("token", server="tokens")) == 2, "tokens: %s" % [r.target for r in registry.requests("token")])
            expect(all(r.query["scope"] in ("repository:acme/vad:pull", "repository:acme/other:pull") and r.query["service"] == "fake"
                       for r in registry.requests("token")), "scopes: %s" % [r.target for r in registry.requests("token")])


def test_auth_ways():
    """A login by token, docker's config, credential helpers and stores; for Basic and for Bearer."""
    for auth in ("basic", "bearer"):
        for way in WAYS:
            with world("1.0.0", auth=auth, anonymous=False, redirects=True) as (registry, machine):
                env = log_in(machine, way)
                machine.installed(files("1.0.0"), env=env)
                expect(registry.requests(server="storage"), "no redirects")
                if way in ("helper", "store"):
                    lines = machine.read("asked").splitlines()
                    expect(lines and set(lines) == {"get %s 1" % machine.host}, lines)
                    expect(len(lines) <= 2, "the helper was asked %d times for two repositories" % len(lines))
                else:
                    expect(not os.path.exists(machine.path("asked")), "a helper was asked")
                if way == "token":
                    for command in (("plan", "-o", "json"), ("lock",), ("status", "-o", "json")):
                        machine.run(*command, env=env)


def test_auth_home():
    """Docker's config is found in the home when nothing names it."""
    with world("1.0.0", auth="basic", anonymous=False) as (registry, machine):
        log_in(machine, "config")
        for empty_or_not in (None, ""):  # to docker, an empty one is none
            machine.env["DOCKER_CONFIG"] = empty_or_not
            registry.push("acme/vad", released("1.%d.0" % (empty_or_not is None)), "1.%d.0" % (empty_or_not is None))
            machine.run()
            expect(machine.active(), "DOCKER_CONFIG %r" % empty_or_not)


def test_auth_refused():
    """A wrong password, none, or one that may not: said as what it is, and `vad` stays."""
    for auth in ("basic", "bearer"):
        with world("1.0.0", auth=auth, anonymous=False) as (registry, machine):
            machine.run(env=log_in(machine, "token"))
            registry.push("acme/vad", released("1.1.0"), "1.1.0")
            wrong = ("ana", "wr0ng-pa55-w0rd")
            for way in WAYS:
                env = log_in(machine, way, wrong)
                machine.refused("not valid", env=env, status=4, look=False)
            machine.keeps(wrong[1], registries.basic(*wrong)[6:])
            os.unlink(machine.path("home/.docker/config.json"))
            machine.declare()
            machine.refused("needs a login", status=4, look=False)
            machine.write("home/.docker/config.json", "{ no json")
            machine.refused("login|config.json", status=4, look=False)
            machine.write("home/.docker/config.json", json.dumps({"credsStore": "missing-helper"}))
            machine.refused("login|helper", status=4, look=False)
            machine.write("home/.docker/config.json", json.dumps({"credHelpers": {machine.host: "../evil"}}))
            machine.refused("login|helper", status=4)
            machine.declare(source=TOKEN)
            machine.refused("LOGIN", status=(1, 4))  # the variable is not set
            registry.play(registries.denied, "acme/vad")
            machine.refused("may not be read", env=LOGIN, status=4)
            registry.heal()
            machine.installed(files("1.1.0"), env=LOGIN)


def test_auth_expiry():
    """Tokens that end in the middle of a download are fetched anew, as often as it takes."""
    def expires(x, count):
        x.fake.expire_tokens()
        faults.close_after(x, count)

    def expires_later(x):
        if x.span and x.span[0] == 0:  # the first part of the file; more than a second after the token was given
            x.silence(1.2)
            x.fake.expire_tokens()
        x.honest()
    cases = [("expires later", {}, expires_later), ("two uses", {"token_uses": 2}, None), ("one use", {"token_uses": 1}, None),
             ("expires", {}, functools.partial(expires, count=MiB)), ("a moment", {"token_seconds": 0.6}, functools.partial(slow, seconds=0.7)),
             ("two uses and addresses of one", {"token_uses": 2, "redirects": True, "link_uses": 1}, None),
             ("addresses of a moment", {"redirects": True, "link_seconds": 0.5}, functools.partial(faults.close_after, count=3 * MiB))]

    def step(name, options, fault):
        try:
            with world("1.0.0", auth="bearer", anonymous=False, **options) as (registry, machine):
                env = log_in(machine, "token")
                machine.run(env=env)
                held = files("1.1.0", **{"big.onnx": BIG})
                registry.push("acme/vad", modelpack(held), "1.1.0")
                if fault:
                    registry.play(fault, "acme/vad/(blobs/)?" + digest(BIG), times=3)
                machine.installed(held, env=env)
        except SystemExit as problem:
            raise SystemExit("%s: %s" % (name, problem)) from None
    gather([functools.partial(step, *case) for case in cases])


class Foreign:
    """A place for tokens on an address of this machine that is not loopback; None where there is no such address."""

    def __init__(self, gives):
        outer, self.log = self, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.log.append((self.path, self.headers.get("Authorization")))
                body = json.dumps({"token": outer.token} if gives and outer.token else {"errors": []}).encode()
                self.send_response(200 if gives else 401)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("198.51.100.1", 9))  # sends nothing
                self.host = probe.getsockname()[0]
            except OSError:
                self.host = "127.0.0.1"
        self.token = None
        self.server = http.server.ThreadingHTTPServer((self.host, 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.realm = "http://%s:%d/token" % (self.host, self.server.server_port)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()


def test_auth_foreign():
    """A login is not sent to another host; the error names it. Tokens for everybody may come from there."""
    with world("1.0.0", auth="bearer", anonymous=False) as (registry, machine), Foreign(gives=False) as foreign:
        machine.run(env=log_in(machine, "token"))
        registry.push("acme/vad", released("1.1.0"), "1.1.0")
        right = registry.realm
        if not foreign.host.startswith("127."):
            for source, words in ((TOKEN, "plain http|%s" % foreign.host), (TOKEN + ", allowInsecure: true", foreign.host)):
                registry.realm = foreign.realm
                machine.declare(source=source)
                text = machine.refused(words, env=LOGIN, status=4, models=("vad",))
                expect(foreign.host in text, "the host is not named:\n" + text)
                expect(all(given is None for _, given in foreign.log), "the login came to %s" % foreign.host)
        machine.declare(source=TOKEN)
        registry.realm = "https://auth.example.invalid/token"
        machine.refused("auth.example.invalid", env=LOGIN, status=4)
        for realm in ("no address", "file:///etc/passwd", "ftp://127.0.0.1/token", ""):
            registry.realm = realm
            machine.refused("", env=LOGIN, status=4)
        registry.realm = right
        machine.installed(files("1.1.0"), env=LOGIN)


def test_auth_foreign_name():
    """Another name of this machine is another host: the login is withheld, and the error names it."""
    with world("1.0.0", auth="bearer", anonymous=False) as (registry, machine):
        machine.run(env=log_in(machine, "token"))
        registry.push("acme/vad", released("1.1.0"), "1.1.0")
        registry.play(registries.evil_realm, "acme/vad")
        machine.refused("localhost", env=LOGIN, status=4)
        expect(registry.violations == [], "violations: %s" % registry.violations)
        registry.heal()
        machine.installed(files("1.1.0"), env=LOGIN)


def test_auth_redirects():
    """Where blobs and manifests are redirected to, no login and no token goes along."""
    for auth in ("basic", "bearer"):
        with world("1.0.0", auth=auth, anonymous=False, redirects=True) as (registry, machine):
            env = log_in(machine, "token")
            registry.push("acme/vad", modelpack(files("1.1.0", **{"big.onnx": BIG})), "1.1.0")
            machine.run(env=env)
            registry.push("acme/vad", released("1.2.0"), "1.2.0")
            registry.play(lambda x: redirect_elsewhere(x) if x.status == 200 else x.honest(), "^v2/acme/vad/", on="registry")
            machine.installed(files("1.2.0"), env=env)
            expect(registry.requests(server="elsewhere"), "nothing was redirected")


def test_auth_insecure():
    """Plain HTTP to another machine cannot be declared by its scheme."""
    with world("1.0.0") as (registry, machine):
        machine.run()
        good = machine.read("desired-state.yaml")
        machine.write("desired-state.yaml", good.replace(machine.host, "http://192.0.2.1:5000"))
        before = machine.active(), machine.active("other")
        text = machine.run(status=1)
        expect("host of a registry" in text and (machine.active(), machine.active("other")) == before, text)
        machine.write("desired-state.yaml", good)


# Faults

class Sufferer:
    """A machine whose registry misbehaves: each fault meets a release of its own."""

    def __init__(self, registry, machine, env=None, size=None):
        self.registry, self.machine, self.number, self.env, self.size = registry, machine, 0, env, size
        machine.run(env=env)

    def suffer(self, fault, only, words=None, on=None, times=None, seconds=20, method=None, either=False):
        """A fault for some paths of acme/vad. Without `words` the release is installed all the same; with them it is refused
        with them and changes nothing; `either`: both are right. `other` gets its release, and the next good pass `vad` its own."""
        self.number += 1
        version = "1.%d.0" % self.number
        more = {"big.onnx": random.Random(self.number).randbytes(self.size)} if self.size else {}
        wanted, other = files(version, **more), {"model.onnx": version.encode() * 100}
        self.registry.push("acme/vad", modelpack(wanted, version=version), version)
        self.registry.push("acme/other", modelpack(other), version)
        play = self.registry.play(fault, only, times=times, on=on, method=method)
        name = getattr(fault, "func", fault).__name__
        try:
            before = self.machine.state("vad")
            text = self.machine.run(status=None, seconds=seconds, env=self.env)
            expect(play.played, "it was not played")
            if self.machine.status == 0 and (words is None or either):
                expect(self.machine.active() == wanted, "the files are wrong\n" + text)
            else:
                expect(words is not None, "refused, though it is harmless\n" + text)
                expect(self.machine.status in (1, 4), "exit %s\n%s" % (self.machine.status, text))
                expect(re.search(words, text, re.I), "“%s” is not said:\n%s" % (words, text))
                expect(self.machine.state("vad") == before, "vad changed\n" + text)
            expect(self.machine.active("other") == other, "other did not get its release\n" + text)
            self.machine.check()
            self.registry.heal()
            if self.machine.active() != wanted:
                self.machine.installed(wanted, env=self.env, seconds=20)
        except SystemExit as problem:
            raise SystemExit("%s for %s: %s" % (name, only, problem)) from None
        finally:
            self.registry.heal()


def gather(steps):
    """Makes every step, and fails with all that failed."""
    problems = []
    for step in steps:
        try:
            step()
        except SystemExit as problem:
            problems.append(str(problem).replace("FAILED: ", ""))
    expect(not problems, "\n  - ".join(["%d of %d" % (len(problems), len(steps)), *problems]))


def suffering(cases, size=None, env=None, **options):
    with world("1.0.0", **options) as (registry, machine):
        if env:
            machine.declare(source=TOKEN)
        sufferer = Sufferer(registry, machine, env=env, size=size)
        gather([functools.partial(sufferer.suffer, *case[:2], *case[2:3], **(case[3] if len(case) > 3 else {})) for case in cases])


def test_fault_manifests():
    """Manifests that are refused, changed, mislabelled, or no manifests."""
    only = "acme/vad/manifests/"
    suffering([
        (registries.too_many, only, None, {"times": 1}), (registries.too_many, only, "429|too often"),
        (registries.denied, only, "may not be read"), (registries.name_unknown, only, "not there"),
        (registries.manifest_unknown, only, "no revision"), (registries.other_manifest, only, "manifest"),
        (registries.lying_digest, only, "manifest"), (registries.no_digest, only),
        (functools.partial(registries.replaced_manifest, image=released("1.0.0")), only, "", {"either": False}),
    ][:-1])


def test_fault_manifest_bodies():
    """Manifests that are other documents: HTML, cut, deep, huge, packed, empty."""
    only = "acme/vad/manifests/"
    suffering([(html, only, "cannot be used|manifest"), (cut_json, only, "manifest|cut|cannot be used"), (deep_json, only, "cannot be used|deep"),
               (huge_json, only, "bytes"), (gzipped, only, "compress"), (empty, only, "cannot be used|empty|does not answer"),
               (functools.partial(slow, seconds=2), only)])


def test_fault_manifest_type():
    """A Content-Type that is not the mediaType inside is refused (distribution-spec; CVE-2021-41190)."""
    suffering([(registries.other_type, "acme/vad/manifests/", "type")])


def test_fault_tags():
    """Lists of tags that are refused, wrong or without end."""
    only = "acme/vad/tags/"

    def elsewhere(x):
        x.fields["Link"] = '<%sv2/acme/vad/tags/list?last=1>; rel="next"' % x.fake.elsewhere.url
        x.honest()

    def trouble(x):
        x.answer(503, b"busy")
    suffering([
        (registries.too_many, only, None, {"times": 1}), (trouble, only, None, {"times": 2}), (trouble, only, "503"),
        (registries.denied, only, "may not be read"), (registries.name_unknown, only, "not there"), (html, only, "cannot be used"),
        (cut_json, only, "cannot be used|cut"), (deep_json, only, "cannot be used"), (huge_json, only, "bytes"), (gzipped, only, "compress"),
        (registries.pages_for_ever, only, "no end"), (elsewhere, only, "another server"), (redirect_loop, only, "redirects"),
        (functools.partial(redirect_chain, hops=3), only), (functools.partial(faults.reset_after, count=5), only, None, {"times": 1}),
        (functools.partial(faults.reset_after, count=5), only, "does not answer"),
        (functools.partial(faults.close_after, count=5), only, "does not answer|cut"),
    ])


def validated(x):
    """A list of tags with an ETag; its 304 has no Link, which it need not have (RFC 9110, section 15.4.5)."""
    etag = '"%s"' % hashlib.sha256(x.data).hexdigest()
    if x.headers.get("if-none-match") == etag:
        return x.head(304, {"ETag": etag})
    x.honest(etag=etag)


def test_fault_tags_validated():
    """Tags in pages with ETags: a page that is unchanged is still followed by the next one."""
    with world("1.0.0", "1.1.0", page=1) as (registry, machine):
        registry.play(validated, "/tags/")
        machine.installed(files("1.1.0"))
        text = machine.refused("Nothing to do", status=0)
        expect("no longer listed" not in text, text)
        registry.push("acme/vad", released("1.2.0"), "1.2.0")
        machine.installed(files("1.2.0"))


def test_fault_kept():
    """An answer that was wrong once is not kept: tags and manifests that are cut or others are asked for again."""
    def tagged(fault):
        """The wrong body under the right one's ETag, as whoever cuts an answer on its way leaves it."""
        def play(x):
            fault(x) if x.etag else fault(named(x))
        return play

    def named(x):
        x.etag = '"%s"' % hashlib.sha256(x.data).hexdigest()
        return x

    def step(fault, what):
        name = getattr(fault, "func", fault).__name__
        with world("1.0.0") as (registry, machine):
            try:
                machine.run()
                registry.push("acme/vad", released("1.1.0"), "1.1.0")
                registry.play(tagged(fault), "vad/%s/" % what, times=1)
                registry.play(validated if what == "tags" else registries.no_digest, "vad/%s/" % what)
                before = machine.state()
                machine.run(status=None)
                if machine.active() != files("1.1.0"):
                    expect(machine.status in (1, 4) and machine.state() == before, "exit %s, or something changed" % machine.status)
                machine.installed(files("1.1.0"))
            except SystemExit as problem:
                raise SystemExit("%s of %s: %s" % (name, what, problem)) from None
    gather([functools.partial(step, fault, what) for what in ("tags", "manifests")
            for fault in (cut_json, empty, registries.other_manifest)])


def test_fault_configs():
    """Configs of ModelPacks that are missing, wrong, huge or no JSON: nothing wrong is believed, nothing hangs."""
    with world("1.0.0") as (registry, machine):
        sufferer = Sufferer(registry, machine)

        def step(fault):
            config = modelpack(files("1.%d.0" % (sufferer.number + 1)), version="1.%d.0" % (sufferer.number + 1)).manifest["config"]["digest"]

            def play(x):
                return fault(x) if x.path.endswith(config) else x.honest()
            play.__name__ = getattr(fault, "func", fault).__name__
            sufferer.suffer(play, "acme/vad/blobs/" + config, "", either=True)
        gather([functools.partial(step, fault) for fault in (registries.blob_unknown, wrong_bytes, html, cut_json, huge_json, gzipped)])


def test_fault_blobs():
    """Blobs that are refused, redirected, cut or wrong, in a registry that sends them itself."""
    only = "acme/vad/blobs/"

    def bad(name, fault):
        def play(x):
            if x.method == "GET" and len(x.data) > 10_000:
                return fault(x)
            x.honest()
        play.__name__ = name
        return play
    suffering([
        (bad("blob_unknown", registries.blob_unknown), only, "404|unknown|not there|not be read"),
        (bad("denied", registries.denied), only, "403|denied|not be read"),
        (bad("too_many", registries.too_many), only, None, {"times": 2}),
        (bad("html", html), only, ""), (bad("html_page_of_right_size", faults.html_page_of_right_size), only, "wrong bytes"),
        (bad("wrong_bytes", wrong_bytes), only, "wrong bytes"), (bad("gzip_whole", faults.gzip_whole), only, "compress|HTTP|"),
        (bad("gzip_range", faults.gzip_range), only, ""), (bad("redirect_loop", redirect_loop), only, "redirects"),
        (bad("close_after", functools.partial(faults.close_after, count=MiB)), only),
        (bad("reset_after", functools.partial(faults.reset_after, count=MiB)), only),
        (bad("whole_for_range", faults.whole_for_range), only), (bad("lying_416", registries.lying_416), only),
        (bad("multipart", faults.multipart), only, "", {"either": True}), (bad("no_content_range", faults.no_content_range), only, "", {"either": True}),
        (bad("wrong_range_start", faults.wrong_range_start), only, "", {"either": True}), (bad("shifted", faults.shifted), only, "wrong bytes"),
        (bad("new_etag", faults.new_etag_each_time), only, "", {"either": True}),
    ], size=5 * MiB)


def test_fault_refused_ranges():
    """416 for every range, with a length that is a lie, as Debian's docker-registry words it."""
    def play(x):
        return faults.lying_416(x) if len(x.data) > 100_000 else x.honest()
    play.__name__ = "lying_416"
    suffering([(play, "acme/vad/blobs/", "", {"either": True, "seconds": 40})], size=5 * MiB)


def test_fault_storage():
    """Storage behind redirects that sends wrong bytes, refuses its own addresses, or goes away."""
    def layers(fault):
        def play(x):
            return fault(x) if len(x.data) > 10_000 else x.honest()
        play.__name__ = getattr(fault, "func", fault).__name__
        return play

    def refused(x):
        x.answer(403, b"<Error><Code>AccessDenied</Code></Error>", {"Content-Type": "application/xml"})

    def gone(x):
        x.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
    only = "^acme/vad/"
    cases = [(wrong_bytes, "wrong bytes", None), (refused, None, 1), (refused, "403|may not be read", None), (gone, "404|not there", None), (html, "", None),
             (functools.partial(faults.reset_after, count=MiB), None, None), (functools.partial(faults.reset_after, count=0), None, 2),
             (redirect_loop, "redirects", None), (functools.partial(slow, seconds=1), None, 2)]
    suffering([*((layers(fault), only, words, {"on": "storage", "times": times}) for fault, words, times in cases),
               (refused, only, "403|refuse|may not be read", {"on": "storage", "either": True}),  # the config comes first
               (wrong_bytes, only, "bytes", {"on": "storage"})],
              size=5 * MiB, env=LOGIN, auth="bearer", anonymous=False, redirects=True)


def test_fault_tokens():
    """Places for tokens that refuse, are busy, or answer with something else."""
    def only_vad(name, fault):
        def play(x):
            return fault(x) if "acme/vad" in x.record.target else x.honest()
        play.__name__ = name
        return play

    def none(x):
        x.answer(200, b"{}", {"Content-Type": "application/json"})

    def split(x):
        x.answer(200, b'{"token": "a\\r\\nX-Evil: 1"}', {"Content-Type": "application/json"})

    def busy(x):
        x.answer(503, b"busy")

    def forbidden(x):
        x.answer(403, b"no")

    def useless(x):
        x.answer(200, b'{"token": "useless"}', {"Content-Type": "application/json"})
    suffering([(only_vad(fault.__name__, fault), "token", words, {"on": "tokens"}) for fault, words in (
        (none, "no token"), (split, "token"), (busy, "503"), (forbidden, "login|not valid"), (useless, "login|not valid"), (html, ""), (cut_json, ""),
        (deep_json, ""), (huge_json, "bytes"), (gzipped, "compress"), (redirect_loop, "redirects"))], env=LOGIN, auth="bearer", anonymous=False)


def test_fault_away():
    """A registry that went away makes its models unknown, says so once for each, and changes nothing."""
    with world("1.0.0") as (registry, machine):
        machine.run()
        before = machine.state()
        for origin in registry.origins:
            origin.stop()
        time.sleep(0.3)
        text = machine.run(status=4)
        expect("does not answer" in text and machine.state() == before, text)


def slow_test_fault_silent():
    """Registries that say nothing, or one byte a second, are given up in time."""
    def vad(fault):
        def play(x):
            return fault(x)
        play.__name__ = fault.__name__
        return play
    suffering([(vad(faults.silent), "acme/vad/manifests/", "in time", {"seconds": 130}),
               (vad(faults.head_only), "acme/vad/tags/", "in time|does not answer", {"seconds": 130}),
               (vad(faults.head_only), "acme/vad/blobs/", "", {"seconds": 300})])


# Archives

PACKINGS = ("tar", "tar+gzip", "tar+zstd")
TREE = {"model.onnx": BIG[:300_000], "sub/dir/part.safetensors": BIG[:5000], "config.json": b"{}", "empty.txt": b"", "sub/\u00fc name.txt": b"hello",
        "d" * 90 + "/" + "f" * 120: b"long"}


def directory(contents, media_type="application/vnd.oci.image.layer.v1.tar+gzip", prefix="", **options):
    """A directory as ORAS pushes it."""
    data = tar({prefix + path: data for path, data in contents.items()}, parents=True, **options)
    packed = registries.packed(data, media_type.split(".")[-1])
    notes = {"org.opencontainers.image.title": "model", "io.deis.oras.content.unpack": "true", "io.deis.oras.content.digest": digest(data)}
    return image([(media_type, packed, notes)], config_type="application/vnd.unknown.config.v1+json")


def test_archive_modelpack():
    """Layers of ModelPack in tar, gzip and zstd become the files that are in them."""
    for packing in PACKINGS:
        with world("1.0.0") as (registry, machine):
            machine.run()
            registry.push("acme/vad", modelpack(TREE, packing), "1.1.0")
            machine.installed(TREE)
            registry.clear()
            machine.refused("Nothing to do", status=0)
            expect(asked(registry, "blobs") == 0, "layers were fetched again: %s" % [r.path for r in registry.log])
            machine.run("verify", "--deep")


def test_archive_many():
    """A layer of many files beside raw ones, entries for folders, GNU and ustar headers."""
    import tarfile
    for number, form in enumerate((tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT)):
        short = {path: data for path, data in TREE.items() if len(path) < 90 and path.isascii()}
        held = {path: data for path, data in (TREE if form != tarfile.USTAR_FORMAT else short).items() if path != "model.onnx"}
        with world() as (registry, machine):
            each = modelpack({"model.onnx": TREE["model.onnx"]}, tars=[tar(held, parents=True, format=form)])
            registry.push("acme/vad", each, "1.%d.0" % number)
            machine.installed({"model.onnx": TREE["model.onnx"], **held})


def test_archive_modelkit():
    """ModelKits of KitOps, plain and compressed, with the licence of their Kitfile."""
    for compression in ("", "gzip"):
        with world("1.0.0") as (registry, machine):
            machine.run()
            registry.push("acme/vad", modelkit(TREE, version="1.1.0", compression=compression), "1.1.0")
            machine.installed(TREE)
            expect("MIT" in machine.run("explain", "vad"), "the Kitfile's licence is not told")
            registry.push("acme/vad", modelkit(files("1.2.0"), version="1.2.0", license="GPL-3.0-only"), "1.2.0")
            machine.declare(policy="licenses: [mit]")
            machine.refused("GPL-3.0-only", status=(0, 4))


def test_archive_oras():
    """Directories of ORAS."""
    for media_type in ("application/vnd.oci.image.layer.v1.tar+gzip", "application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+zstd"):
        with world("1.0.0") as (registry, machine):
            machine.run()
            registry.push("acme/vad", directory(TREE, media_type), "1.1.0")
            machine.installed(TREE)


def test_archive_lock():
    """A layer is pinned by its digest; lock --fetch fills in its files; both install the same without asking for manifests."""
    each = modelpack(TREE, "tar+gzip")
    with world() as (registry, machine):
        registry.push("acme/vad", each, "1.0.0")
        machine.run("lock")
        text = machine.read("desired-state.lock")
        entry = json.loads(text)["models"]["vad"]
        expect(entry["revision"] == each.digest, entry)
        expect(all(layer["digest"][7:] in text for layer in each.layers), "layers that are not pinned:\n" + text)
        registry.clear()
        machine.installed(TREE, "--locked", "--progress", "none")
        expect(asked(registry, "tags") + asked(registry, "manifests") == 0, [r.path for r in registry.log])
        machine.run("lock", "--fetch")
        text = machine.read("desired-state.lock")
        for path, data in TREE.items():
            expect(digest(data)[7:] in text and json.dumps(path, ensure_ascii=False) in text or path in text, "%s is not in the lock:\n%s" % (path, text))
        registry.clear()
        machine.refused("Nothing to do", status=0)
        expect(not registry.log, [r.path for r in registry.log])
    with world() as (registry, machine):
        registry.push("acme/vad", each, "1.0.0")
        machine.run("lock", "--fetch")
        machine.installed(TREE, "--locked", "--progress", "none")


def test_archive_include():
    """Files are chosen inside of archives too."""
    with world() as (registry, machine):
        registry.push("acme/vad", modelpack({}, tars=[tar(TREE)], layers="raw"), "1.0.0")
        machine.declare("version: ^1.0, include: ['sub/**']")
        machine.installed({path: data for path, data in TREE.items() if path.startswith("sub/")})


def test_archive_shared():
    """A layer that two releases share is fetched once; going back fetches nothing."""
    common = tar({"common.onnx": BIG[:2 * MiB]})
    with world(redirects=True) as (registry, machine):
        for version in ("1.0.0", "1.1.0"):
            registry.push("acme/vad", modelpack(files(version), tars=[common]), version)
        held = {version: files(version, **{"common.onnx": BIG[:2 * MiB]}) for version in ("1.0.0", "1.1.0")}
        machine.declare("version: '=1.0.0'")
        machine.installed(held["1.0.0"])
        machine.declare()
        machine.installed(held["1.1.0"])
        sent = sum(r.sent for r in registry.log if r.path.endswith(digest(common)) and r.server == "storage")
        expect(sent == len(common), "%d bytes were sent of a layer of %d" % (sent, len(common)))
        registry.clear()
        machine.run("rollback", "vad", "--to", "1.0.0", "--progress", "none")
        expect(machine.active() == held["1.0.0"] and not registry.log, "going back asked for %s" % [r.path for r in registry.log])


def test_archive_repair():
    """A damaged file that came in an archive is put right, also when its blob is damaged with it and the archive is gone."""
    with world() as (registry, machine):
        registry.push("acme/vad", modelpack(TREE, "tar+zstd"), "1.0.0")
        machine.installed(TREE)
        for path in ("model.onnx", "config.json"):
            place = os.path.realpath(machine.path("models", "vad", path))
            os.chmod(place, 0o644)
            with open(place, "r+b") as file:
                file.write(b"xx")
            os.chmod(place, 0o444)
        machine.installed(TREE)
        machine.run("verify", "--deep")


def attacks(make_image):
    """All attacks on one machine: each is refused by name and changes nothing, and the release after it is installed."""
    with world("1.0.0") as (registry, machine):
        machine.run()

        def step(name, number):
            each, tag = make_image(registries.ATTACKS[name](), PACKINGS[number % 3]), "1.%d.0" % (number + 1)
            registry.push("acme/vad", each, tag)
            try:
                if name == "setuid":  # may be taken, without the bit
                    machine.run(status=None)
                    for path in glob.glob(machine.path("models", "vad", "**"), recursive=True):
                        expect(not os.stat(path).st_mode & 0o7000, "%s has mode %o" % (path, os.stat(path).st_mode))
                else:
                    machine.refused(ATTACK_WORDS.get(name, ""), seconds=20, look=False)
            except SystemExit as problem:
                raise SystemExit("%s (%s): %s" % (name, PACKINGS[number % 3], problem)) from None
            finally:
                registry.forget("acme/vad", tag)
        gather([functools.partial(step, name, number) for number, name in enumerate(registries.ATTACKS)])
        registry.push("acme/vad", released("1.99.0"), "1.99.0")
        machine.installed(files("1.99.0"))


def test_archive_attacks_modelpack():
    """Every attack as a layer of a ModelPack, packed in turn as tar, gzip and zstd."""
    attacks(lambda data, packing: modelpack(files("1.1.0"), "raw" if packing == "tar" else packing, tars=[data]))


def test_archive_attacks_modelkit():
    """Every attack as a part of a ModelKit, but the bomb is one of gzip."""
    def make(data, _):
        return modelkit(files("1.1.0"), tars=[data]) if len(data) < 64 * MiB else image(
            [("application/vnd.kitops.modelkit.model.v1.tar+gzip", registries.packed(data, "tar+gzip"), None)],
            b"{}", "application/vnd.kitops.modelkit.config.v1+json")
    attacks(make)


# What must be said of each: the path, where the archive has one that can be read.
ATTACK_WORDS = {
    "traversal": r"\.\./evil", "traversal within": r"sub/\.\./\.\./evil", "traversal at the end": r"sub/\.\.", "absolute": "/tmp/evil",
    "backslash": r"\.\.\\evil", "line break": "evil", "long traversal": r"\.\./", "symlink out": "out", "symlink up": "out",
    "symlink to a file": r"model\.bin", "symlink replaced": r"model\.bin", "hard link": r"model\.bin", "device": r"model\.bin",
    "block device": r"model\.bin", "pipe": r"model\.bin", "sparse": r"model\.bin", "duplicate": r"model\.bin", "duplicate by case": r"model\.bin",
    "file and folder": "model", "truncated": "end|cut|damaged|size", "lying header": "size|end|damaged|pax|bytes", "no archive": "tar|archive", "bomb": "",
}


def test_archive_attack_layers():
    """Two layers of one path, a layer that is another than it says, and a compressed layer that is cut."""
    whole = registries.packed(tar(files("x")), "tar+gzip")
    notes = {"org.cncf.model.filepath": "archive"}
    kind = "application/vnd.cncf.model.weight.v1."
    cases = [
        ("two layers with one path", image([(kind + "tar", tar({"model.onnx": b"one"}), notes), (kind + "tar", tar({"model.onnx": b"two"}), notes)])),
        ("a raw file and an archive with one path", image([(kind + "raw", b"one", {"org.cncf.model.filepath": "model.onnx"}),
                                                          (kind + "tar", tar({"model.onnx": b"two"}), notes)])),
        ("gzip that says zstd", image([(kind + "tar+zstd", whole, notes)])), ("gzip that says tar", image([(kind + "tar", whole, notes)])),
        ("a tar that says gzip", image([(kind + "tar+gzip", tar(files("x")), notes)])), ("cut gzip", image([(kind + "tar+gzip", whole[:-20], notes)])),
        ("nothing in it", image([(kind + "tar", tar({}), notes)])), ("no byte", image([(kind + "tar", b"", notes)])),
    ]
    with world("1.0.0") as (registry, machine):
        machine.run()
        for number, (name, each) in enumerate(cases):
            registry.push("acme/vad", each, "1.1.%d" % number)
            try:
                machine.refused("vad", look=False)
            except SystemExit as problem:
                raise SystemExit("%s: %s" % (name, problem)) from None
            finally:
                registry.forget("acme/vad", "1.1.%d" % number)


# Real servers

def layout_files(layout, found):
    """{title or path: bytes} of what skopeo copied into a layout."""
    def blob(name):
        with open(os.path.join(layout, "blobs", *name.split(":")), "rb") as file:
            return file.read()
    held = {}
    for row in json.loads(blob(found))["layers"]:
        notes = row["annotations"]
        held[notes.get("org.cncf.model.filepath") or notes["org.opencontainers.image.title"]] = blob(row["digest"])
    return held


@contextlib.contextmanager
def real(password=False):
    with worlds.docker_registry(password) as server, tempfile.TemporaryDirectory(prefix="reconcile-registry-") as place:
        os.makedirs(os.path.join(place, "work"))
        server.push("acme/other", modelpack({"model.onnx": b"other" * 100}), "1.0.0")
        machine = Machine(os.path.join(place, "work"), server.host)
        machine.declare()
        yield server, machine, place
        machine.check()
        machine.keeps(worlds.ACCOUNT[1] + "\n", registries.basic(*worlds.ACCOUNT)[6:])


def test_real_pushed():
    """docker-registry with what we, oras-py and skopeo push: what skopeo copies is byte for byte what is active."""
    with real() as (server, machine, place):
        layout, other = os.path.join(place, "layout"), os.path.join(place, "other")
        server.push("acme/vad", released("1.0.0"), "1.0.0")
        worlds.oras_push(server.host, "acme/vad:v1.1.0", files("1.1.0"), annotations={"org.opencontainers.image.licenses": "MIT"})
        with worlds.docker_registry() as first:
            first.push("acme/vad", released("1.2.0"), "x")
            worlds.skopeo_copy(first.host, "acme/vad:x", layout, "1.2.0")
        worlds.skopeo("copy", "-q", "--preserve-digests", "--dest-tls-verify=false", "oci:%s:1.2.0" % layout, "docker://%s/acme/vad:1.2.0" % server.host)
        server.push("acme/vad", registries.signature(released("1.2.0"), b"{}"), "sha256-" + released("1.2.0").digest[7:])
        for version in ("1.0.0", "1.1.0", "1.2.0"):
            machine.declare("version: '=%s', licenses: [mit]" % version)
            machine.installed(files(version))
            tag = "v1.1.0" if version == "1.1.0" else version
            found = worlds.skopeo_copy(server.host, "acme/vad:" + tag, other, tag)
            expect(machine.active() == layout_files(other, found), "%s is not what skopeo copied" % version)
            expect(json.dumps(found) in json.dumps(machine.json("status")), "the revision of %s is not its manifest's digest" % version)
        machine.declare()
        machine.refused("Nothing to do", status=0)


def test_real_index():
    """An index in docker-registry."""
    with real() as (server, machine, place):
        server.push("acme/vad", platforms("1.0.0", OTHERS[0], PLATFORM), "1.0.0")
        machine.installed(files("1.0.0 of " + PLATFORM))
        server.push("acme/vad", platforms("1.1.0", *OTHERS), "1.1.0")
        machine.refused([PLATFORM, *OTHERS], status=4)


def test_real_password():
    """A docker-registry with htpasswd: no login, a wrong one, and the right one."""
    with real(password=True) as (server, machine, place):
        server.push("acme/vad", released("1.0.0"), "1.0.0")
        machine.refused("needs a login", status=4)
        machine.refused("not valid", env=log_in(machine, "config", ("ana", "wrong-pa55")), status=4)
        machine.installed(files("1.0.0"), env=log_in(machine, "config", worlds.ACCOUNT))
        machine.refused("Nothing to do", env=log_in(machine, "token", worlds.ACCOUNT), status=0)


def test_real_missing():
    """Repositories, tags and blobs that docker-registry has not."""
    with real() as (server, machine, place):
        machine.run(status=4)
        machine.refused("vad is not there", status=4)
        server.push("acme/vad", released("1.0.0"), "1.0.0")
        machine.installed(files("1.0.0"))
        machine.declare("revision: nightly", policy="automatic: major")
        machine.refused("no revision “nightly”", status=4)
        machine.declare()
        server.push("acme/vad", released("1.1.0"), "1.1.0")
        data = digest(files("1.1.0")["model.onnx"])[7:]
        for path in glob.glob(os.path.join(server.base, "registry", "**", data), recursive=True):
            subprocess.run(["rm", "-rf", path], check=True)
        machine.refused("model.onnx", status=1)


def test_real_killed():
    """A download from docker-registry that is killed goes on where it was."""
    with real() as (server, machine, place):
        held = files("1.0.0", **{"big.onnx": BIG})
        server.push("acme/vad", modelpack(held), "1.0.0")
        machine.declare(more="download: { bandwidth: 12MiB/s }")
        process = subprocess.Popen([RECONCILE, "--progress", "none"], cwd=machine.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                   env={**os.environ, **machine.env})
        journal = machine.path("models", ".reconcile", "partial", digest(BIG)[7:], "journal")
        end = time.monotonic() + 20
        while process.poll() is None and time.monotonic() < end and not (os.path.exists(journal) and os.path.getsize(journal)):
            time.sleep(0.01)
        time.sleep(0.9)
        expect(process.poll() is None, "it ended before it was killed")
        process.send_signal(signal.SIGKILL)
        process.wait()
        expect(machine.active() is None, "something was activated")
        expect("partial" in machine.run("status"), "status does not show the partial download")
        machine.declare()
        text = machine.installed(held)
        received = re.search(r"vad .*installed +\(([\d.]+) MB", text)
        expect(received and 0 < float(received[1]) < 20, "more was fetched than was missing:\n" + text)


def test_real_archives_archive():
    """Archives in docker-registry: ModelPack, ModelKits, and what oras-py makes of a directory."""
    with real() as (server, machine, place):
        server.push("acme/vad", modelpack(TREE, "tar+zstd"), "1.0.0")
        machine.installed(TREE)
        server.push("acme/vad", modelkit({**TREE, "new.txt": b"new"}, compression="gzip"), "1.1.0")
        machine.installed({**TREE, "new.txt": b"new"})
        folder = os.path.join(place, "pushed", "model")
        for path, data in files("1.2.0", **{"sub/part.bin": b"part"}).items():
            os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
            with open(os.path.join(folder, path), "wb") as file:
                file.write(data)
        worlds.client([os.path.join(worlds.environment("oras"), "python"), "-c", worlds.ORAS, server.host, server.host + "/acme/vad:1.2.0", "{}", "model"],
                      cwd=os.path.dirname(folder))
        text = machine.run()
        found = machine.active()
        wanted = files("1.2.0", **{"sub/part.bin": b"part"})
        expect(found in (wanted, {"model/" + path: data for path, data in wanted.items()}), "%s\n%s" % (sizes(found), text))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="tests whose name this regular expression finds")
    parser.add_argument("--list", action="store_true", help="only list the tests")
    parser.add_argument("--all", action="store_true", help="also those that wait for minutes")
    parser.add_argument("--jobs", type=int, default=4)
    options = parser.parse_args()
    tests = [function for name, function in globals().items()
             if name.startswith(("test_", "slow_test_") if options.all else "test_") and re.search(options.only, name)]
    if options.list:
        return print("\n".join("%-40s %s" % (test.__name__, test.__doc__) for test in tests))
    failures, start = [], time.monotonic()
    worlds.need("zstd", "skopeo", "docker-registry")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        def timed(test):
            began = time.monotonic()
            try:
                test()
                return None, time.monotonic() - began
            except (SystemExit, Exception) as problem:  # every test is made, whatever one of them shows
                return str(problem) if isinstance(problem, SystemExit) else repr(problem), time.monotonic() - began
        futures = {pool.submit(timed, test): test for test in tests}
        for future in concurrent.futures.as_completed(futures):
            test, (problem, seconds) = futures[future], future.result()
            if problem is None:
                print("ok      %4.1f s  %s" % (seconds, test.__doc__), flush=True)
            else:
                failures.append(test.__name__)
                print("FAILED  %4.1f s  %s: %s" % (seconds, test.__name__, problem.removeprefix("FAILED: ")), flush=True)
    expect(not failures, "%d of %d: %s" % (len(failures), len(tests), ", ".join(failures)))
    print("registry: %d tests passed in %.0f s" % (len(tests), time.monotonic() - start))


if __name__ == "__main__":
    sys.exit(main())
