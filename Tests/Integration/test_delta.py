#!/usr/bin/env python3
"""What is on the machine is not downloaded again: blocks of other versions, of other models and of damaged files, and whole
files of other programs. The plan says the exact bytes before."""
import json
import os
import random
import re
import struct
import sys
import tempfile
import time

import faults
from downloads import MiB
from faultserver import FaultServer
from support import expect, run, sha256

TENSORS = 24


def write(path, tensors, note=""):
    """A safetensors file of these (name, bytes)."""
    header, offset = {"__metadata__": {"note": note}}, 0
    for name, data in tensors:
        header[name] = {"dtype": "U8", "shape": [len(data)], "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    text = json.dumps(header).encode()
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, data in tensors:
            file.write(data)


class Models:
    """Versions of a model in a catalog that is being served."""

    def __init__(self, base):
        self.base, self.catalog = base, os.path.join(base, "catalog")
        numbers = random.Random(5)
        self.tensors = [("t%d" % n, numbers.randbytes(700_001 + 100 * n)) for n in range(TENSORS)]
        self.fresh = numbers

    def publish(self, version, tensors, note="", model="m", options=()):
        source = os.path.join(self.base, "src-%s-%s" % (model, version))
        write(os.path.join(source, "model.safetensors"), tensors, note)
        run(self.base, "publish", source, "--to", self.catalog, "--model", model, "--version", version, *options)
        return os.path.join(source, "model.safetensors")


class Work:
    """A directory with a desired state."""

    def __init__(self, base, name="work"):
        self.path = os.path.join(base, name)
        os.makedirs(self.path)

    def declare(self, url, version="*", head=""):
        with open(os.path.join(self.path, "desired-state.yaml"), "w") as file:
            file.write("apiVersion: reconcile/v1\nsources: { web: { http: '%s' } }\n%smodels:\n"
                       "  m: { from: web/m, version: '%s', automatic: major }\n" % (url, head, version))

    def run(self, *arguments, env=None):
        return run(self.path, *arguments, env=env)


def planned(work):
    """What the plan says will be downloaded, in bytes."""
    return sum(change["bytes"]["download"] for change in json.loads(work.run("plan", "-o", "json").stdout)["changes"])


def update(work, server, version):
    """Moves the model to a version: the bytes that were planned, and those that the server sent of the file."""
    work.declare(server.url, version)
    expected = planned(work)
    before = server.bytes_sent("model.safetensors")
    work.run()
    return expected, server.bytes_sent("model.safetensors") - before


def same(work, source):
    expect(sha256(os.path.join(work.path, "models", "m", "model.safetensors")) == sha256(source), "other bytes are active")


def test_versions(base):
    """A new version costs what is new in it, wherever that is."""
    models = Models(base)
    first = models.publish("1.0.0", models.tensors)
    cases = [
        ("a note in the header", models.tensors, "x" * 300, 8_000),
        ("tensors in another order", list(reversed(models.tensors)), "", 8_000),
        ("one tensor of 24 retrained", [(n, models.fresh.randbytes(len(d))) if n == "t7" else (n, d) for n, d in models.tensors],
         "", 720_000),
        ("one more tensor", models.tensors[:9] + [("new", models.fresh.randbytes(500_000))] + models.tensors[9:], "", 510_000),
    ]
    with FaultServer(models.catalog) as server:
        work = Work(base)
        expected, sent = update(work, server, "1.0.0")
        same(work, first)
        for number, (name, tensors, note, limit) in enumerate(cases, 2):
            source = models.publish("%d.0.0" % number, tensors, note)
            expected, sent = update(work, server, "%d.0.0" % number)
            same(work, source)
            expect(expected == sent, "%s: %d bytes planned, %d sent" % (name, expected, sent))
            expect(0 < sent <= limit, "%s cost %d bytes" % (name, sent))
        source = models.publish("9.0.0", [(n, models.fresh.randbytes(len(d))) for n, d in models.tensors])
        expected, sent = update(work, server, "9.0.0")
        expect(expected == sent == os.path.getsize(source), "all new: %d planned, %d sent" % (expected, sent))


def test_damage(base):
    """A damaged mebibyte in a kept file costs a mebibyte."""
    models = Models(base)
    source = models.publish("1.0.0", models.tensors)
    with FaultServer(models.catalog) as server:
        work = Work(base)
        update(work, server, "1.0.0")
        place = os.path.realpath(os.path.join(work.path, "models", "m", "model.safetensors"))
        os.chmod(place, 0o644)
        with open(place, "r+b") as file:
            file.seek(5 * MiB)
            file.write(b"damage")
        before = server.bytes_sent("model.safetensors")
        work.run("verify", "--deep", "--repair")
        same(work, source)
        sent = server.bytes_sent("model.safetensors") - before
        expect(0 < sent <= MiB, "the repair cost %d bytes" % sent)


def flipped(models):
    """The tensors with one bit in a thousand bytes changed: no block is the same."""
    result = []
    for name, data in models.tensors:
        changed = bytearray(data)
        for _ in range(len(data) // 1000):
            changed[models.fresh.randrange(len(data))] ^= 1
        result.append((name, bytes(changed)))
    return result


def sent_of(server, kind):
    return sum(server.bytes_sent(name) for name in os.listdir(os.path.join(server.root, "m", kind)))


def test_patches(base):
    """A patch from a kept version costs what it is long; a damaged one costs the file."""
    models = Models(base)
    models.publish("1.0.0", models.tensors)
    source = models.publish("2.0.0", flipped(models), options=("--patch-from", "1.0.0"))
    with FaultServer(models.catalog) as server:
        work, other = Work(base), Work(base, "other")
        for each in (work, other):
            update(each, server, "1.0.0")
        expected, sent = update(work, server, "2.0.0")
        same(work, source)
        size = os.path.getsize(source)
        expect(sent == 0 and expected == sent_of(server, "patches") <= size // 20, "%d planned, %d sent" % (expected, sent))
        patch, = os.listdir(os.path.join(models.catalog, "m", "patches"))
        with open(os.path.join(models.catalog, "m", "patches", patch), "r+b") as file:
            file.seek(1000)
            file.write(b"damage")
        _, sent = update(other, server, "2.0.0")
        same(other, source)
        expect(sent == size, "%d bytes of the file were sent" % sent)
        expect(not any(files for _, _, files in os.walk(os.path.join(work.path, "models", ".reconcile", "partial"))),
               "something of the patch is left")


def test_compressed(base):
    """A file that compresses well is fetched compressed."""
    models = Models(base)
    source = models.publish("1.0.0", [("zeros", bytes(6 * MiB)), ("noise", models.fresh.randbytes(MiB))], options=("--compress",))
    with FaultServer(models.catalog) as server:
        work = Work(base)
        expected, sent = update(work, server, "1.0.0")
        same(work, source)
        expect(sent == 0 and expected == sent_of(server, "zstd") < 2 * MiB, "%d planned, %d sent" % (expected, sent))


def test_liar_of_an_index(base):
    """Local files that changed since their index was made: what is wrong of them is downloaded."""
    models = Models(base)
    models.publish("1.0.0", models.tensors)
    with FaultServer(models.catalog) as server:
        work = Work(base)
        update(work, server, "1.0.0")
        source = models.publish("2.0.0", models.tensors, note="two")
        place = os.path.realpath(os.path.join(work.path, "models", "m", "model.safetensors"))
        stamp = os.stat(place)
        os.chmod(place, 0o644)
        with open(place, "r+b") as file:
            file.seek(9 * MiB)
            file.write(b"damage")
        os.utime(place, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
        update(work, server, "2.0.0")
        same(work, source)


def test_late_index(base):
    """Where nothing is here, an index comes beside the first bytes, and is kept for the next version; a plan asks for none."""
    models = Models(base)
    source = models.publish("1.0.0", models.tensors)
    in_time = []

    def after_first_bytes(x):
        end = time.monotonic() + 20
        while not x.server.bytes_sent("model.safetensors") and time.monotonic() < end:
            time.sleep(0.01)
        in_time.append(time.monotonic() < end)
        x.honest()

    with FaultServer(models.catalog, fault=after_first_bytes, only="*/blocks/*") as server:
        work = Work(base)
        work.declare(server.url)
        expect(planned(work) == os.path.getsize(source), "the plan is not the whole file")
        expect(not in_time, "a plan asked for the index")
        work.run()
        same(work, source)
        expect(in_time == [True], "the index was asked for %s" % (in_time or "never"))
        kept = os.listdir(os.path.join(work.path, "models", ".reconcile", "indexes"))
        expect(kept == [sha256(source)], "the indexes that are kept: %s" % kept)
    with FaultServer(models.catalog, fault=faults.silent, only="*/blocks/*") as server:
        work = Work(base, "silent")
        work.declare(server.url)
        start = time.monotonic()
        work.run()
        same(work, source)
        expect(time.monotonic() - start < 20, "an index that never comes held it up for %.0f s" % (time.monotonic() - start))


def test_seeds(base):
    """A file that another program has is taken from there."""
    models = Models(base)
    source = models.publish("1.0.0", models.tensors)
    blobs = os.path.join(base, "ollama", "blobs")
    os.makedirs(blobs)
    with FaultServer(models.catalog) as server:
        work = Work(base)
        work.declare(server.url, head="download: { seeds: ['%s'] }\n" % os.path.dirname(source))
        expect(planned(work) == 0, "the plan would download it")
        result = work.run()
        same(work, source)
        expect("MB" not in result.stdout, "what was here is told as if it had come: " + result.stdout)
        os.rename(source, os.path.join(blobs, "sha256-" + sha256(source)))
        other = Work(base, "other")
        other.declare(server.url)
        other.run(env={"OLLAMA_MODELS": os.path.dirname(blobs)})
        expect(server.bytes_sent("model.safetensors") == 0, "it was downloaded")


def test_bandwidth(base):
    """A limit of the bandwidth holds, for all connections together."""
    models = Models(base)
    size = os.path.getsize(models.publish("1.0.0", models.tensors))
    with FaultServer(models.catalog) as server:
        work = Work(base)
        work.declare(server.url, head="download: { bandwidth: 6MiB/s, directIO: off, connections: 4 }\n")
        start = time.time()
        work.run()
        seconds = time.time() - start
        wanted = size / (6 * MiB)
        expect(wanted * 0.8 <= seconds <= wanted * 1.5 + 1.5, "%.1f s, and %.1f s were expected" % (seconds, wanted))


def main():
    for name, test in sorted(globals().items()):
        if name.startswith("test_") and (len(sys.argv) < 2 or sys.argv[1] in name):
            with tempfile.TemporaryDirectory() as base:
                start = time.time()
                test(base)
                print("ok  %s (%.1f s)" % (re.sub(r"\s+", " ", test.__doc__), time.time() - start), flush=True)


main()
