"""What the fake services share (hub.py, registry.py): origins with one log, faults that come and go, and signed addresses.

A service has several origins on loopback, each a `FaultServer` that answers from a route instead of a directory. The route
fills in what a good service answers; a fault is a function of the `Exchange`, as in faults.py, and all faults of that file
work here too. It may answer on its own, or change `status`, `fields` or `data` and then call `honest`:

    def wrong_commit(x):
        x.fields["X-Repo-Commit"] = "0" * 40
        x.honest()

    service.play(wrong_commit, only=r"model\\.onnx$", times=2)
"""
import dataclasses
import functools
import gzip as gz
import hashlib
import hmac
import json
import re
import threading
import time
import traceback
import urllib.parse

import faultserver
from faultserver import FaultServer, Gone

JSON = "application/json; charset=utf-8"


@functools.cache
def sha256(data):
    return hashlib.sha256(data).hexdigest()


@dataclasses.dataclass
class Record(faultserver.Record):
    """A request, which origin got it, and what became of it."""
    server: str = ""
    target: str = ""  # as it came, with its query
    body: bytes = b""

    @property
    def query(self):
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.target).query, keep_blank_values=True))


class Exchange(faultserver.Exchange):
    """One request, and the answer that is ready for it."""

    def __init__(self, server, channel, record):
        super().__init__(server, channel, record, b"", None)
        self.fake, self.query, self.body = server.fake, record.query, record.body
        self.status, self.fields, self.ranged = 404, {}, False

    @property
    def address(self):
        """The address that was asked for."""
        return self.server.url.rstrip("/") + self.record.target

    def reply(self, status, data=b"", headers=None, etag=None, ranged=False):
        """Gets an answer ready; `honest` sends it."""
        self.status, self.data, self.etag, self.ranged = status, data, etag, ranged
        self.fields.update(headers or {})

    def json(self, value, headers=None, status=200, media_type=JSON):
        self.reply(status, json.dumps(value).encode(), {"Content-Type": media_type, **(headers or {})})

    def to(self, status, url, headers=None):
        self.reply(status, b"Redirecting to " + url.encode(), {"Location": url, **(headers or {})})

    def honest(self, data=None, etag=None, whole=False, upto=None, headers=None):
        """Sends the answer that is ready; see `faultserver.Exchange.honest`."""
        fields = {**self.fields, **(headers or {})}
        if self.ranged and self.status == 200:
            return super().honest(data, etag, whole, upto, fields)
        body, etag = self.data if data is None else data, etag or self.etag
        if etag:
            fields["ETag"] = etag
        if etag and self.status == 200 and self.headers.get("if-none-match") == etag:
            return self.head(304, fields)
        self.head(self.status, fields, length=len(body))
        self.send(body[:upto])


class Origin(FaultServer):
    """One of a service's origins; no secret may reach those that are not `trusted`."""

    def __init__(self, fake, role, name="127.0.0.1", trusted=True, tls=None):
        super().__init__("", tls=tls, name=name)
        self.fake, self.role, self.trusted = fake, role, trusted
        self.log, self.lock, self.memory = fake.log, fake.lock, fake.memory

    def plays(self, path):
        return True

    def serve_request(self, channel):
        while b"\r\n\r\n" not in channel.buffer:
            if channel.buffer and not channel.buffer[:1].isalpha():  # such as TLS, which skopeo tries first and waits for
                channel.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                raise Gone
            channel.receive()
        head, _, channel.buffer = channel.buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = {}
        for name, _, value in (line.partition(":") for line in lines[1:]):
            name, value = name.lower(), value.strip()
            headers[name] = "%s, %s" % (headers[name], value) if name in headers else value
        length = int(headers.get("content-length", 0))
        while len(channel.buffer) < length:
            channel.receive()
        body, channel.buffer = channel.buffer[:length], channel.buffer[length:]
        path = urllib.parse.unquote(urllib.parse.urlsplit(target).path).lstrip("/")
        record = Record(method, path, headers, time.monotonic(), server=self.role, target=target, body=body)
        with self.lock:
            self.log.append(record)
            x = Exchange(self, channel, record)
        if record.authorization and not self.trusted:
            self.fake.violations.append("%s %s came to %s with Authorization" % (method, path, self.role))
        try:
            self.fake.route(x)
            (self.fake.next_play(x) or Exchange.honest)(x)
        except (Gone, OSError):
            raise
        except Exception:  # a mistake in this file or in a test's fault: tests see it among the violations
            self.fake.violations.append(traceback.format_exc())
            x.close()
        return x.keeps and headers.get("connection", "").lower() != "close"


class Play:
    """A fault that is played for some requests; `played` counts them, `stop` ends it."""

    def __init__(self, fault, only, times, on, method):
        self.fault, self.only, self.times, self.on, self.method = fault, re.compile(only), times, on, method
        self.played = 0

    def fits(self, record):
        return ((self.times is None or self.played < self.times) and self.on in (None, record.server)
                and self.method in (None, record.method) and self.only.search(record.path))

    def stop(self):
        self.times = 0


class Fake:
    """A service of several origins. Subclasses make the origins and have a method `on_ROLE(x)` for each.

    `log` holds every request as a `Record`, `violations` what no client may do: sending a secret where it does not belong.
    `link_seconds` and `link_uses` say how long signed addresses work.
    """

    def __init__(self, link_seconds=3600, link_uses=None):
        self.link_seconds, self.link_uses = link_seconds, link_uses
        self.log, self.lock, self.memory = [], threading.RLock(), {}
        self.violations, self.plays, self.origins = [], [], []
        self.links, self.away = {}, {}
        # Another host, by its name, and always without TLS: where redirects lead that must not be followed with a secret.
        self.elsewhere = self.origin("elsewhere", name="localhost", trusted=False)

    def origin(self, role, **options):
        self.origins.append(Origin(self, role, **options))
        return self.origins[-1]

    def __enter__(self):
        for origin in self.origins:
            origin.start()
        return self

    def __exit__(self, *_):
        for origin in self.origins:
            origin.stop()

    # What tests ask

    def requests(self, ending="", server=None, method=None, status=None):
        return [r for r in list(self.log) if r.path.endswith(ending) and server in (None, r.server)
                and method in (None, r.method) and status in (None, r.status)]

    def bytes_sent(self, ending="", server=None):
        """Body bytes that the kernel took."""
        return sum(record.sent for record in self.requests(ending, server))

    def clear(self):
        """Forgets the requests so far, also for faults that count them."""
        with self.lock:
            self.log.clear()

    # Faults

    def play(self, fault, only="", times=None, on=None, method=None):
        """Plays a fault: for paths in which the pattern `only` is found, at most `times` times, on one origin, for one method.
        Of several that fit a request, the first one is played."""
        play = Play(fault, only, times, on, method)
        self.plays.append(play)
        return play

    def heal(self):
        """Ends all faults."""
        self.plays.clear()

    def next_play(self, x):
        with self.lock:
            for play in self.plays:
                if play.fits(x.record):
                    play.played += 1
                    return play.fault
        return None

    # Answers

    def route(self, x):
        getattr(self, "on_" + x.server.role)(x)

    def on_elsewhere(self, x):
        self.away.get(x.path, lambda x: x.reply(404, b"nothing here"))(x)

    def sign(self, path):
        """The query of an address of this path that works for `link_seconds` and `link_uses`."""
        with self.lock:
            ticket = len(self.links)
            text = "expires=%d&ticket=%d" % (time.time() + self.link_seconds, ticket)
            signature = hmac.new(b"fake", ("%s?%s" % (path, text)).encode(), hashlib.sha256).hexdigest()
            self.links[signature] = [time.monotonic() + self.link_seconds, self.link_uses]
        return "%s&sig=%s" % (text, signature)

    def is_signed(self, x):
        """Whether the request's address is signed and still works; otherwise the answer says so."""
        text, _, signature = urllib.parse.urlsplit(x.record.target).query.partition("&sig=")
        right = hmac.new(b"fake", ("%s?%s" % (x.path, text)).encode(), hashlib.sha256).hexdigest()
        with self.lock:
            link = self.links.get(signature)
            if link and right == signature and time.monotonic() < link[0] and link[1] != 0:
                if link[1] is not None and x.method == "GET":
                    link[1] -= 1
                return True
        reason = b"Request has expired" if link else b"The signature does not match"
        x.reply(403, b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>%s</Message></Error>" % reason,
                {"Content-Type": "application/xml"})
        return False


# Faults of any service; more are in faults.py

def answers(x, status, body=b"", headers=None):
    """This answer instead of the right one."""
    x.answer(status, body, headers)


def unavailable(x, retry_after=None):
    """503, with Retry-After when it is given."""
    x.answer(503, b"Service Unavailable", {} if retry_after is None else {"Retry-After": retry_after})


def field(x, **fields):
    """The right answer with other fields of its head; `_` in names stands for `-`, None takes a field away."""
    for name, value in fields.items():
        name = name.replace("_", "-")
        x.fields = {key: text for key, text in x.fields.items() if key.lower() != name.lower()}
        if value is not None:
            x.fields[name] = value
    x.honest()


def html(x):
    """200 and a page to log in, whatever was asked for."""
    x.answer(200, b"<!doctype html><title>Welcome</title>Please log in." * 20, {"Content-Type": "text/html; charset=utf-8"})


def cut_json(x):
    """JSON that ends in its middle, in an answer that is otherwise whole."""
    x.honest(x.data[:len(x.data) // 2])


def empty(x):
    """The right head of an empty body."""
    x.honest(b"")


def deep_json(x, depth=200_000):
    """JSON of nothing but opening brackets and their closing ones."""
    x.answer(200, b"[" * depth + b"]" * depth, x.fields)


def huge_json(x, size=256 << 20):
    """A JSON array of so many bytes of entries, sent as fast as it is taken."""
    entry = b'{"type":"file","oid":"%040d","size":1,"path":"%s"},' % (0, b"x" * 900)
    count = size // len(entry)
    x.head(200, x.fields, length=count * len(entry) + 3)
    x.send(b"[")
    for _ in range(count // 64):
        x.send(entry * 64)
    x.send(entry * (count % 64) + b"0]")


def gzipped(x):
    """The body compressed, though identity was asked for."""
    x.answer(x.status, gz.compress(x.data, 1), {**x.fields, "Content-Encoding": "gzip"})


def wrong_bytes(x, at=0):
    """The right head and the right size, and one bit that is wrong."""
    x.honest(x.data[:at] + bytes([x.data[at] ^ 1]) + x.data[at + 1:])


def slow(x, seconds):
    """The right answer, and no byte of it before so many seconds."""
    x.silence(seconds)
    x.honest()


def redirect_loop(x):
    """To itself, for ever."""
    x.answer(302, b"", {"Location": x.address})


def redirect_chain(x, hops):
    """Through so many redirects of one origin to the right answer."""
    hop = int(x.query.get("hop", 0))
    if hop >= hops:
        return x.honest()
    query = urllib.parse.urlencode({**x.query, "hop": hop + 1})
    x.answer(302, b"", {"Location": "%s?%s" % (x.address.partition("?")[0], query)})


def redirect_elsewhere(x):
    """To http: of another host, which would answer well."""
    status, data, fields, etag, ranged = x.status, x.data, dict(x.fields), x.etag, x.ranged
    x.fake.away[x.path] = lambda y: y.reply(status, data, fields, etag, ranged)
    x.answer(302, b"", {"Location": x.fake.elsewhere.url.rstrip("/") + x.record.target})
