#!/usr/bin/env python3
"""The server that plays faults, seen by a client that nobody here wrote: curl. Without curl nothing is shown."""
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile

import faults
from faultserver import FaultServer
from proxy import Certificate, Proxy
from support import expect

SIZE, ASKED = 3 << 20, 2_000_000
# The exit status of curl, and how many bytes it got, for one range of ASKED bytes. 18: cut, 28: in vain, 56: reset.
SEEN = [
    (faults.whole_for_range, 0, SIZE), (faults.wrong_range_start, 0, ASKED - 5), (faults.long_range, 0, ASKED + 1000),
    (faults.short_body, 18, ASKED // 2), (functools.partial(faults.close_after, count=1000), 18, 1000),
    (functools.partial(faults.reset_after, count=1_000_000), 56, 1_000_000), (faults.no_length, 0, ASKED),
    (faults.cut_without_length, (0, 56), ASKED // 2), (faults.silent, 28, 0), (faults.head_only, 28, 0), (faults.trickle, 28, (1, 2)),
    (faults.lying_416, 28, 33), (faults.garbage_after_body, 0, ASKED), (faults.shifted, 0, ASKED),
    (functools.partial(faults.status, code=503), 0, 15), (faults.redirect_loop, 47, 0),
]


def curl(certificate, *arguments):
    result = subprocess.run(["curl", "-sSL", "--max-time", "1.5", "--cacert", certificate.authority, *arguments],
                            capture_output=True, env={"PATH": os.environ["PATH"]})
    return result.returncode, result.stdout


def holds(wanted, found):
    return found in wanted if isinstance(wanted, tuple) else found == wanted


def main():
    if not shutil.which("curl"):
        return print("test_faultserver: needs curl")
    with tempfile.TemporaryDirectory() as root:
        certificate, data = Certificate(root), os.urandom(SIZE)
        digest = hashlib.sha256(data).hexdigest()
        with open(os.path.join(root, "model.bin"), "wb") as file:
            file.write(data)
        ask = functools.partial(curl, certificate)
        for tls in (None, certificate):
            with FaultServer(root, tls=tls) as server:
                url = server.url + "model.bin"
                expect(ask(url) == (0, data), "the whole file")
                for asked, status, field, body in (
                        ("100-199", 206, "bytes 100-199/%d" % SIZE, data[100:200]), ("-7", 206, "", data[-7:]),
                        ("%d-" % (SIZE - 3), 206, "", data[-3:]), ("%d-" % SIZE, 416, "bytes */%d" % SIZE, b"")):
                    head, _, found = ask("-D-", "-r", asked, url)[1].partition(b"\r\n\r\n")
                    expect(b" %d " % status in head and field.encode() in head and found == body, "%s: %s" % (asked, head))
                etag = '"%s"' % digest[:16]
                for field, value, status in (("If-None-Match", etag, "304"), ("If-Match", '"x"', "412"), ("If-Range", '"x"', "200")):
                    _, found = ask("-o/dev/null", "-w%{http_code}", "-r0-9", "-H%s: %s" % (field, value), url)
                    expect(found.decode() == status, "%s: %s" % (field, found))
                expect(b"Content-Length: %d" % SIZE in ask("-I", url)[1], "HEAD")
                expect(ask(url, url, "-w%{num_connects}")[1][-1:] == b"0", "a connection is kept")
                expect(server.bytes_sent("model.bin") == 3 * SIZE + 100 + 7 + 3 + SIZE, "bytes: %d" % server.bytes_sent())
            for fault, status, size in SEEN:
                with FaultServer(root, fault, tls=tls) as server:
                    found, body = ask("-r", "0-%d" % (ASKED - 1), server.url + "model.bin")
                    expect(holds(status, found) and holds(size, len(body)), "%s: curl says %d after %d bytes" % (
                        fault, found, len(body)))
                    expect(abs(server.bytes_sent() - len(body)) <= 1, "%s: %d bytes counted" % (fault, server.bytes_sent()))
        with FaultServer(root, tls=certificate) as server, Proxy({"models.test": ("127.0.0.1", server.port)}) as proxy:
            expect(ask("-x", proxy.url, "https://models.test/model.bin") == (0, data), "through the proxy")
            expect(proxy.log[0][:2] == ("CONNECT", "models.test:443"), "the proxy's log")
    print("the fault server does what it says, to curl")


if __name__ == "__main__":
    main()
