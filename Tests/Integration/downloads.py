"""What the download tests share: a catalog, with and without block indexes, and directories that run the program against it."""
import contextlib
import functools
import glob
import hashlib
import json
import os
import random
import shutil
import subprocess
import tempfile
import time

from support import RECONCILE, run, sha256

MiB = 1 << 20
TOKEN = "s3cret-token"
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class Result:
    """How a run of the program ended; `status` is None when it had to be killed."""

    def __init__(self, status, output, seconds):
        self.status, self.output, self.seconds = status, output, seconds


class Catalog:
    """A published model `m` of a large file and a tiny one; `indexed` and `plain` are the directories to serve."""

    def __init__(self, size, seed=1):
        self.base = tempfile.mkdtemp(prefix="reconcile-catalog-")
        self.size = size
        self.files = {"model.bin": random.Random(seed).randbytes(size), "labels.txt": b"yes\nno\n"}
        self.digests = {name: hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        source = os.path.join(self.base, "src")
        os.makedirs(source)
        for name, data in self.files.items():
            with open(os.path.join(source, name), "wb") as file:
                file.write(data)
        run(self.base, "publish", "src", "--to", "indexed", "--model", "m", "--version", "1.0.0")
        shutil.rmtree(source)
        self.indexed, self.plain = os.path.join(self.base, "indexed"), os.path.join(self.base, "plain")
        shutil.copytree(self.indexed, self.plain, copy_function=os.link)
        self.has_index = strip_blocks(self.plain)

    def place(self, index):
        return self.indexed if index else self.plain

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.base, ignore_errors=True)


def strip_blocks(catalog):
    """Takes the block indexes out of a catalog's releases; whether there were any."""
    found = False
    for index_path in glob.glob(os.path.join(catalog, "*", "index.json")):
        with open(index_path) as file:
            index = json.load(file)
        for release in index["releases"]:
            path = os.path.join(os.path.dirname(index_path), release["release"]["path"])
            with open(path) as file:
                document = json.load(file)
            for entry in document["files"]:
                found = entry.pop("blocks", None) is not None or found
            rewrite(path, document)
            release["release"]["sha256"] = sha256(path)
        rewrite(index_path, index)
    for directory in glob.glob(os.path.join(catalog, "*", "blocks")):
        shutil.rmtree(directory)
    return found


def rewrite(path, document):
    """Writes JSON in place of a file that may be linked elsewhere too."""
    os.unlink(path)
    with open(path, "w") as file:
        json.dump(document, file, indent=2, sort_keys=True)


@functools.cache
def knows_connections():
    """Whether the program takes `download: { connections: N }`."""
    with Workspace(None) as work:
        work.declare("http://127.0.0.1:9/", connections=2, ask=False)
        return subprocess.run([RECONCILE, "validate"], cwd=work.base, capture_output=True).returncode == 0


class Workspace(contextlib.AbstractContextManager):
    """A fresh directory with a desired state."""

    def __init__(self, catalog):
        self.catalog = catalog
        self.base = tempfile.mkdtemp(prefix="reconcile-download-")
        self.store = os.path.join(self.base, "models")

    def __exit__(self, *_):
        shutil.rmtree(self.base, ignore_errors=True)

    def declare(self, url, mirrors=(), source="", connections=None, ask=True):
        """Writes the desired state; `source` holds more keys of the source, such as its token."""
        keys = ["http: '%s'" % url, *(["mirrors: %s" % list(mirrors)] if mirrors else []), *([source] if source else [])]
        text = "apiVersion: reconcile/v1\nsources: { web: { %s } }\nmodels: { m: { from: web/m, version: '*' } }\n" % ", ".join(keys)
        if connections and (not ask or knows_connections()):
            text += "download: { connections: %d }\n" % connections
        with open(os.path.join(self.base, "desired-state.yaml"), "w") as file:
            file.write(text)

    def start(self, env=None, **options):
        environment = {name: value for name, value in os.environ.items() if name.lower() not in PROXIES}
        environment.update({"NO_COLOR": "1", "TERM": "dumb", "NETRC": os.devnull, **(env or {})})
        return subprocess.Popen([RECONCILE, "--progress", "none"], cwd=self.base, env=environment, text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)

    def run(self, limit=60, env=None):
        start = time.monotonic()
        process = self.start(env)
        try:
            output, _ = process.communicate(timeout=limit)
            return Result(process.returncode, output, time.monotonic() - start)
        except subprocess.TimeoutExpired:
            process.kill()
            output, _ = process.communicate()
            return Result(None, output, time.monotonic() - start)

    def active(self):
        """Whether `models/m` leads to something."""
        return os.path.lexists(os.path.join(self.store, "m"))

    def is_right(self):
        """Whether `models/m` holds the release, whole and right."""
        return all(os.path.isfile(path) and sha256(path) == digest for path, digest in (
            (os.path.join(self.store, "m", name), digest) for name, digest in self.catalog.digests.items()))

    def wrong_files(self):
        """Files at final names whose bytes are not what the name promises."""
        wrong = [path for path in self.walk("blobs") if sha256(path) != os.path.basename(path)]
        for path in self.walk("generations"):
            if os.path.dirname(os.path.dirname(path)) == os.path.join(self.store, ".reconcile", "generations"):
                continue  # the release beside the directory of its files
            if sha256(path) != self.catalog.digests.get(os.path.basename(path)):
                wrong.append(path)
        return wrong

    def left_over(self):
        """Files of downloads under way, when there is nothing more to download."""
        return list(self.walk("partial"))

    def walk(self, name):
        for place, _, files in os.walk(os.path.join(self.store, ".reconcile", name)):
            for file in files:
                yield os.path.join(place, file)
