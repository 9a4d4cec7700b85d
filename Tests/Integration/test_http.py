#!/usr/bin/env python3
"""A catalog behind servers that misbehave: what is fetched is whole and right, or nothing changes.

nginx serves what honest servers do; a small server of ours plays the faults that nginx does not.
"""
import glob
import http.server
import os
import random
import signal
import subprocess
import tempfile
import threading
import time

from support import RECONCILE, Nginx, expect, run

SIZE = 24 << 20


class Faulty(http.server.BaseHTTPRequestHandler):
    """Serves a directory; `fault` decides what goes wrong with model.bin."""
    root, fault, log, peer = None, None, [], None
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        cls = type(self)
        path = os.path.join(cls.root, self.path.lstrip("/"))
        cls.log.append((self.path, self.headers.get("Range"), self.headers.get("Authorization"), self.headers.get("X-Api-Key")))
        if not os.path.isfile(path):
            return self.answer(404, b"no such file")
        with open(path, "rb") as file:
            data = file.read()
        if not path.endswith("model.bin") or cls.fault is None:
            return self.answer(200, data, {"ETag": '"e"'})
        getattr(self, "fault_" + cls.fault)(data)

    def answer(self, status, body, headers=None, length=None):
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass

    def fault_slow(self, data):
        first, last = ((self.headers.get("Range") or "bytes=0-%d" % (len(data) - 1))[6:].split("-"))
        start, end = int(first), int(last) + 1
        self.send_response(206)
        self.send_header("Content-Range", "bytes %d-%d/%d" % (start, end - 1, len(data)))
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        try:
            for at in range(start, end, 1 << 20):
                if start == 0 and at == 3 << 20:
                    time.sleep(20)  # the client is killed while it waits for the rest
                self.wfile.write(data[at:min(end, at + (1 << 20))])
        except OSError:
            pass

    def fault_truncated(self, data):
        self.answer(200, data[:len(data) // 2], length=len(data))
        self.close_connection = True

    def fault_long(self, data):
        self.answer(200, data + b"more")

    def fault_short(self, data):
        self.answer(200, data[:-1])

    def fault_flipped(self, data):
        self.answer(200, data[:100] + bytes([data[100] ^ 1]) + data[101:])

    def fault_error(self, data):
        self.answer(503, b"busy" * 1000)

    def fault_whole_for_range(self, data):
        self.answer(200, data)

    def fault_wrong_range(self, data):
        if not self.headers.get("Range"):
            return self.answer(200, data)
        self.answer(206, data[5:], {"Content-Range": "bytes 5-%d/%d" % (len(data) - 1, len(data))})

    def fault_416(self, data):
        self.answer(416 if self.headers.get("Range") else 200, b"" if self.headers.get("Range") else data)

    def fault_redirect(self, data):
        self.answer(302, b"", {"Location": type(self).peer + self.path.lstrip("/")})

    def handle(self):
        try:
            super().handle()
        except ConnectionError:
            pass

    def log_message(self, *arguments):
        pass


def serve(root, fault=None, peer=None):
    handler = type("Handler", (Faulty,), {"root": root, "fault": fault, "log": [], "peer": peer})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return handler, "http://127.0.0.1:%d/" % server.server_port, server


def declare(work, url, more=""):
    with open(os.path.join(work, "desired-state.yaml"), "w") as file:
        file.write("apiVersion: reconcile/v1\nsources: { web: { http: '%s'%s } }\nmodels: { m: { from: web/m, version: '*' } }\n" % (url, more))


def fresh(work, catalog, url, more=""):
    subprocess.run(["rm", "-rf", os.path.join(work, "models")], check=True)
    declare(work, url, more)


def content(work):
    try:
        with open(os.path.join(work, "models", "m", "model.bin"), "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def kill_during_download(work):
    """Kills a pass as soon as a block of its download is safely on disk."""
    process = subprocess.Popen([RECONCILE, "--progress", "none"], cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journals = os.path.join(work, "models", ".reconcile", "partial", "*", "journal")
    for _ in range(1500):
        if any(os.path.getsize(path) > 0 for path in glob.glob(journals)):
            break
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


def main():
    work = tempfile.mkdtemp(prefix="reconcile-http-")
    catalog = os.path.join(work, "catalog")
    data = random.Random(1).randbytes(SIZE)
    os.makedirs(os.path.join(work, "src"))
    with open(os.path.join(work, "src", "model.bin"), "wb") as file:
        file.write(data)
    run(work, "publish", "src", "--to", "catalog", "--model", "m", "--version", "1.0.0")

    # A kill at any time costs at most a block: the rest is asked for by range.
    handler, url, _ = serve(catalog, "slow")
    fresh(work, catalog, url)
    kill_during_download(work)
    status = run(work, "status")
    expect("partial download" in status.stdout, "status shows the partial download:\n" + status.stdout)
    before = len(handler.log)
    run(work)
    ranges = [row[1] for row in handler.log[before:] if row[0].endswith("model.bin") and row[1]]
    expect(content(work) == data and ranges and "bytes=0-" not in str(ranges), "after a kill the download goes on: %s" % handler.log)
    print("resumed with", ranges)

    for fault in ("whole_for_range", "wrong_range", "416"):
        handler, slow, _ = serve(catalog, "slow")
        fresh(work, catalog, slow)
        kill_during_download(work)
        handler, url, _ = serve(catalog, fault)
        declare(work, url)
        run(work)
        expect(content(work) == data, "%s: the file is right" % fault)

    for fault, words in (("long", "longer than"), ("short", "shorter than"), ("flipped", "wrong bytes"),
                         ("error", "HTTP 503"), ("truncated", "does not answer")):
        _, url, _ = serve(catalog, fault)
        fresh(work, catalog, url)
        result = run(work, status=1)
        expect(words in result.stdout, "%s: the message says so:\n%s" % (fault, result.stdout))
        expect(content(work) is None, "%s: nothing became active" % fault)
        blobs = [f for _, _, files in os.walk(os.path.join(work, "models/.reconcile/blobs")) for f in files]
        expect(blobs == [], "%s: nothing wrong is in the store" % fault)
        _, honest, _ = serve(catalog)
        declare(work, url, ", mirrors: ['%s']" % honest)
        run(work)
        expect(content(work) == data, "%s: the mirror delivers" % fault)

    # Credentials never follow a redirect to another origin.
    other, other_url, _ = serve(catalog)
    handler, url, _ = serve(catalog, "redirect", peer=other_url)
    fresh(work, catalog, url, ", token: { env: TOKEN }")
    result = run(work, env={"TOKEN": "s3cret-token"})
    expect(content(work) == data, "the redirect is followed")
    expect(all(row[2] == "Bearer s3cret-token" for row in handler.log), "the source gets its token")
    expect([row[2] for row in other.log] == [None], "the other origin does not: %s" % other.log)
    for place, _, files in os.walk(os.path.join(work, "models", ".reconcile")):
        for name in files:
            with open(os.path.join(place, name), "rb") as file:
                expect(b"s3cret-token" not in file.read(), "no secret is written to %s" % name)
    expect("s3cret-token" not in result.stdout + result.stderr, "no secret is printed")

    # Plain HTTP beyond this machine is refused before anything is asked.
    declare(work, "http://192.0.2.1/")
    result = run(work, status=1)
    expect("plain HTTP" in result.stderr, "plain HTTP is refused: " + result.stderr)

    # An index that was cut on its way does not stay in the cache.
    index = os.path.join(catalog, "m", "index.json")
    with open(index) as file:
        good = file.read()
    _, url, _ = serve(catalog)
    fresh(work, catalog, url)
    run(work)
    with open(index, "w") as file:
        file.write(good[:len(good) // 2])
    expect("cut short" in run(work, status=4).stdout, "a cut index is named")
    with open(index, "w") as file:
        file.write(good)
    run(work)

    nginx = Nginx(catalog)
    fresh(work, catalog, nginx.url)
    run(work)
    nginx.log()
    run(work)
    log = nginx.log()
    expect([row[0] for row in log] == [304], "an unchanged source costs one conditional request: %s" % log)
    nginx.stop()
    expect(run(work, status=4).stdout.count("does not answer") == 1, "a source that is away makes its models unknown")
    expect(content(work) == data, "and leaves them as they are")
    subprocess.run(["rm", "-rf", work], check=True)
    print("HTTP: resume, faults, mirrors, redirects and conditional requests are as promised")


if __name__ == "__main__":
    main()
