"""A web server for tests: honest by default, exact in what it counts, and ready to misbehave (see faults.py).

    with FaultServer(directory, fault=faults.not_found) as server:
        ...  server.url, server.log, server.bytes_sent("model.bin")

HTTP/1.1 with kept connections, ranges, strong ETags and conditions, HEAD, and TLS when it is given a certificate. A fault is
a function of one `Exchange`; it is played for model files only, unless `only` (a pattern of paths) says otherwise. Every
socket is non-blocking and every body byte is counted when the kernel takes it, under one lock: whoever holds `sending` knows
that nothing is on its way into a socket.
"""
import base64
import dataclasses
import fnmatch
import hashlib
import os
import select
import socket
import ssl
import struct
import threading
import time
import urllib.parse

CHUNK = 64 << 10
DOCUMENTS = ("index.json", "release.json", "blocks")
REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 304: "Not Modified", 401: "Unauthorized", 403: "Forbidden",
           404: "Not Found", 412: "Precondition Failed", 416: "Range Not Satisfiable", 429: "Too Many Requests",
           500: "Internal Server Error", 503: "Service Unavailable"}
FILES = {}


class Gone(Exception):
    """The client is away, or this connection is to end."""


def contents(path):
    """The bytes of a file and its ETag, read once."""
    stat = os.stat(path)
    key = (path, stat.st_mtime_ns, stat.st_size)
    if key not in FILES:
        with open(path, "rb") as file:
            data = file.read()
        FILES[key] = (data, '"%s"' % hashlib.sha256(data).hexdigest()[:16])
    return FILES[key]


@dataclasses.dataclass
class Record:
    """A request, and what became of it."""
    method: str
    path: str
    headers: dict
    started: float
    status: int = 0
    answered: float = 0
    sent: int = 0
    wrong: bool = False  # whether bytes were sent that are not those of the file

    @property
    def range(self):
        return self.headers.get("range")

    @property
    def authorization(self):
        return self.headers.get("authorization")


class Channel:
    """A non-blocking socket, plain or TLS, with the few moves that a server needs."""

    def __init__(self, sock, server):
        self.sock, self.server, self.buffer = sock, server, b""

    def wait(self, events, seconds=None):
        """Waits until the socket is ready; False when it is not within the time."""
        end = None if seconds is None else time.monotonic() + seconds
        poll = select.poll()
        poll.register(self.sock, events)
        while not self.server.stopping:
            left = 0.25 if end is None else min(0.25, end - time.monotonic())
            if left <= 0:
                return False
            if poll.poll(left * 1000):
                return True
        raise Gone

    def attempt(self, move, events):
        while True:
            try:
                return move()
            except BlockingIOError:
                self.wait(events)
            except ssl.SSLWantReadError:
                self.wait(select.POLLIN)
            except ssl.SSLWantWriteError:
                self.wait(select.POLLOUT)
            except (OSError, ssl.SSLError):
                raise Gone from None

    def receive(self):
        data = self.attempt(lambda: self.sock.recv(CHUNK), select.POLLIN)
        if not data:
            raise Gone
        self.buffer += data

    def write(self, data, taken=None):
        """Sends everything; `taken` is told how many bytes the kernel took, while the server's lock is held."""
        def move():
            with self.server.sending:
                count = self.sock.send(view[:self.server.until_alarm() if taken else CHUNK])
                if taken:
                    taken(count)
                return count
        view = memoryview(data)
        while view:
            view = view[self.attempt(move, select.POLLOUT):]

    def flush(self, seconds=2):
        """Waits until the other side has taken everything that was sent."""
        import fcntl
        import termios
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.server.stopping:
            try:
                if struct.unpack("i", fcntl.ioctl(self.sock.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0] == 0:
                    return
            except OSError:
                return
            time.sleep(0.002)


class Exchange:
    """One request and what is answered to it: the words that faults are written in."""

    def __init__(self, server, channel, record, data, etag):
        self.server, self.channel, self.record = server, channel, record
        self.data, self.etag = data, etag
        self.method, self.path, self.headers = record.method, record.path, record.headers
        self.number = sum(1 for other in server.log if other.path == record.path) - 1  # requests for it that came before
        self.keeps = True

    @property
    def span(self):
        """What is asked for: (start, end) with the end not included, None for the whole, () for what there is not."""
        text = self.headers.get("range", "")
        if not text.startswith("bytes=") or "," in text or self.headers.get("if-range", self.etag) != self.etag:
            return None
        first, _, last = text[6:].partition("-")
        size = len(self.data)
        start, end = (int(first), min(int(last or size), size - 1) + 1) if first else (max(0, size - int(last)), size)
        return (start, end) if start < end else ()

    @property
    def bounds(self):
        return self.span or (0, len(self.data))

    def content_range(self, start, end, size=None):
        return "bytes %d-%d/%d" % (start, end - 1, len(self.data) if size is None else size)

    def head(self, status, headers=None, length=None, **more):
        """Sends the head. Without a length the body ends with the connection, or says itself where it ends."""
        headers = dict(headers or {}, **more)
        if length is not None:
            headers["Content-Length"] = length
        elif "Transfer-Encoding" not in headers and status not in (204, 304):
            headers["Connection"], self.keeps = "close", False
        text = "HTTP/1.1 %d %s\r\n%s\r\n" % (status, REASONS.get(status, "Other"),
                                             "".join("%s: %s\r\n" % item for item in headers.items()))
        self.record.status, self.record.answered = status, time.monotonic()
        self.channel.write(text.encode())

    def send(self, data, wrong=False):
        """Sends bytes of the body."""
        if self.method == "HEAD":
            return
        self.record.wrong = self.record.wrong or wrong
        self.channel.write(data, self.server.count(self.record))

    def answer(self, status, body=b"", headers=None):
        self.head(status, headers, length=len(body))
        self.send(body)

    def honest(self, data=None, etag=None, whole=False, upto=None, headers=None):
        """What a good server answers; `data` may be another file, `upto` ends the body early."""
        true, self.data = self.data, self.data if data is None else data
        self.etag = etag or self.etag
        fields = {"ETag": self.etag, "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", **(headers or {})}
        if self.headers.get("if-none-match") == self.etag:
            return self.head(304, fields)
        if self.headers.get("if-match", self.etag) not in (self.etag, "*"):
            return self.answer(412, b"", fields)
        span = None if whole else self.span
        if span == ():
            return self.answer(416, b"", dict(fields, **{"Content-Range": "bytes */%d" % len(self.data)}))
        start, end = span or (0, len(self.data))
        if span:
            fields["Content-Range"] = self.content_range(start, end)
        self.head(206 if span else 200, fields, length=end - start)
        end = end if upto is None else min(end, start + upto)
        self.send(memoryview(self.data)[start:end], wrong=self.data is not true and self.data[start:end] != true[start:end])

    def redirect(self, url):
        self.answer(302, b"", {"Location": url})

    def close(self):
        """Ends the connection behind what was sent; with TLS without saying so."""
        raise Gone

    def reset(self):
        """Ends the connection with a reset, once the client has what was sent."""
        self.channel.flush()
        self.channel.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def silence(self, seconds=None):
        """Says nothing for a while, or until the client goes away."""
        end = None if seconds is None else time.monotonic() + seconds
        while end is None or time.monotonic() < end:
            if self.channel.wait(select.POLLIN, None if end is None else end - time.monotonic()):
                self.channel.receive()


class FaultServer:
    """Serves a directory on a free port of loopback.

    `fault` is played for paths that fit `only`; `tls` is a Certificate; `limit` is how many connections may be open at once;
    `account` is the (user, password) without which nothing is answered; `peer` is another server that faults may point to.
    """

    def __init__(self, root, fault=None, only=None, tls=None, send_buffer=None, limit=None, account=None, peer=None,
                 name="127.0.0.1"):
        self.root, self.fault, self.only, self.tls = root, fault, only, tls
        self.limit, self.account, self.peer = limit, account, peer
        self.log, self.memory, self.refused = [], {}, 0
        self.sending, self.lock = threading.Lock(), threading.Lock()
        self.stopping, self.open, self.peak, self.served = False, 0, 0, 0
        self.alarm = None
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        if send_buffer:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        self.port = self.listener.getsockname()[1]
        self.netloc = "%s:%d" % (name, self.port)
        self.url = "%s://%s/" % ("https" if tls else "http", self.netloc)

    def start(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def stop(self):
        self.stopping = True
        self.listener.close()

    __enter__ = start

    def __exit__(self, *_):
        self.stop()

    def requests(self, ending=""):
        return [record for record in list(self.log) if record.path.endswith(ending)]

    def bytes_sent(self, ending=""):
        """Body bytes that the kernel took for paths with this ending."""
        return sum(record.sent for record in self.requests(ending))

    def at(self, count, action):
        """Calls `action` once, as soon as `count` bytes of model files were taken; nothing is sent meanwhile."""
        self.alarm = (count, action)

    def until_alarm(self):
        return max(1, min(CHUNK, self.alarm[0] - self.served)) if self.alarm else CHUNK

    def plays(self, path):
        if self.only:
            return fnmatch.fnmatch(path, self.only)
        return not any(part in DOCUMENTS for part in path.split("/"))

    def count(self, record):
        def taken(count):
            record.sent += count
            if self.plays(record.path):
                self.served += count
                if self.alarm and self.served >= self.alarm[0]:
                    (_, action), self.alarm = self.alarm, None
                    action()
        return taken

    def accept(self):
        poll = select.poll()
        poll.register(self.listener, select.POLLIN)
        while not self.stopping:
            try:
                if not poll.poll(250):
                    continue
                sock, _ = self.listener.accept()
            except OSError:
                return
            if self.limit and self.open >= self.limit:
                self.refused += 1
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                sock.close()
                continue
            with self.lock:
                self.open += 1
                self.peak = max(self.peak, self.open)
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        channel = Channel(sock, self)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                channel.sock = self.tls.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                channel.attempt(channel.sock.do_handshake, select.POLLIN)
            while not self.stopping and self.serve_request(channel):
                pass
            if self.tls:
                channel.sock.unwrap()  # a body that the close ends is whole only with close_notify
        except (Gone, OSError):
            pass
        finally:
            channel.sock.close()
            with self.lock:
                self.open -= 1

    def serve_request(self, channel):
        """Answers one request; False when it was the connection's last."""
        while b"\r\n\r\n" not in channel.buffer:
            channel.receive()
        head, _, channel.buffer = channel.buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        path = urllib.parse.unquote(urllib.parse.urlsplit(target).path).lstrip("/")
        record = Record(method, path, headers, time.monotonic())
        with self.lock:
            self.log.append(record)
            place = os.path.join(self.root, path)
            data, etag = contents(place) if os.path.isfile(place) else (None, None)
            exchange = Exchange(self, channel, record, data, etag)
        if self.account and headers.get("authorization") != basic(*self.account):
            exchange.answer(401, b"who are you?", {"WWW-Authenticate": 'Basic realm="models"'})
        elif self.fault and self.plays(path):
            self.fault(exchange)
        elif data is None:
            exchange.answer(404, b"no such file")
        else:
            exchange.honest()
        return exchange.keeps and headers.get("connection", "").lower() != "close"


def basic(user, password):
    return "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()
