"""What the integration tests share: a directory, the built program, and a web server on loopback."""
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
RECONCILE = os.environ.get("RECONCILE") or os.path.join(ROOT, ".build", "debug", "reconcile")


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def run(directory, *arguments, status=0, env=None):
    """Runs the program; fails loudly when it does not end as it should."""
    result = subprocess.run([RECONCILE, *arguments], cwd=directory, capture_output=True, text=True,
                            env=dict(os.environ, NO_COLOR="1", TERM="dumb", **(env or {})))
    if status is not None and result.returncode != status:
        raise SystemExit("FAILED: reconcile %s: exit %s instead of %s\n%s%s" % (
            " ".join(arguments), result.returncode, status, result.stdout, result.stderr))
    return result


def expect(condition, what):
    if not condition:
        raise SystemExit("FAILED: " + what)


def await_port(port, process):
    for _ in range(200):
        expect(process.poll() is None, "the server ended at once")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Nginx:
    """nginx on a free port of loopback, serving a directory, with lines of configuration of the test's own; its log tells of requests."""

    def __init__(self, root, lines="", certificate=None, http2=False, shared=""):
        self.base = tempfile.mkdtemp(prefix="reconcile-nginx-")
        self.port = free_port()
        tls = "ssl_certificate %s; ssl_certificate_key %s;" % (certificate.file, certificate.key) if certificate else ""
        config = os.path.join(self.base, "nginx.conf")
        with open(config, "w") as file:
            file.write("""
                daemon off; master_process off; worker_processes 1; pid %(base)s/pid; error_log %(base)s/error.log;
                events {}
                http {
                    log_format l '$status $server_protocol $connection $request_uri $body_bytes_sent $http_range';
                    access_log %(base)s/access.log l;
                    client_body_temp_path %(base)s/b; proxy_temp_path %(base)s/p; fastcgi_temp_path %(base)s/f;
                    uwsgi_temp_path %(base)s/u; scgi_temp_path %(base)s/s;
                    %(shared)s
                    server { listen 127.0.0.1:%(port)d%(ssl)s%(http2)s; root %(root)s; %(tls)s %(lines)s }
                }""" % {"base": self.base, "port": self.port, "root": root, "ssl": " ssl" if certificate else "",
                        "shared": shared, "http2": " http2" if http2 else "", "tls": tls, "lines": lines})
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen([binary, "-p", self.base, "-c", config], stderr=subprocess.DEVNULL)
        self.url = "%s://127.0.0.1:%d/" % ("https" if certificate else "http", self.port)
        await_port(self.port, self.process)

    def rows(self):
        """All requests: (status, protocol, connection, path, bytes, range)."""
        with open(os.path.join(self.base, "access.log")) as file:
            rows = [line.split(" ", 5) for line in file.read().splitlines()]
        return [(int(r[0]), r[1], r[2], r[3], int(r[4]), r[5]) for r in rows]

    def log(self):
        """The requests since the last call: (status, path, bytes, range)."""
        time.sleep(0.1)
        rows = self.rows()
        open(os.path.join(self.base, "access.log"), "r+").truncate(0)
        return [(row[0], *row[3:]) for row in rows]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait()

    def end(self):
        """Ends it, and returns what it wrote of each request for a model file: (status, protocol, bytes, connection)."""
        self.stop()
        rows = self.rows()
        self.documents = {row[1] for row in rows if row[3].endswith(".json")}
        return [(row[0], row[1], row[4], row[2]) for row in rows if row[3].endswith("model.bin")]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.base, ignore_errors=True)
