#!/usr/bin/env python3
"""Downloads from servers that nobody here wrote, through proxies, with certificates and credentials of a site's own.

    test_servers.py [--only WORD] [--list]
"""
import argparse
import concurrent.futures
import http.client
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse

import faults
from downloads import TOKEN, Catalog, MiB, Workspace
from faultserver import FaultServer, basic
from proxy import Certificate, Proxy, SocksProxy
from support import Nginx, await_port, expect, free_port

SIZE = 48 * MiB
DEAD = "http://127.0.0.1:9"
HELD = "token: { env: TOKEN }"


def works(work, env=None, limit=90):
    result = work.run(limit, dict(env or {}, TOKEN=TOKEN))
    expect(result.status == 0 and work.is_right(), "exit %s\n%s" % (result.status, result.output))
    expect(work.wrong_files() == [], "wrong: %s" % work.wrong_files())
    return result


def fails(work, words, env=None, limit=120):
    result = work.run(limit, dict(env or {}, TOKEN=TOKEN))
    expect(result.status not in (0, None), "exit %s\n%s" % (result.status, result.output))
    expect(not work.active() and work.wrong_files() == [], "it failed, and there is a model")
    expect(re.search(words, result.output), "it does not say %s:\n%s" % (words, result.output))
    return result


# Real servers

def nginx_serves(setting, lines="", tls=False, http2=False, shared="", account=None, check=lambda rows, documents: None):
    with Nginx(setting.root, lines, setting.certificate if tls else None, http2, shared) as server, setting.workspace() as work:
        work.declare(server.url)
        works(work, dict({"SSL_CERT_FILE": setting.certificate.authority} if tls else {},
                         **({"NETRC": setting.netrc(account)} if account else {})))
        rows = server.end()
        expect(sum(row[2] for row in rows if row[0] in (200, 206)) <= SIZE + 2 * MiB, "more was fetched than the file: %s" % rows)
        check(rows, server.documents)


def test_nginx(setting):
    """nginx as it comes."""
    nginx_serves(setting)


def test_nginx_tls(setting):
    """nginx with TLS of an authority that SSL_CERT_FILE names."""
    nginx_serves(setting, tls=True)


def test_nginx_http2(setting):
    """nginx with HTTP/2: documents come over it, a large file over connections of its own."""
    def spoke(rows, documents):
        expect(documents == {"HTTP/2.0"}, "documents came over %s" % documents)
        expect({row[1] for row in rows} == {"HTTP/1.1"}, "the model came over %s" % {row[1] for row in rows})
    nginx_serves(setting, tls=True, http2=True, check=spoke)


def test_nginx_http2_few_streams(setting):
    """nginx with HTTP/2, two streams at once and connections that end after four requests."""
    nginx_serves(setting, "http2_max_concurrent_streams 2; keepalive_requests 4;", tls=True, http2=True)


def test_nginx_without_ranges(setting):
    """nginx that ignores ranges: 200 and the whole file, once."""
    nginx_serves(setting, "max_ranges 0;")


def test_nginx_closes(setting):
    """nginx that keeps a connection for two requests only."""
    nginx_serves(setting, "keepalive_requests 2;")


def test_nginx_few_connections(setting):
    """nginx that answers 503 to more than two connections of one client."""
    nginx_serves(setting, "limit_conn each 2;", shared="limit_conn_zone $binary_remote_addr zone=each:1m;")


def test_nginx_few_requests(setting):
    """nginx that answers 429 to more than 20 requests a second."""
    nginx_serves(setting, "limit_req zone=each burst=4 nodelay; limit_req_status 429;",
                 shared="limit_req_zone $binary_remote_addr zone=each:1m rate=20r/s;")


def test_nginx_basic(setting):
    """nginx that wants a password, which NETRC names."""
    passwords = os.path.join(setting.base, "passwords")
    with open(passwords, "w") as file:
        file.write("ana:{PLAIN}pa55\n")
    os.chmod(passwords, 0o644)
    nginx_serves(setting, "auth_basic models; auth_basic_user_file %s;" % passwords, account=("127.0.0.1", "ana", "pa55"))


def test_nginx_killed(setting):
    """nginx and a program that is killed in the middle: another nginx sends only the rest."""
    with Nginx(setting.root, "limit_rate 2m;") as slow, Nginx(setting.root) as fast, setting.workspace() as work:
        # Two, so that what a kill may cost does not depend on how many have been added by then.
        work.declare(slow.url, connections=2)
        process = work.start()
        time.sleep(0.9)
        process.kill()
        process.communicate()
        before = sum(row[2] for row in slow.end())
        expect(0 < before, "nothing was fetched in 0.9 s")
        work.declare(fast.url)
        works(work)
        after = sum(row[2] for row in fast.end())
        expect(before + after <= SIZE + 2 * MiB, "%d bytes before the kill and %d after it, for %d" % (before, after, SIZE))


def test_registry(setting):
    """Docker's registry: the catalog redirects to a blob of it, which comes in ranges."""
    path = os.path.join(setting.base, "registry.yml")
    port = free_port()
    with open(path, "w") as file:
        file.write("version: 0.1\nlog: { level: error }\nstorage: { filesystem: { rootdirectory: %s/registry } }\n"
                   "http: { addr: '127.0.0.1:%d' }\n" % (setting.base, port))
    registry = subprocess.Popen(["docker-registry", "serve", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                env=dict(os.environ, OTEL_TRACES_EXPORTER="none"))
    try:
        await_port(port, registry)
        blob = "http://127.0.0.1:%d%s" % (port, push(port, setting.catalog.digests["model.bin"], setting.catalog.files["model.bin"]))
        with FaultServer(setting.root, lambda x: x.redirect(blob), only="*model.bin") as server, setting.workspace() as work:
            work.declare(server.url)
            works(work)
            expect(server.bytes_sent("model.bin") < MiB, "the model did not come from the registry")
    finally:
        registry.terminate()
        registry.wait()


def push(port, digest, data):
    """Puts bytes into a registry in one piece (OCI distribution specification, “Pushing blobs”), and returns their path there."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/v2/models/blobs/uploads/")
    place = connection.getresponse()
    place.read()
    target = urllib.parse.urlsplit(place.headers["Location"])
    connection.request("PUT", "%s?%s&digest=sha256:%s" % (target.path, target.query, digest), data,
                       {"Content-Type": "application/octet-stream"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    expect(answer.status == 201, "the registry did not take the blob: %d" % answer.status)
    return "/v2/models/blobs/sha256:" + digest


def test_python(setting):
    """Python's http.server: HTTP/1.0, no ranges, no ETag."""
    server = subprocess.Popen([sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0", "--directory", setting.root],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        with setting.workspace() as work:
            work.declare("http://127.0.0.1:%s/" % re.search(r"port (\d+)", server.stdout.readline()).group(1))
            works(work)
    finally:
        server.kill()
        server.communicate()


# Certificates

def test_unknown_authority(setting):
    """A certificate of an authority that nobody named: refused, and nothing is asked."""
    with FaultServer(setting.root, tls=setting.certificate) as server, setting.workspace() as work:
        work.declare(server.url, source=HELD)
        fails(work, "certificate")
        expect(server.log == [], "it was asked: %s" % server.log)


def test_wrong_name(setting):
    """A certificate of another name: refused, though its authority is known."""
    # Without an address in it: swift-nio-ssl takes the address of the peer, here the proxy's, for as good as the name.
    with tempfile.TemporaryDirectory() as directory:
        certificate = Certificate(directory, "DNS:models.test")
        wrong_name(setting, certificate)


def wrong_name(setting, certificate):
    with FaultServer(setting.root, tls=certificate) as server, setting.workspace() as work, \
            Proxy({"other.test": ("127.0.0.1", server.port)}) as proxy:
        work.declare("https://other.test/", source=HELD)
        fails(work, "other.test", {"HTTPS_PROXY": proxy.url, "SSL_CERT_FILE": certificate.authority})
        expect(proxy.log and server.log == [], "proxy %s, server %s" % (proxy.log, server.log))


# Proxies. models.test is a name that only the proxy knows.

def through_proxy(setting, name, tls=False, user=""):
    with FaultServer(setting.root, tls=setting.certificate if tls else None) as server, setting.workspace() as work, \
            Proxy({"models.test": ("127.0.0.1", server.port)}) as proxy:
        work.declare("%s://models.test/" % ("https" if tls else "http"), source=HELD + ("" if tls else ", allowInsecure: true"))
        result = works(work, {name: proxy.url.replace("//", "//" + user), "SSL_CERT_FILE": setting.certificate.authority})
        expect(proxy.log, "the proxy was not asked")
        expect(all(r.authorization == "Bearer " + TOKEN for r in server.log), "the token did not reach the server")
        expect(not any("proxy-authorization" in r.headers for r in server.log), "the proxy's password reached the server")
        if tls:
            expect({row[:2] for row in proxy.log} == {("CONNECT", "models.test:443")}, "the proxy was asked for %s" % proxy.log)
            expect(not any("authorization" in row[2] for row in proxy.log), "the token reached the proxy")
        if user:
            wanted = basic(*user.rstrip("@").split(":"))
            expect(all(row[2].get("proxy-authorization") == wanted for row in proxy.log), "the proxy did not get its password")
            expect(user not in result.output, "the proxy's password is printed")


def test_http_proxy(setting):
    """HTTP_PROXY for http:, in capitals and small letters."""
    through_proxy(setting, "HTTP_PROXY")
    through_proxy(setting, "http_proxy")


def test_https_proxy(setting):
    """HTTPS_PROXY for https:, in capitals and small letters; the token stays inside the tunnel."""
    through_proxy(setting, "HTTPS_PROXY", tls=True)
    through_proxy(setting, "https_proxy", tls=True)


def test_proxy_password(setting):
    """A proxy with a user and a password in its address."""
    through_proxy(setting, "HTTPS_PROXY", tls=True, user="eve:pr0xy@")


def test_socks_proxy(setting):
    """ALL_PROXY with a SOCKS proxy, which resolves the name."""
    with FaultServer(setting.root) as server, setting.workspace() as work, \
            SocksProxy({"models.test": ("127.0.0.1", server.port)}) as proxy:
        work.declare("http://models.test/", source="allowInsecure: true")
        works(work, {"ALL_PROXY": proxy.url})
        expect({row[1] for row in proxy.log} == {"models.test:80"}, "the proxy was asked for %s" % proxy.log)


def test_this_machine(setting):
    """This machine is never asked through a proxy, which would see what plain http: is only allowed for because nobody can."""
    with FaultServer(setting.root) as server, setting.workspace() as work:
        work.declare(server.url)
        works(work, {"HTTP_PROXY": DEAD, "ALL_PROXY": DEAD})


def test_no_proxy_domain(setting):
    """NO_PROXY of a domain: its hosts are not asked through the proxy."""
    with FaultServer(setting.root) as server, setting.workspace() as work, \
            Proxy({"models.test": ("127.0.0.1", server.port)}) as proxy:
        work.declare("http://models.test/", source="allowInsecure: true")
        fails(work, "models.test", {"HTTP_PROXY": proxy.url, "NO_PROXY": ".test"})
        expect(proxy.log == [], "the proxy was asked: %s" % proxy.log)


def test_dead_proxy(setting):
    """A proxy that is not there: an error, and nothing past it."""
    # “127.1” is another name of this machine that is not known as one.
    with FaultServer(setting.root) as server:
        address = server.url.replace("127.0.0.1", "127.1")
        with setting.workspace() as work:
            work.declare(address, source="allowInsecure: true")
            works(work, {})
        server.log.clear()
        with setting.workspace() as work:
            work.declare(address, source="allowInsecure: true")
            fails(work, "127.1", {"HTTP_PROXY": DEAD})
        expect(server.log == [], "it was asked without the proxy: %s" % server.log)


def test_strange_proxy(setting):
    """A proxy of a kind that cannot be used: an error that says so, and nothing past it."""
    with FaultServer(setting.root) as server, setting.workspace() as work:
        work.declare(server.url.replace("127.0.0.1", "127.1"), source="allowInsecure: true")
        fails(work, "proxy", {"HTTP_PROXY": "https://proxy.test"})
        expect(server.log == [], "it was asked without the proxy: %s" % server.log)


# Credentials per host

def test_netrc(setting):
    """NETRC: Basic for its host, for nobody else, also behind a redirect."""
    account = ("ana", "pa55")
    with FaultServer(setting.root) as peer, setting.workspace() as work, \
            FaultServer(setting.root, faults.redirect_to_peer, account=account, peer=peer, name="localhost") as server:
        work.declare(server.url)
        fails(work, server.netloc)
        result = works(work, {"NETRC": setting.netrc(("localhost", *account))})
        expect(peer.requests("model.bin"), "the redirect was not followed")
        expect(not any(r.authorization for r in peer.log), "the password reached another host")
        expect("pa55" not in result.output, "the password is printed")


def test_netrc_other_host(setting):
    """NETRC of other hosts: nothing is sent."""
    with FaultServer(setting.root) as server, setting.workspace() as work:
        work.declare(server.url)
        works(work, {"NETRC": setting.netrc(("localhost", "ana", "pa55"))})
        expect(not any(r.authorization for r in server.log), "the password reached another host")


def test_netrc_mirror(setting):
    """NETRC of the source's host is not for its mirror."""
    with FaultServer(setting.root, faults.html_page, name="localhost", account=("ana", "pa55")) as server, \
            FaultServer(setting.root) as mirror, setting.workspace() as work:
        work.declare(server.url, [mirror.url])
        works(work, {"NETRC": setting.netrc(("localhost", "ana", "pa55"))})
        expect(server.requests("index.json") and mirror.requests("model.bin"), "source and mirror were not both asked")
        expect(not any(r.authorization for r in mirror.log), "the password reached another host")


def test_token_before_netrc(setting):
    """A source's token goes before NETRC."""
    with FaultServer(setting.root) as server, setting.workspace() as work:
        work.declare(server.url, source=HELD)
        works(work, {"NETRC": setting.netrc(("127.0.0.1", "ana", "pa55"))})
        expect({r.authorization for r in server.log} == {"Bearer " + TOKEN}, "sent: %s" % {r.authorization for r in server.log})


class Setting:
    """What all tests share."""

    def __init__(self, catalog, base):
        self.catalog, self.base, self.root = catalog, base, catalog.indexed
        os.chmod(base, 0o755)
        for place, _, _ in os.walk(catalog.base):
            os.chmod(place, 0o755)
        self.certificate = Certificate(base)

    def workspace(self):
        return Workspace(self.catalog)

    def netrc(self, entry):
        handle, path = tempfile.mkstemp(dir=self.base)
        with open(handle, "w") as file:
            file.write("machine %s\n  login %s\n  password %s\n" % entry)
        return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="tests whose name holds this")
    parser.add_argument("--list", action="store_true", help="only list the tests")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    tests = [function for name, function in globals().items() if name.startswith("test_") and options.only in name]
    if options.list:
        return print("\n".join("%-32s %s" % (test.__name__, test.__doc__) for test in tests))
    failures, start = [], time.monotonic()
    with Catalog(SIZE) as catalog, tempfile.TemporaryDirectory() as base, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        setting = Setting(catalog, base)
        futures = {pool.submit(test, setting): test.__doc__ for test in tests}
        for future in concurrent.futures.as_completed(futures):
            try:
                future.result()
                print("ok      " + futures[future], flush=True)
            except (SystemExit, Exception) as problem:  # every test is made, whatever one of them shows
                text = str(problem) if isinstance(problem, SystemExit) else repr(problem)
                failures.append(futures[future])
                print("FAILED  %s %s" % (futures[future], text.removeprefix("FAILED: ")), flush=True)
    expect(not failures, "%d of %d:\n  %s" % (len(failures), len(tests), "\n  ".join(failures)))
    print("servers: %d tests passed in %.0f s" % (len(tests), time.monotonic() - start))


if __name__ == "__main__":
    sys.exit(main())
