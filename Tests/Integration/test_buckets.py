#!/usr/bin/env python3
"""Models from buckets: SeaweedFS checks every signature, moto plays Amazon's hosts, boto3 is the judge of every byte (worlds.py).

    test_buckets.py [--only WORD] [--list] [--jobs N]
"""
import base64
import contextlib
import datetime
import functools
import hashlib
import itertools
import json
import os
import re
import sys
import tempfile
import threading
import time

import faults
import machine
import worlds
from fakes import Fake, cut_json, empty, html, unavailable, wrong_bytes
from machine import Machine, MiB, Recorder, each, noise, says
from proxy import Certificate, Proxy
from support import expect
from worlds import KEY, SECRET

VAD, OTHERS = "version: ^1.0", {"weights.bin": noise(3000, "other")}
ODD = {"a b/c+d%25 \u00fc~!*'().txt": b"odd", "=&;,@:$.json": b"{}", "\u65e5\u672c/\U0001f600.onnx": b"far", "~tilde": b"~"}
EMPTY = {"empty.txt": b""}  # after it SeaweedFS is silent for a minute on the same connection


def files_of(version, size=100_000):
    return {"model.onnx": noise(size, version), "config.json": b'{"v": "%s"}' % version.encode(), "README.md": b"# vad\n" * 100}


ONE, TWO, THREE = files_of("1.0.0"), files_of("1.1.0"), files_of("1.2.0")
SHARED, LOCK, NUMBERS = contextlib.ExitStack(), threading.Lock(), itertools.count(1)


@functools.cache
def started(make, *options):
    return SHARED.enter_context(make(*options))


def server(make, *options):
    """A server that all tests share."""
    with LOCK:
        return started(make, *options)


def seaweedfs():
    return server(worlds.seaweedfs, "-s3.domainName=s3.test", "-volume.max=100")


def moto():
    return server(worlds.moto)


@contextlib.contextmanager
def new_bucket(s3):
    """A bucket that goes again: SeaweedFS makes volumes for each, and has not many."""
    name = "models-%d" % next(NUMBERS)
    s3.make_bucket(name)
    try:
        yield name
    finally:
        s3.boto([("delete_object", {"Bucket": name, "Key": key}) for key in s3.listed(name)])
        s3.boto([("delete_bucket", {"Bucket": name})])


def below(folder, files):
    return {"%s/%s" % (folder, path): data for path, data in files.items()}


@contextlib.contextmanager
def bucket(make, *versions, plain=True, **options):
    """A bucket that has these versions of prod/vad as plain objects, a recorder before it, and a machine that wants ^1.0."""
    s3 = make()
    with new_bucket(s3) as name, Recorder(s3.host) as front, Machine(s3.env()) as m:
        front.s3, front.bucket = s3, name
        for version in versions:
            s3.put(front.bucket, below("prod/vad/" + version, files_of(version)))
        declare(m, front, **options)
        yield front, m
        m.keeps(SECRET, "AWS4-HMAC-SHA256", "X-Amz-Signature")
        m.blobs()
        expect(front.violations == [], "violations: %s" % front.violations)


def declare(m, front, vad=VAD, source="", more="", models=None, sources=None):
    m.declare({"bucket": "s3: 's3://%s/prod', endpoint: '%s'%s" % (front.bucket, front.url, source and ", " + source), **(sources or {})},
              models or {"vad": "from: bucket/vad, " + vad}, more)


def judged(front, prefix):
    """What boto3 fetches below a prefix, by the rest of its key."""
    keys = sorted(front.s3.listed(front.bucket, prefix))
    answers = front.s3.boto([("get_object", {"Bucket": front.bucket, "Key": key}) for key in keys]) if keys else []
    return {key.removeprefix(prefix): answer["Body"] for key, answer in zip(keys, answers)}


def without_checksum(front, files):
    front.s3.boto([("put_object", {"Bucket": front.bucket, "Key": key, "Body": data}) for key, data in files.items()])


def is_same(m, front, version):
    """What is active is what boto3 fetches."""
    found, wanted = m.files("vad"), judged(front, "prod/vad/%s/" % version)
    expect(found == wanted and wanted, "boto3 has %s and the machine %s" % (sorted(wanted), sorted(found or {})))


def begun(m):
    """Whether something of a large file is safely on the disk."""
    return any(name == "journal" and os.path.getsize(os.path.join(place, name))
               for place, _, names in os.walk(m.path("models", ".reconcile", "partial")) for name in names)


def refused(m, *words, status=(1, 4), env=None, limit=60):
    """A pass that must fail with all these words and change nothing."""
    before = m.state("vad")
    result = says(m.run(status=status, env=env, limit=limit), *words)
    expect(m.state("vad") == before, "it changed something:\n" + result.output)
    return result


# Plain objects

def objects(make):
    with bucket(make, "1.0.0") as (front, m):
        s3 = front.s3
        m.run()
        is_same(m, front, "1.0.0")
        expect(m.active("vad") == "1.0.0", "active: %s" % m.active("vad"))
        odd = {**TWO, **ODD, **(EMPTY if make is moto else {})}
        s3.put(front.bucket, {**below("prod/vad/1.1.0", odd), **below("prod/vad/nightly", THREE), **below("prod/vad/2.0.0", THREE),
                              **below("prod/vad-2/1.9.0", THREE), "prod/vad/notes.txt": b"no version"})
        says(m.run("outdated"), "1.1.0", "2.0.0")
        result = m.run()
        is_same(m, front, "1.1.0")
        expect(set(m.files("vad")) == set(odd), "files: %s in %s" % (sorted(m.files("vad")), result.output))
        front.clear()
        says(m.run(), "Nothing to do")
        expect(len(front.asked()) == 1, "nothing new cost %s" % front.asked())
        m.run("rollback", "vad", "--to", "1.0.0", "--reason", "worse")
        m.has(ONE, "vad", "after the rollback")
        says(m.run(), "held at 1.0.0")
        m.run("resume", "vad")
        m.run()
        is_same(m, front, "1.1.0")


def test_objects_seaweedfs():
    """Plain objects of SeaweedFS: versions, odd keys, update and rollback; what boto3 fetches is what is active."""
    objects(seaweedfs)


def test_objects_moto():
    """The same from moto."""
    objects(moto)


def test_one_request():
    """Nothing new costs one request per repository, however many models want it, and none with a lock."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        front.s3.put(front.bucket, below("prod/asr/2.0.0", OTHERS))
        models = {"vad": "from: bucket/vad, version: ^1.0", "vad2": "from: bucket/vad, version: ~1.0.0", "asr": "from: bucket/asr, version: '*'"}
        declare(m, front, models=models)
        m.run()
        m.has(ONE, "vad2")
        m.has(OTHERS, "asr")
        for _ in range(2):
            front.clear()
            says(m.run(), "Nothing to do, 3 in sync")
            expect(len(front.asked()) <= 2, "two repositories cost %s" % front.asked())
        m.run("lock")
        front.clear()
        m.run()
        expect(front.asked() == [], "with a lock %s was asked" % front.asked())


def test_large_without_checksum():
    """A large object without SHA-256 is refused, and the words name `lock --fetch`, which pins it; then a pass installs it."""
    for make in (seaweedfs, moto):
        with bucket(make) as (front, m):
            files = {"model.onnx": noise(9 * MiB, "large"), "config.json": b"{}"}
            without_checksum(front, below("prod/vad/1.0.0", files))
            before = front.asked()
            refused(m, "lock --fetch", "model.onnx")
            expect(not [text for text in front.asked("GET") if "model.onnx" in text], "it was fetched: %s" % front.asked()[len(before):])
            says(m.run("lock", status=None), "lock --fetch")
            expect(not os.path.exists(m.path("desired-state.lock")) or "vad" not in json.loads(m.read("desired-state.lock"))["models"],
                   "the lock has what is not known")
            m.run("lock", "--fetch")
            pinned = {entry["path"]: entry["sha256"] for entry in m.lock("vad")["files"]}
            expect(pinned == {path: machine.sha256(data) for path, data in files.items()}, "the lock: %s" % pinned)
            m.run()
            m.has(files, "vad")
            is_same(m, front, "1.0.0")
            says(m.run("--locked"), "Nothing to do")


def large_files(version, count=6):
    return {"part-%d.bin" % number: noise(3 * MiB, "%s %d" % (version, number)) for number in range(count)}


def test_large_with_checksum():
    """A large object with a checksum is asked for once in all, like a small one; a plan only asks about it."""
    with bucket(seaweedfs) as (front, m):
        for version in ("1.0.0", "1.1.0"):
            files = {"config.json": b"{}", **large_files(version)}
            front.s3.put(front.bucket, below("prod/vad/" + version, files))
            front.clear()
            m.run("--dry-run")
            expect(len(front.asked("HEAD")) == 6 and not [text for text in front.asked("GET") if "part-" in text],
                   "a plan asked %s" % front.asked())
            front.clear()
            m.run()
            is_same(m, front, version)
            # No more are opened than files are fetched at once.
            expect(len(front.asked()) == 10 and len(front.asked("HEAD")) == 2, "asked: %s" % front.asked())
            expect(front.bytes_sent("part-") <= 6 * 3 * MiB, "%d bytes came" % front.bytes_sent("part-"))
        for number, (limit, asked) in enumerate([("connections: 2", 4), ("bandwidth: 900MiB/s", 6)], 2):  # of six
            front.s3.put(front.bucket, below("prod/vad/1.%d.0" % number, {"config.json": b"{}", **large_files(limit)}))
            declare(m, front, more="download: { %s }\n" % limit)
            front.clear()
            m.run()
            is_same(m, front, "1.%d.0" % number)
            expect(len(front.asked("HEAD")) == asked, "with %s: %s" % (limit, front.asked()))


def test_large_that_waits_in_vain():
    """What was opened for the plan and then ends early, or is not fetched at all, costs nothing but its request."""
    with bucket(seaweedfs) as (front, m):
        front.s3.put(front.bucket, below("prod/vad/1.0.0", {"config.json": b"{}", **large_files("1.0.0")}))
        cut = front.play(lambda x: (x.honest(upto=100_000), x.close()), only="part-1", method="GET", times=1)
        lost = front.play(lambda x: (x.honest(upto=0), x.close()), only="part-2", method="GET", times=1)
        m.run()
        is_same(m, front, "1.0.0")
        expect(cut.played == lost.played == 1, "the faults were not played")
        front.s3.put(front.bucket, below("prod/vad/2.0.0", {"config.json": b"[]", **large_files("2.0.0")}))
        says(m.run(), "Nothing to do")
        m.has({"config.json": b"{}", **large_files("1.0.0")}, "vad")


def test_large_let_go():
    """What was opened for a release that waits for approval is let go before anything else is fetched."""
    with bucket(seaweedfs) as (front, m):
        for name in ("asr", "vad"):
            front.s3.put(front.bucket, below("prod/%s/1.0.0" % name, {"config.json": b"{}"}))
        declare(m, front, models={name: "from: bucket/%s, version: '*', automatic: minor" % name for name in ("asr", "vad")})
        m.run()
        front.s3.put(front.bucket, below("prod/vad/2.0.0", {"config.json": b"{}", "large.bin": noise(40 * MiB, "vain")}))
        front.s3.put(front.bucket, below("prod/asr/1.1.0", {"config.json": b"{}", "model.bin": noise(3 * MiB, "asr")}))
        opened, gone, found = [], threading.Event(), []

        def in_vain(x):
            opened.append(x.record.method)
            try:
                x.honest()
            finally:
                gone.set()

        def meanwhile(x):
            x.honest(upto=MiB)
            found.append(gone.wait(15))
            x.close()
        front.play(in_vain, only="vad/2.0.0/large", method="GET")
        front.play(meanwhile, only="asr/1.1.0/model", method="GET", times=1)
        m.run(status=None)
        expect(opened == ["GET"], "for the release that waits was asked: %s" % opened)
        expect(found == [True], "what is not fetched was still open: %s" % found)
        expect(set(m.files("asr")) == {"config.json", "model.bin"} and m.active("vad") == "1.0.0", "active: %s" % m.active("vad"))


def test_large_is_shared():
    """A large file that one model began and cannot get to its end is taken over by another one in the same pass."""
    with bucket(seaweedfs) as (front, m):
        models = {"asr": "from: bucket/asr, version: '*'", "vad": "from: bucket/vad, version: '*'"}
        declare(m, front, models=models)
        for number in range(14):  # which of them begins is not ours to choose
            version = "1.0.%d" % number
            files = {"config.json": b"{}", "model.bin": noise(6 * MiB, version)}
            for name in models:
                front.s3.put(front.bucket, below("prod/%s/%s" % (name, version), files))
            faulty = r"asr/1\.0\.%d/model\.bin$" % number
            front.play(lambda x: (x.honest(upto=2 * MiB), x.close()), only=faulty, method="GET", times=1)
            front.play(lambda x: x.answer(404), only=faulty, method="GET")
            m.run(status=None)
            m.has(files, "vad")
            if m.files("asr") != files:
                return
        expect(False, "in %d passes the model whose file breaks off was never the first one" % (number + 1))


def test_large_killed():
    """After kill -9 nothing is opened a second time: the digests that were learned were written down before the fetch."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        files = {"config.json": b"{}", **large_files("1.1.0")}
        front.s3.put(front.bucket, below("prod/vad/1.1.0", files))
        play = front.play(functools.partial(faults.silent_after, count=2 * MiB), only="part-", method="GET")
        expect(m.killed(after=functools.partial(begun, m)), "it ended by itself: %s" % m.outputs[-1])
        play.stop()
        front.clear()
        m.run()
        m.has(files, "vad")
        large = [r for r in front.log if "part-" in r.path]
        expect(large and all(r.method == "GET" and r.range for r in large), "asked: %s" % front.asked("part-"))


def test_small_without_checksum():
    """Small objects without SHA-256, of boto3 and of s5cmd, are read and hashed, once."""
    with bucket(seaweedfs) as (front, m):
        without_checksum(front, below("prod/vad/1.0.0", {**ONE, **ODD}))
        m.run()
        is_same(m, front, "1.0.0")
        front.clear()
        m.run()
        expect(len(front.asked()) == 1, "nothing new cost %s" % front.asked())
        with tempfile.TemporaryDirectory() as place:
            for path, data in TWO.items():
                with open(os.path.join(place, path), "wb") as file:
                    file.write(data)
            worlds.s5cmd(front.s3, "cp", place + "/", "s3://%s/prod/vad/1.1.0/" % front.bucket)
        m.run()
        m.has(TWO, "vad")
        is_same(m, front, "1.1.0")


def sums(files, wrong=()):
    """What sha256sum writes of these files."""
    return "".join("%s %s%s\n" % (machine.sha256(data + b"x" * (path in wrong)), "*" if path.endswith("onnx") else " ", path)
                   for path, data in files.items()).encode()


def test_checksum_file():
    """A SHA256SUMS beside the objects says what they must be, also of large ones without a checksum; it is read once, and not believed blindly."""
    for make in (seaweedfs, moto):
        with bucket(make) as (front, m):
            def put(version, files, text):
                without_checksum(front, below("prod/vad/" + version, {**files, "SHA256SUMS": text}))

            files = {"model.onnx": noise(9 * MiB, "sums"), "sub/config.json": b"{}", "loose.txt": b"named nowhere"}
            named = {path: data for path, data in files.items() if path != "loose.txt"}
            # The shell makes the file before sha256sum reads what there is.
            text = b"# by hand\n\n" + sums({**named, "SHA256SUMS": b""})
            put("1.0.0", files, text)
            m.run()
            m.has({**files, "SHA256SUMS": text}, "vad")
            expect(front.asked("HEAD") == [] and len(front.asked("SHA256SUMS")) == 1, "asked: %s" % front.asked())
            front.clear()
            says(m.run(), "Nothing to do")
            expect(len(front.asked()) == 1, "nothing new cost %s" % front.asked())
            for number, wrong in enumerate(["model.onnx", "sub/config.json"], 1):
                put("1.%d.0" % number, files, sums(files, wrong=[wrong]))
                refused(m, wrong)
                m.blobs()
                m.remove("models/.reconcile/history.db")
            contradictory = sums({"model.onnx": b"1"}) + sums({"model.onnx": b"2"})
            put("1.3.0", files, contradictory)
            refused(m, "SHA256SUMS", "lock --fetch")
            put("1.4.0", {"new.json": b"[]"}, sums({"new.json": b"[]"}))
            m.run()
            m.has({"new.json": b"[]", "SHA256SUMS": sums({"new.json": b"[]"})}, "vad")


def test_parts():
    """The checksum of an upload in parts is not taken for that of the file."""
    for make in (seaweedfs, moto):
        with bucket(make) as (front, m):
            small, large = noise(6 * MiB, "parts"), noise(11 * MiB, "more parts")
            front.s3.put_in_parts(front.bucket, "prod/vad/1.0.0/model.onnx", small)
            m.run()
            m.has({"model.onnx": small}, "vad")
            front.s3.put_in_parts(front.bucket, "prod/vad/1.1.0/model.onnx", large)
            refused(m, "lock --fetch")
            m.run("lock", "--fetch", "--update")
            m.run()
            m.has({"model.onnx": large}, "vad")
            is_same(m, front, "1.1.0")


def test_include():
    """include and exclude choose objects; what is not chosen is not asked about, even if it could not be hashed."""
    with bucket(seaweedfs, "1.0.0", vad="version: ^1.0, include: ['*.onnx', '*.json'], exclude: ['c*']") as (front, m):
        without_checksum(front, {"prod/vad/1.0.0/huge.bin": noise(9 * MiB, "huge")})
        m.run()
        m.has({"model.onnx": ONE["model.onnx"]}, "vad")
        expect(not front.asked("huge") and not front.asked("README"), "asked: %s" % front.asked())


def test_folder_without_objects():
    """A folder without objects, as consoles make them with an object of its name, is no version."""
    with bucket(moto, "1.0.0") as (front, m):
        front.s3.put(front.bucket, {"prod/vad/1.0.0/": b"", "prod/vad/1.0.0/sub/": b"", "prod/vad/": b""})
        m.run()
        m.has(ONE, "vad")
        front.s3.put(front.bucket, {"prod/vad/1.1.0/": b""})
        m.run()
        m.has(ONE, "vad")
        m.remove("models")
        m.run()
        m.has(ONE, "vad")


def test_same_version_twice():
    """Two folders of one version are an error that names both."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        front.s3.put(front.bucket, {**below("prod/vad/v1.1.0", TWO), **below("prod/vad/1.1", THREE)})
        refused(m, "“v1.1.0”", "“1.1”", "same version")


def test_republished():
    """Other bytes under a version are never taken by themselves; a list that shrinks moves nothing back."""
    with bucket(seaweedfs, "1.0.0", "1.1.0") as (front, m):
        m.run()
        m.has(TWO, "vad")
        before = m.state("vad")
        keys = sorted(front.s3.listed(front.bucket, "prod/vad/1.1.0/"))
        front.s3.boto([("delete_object", {"Bucket": front.bucket, "Key": key}) for key in keys])
        m.run(status=(0, 4))
        expect(m.state("vad") == before, "a shorter list moved the model")
        front.s3.put(front.bucket, below("prod/vad/1.1.0", THREE))
        m.remove("models/.reconcile/history.db")
        m.run(status=(0, 4))
        expect(m.state("vad") == before, "other bytes under a version were taken")


def test_pages():
    """A release, and its versions, over many pages of the list."""
    with bucket(moto) as (front, m):
        front.page = 3
        files = {"part-%02d.json" % number: b"%d" % number for number in range(40)}
        front.s3.put(front.bucket, {**below("prod/vad/1.10.0", files), **{"prod/vad/1.%d.0/x" % number: b"x" for number in range(10)}})
        m.run()
        m.has(files, "vad")
        expect(len(front.asked("continuation-token")) >= 16, "pages: %s" % front.asked("list-type"))


# Catalogs

def test_catalog():
    """A catalog made by publish and uploaded by boto3: update, reuse of blocks, rollback, yank, and one request when nothing is new."""
    with bucket(seaweedfs) as (front, m):
        def upload():
            front.s3.put(front.bucket, below("prod", worlds.files(m.path("catalog"))))
        big = noise(6 * MiB, "catalog")
        first, second = {"model.bin": big, "config.json": b"1"}, {"model.bin": big[:5 * MiB] + noise(MiB, "tail"), "config.json": b"2"}
        m.publish("vad", "1.0.0", first, "--license", "MIT")
        upload()
        m.run()
        m.has(first, "vad")
        m.publish("vad", "1.1.0", second)
        upload()
        front.clear()
        m.run()
        m.has(second, "vad")
        is_same_as = {path: data for path, data in judged(front, "prod/vad/1.1.0/").items() if path in second}
        expect(is_same_as == second, "boto3 fetches something else")
        sent = front.bytes_sent("1.1.0/model.bin")
        expect(sent < 3 * MiB, "blocks that are here were fetched again: %d bytes" % sent)
        for _ in range(2):
            front.clear()
            says(m.run(), "Nothing to do")
            expect([r.status for r in front.log] == [304], "nothing new cost %s" % front.asked())
        m.run("rollback", "vad", "--to", "1.0.0")
        m.has(first, "vad")
        m.run("resume", "vad")
        m.run()
        m.has(second, "vad")
        m.run("publish", "--to", "catalog", "--model", "vad", "--yank", "1.1.0")
        upload()
        m.run(status=(0, 4))
        m.has(second, "vad", "a yanked release that is active stays")


def test_publish():
    """publish --to s3:// makes the same catalog as in a directory; versions never change, also when two publish at once."""
    with bucket(seaweedfs) as (front, m):
        place, keys = "s3://%s/prod" % front.bucket, ("--endpoint", front.url)
        big = {"model.bin": noise(6 * MiB, "publish"), **ODD}

        def publish(version, files, *more, status=0):
            m.remove("build")
            m.write_all("build", files)
            return m.run("publish", "build", "--to", place, *keys, "--model", "vad", "--version", version, *more, status=status)
        publish("1.0.0", big, "--license", "MIT")
        m.run()
        m.has(big, "vad")
        says(publish("1.0.0", big, "--license", "MIT"), "already")
        says(publish("1.0.0", TWO, status=1), "1.0.0")
        m.has({path: data for path, data in judged(front, "prod/vad/1.0.0/").items() if path in big}, "vad", "boto3 has something else")
        publish("1.1.0", TWO, "--channel", "beta")
        publish("1.2.0", THREE)
        m.run()
        m.has(THREE, "vad")
        m.run("publish", "--to", place, *keys, "--model", "vad", "--yank", "1.2.0")
        m.remove("models")
        m.run()
        m.has(big, "vad", "after a yank")
        jobs = []
        for number in range(3):
            folder = os.path.dirname(m.write("at-once-%d/model.bin" % number, b"%d" % number))
            jobs.append(m.start("publish", folder, "--to", place, *keys, "--model", "vad", "--version", "1.3.%d" % number))
        said = [job.communicate(timeout=60) for job in jobs]
        index = json.loads(front.s3.get(front.bucket, "prod/vad/index.json")["Body"])
        published = {entry["version"] for entry in index["releases"]}
        done = {"1.3.%d" % number for number, job in enumerate(jobs) if job.returncode == 0}
        expect(done and done <= published and {"1.0.0", "1.1.0", "1.2.0"} <= published, "published: %s, said: %s" % (sorted(published), said))
        says(m.run("publish", "build", "--to", place, *keys, "--model", "vad", "--version", "1.4.0", status=(1, 4),
                   env={"AWS_SECRET_ACCESS_KEY": "WrongSecret"}), "not valid")


def test_publish_first():
    """A first publish that ended before its index is no release of plain objects: nobody takes half of it, or its release.json."""
    with bucket(seaweedfs) as (front, m):
        command = ("publish", "build", "--to", "s3://%s/prod" % front.bucket, "--endpoint", front.url, "--model", "vad", "--version", "1.0.0")
        m.write_all("build", TWO)
        for path in ("model.onnx", "release.json", "index.json"):
            play = front.play(faults.silent, only=path + "$", method="PUT")
            m.killed(*command, after=lambda: [text for text in front.asked("PUT") if text.endswith(path)])
            play.stop()
            m.run(status=(0, 4))
            m.has(None, "vad", "a publish that ended before %s" % path)
        m.run(*command)
        m.run()
        m.has(TWO, "vad")


def test_publish_kills():
    """A publish that is killed leaves an index that names nothing incomplete; done again, it is complete."""
    with bucket(seaweedfs) as (front, m):
        command = ("publish", "build", "--to", "s3://%s/prod" % front.bucket, "--endpoint", front.url, "--model", "vad", "--version")
        wanted = None
        for number in range(6):
            files = {"model.bin": noise(5 * MiB, number), "a.json": b"%d" % number}
            m.write_all("build", files)
            front.clear()
            m.killed(*command, "1.0.%d" % number, after=lambda: len(front.asked("PUT")) > number)
            m.run(status=(0, 4))
            expect(m.files("vad") in (wanted, files), "an incomplete release was taken")
            # What the killed one sent last may arrive only now.
            again = m.run(*command, "1.0.%d" % number, status=(0, 1))
            if again.status:
                says(again, "somebody else has published meanwhile", "run this again")
                m.run(*command, "1.0.%d" % number)
            m.run()
            m.has(files, "vad")
            wanted = files


def test_catalog_that_may_not_be_listed():
    """Whoever may read the objects of a bucket, and not list them, has catalogs all the same; plain objects are refused as before."""
    with bucket(seaweedfs) as (front, m):
        m.publish("vad", "1.0.0", ONE)
        front.s3.put(front.bucket, below("prod", worlds.files(m.path("catalog"))))
        play = front.play(error(403, "AccessDenied"), only="^%s/$" % front.bucket)
        m.run()
        m.has(ONE, "vad")
        front.clear()
        says(m.run(), "Nothing to do")
        expect(len(front.asked()) == 1, "nothing new cost %s" % front.asked())
        play.stop()
    with bucket(seaweedfs, "1.0.0") as (front, m):
        play = front.play(error(403, "AccessDenied"), only="^%s/$" % front.bucket)
        says(m.run(status=(1, 4)), "may not be read")
        expect(m.files("vad") is None, "it was taken")
        play.stop()


def test_becomes_catalog():
    """A repository of plain objects that becomes a catalog is read as one, and the other way round, without a step back."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        m.publish("vad", "1.2.0", THREE)
        front.s3.put(front.bucket, below("prod", worlds.files(m.path("catalog"))))
        m.run()
        m.has(THREE, "vad")
        front.s3.boto([("delete_object", {"Bucket": front.bucket, "Key": "prod/vad/index.json"})])
        m.run(status=(0, 4))
        m.has(THREE, "vad", "the catalog is gone")


# Addresses

def test_virtual_host():
    """addressing: host asks http://BUCKET.ENDPOINT/KEY, and SeaweedFS, which knows its domain, finds the signature right."""
    s3 = seaweedfs()
    with new_bucket(s3) as name, Recorder(s3.host) as front:
        s3.put(name, below("prod/vad/1.0.0", {**ONE, **ODD}))
        with Proxy({"%s.s3.test" % name: ("127.0.0.1", front.port), "s3.test": ("127.0.0.1", front.port)}) as proxy, \
                Machine({**s3.env(), "HTTP_PROXY": proxy.url}) as m:
            source = "s3: 's3://%s/prod', endpoint: 'http://s3.test', addressing: host" % name
            m.declare({"bucket": source}, {"vad": "from: bucket/vad, version: ^1.0"})
            says(m.run("validate", status=1), "plain HTTP")
            m.declare({"bucket": source + ", allowInsecure: true"}, {"vad": "from: bucket/vad, version: ^1.0"})
            m.run()
            m.has({**ONE, **ODD}, "vad")
            hosts = {r.headers["host"] for r in front.log}
            expect(hosts == {"%s.s3.test" % name}, "hosts: %s" % hosts)
            m.declare({"bucket": source.replace("host", "path") + ", allowInsecure: true"}, {"vad": "from: bucket/vad, version: ^1.0"})
            front.clear()
            m.run()
            expect({r.headers["host"] for r in front.log} == {"s3.test"} and all("/%s/" % name in r.target for r in front.log), front.asked())


@contextlib.contextmanager
def amazon(*names):
    """moto behind the names of Amazon, with TLS: the recorder, and the environment that leads there."""
    s3 = moto()
    with tempfile.TemporaryDirectory() as place:
        certificate = Certificate(place, ",".join("DNS:" + name for name in names))
        with Recorder(s3.host, tls=certificate) as front, Proxy({name: ("127.0.0.1", front.port) for name in names}) as proxy:
            front.s3, front.tunnels = s3, proxy
            yield front, {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": certificate.authority, "AWS_ACCESS_KEY_ID": KEY,
                          "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_EC2_METADATA_DISABLED": "true"}


def test_amazon():
    """Without an endpoint Amazon's hosts are asked: the bucket in the name, or in the path when it has dots, in its region."""
    with amazon("models-amazon.s3.eu-central-1.amazonaws.com", "s3.eu-central-1.amazonaws.com") as (front, env), Machine(env) as m:
        for name, host in (("models-amazon", "models-amazon.s3.eu-central-1.amazonaws.com"), ("models.amazon", "s3.eu-central-1.amazonaws.com")):
            front.s3.make_bucket(name)
            front.s3.put(name, below("vad/1.0.0", {**ONE, **ODD}))
            m.declare({"bucket": "s3: 's3://%s', region: eu-central-1" % name}, {"vad": "from: bucket/vad, version: ^1.0"})
            front.clear()
            m.remove("models")
            m.run()
            m.has({**ONE, **ODD}, "vad")
            expect({r.headers["host"] for r in front.log} == {host}, "hosts: %s" % {r.headers["host"] for r in front.log})
            expect(all("/eu-central-1/s3/aws4_request" in r.authorization for r in front.log), "the scope of signatures")
        m.keeps(SECRET)


# Regions

def of_region(x, region, form):
    """A bucket that is in this region and says so in one of Amazon's ways."""
    if "/%s/s3/" % region in (x.record.authorization or ""):
        return x.honest()
    error = b"<?xml version='1.0'?><Error><Code>%s</Code><Message>elsewhere</Message>%s</Error>"
    if form == "301":
        x.answer(301, error % (b"PermanentRedirect", b"<Endpoint>elsewhere</Endpoint>"), {"x-amz-bucket-region": region, "Content-Type": "application/xml"})
    elif form == "307":
        x.answer(307, error % (b"TemporaryRedirect", b""), {"x-amz-bucket-region": region, "Location": x.address})
    elif form == "header":
        x.answer(400, b"", {"x-amz-bucket-region": region})
    else:
        x.answer(400, error % (b"AuthorizationHeaderMalformed", b"<Region>%s</Region>" % region.encode()), {"Content-Type": "application/xml"})


def test_region():
    """A bucket in another region than thought is followed there, however it says so; with a lock too, when only bytes are asked for."""
    def follows(form):
        with bucket(seaweedfs, "1.0.0", source="region: us-west-2") as (front, m):
            front.play(functools.partial(of_region, region="us-east-1", form=form))
            m.run(limit=90)
            m.has(ONE, "vad")
            m.run("lock")
            m.remove("models")
            m.run(limit=90)
            m.has(ONE, "vad", "with a lock")
    each([(form,) for form in ("301", "body", "header", "307")], follows)


def test_region_of_amazon():
    """A bucket of Amazon that is in another region is asked there, at another host, and signatures are for that region."""
    here, there = ("models-region.s3.%s.amazonaws.com" % name for name in ("us-east-1", "eu-central-1"))

    def follows(form):
        with amazon(here, there) as (front, env), Machine(env) as m:
            front.s3.make_bucket("models-region")
            front.s3.put("models-region", below("vad/1.0.0", ONE))
            front.play(functools.partial(of_region, region="eu-central-1", form=form))
            m.declare({"bucket": "s3: 's3://models-region'"}, {"vad": "from: bucket/vad, version: ^1.0"})
            m.run()
            m.has(ONE, "vad")
            m.run("lock")
            m.remove("models")
            m.run()
            m.has(ONE, "vad", "with a lock")
            right = {(r.headers["host"], "/eu-central-1/s3/" in r.authorization) for r in front.log if r.status < 300}
            expect(right == {(there, True)}, "answered: %s" % right)
    each([(form,) for form in ("301", "body", "header", "307")], follows)


def test_region_for_ever():
    """A bucket that always names another region is told, and the pass ends."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        regions = ["eu-west-1", "us-west-2"]
        front.play(lambda x: of_region(x, next(r for r in regions if "/%s/s3/" % r not in x.record.authorization), "body"))
        refused(m, "region")


# Who asks

def test_keys_from_environment():
    """Keys of the environment; wrong ones, unknown ones and none are told apart, and never said."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        other = "WrongSecretOfTheTest/+1234567890"
        refused(m, "not valid", env={"AWS_SECRET_ACCESS_KEY": other})
        refused(m, "not valid", env={"AWS_ACCESS_KEY_ID": "AKIANOTKNOWN"})
        refused(m, "AWS_SECRET_ACCESS_KEY", env={"AWS_SECRET_ACCESS_KEY": None})
        refused(m, front.bucket, env={"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None})
        m.keeps(other)
        says(m.run(), "Nothing to do")


def test_keys_from_files():
    """Keys of AWS_SHARED_CREDENTIALS_FILE and AWS_CONFIG_FILE, by AWS_PROFILE and by `profile:`, which beats the environment."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        wrong, right = "WrongSecretOfTheTest", "aws_access_key_id = %s\naws_secret_access_key = %s\n" % (KEY, SECRET)
        m.write("home/.aws/credentials", "[default]\naws_access_key_id = AKIANOTKNOWN\naws_secret_access_key = %s\n\n[prod]\n%s" % (wrong, right))
        m.write("home/.aws/config", "[profile prod]\nregion = us-east-1\n")
        m.env.update({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_SHARED_CREDENTIALS_FILE": None, "AWS_CONFIG_FILE": None})
        aside = ("home/.aws/credentials", "elsewhere")
        refused(m, "not valid")
        m.run(env={"AWS_PROFILE": "prod"})
        m.has(ONE, "vad")
        os.rename(m.path("home/.aws/credentials"), m.path("elsewhere"))
        m.remove("models")
        refused(m, "prod", env={"AWS_PROFILE": "prod", "AWS_CONFIG_FILE": os.devnull})
        m.run(env={"AWS_PROFILE": "prod", "AWS_SHARED_CREDENTIALS_FILE": m.path("elsewhere")})
        m.has(ONE, "vad")
        m.remove("models")
        declare(m, front, source="profile: prod")
        m.run(env={"AWS_SHARED_CREDENTIALS_FILE": m.path("elsewhere"), "AWS_ACCESS_KEY_ID": "AKIANOTKNOWN", "AWS_SECRET_ACCESS_KEY": wrong,
                   "AWS_PROFILE": "default"})
        m.has(ONE, "vad")
        declare(m, front, source="profile: nobody")
        refused(m, "nobody", env={"AWS_SHARED_CREDENTIALS_FILE": m.path("elsewhere")})
        m.write("elsewhere", "[nobody]\nrole_arn = arn:aws:iam::1:role/x\nsource_profile = prod\n[prod]\n" + right)
        refused(m, "assume-role", env={"AWS_SHARED_CREDENTIALS_FILE": m.path("elsewhere")})
        m.write("elsewhere", "[nobody]\nthis has no meaning\n")
        refused(m, "line 2", env={"AWS_SHARED_CREDENTIALS_FILE": m.path("elsewhere")})
        declare(m, front)
        m.keeps(wrong, besides=aside)
        m.remove("home/.aws")
        m.remove("elsewhere")
        m.env.update(front.s3.env())


class Lender(Fake):
    """What lends keys to a container and to an instance; `seconds` is how long they are good. Session tokens are token-1, token-2 …"""

    def __init__(self, seconds=3600):
        super().__init__()
        self.seconds, self.lent, self.given = seconds, 0, []
        self.container, self.instance = self.origin("container"), self.origin("instance")

    def keys(self):
        self.lent += 1
        seconds = self.seconds(self.lent) if callable(self.seconds) else self.seconds
        expiry = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        return {"Code": "Success", "AccessKeyId": KEY, "SecretAccessKey": SECRET, "Token": "session-token-%d" % self.lent,
                "Expiration": expiry.strftime("%Y-%m-%dT%H:%M:%SZ")}

    def on_container(self, x):
        if x.record.authorization != "Basic container-secret":
            return x.reply(403, b"no")
        x.json(self.keys())

    def on_instance(self, x):
        if x.method == "PUT" and x.path == "latest/api/token":
            expect(0 < int(x.headers["x-aws-ec2-metadata-token-ttl-seconds"]) <= 21600, "ttl")
            return x.reply(200, b"imds-secret-token")
        if x.headers.get("x-aws-ec2-metadata-token") != "imds-secret-token":
            return x.reply(401, b"no")
        if x.path == "latest/meta-data/iam/security-credentials/":
            return x.reply(200, b"model-reader")
        if x.path == "latest/meta-data/iam/security-credentials/model-reader":
            return x.json(self.keys())
        x.reply(404, b"nothing")


def tokens(front):
    """The session tokens that came, in order, each once."""
    return list(dict.fromkeys(r.headers.get("x-amz-security-token") for r in front.log))


NO_KEYS = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}


def container(lender):
    return {**NO_KEYS, "AWS_CONTAINER_CREDENTIALS_FULL_URI": lender.container.url + "keys?x=1", "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic container-secret"}


def test_keys_of_container():
    """Keys of a container's endpoint, asked for once, with its token from the environment or from a file."""
    with bucket(moto, "1.0.0") as (front, m), Lender() as lender:
        m.run(env=container(lender))
        m.has(ONE, "vad")
        expect(tokens(front) == ["session-token-1"] and lender.lent == 1, "tokens: %s of %d" % (tokens(front), lender.lent))
        m.remove("models")
        m.write("elsewhere", "Basic container-secret\n")
        m.run(env={**container(lender), "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic wrong", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": m.path("elsewhere")})
        m.has(ONE, "vad")
        m.remove("elsewhere")
        refused(m, "403", env={**container(lender), "AWS_CONTAINER_AUTHORIZATION_TOKEN": "Basic wrong"})
        refused(m, "keys are not asked for", env={**container(lender), "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://192.0.2.1/keys"})
        lender.play(html, on="container")
        refused(m, "not JSON", env=container(lender))
        m.keeps("container-secret", "session-token")


def test_keys_are_renewed():
    """Lent keys are renewed before they expire, within one run of watch, and at once when the bucket says that they have expired."""
    with bucket(moto, "1.0.0") as (front, m), Lender(lambda number: 302 if number == 1 else 3600) as lender:
        process = m.start("watch", "--interval", "1s", env=container(lender))
        end = time.monotonic() + 20
        while "session-token-2" not in tokens(front) and time.monotonic() < end and process.poll() is None:
            time.sleep(0.1)
        process.terminate()
        stdout, stderr = process.communicate(timeout=20)
        m.outputs.append(stdout + stderr)
        expect(tokens(front)[:2] == ["session-token-1", "session-token-2"], "tokens: %s\n%s%s" % (tokens(front), stdout, stderr))
        m.has(ONE, "vad")

        def expired(x):
            if x.headers.get("x-amz-security-token") == first:
                return x.answer(400, b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>",
                                {"Content-Type": "application/xml"})
            x.honest()
        for only in ("", r"model\.onnx$"):
            m.remove("models")
            first = "session-token-%d" % (lender.lent + 1)
            play = front.play(expired, only=only, method="GET")
            m.run(env=container(lender))
            m.has(ONE, "vad", "after ExpiredToken for “%s”" % only)
            play.stop()
        first = "session-token-%d" % (lender.lent + 1)
        m.keeps("session-token")


def test_keys_of_instance():
    """Keys of an instance's metadata service, version 2 only: without its token nothing is asked for."""
    with bucket(moto, "1.0.0") as (front, m), Lender() as lender:
        env = {**NO_KEYS, "AWS_EC2_METADATA_DISABLED": None, "AWS_EC2_METADATA_SERVICE_ENDPOINT": lender.instance.url.rstrip("/")}
        m.run(env=env)
        m.has(ONE, "vad")
        expect(tokens(front) == ["session-token-1"], "tokens: %s" % tokens(front))
        methods = [(r.method, r.path.rsplit("/", 1)[-1]) for r in lender.log]
        expect(methods == [("PUT", "token"), ("GET", ""), ("GET", "model-reader")], "asked: %s" % methods)
        lender.clear()
        m.remove("models")
        front.clear()
        m.run(env={**env, "AWS_EC2_METADATA_DISABLED": "true"}, status=None)
        expect(lender.log == [] and tokens(front) == [None], "it was asked though disabled, or a signature was sent")
        lender.play(lambda x: x.answer(403, b"no"), method="PUT")
        m.run(env=env, status=None)
        expect({r.method for r in lender.log} == {"PUT"}, "without a token it was asked: %s" % [r.method for r in lender.log])
        lender.heal()
        lender.clear()
        lender.play(faults.silent, on="instance")
        result = m.run(env=env, status=None)
        expect(result.seconds < 15, "a silent metadata service costs %.0f s" % result.seconds)
        m.keeps("imds-secret-token", "session-token")


def test_anonymous():
    """anonymous: true asks without a signature although there are keys."""
    with bucket(moto, source="anonymous: true") as (front, m):
        front.s3.put(front.bucket, below("prod/vad/1.0.0", ONE), ACL="public-read")
        m.run()
        m.has(ONE, "vad")
        expect(all(r.authorization is None for r in front.log), "it was signed")
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        declare(m, front, source="anonymous: true")
        refused(m, front.bucket)


def test_clock():
    """A clock that is wrong is told, with the server's time."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        play = front.play(lambda x: x.answer(403, b"<?xml version='1.0'?><Error><Code>RequestTimeTooSkewed</Code><Message>The difference between the "
                          b"request time and the current time is too large.</Message><RequestTime>20260101T000000Z</RequestTime>"
                          b"<ServerTime>2026-03-04T05:06:07Z</ServerTime><MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds></Error>",
                          {"Content-Type": "application/xml"}))
        refused(m, "clock", "2026-03-04T05:06:07Z")
        play.stop()
        says(m.run(), "Nothing to do")


def test_clock_turned():
    """With the clock an hour ahead SeaweedFS refuses the signature; that is told, and nothing changes."""
    worlds.need("faketime")
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        before = m.state("vad")
        result = worlds.client(["faketime", "-f", "+1h", machine.RECONCILE, "--progress", "none"], m.environment(), None, m.base)
        m.outputs.append(result.stdout + result.stderr)
        says(result.stdout + result.stderr, "clock")
        expect(m.state("vad") == before, "it changed something")


# What goes wrong

def error(status, code, message="no"):
    body = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>%s</Code><Message>%s</Message><RequestId>1</RequestId></Error>" % (code, message)
    return lambda x: x.answer(status, body.encode(), {"Content-Type": "application/xml"})


def rewritten(before, after):
    """The right answer, with something in it replaced."""
    def fault(x):
        x.honest(re.sub(before, after, x.data))
    return fault


def bomb(x):
    """XML whose entities expand to gigabytes."""
    levels = "".join('<!ENTITY l%d "%s">' % (n, "&l%d;" % (n - 1) * 10) for n in range(1, 12))
    x.honest(("<?xml version='1.0'?><!DOCTYPE x [<!ENTITY l0 \"lol\">%s]><ListBucketResult><Name>&l11;</Name><IsTruncated>false</IsTruncated>"
              "</ListBucketResult>" % levels).encode())


def test_refusals():
    """What a bucket refuses is told in words that help, and nothing changes."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        for name, fault, words in (
                ("AccessDenied", error(403, "AccessDenied"), ("may not be read", "read access")),
                ("NoSuchBucket", error(404, "NoSuchBucket"), ("is not there",)),
                ("InvalidAccessKeyId", error(403, "InvalidAccessKeyId"), ("not valid",)),
                ("SignatureDoesNotMatch", error(403, "SignatureDoesNotMatch"), ("not valid",)),
                ("AllAccessDisabled", error(403, "AllAccessDisabled"), ("may not be read",)),
                ("SlowDown", error(503, "SlowDown"), ("503",)),
                ("InternalError", error(500, "InternalError"), ("500",)),
                ("a message that plays tricks", error(400, "Odd", "\x1b[31mred\nnew line &amp; more"), ("400",)),
                ("a proxy's 407", lambda x: x.answer(407, b"<html>"), ("407",))):
            play = front.play(fault)
            result = refused(m, *words)
            expect("\x1b" not in result.output, "control characters reach the terminal")
            play.stop()
        declare(m, front, source="")
        front.bucket, kept = "no-such-bucket-here", front.bucket
        declare(m, front)
        refused(m, "no-such-bucket-here")
        front.bucket = kept
        declare(m, front, models={"vad": "from: bucket/nothing, version: '*'"})
        refused(m, "nothing")
        declare(m, front)


def test_bad_lists():
    """Lists that are HTML, cut, empty, of another kind, traps or without end are told, and nothing changes."""
    def row(name, fault, *words):
        front.s3.put(front.bucket, below("prod/vad/1.1.0", TWO))
        play = front.play(fault, only="^%s/$" % front.bucket)
        try:
            refused(m, *words, limit=90)
        finally:
            play.stop()

    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        each([("HTML", html, "web page"),
              ("cut", cut_json, "answer"),
              ("empty", empty, "answer"),
              ("another root", rewritten(b"ListBucketResult", b"ListAllMyBucketsResult"), "not a listing"),
              ("200 with an error", lambda x: x.answer(200, b"<?xml version='1.0'?><Error><Code>InternalError</Code></Error>"), "not a listing"),
              ("entities", bomb, "answer"),
              ("DOCTYPE with a file", lambda x: x.honest(b"<!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
                                                         + x.data.replace(b"prod/vad/1.1.0", b"&e;")), "answer"),
              ("no IsTruncated", rewritten(b"<IsTruncated>false</IsTruncated>", b""), "goes on"),
              ("goes on, but not how", rewritten(b"<IsTruncated>false", b"<IsTruncated>true"), "goes on"),
              ("negative size", rewritten(b"<Size>\\d+<", b"<Size>-5<"), "size"),
              ("huge size", rewritten(b"<Size>\\d+<", b"<Size>99999999999999999999999<"), "size"),
              ("a path out of the release", rewritten(b"1.1.0/model.onnx", b"1.1.0/../../../evil"), "path"),
              ("an absolute path", rewritten(b"1.1.0/model.onnx", b"1.1.0//etc/evil"), "path"),
              ("a control character", rewritten(b"1.1.0/model.onnx", b"1.1.0/a%0Ab"), "path"),
              ("a key of another release", rewritten(b"prod/vad/1.1.0/model.onnx", b"prod/other/1.1.0/model.onnx"), "path"),
              ("the same key twice", rewritten(b"1.1.0/config.json", b"1.1.0/model.onnx"), "model.onnx"),
              ("keys that differ in case", rewritten(b"1.1.0/config.json", b"1.1.0/Model.onnx"), "model.onnx"),
              ("a file that is a folder too", rewritten(b"1.1.0/config.json", b"1.1.0/model.onnx/x"), "model.onnx"),
              ("an unfinished escape", rewritten(b"1.1.0/config.json", b"1.1.0/%ZZ"), "key"),
              ], row)


def test_endless_list():
    """A list that never ends is given up in time, and without eating the memory."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        front.s3.put(front.bucket, below("prod/vad/1.1.0", TWO))
        play = front.play(rewritten(b"<IsTruncated>false</IsTruncated>", b"<IsTruncated>true</IsTruncated><NextContinuationToken>again</NextContinuationToken>"),
                   only="^%s/$" % front.bucket)
        try:
            refused(m, "end", limit=40)
        finally:
            play.stop()


def test_bad_bytes():
    """Objects that are not what the list or their checksum says never become active."""
    wrong = base64.b64encode(hashlib.sha256(b"x").digest()).decode()

    def row(name, fault, only, method, *words):
        play = front.play(fault, only=only, method=method)
        try:
            refused(m, *words, limit=90)
            m.blobs()
        finally:
            play.stop()
            m.remove("models/.reconcile/history.db")

    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        # Only small objects are read for the plan; a large one is opened for its checksum, or asked about where that fails.
        big = {"weights.bin": noise(3 * MiB, "big")}
        front.s3.put(front.bucket, below("prod/vad/1.1.0", {**TWO, **big}))
        model, large = r"1\.1\.0/model\.onnx$", r"1\.1\.0/weights\.bin$"
        each([("a flipped bit", functools.partial(wrong_bytes, at=500), model, "GET", "not those of its checksum"),
              ("a checksum of something else", lambda x: (x.fields.update({"x-amz-checksum-sha256": wrong}), x.fields.pop("X-Amz-Checksum-Sha256", None),
                                                           x.honest()), model, "GET", "not those of its checksum"),
              ("too short", lambda x: x.honest(x.data[:-1]), model, "GET", "size that the bucket lists"),
              ("too long", lambda x: x.honest(x.data + b"x"), model, "GET", "more than 100000 bytes"),
              ("HTML", html, model, "GET", "model.onnx"),
              ("AccessDenied for one object", error(403, "AccessDenied"), model, "GET", "may not be read"),
              ("NoSuchKey for one object", error(404, "NoSuchKey"), model, "GET", "is not there"),
              ("a checksum of something else, of a large one",
               lambda x: (x.fields.update({"x-amz-checksum-sha256": wrong}), x.fields.pop("X-Amz-Checksum-Sha256", None), x.honest()),
               large, None, "wrong bytes"),
              ("AccessDenied for a checksum", error(403, ""), large, None, "may not be read"),
              ("gone for a checksum", lambda x: x.answer(404), large, None, "weights.bin"),
              ("a flipped bit of a large one", functools.partial(wrong_bytes, at=500), large, "GET", "wrong bytes"),
              ("a large one too short", lambda x: x.honest(x.data[:-1]), large, "GET", "weights.bin"),
              ("503", unavailable, model, "GET", "503")], row)
        m.run()
        m.has({**TWO, **big}, "vad")


def test_sizes_that_lie():
    """A size in the list that is not the object's is found out, with a checksum and without."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        front.s3.put(front.bucket, {"prod/vad/1.1.0/model.onnx": noise(5000)})
        play = front.play(rewritten(b"<Size>5000<", b"<Size>5001<"), only="^%s/$" % front.bucket)
        refused(m, "model.onnx")
        play.stop()
        without_checksum(front, {"prod/vad/1.2.0/model.onnx": noise(6000)})
        for size in (b"5999", b"6001"):
            play = front.play(rewritten(b"<Size>6000<", b"<Size>%s<" % size), only="^%s/$" % front.bucket)
            refused(m, "model.onnx")
            play.stop()
        m.run()
        m.has({"model.onnx": noise(6000)}, "vad")


def test_unreachable():
    """A bucket that is away leaves its models as they are, and those of others go on."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.publish("other", "1.0.0", OTHERS)
        models = {"vad": "from: bucket/vad, version: ^1.0", "other": "from: zoo/other, version: '*'"}
        declare(m, front, models=models, sources={"zoo": "directory: catalog"})
        m.run()
        url, front.url = front.url, "http://127.0.0.1:9"
        declare(m, front, models=models, sources={"zoo": "directory: catalog"})
        m.publish("other", "1.1.0", {"weights.bin": b"new"})
        refused(m, "does not answer", status=4)
        m.has({"weights.bin": b"new"}, "other")
        front.url = url
        declare(m, front, models=models, sources={"zoo": "directory: catalog"})
        says(m.run(), "Nothing to do, 2 in sync")


def test_resume():
    """After kill -9 in the middle of an object the rest is asked for by range, with a signature of its own."""
    with bucket(seaweedfs) as (front, m):
        data = noise(24 * MiB, "resume")
        front.s3.put(front.bucket, {"prod/vad/1.0.0/model.onnx": data})
        play = front.play(functools.partial(faults.silent_after, count=3 * MiB), only=r"model\.onnx$", method="GET")
        expect(m.killed(after=functools.partial(begun, m)), "it ended by itself: %s" % m.outputs[-1])
        expect(m.files("vad") is None, "something is active")
        play.stop()
        front.clear()
        m.run()
        m.has({"model.onnx": data}, "vad")
        ranges = [r.range for r in front.log if r.path.endswith("model.onnx") and r.method == "GET"]
        expect(ranges and all(ranges) and "bytes=0-" not in str(ranges), "it began anew: %s" % ranges)
        expect(front.bytes_sent("model.onnx") < len(data), "bytes: %d" % front.bytes_sent("model.onnx"))


def test_kills():
    """Killed at any moment, the next pass reaches what an undisturbed one does, and the one after has nothing to do."""
    with bucket(seaweedfs, "1.0.0") as (front, m):
        m.run()
        for number in range(8):
            wanted = files_of("1.%d.1" % (number + 1))
            front.s3.put(front.bucket, below("prod/vad/1.%d.1" % (number + 1), wanted))
            m.killed(after=0.02 + 0.05 * number)
            found = m.files("vad")
            expect(found in (wanted, files_of("1.%d.1" % number) if number else ONE), "neither the old nor the new one is active")
            m.run()
            m.has(wanted, "vad", "after kill %d" % number)
            says(m.run(), "Nothing to do")


if __name__ == "__main__":
    with SHARED:
        sys.exit(machine.main("buckets", __doc__, globals(), jobs=4))
