#!/usr/bin/env python3
"""Walks real models through their history: silero-vad, as its publisher released it, served by nginx on loopback.

Two files of its releases have the same path and the same size but other bytes; one release changes nothing; others share
content. The wheels are taken from the package index by name and version; none of their files is part of this project.
"""
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile

from support import Nginx, expect, run, sha256

VERSIONS = ["5.1", "6.0.0", "6.1.0", "6.2.0", "6.2.1"]
ONNX = {  # SHA-256 of silero_vad.onnx
    "5.1": "2623a2953f6ff3d2c1e61740c6cdb7168133479b267dfef114a4a3cc5bdd788f",
    "6.0.0": "597d30b3ec076608d059477bb14cfeffdf951bf5cae370d38f65d33bbfe82004",
    "6.1.0": "597d30b3ec076608d059477bb14cfeffdf951bf5cae370d38f65d33bbfe82004",
    "6.2.0": "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
    "6.2.1": "1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3",
}
SAFETENSORS = "c59271c284ae9c8335d795d60e0bfdb71aaaceec578d9bd9ffc1b8153c319ea1"


def wheels(work):
    """The data folder of each version, by version."""
    cache = os.path.join(os.path.expanduser("~"), ".cache", "reconcile-tests")
    os.makedirs(cache, exist_ok=True)
    folders = {}
    for version in VERSIONS:
        found = glob.glob(os.path.join(cache, "silero_vad-%s-*.whl" % version))
        if not found:
            result = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
                                     "-d", cache, "silero-vad==" + version], capture_output=True, text=True)
            if result.returncode != 0:
                raise SystemExit("FAILED: silero-vad %s could not be downloaded:\n%s" % (version, result.stderr))
            found = glob.glob(os.path.join(cache, "silero_vad-%s-*.whl" % version))
        with zipfile.ZipFile(found[0]) as wheel:
            wheel.extractall(os.path.join(work, "wheel-" + version))
        folder = os.path.join(work, "wheel-" + version, "silero_vad", "data")
        for name in os.listdir(folder):
            if name.startswith("__"):
                path = os.path.join(folder, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        folders[version] = folder
    return folders


def declare(work, url, version):
    with open(os.path.join(work, "desired-state.yaml"), "w") as file:
        file.write("apiVersion: reconcile/v1\nsources: { web: { http: '%s' } }\nmodels:\n"
                   "  vad: { from: web/silero-vad, version: '%s', automatic: major }\n" % (url, version))


def onnx(work):
    return sha256(os.path.join(work, "models", "vad", "silero_vad.onnx"))


def fetched(log):
    """Bytes of model files that the server sent, and their paths."""
    rows = [row for row in log if not row[1].endswith(".json")]
    return sum(row[2] for row in rows), [row[1] for row in rows]


def main():
    work = tempfile.mkdtemp(prefix="reconcile-silero-")
    folders = wheels(work)
    catalog = os.path.join(work, "catalog")
    for version in VERSIONS:
        run(work, "publish", folders[version], "--to", catalog, "--model", "silero-vad", "--version", version)
    server = Nginx(catalog)
    try:
        seen, total = set(), 0
        for version in ["5.1", "6.0.0", "6.1.0", "6.2.1"]:
            declare(work, server.url, version if version != "6.2.1" else ">=5.1")
            sizes = {}
            for name in os.listdir(folders[version]):
                path = os.path.join(folders[version], name)
                sizes[sha256(path)] = os.path.getsize(path)
            new = sum(size for digest, size in sizes.items() if digest not in seen)
            plan = json.loads(run(work, "--dry-run", "-o", "json").stdout)
            expect(plan["summary"]["downloadBytes"] == (0 if version == "6.1.0" else new), "the plan for %s says %s bytes, %s are new" % (
                version, plan["summary"]["downloadBytes"], new))
            server.log()
            result = run(work)
            bytes_sent, paths = fetched(server.log())
            expect(bytes_sent == new, "%s: the server sent %s bytes, %s are new: %s" % (version, bytes_sent, new, paths))
            expect(onnx(work) == ONNX[version], "%s is active with the wrong bytes" % version)
            if version == "6.1.0":
                expect("relabelled" in result.stdout and bytes_sent == 0, "6.1.0 changes nothing, so no byte moves")
            seen |= set(sizes)
            total += bytes_sent
            print("silero-vad %s: %d bytes fetched, %d reused" % (version, bytes_sent, sum(sizes.values()) - new))
        expect(sha256(os.path.join(work, "models", "vad", "silero_vad_16k.safetensors")) == SAFETENSORS, "the new file of 6.2.1 is there")

        run(work, "rollback", "vad", "--to", "6.0.0", "--reason", "integration test")
        expect(onnx(work) == ONNX["6.0.0"], "6.0.0 is active after the rollback")
        run(work)
        expect(onnx(work) == ONNX["6.0.0"], "the next pass leaves the rollback alone")
        run(work, "resume", "vad")
        run(work)
        expect(onnx(work) == ONNX["6.2.1"], "6.2.1 is active after resume")
        bytes_sent, _ = fetched(server.log())
        expect(bytes_sent == 0, "going back and forth fetches nothing")
        log = server.log()
        run(work)
        log = server.log()
        expect([row[0] for row in log] == [304], "an unchanged source costs one conditional request: %s" % log)
        run(work, "verify", "--deep")
        print("silero-vad: %d bytes fetched in all; content shared between versions was fetched once" % total)
    finally:
        server.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
