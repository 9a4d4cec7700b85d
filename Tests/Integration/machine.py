"""A machine for tests: a directory with a desired state, a home of its own, and all that its commands ever said.

    with Machine() as machine:
        machine.declare({"bucket": "s3: s3://models/prod"}, {"vad": "from: bucket/vad, version: ^1.0"})
        machine.run()
        machine.has({"model.onnx": b"…"}, "vad")
"""
import argparse
import concurrent.futures
import functools
import hashlib
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

import worlds
from fakes import Fake
from support import RECONCILE, expect

MiB = 1 << 20
# What a shell may say about models, keys and ways, which is not the tests' own.
SPARED = ("HF_", "AWS_", "RECONCILE_", "HUGGING_FACE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "NETRC", "DOCKER_CONFIG", "XDG_",
          "OLLAMA_")


@functools.cache
def noise(size, seed=1):
    return random.Random(seed).randbytes(size)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Result:
    """How a command ended."""

    def __init__(self, status, stdout, stderr, seconds):
        self.status, self.stdout, self.stderr, self.seconds = status, stdout, stderr, seconds

    @property
    def output(self):
        return self.stdout + self.stderr

    @property
    def json(self):
        return json.loads(self.stdout)


class Machine:
    """`env` is what all its commands see besides; `base` is where it is, by default a new directory that goes with it."""

    def __init__(self, env=None, base=None):
        self.owns = base is None
        self.base = base or tempfile.mkdtemp(prefix="reconcile-machine-")
        self.store, self.home = self.path("models"), self.path("home")
        self.env, self.outputs = dict(env or {}), []
        os.makedirs(self.home, exist_ok=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.owns:
            shutil.rmtree(self.base, ignore_errors=True)

    # Its files

    def path(self, *parts):
        return os.path.join(self.base, *parts)

    def write(self, name, data):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        return self.path(name)

    def write_all(self, folder, files):
        for name, data in files.items():
            self.write(os.path.join(folder, name), data)

    def read(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()

    def remove(self, name):
        path = self.path(name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        elif os.path.lexists(path):
            os.unlink(path)

    def declare(self, sources, models, more=""):
        """Writes the desired state: {source: its keys}, {model: its keys}, and further lines."""
        def block(name, entries):
            return "%s:\n%s" % (name, "".join("  %s: { %s }\n" % pair for pair in entries.items()))
        self.write("desired-state.yaml", "apiVersion: reconcile/v1\n%s%s%s\n" % (block("sources", sources), block("models", models), more))

    def publish(self, model, version, files, *more, catalog="catalog"):
        """Publishes {path: bytes} in a catalog."""
        folder = tempfile.mkdtemp(dir=self.base, prefix="src-")
        self.write_all(folder, files)
        self.run("publish", folder, "--to", catalog, "--model", model, "--version", version, *more)
        shutil.rmtree(folder)

    # Its commands

    def environment(self, more=None):
        kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(SPARED)}
        own = {"NO_COLOR": "1", "TERM": "dumb", "HOME": self.home, "NETRC": os.devnull}
        return {name: value for name, value in {**kept, **own, **self.env, **(more or {})}.items() if value is not None}

    def start(self, *arguments, env=None, **options):
        return subprocess.Popen([RECONCILE, *(arguments or ("--progress", "none"))], cwd=self.base, env=self.environment(env),
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def run(self, *arguments, status=0, env=None, limit=60):
        """Runs the program, which must end in time and as it is said: `status` is one, several, or None for any of its own."""
        began, shown = time.monotonic(), "reconcile " + " ".join(arguments)
        process = self.start(*arguments, env=env)
        try:
            stdout, stderr = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            raise SystemExit("FAILED: %s has no end in %d s: %s" % (shown, limit, process.communicate()))
        result = Result(process.returncode, stdout, stderr, time.monotonic() - began)
        self.outputs.append(result.output)
        allowed = range(0, 128) if status is None else status if isinstance(status, tuple) else (status,)
        expect(result.status in allowed, "%s: exit %s instead of %s\n%s" % (shown, result.status, status, result.output))
        expect("bug in reconcile" not in result.output and "Fatal error" not in result.output, "%s: %s" % (shown, result.output))
        return result

    def killed(self, *arguments, after, env=None):
        """Starts the program and kills it when `after` (seconds, or a function that says when) is over; whether it lived so long."""
        process = self.start(*arguments, env=env)
        end = time.monotonic() + (after if not callable(after) else 30)
        while process.poll() is None and time.monotonic() < end and not (callable(after) and after()):
            time.sleep(0.002)
        lived = process.poll() is None
        if lived:
            process.send_signal(signal.SIGKILL)
        stdout, stderr = process.communicate()
        self.outputs.append(stdout + stderr)
        return lived

    # What is there

    def files(self, model):
        """{path: bytes} behind a model's link; None without one."""
        link = os.path.join(self.store, model)
        return worlds.files(os.path.realpath(link)) if os.path.lexists(link) else None

    def has(self, wanted, model, why=""):
        found = self.files(model)
        expect(found == wanted, "%s %s: %s" % (model, why, "there is nothing" if found is None else "nothing was expected" if wanted is None
               else "other files or bytes: %s" % sorted(path for path in {**found, **wanted} if found.get(path) != wanted.get(path))))

    def status(self, model):
        found = self.run("status", "-o", "json", status=(0, 1, 4)).json
        return next((entry for entry in found["models"] if entry["model"] == model), {})

    def active(self, model):
        return self.status(model).get("active")

    def state(self, *models):
        """What must not change when nothing may: where links lead, the files there, and what status says of them."""
        said = {entry["model"]: entry for entry in self.run("status", "-o", "json").json["models"]}
        links = {model: os.path.join(self.store, model) for model in models}
        return {model: (os.readlink(link) if os.path.lexists(link) else None, self.files(model),
                        *(said.get(model, {}).get(key) for key in ("active", "contentDigest"))) for model, link in links.items()}

    def lock(self, model):
        return json.loads(self.read("desired-state.lock"))["models"][model]

    def blobs(self):
        """The digests of what is in the store under them; all of them must be true."""
        found = set()
        for path, data in worlds.files(os.path.join(self.store, ".reconcile", "blobs")).items():
            name = os.path.basename(path)
            expect(sha256(data) == name, "a blob has other bytes than its name says: %s" % name)
            found.add(name)
        return found

    def keeps(self, *secrets, besides=()):
        """None of these secrets was said, or written to a file that is not among `besides`."""
        for command in (("history",), ("plan", "-o", "json")):
            self.run(*command, status=None)
        for place, _, names in os.walk(self.base):
            for name in names:
                path = os.path.join(place, name)
                if os.path.isfile(path) and os.path.relpath(path, self.base) not in besides:
                    with open(path, "rb") as file:
                        data = file.read()
                    for secret in secrets:
                        expect(secret.encode() not in data, "%s holds a secret" % os.path.relpath(path, self.base))
        for secret in secrets:
            for output in self.outputs:
                expect(secret not in output, "a secret was said:\n%s" % output)


def says(result, *words):
    """It says all of these, whatever the case of letters and the line breaks; returns it."""
    output = result if isinstance(result, str) else result.output
    text = " ".join(output.split()).lower()
    for word in words:
        expect(word.lower() in text, "it does not say “%s”:\n%s" % (word, output))
    return result


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


class Recorder(Fake):
    """Stands before a server of HTTP: hands on every request as it comes, its Host too, logs it, and plays faults.

    `page` is how many entries a list of S3 may have; only moto does not mind that its signature is then wrong.
    """

    def __init__(self, host, tls=None, name="127.0.0.1"):
        super().__init__()
        self.host, self.page = host, None
        self.front = self.origin("front", tls=tls, name=name)
        self.url = self.front.url.rstrip("/")
        self.port = self.front.port

    def on_front(self, x):
        connection = http.client.HTTPConnection(self.host, timeout=60)
        target = x.record.target if "://" not in x.record.target else "/" + x.record.target.split("/", 3)[3]
        if self.page and "list-type=2" in target:
            target += "&max-keys=%d" % self.page
        connection.putrequest(x.method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in x.headers.items():
            if name not in ("connection", "transfer-encoding"):
                connection.putheader(name, value)
        connection.endheaders(x.body or None)
        answer = connection.getresponse()
        data = answer.read()
        fields = {name: value for name, value in answer.getheaders() if name.lower() not in ("connection", "content-length", "transfer-encoding")}
        if x.method == "HEAD":
            data = bytes(int(answer.headers.get("Content-Length") or 0))
        connection.close()
        x.reply(answer.status, data, fields)

    def asked(self, word=""):
        """The requests so far, as METHOD TARGET."""
        return [text for text in ("%s %s" % (r.method, r.target) for r in list(self.log)) if word in text]


class Skipped(Exception):
    """Why a test cannot be made here."""


def main(name, doc, namespace, jobs=3):
    """Runs the tests of a file: functions whose name begins with test_."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="tests whose name holds this")
    parser.add_argument("--list", action="store_true", help="only list the tests")
    parser.add_argument("--jobs", type=int, default=jobs)
    options = parser.parse_args()
    tests = [function for key, function in namespace.items() if key.startswith("test_") and options.only in key]
    if options.list:
        return print("\n".join("%-32s %s" % (test.__name__, test.__doc__.splitlines()[0]) for test in tests))
    failures, began = [], time.monotonic()

    def timed(test):
        start = time.monotonic()
        try:
            test()
            return "ok     ", start, test.__doc__.splitlines()[0]
        except Skipped as reason:
            return "skipped", start, "%s: %s" % (test.__name__, reason)
        except (SystemExit, Exception) as problem:  # every test is made, whatever one of them shows
            failures.append(test.__name__)
            text = str(problem) if isinstance(problem, SystemExit) else repr(problem)
            return "FAILED ", start, "%s: %s" % (test.__name__, text.removeprefix("FAILED: "))

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for future in concurrent.futures.as_completed([pool.submit(timed, test) for test in tests]):
            how, start, text = future.result()
            print("%s %4.1f s  %s" % (how, time.monotonic() - start, text), flush=True)
    expect(not failures, "%d of %d: %s" % (len(failures), len(tests), ", ".join(sorted(failures))))
    print("%s: %d tests passed in %.0f s" % (name, len(tests), time.monotonic() - began))
