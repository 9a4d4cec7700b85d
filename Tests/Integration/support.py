"""What the integration tests share: a directory, the built program, and a web server on loopback."""
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request

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


class Nginx:
    """nginx on a free port of loopback, serving a directory; counts requests and bytes by its log."""

    def __init__(self, root):
        self.base = tempfile.mkdtemp(prefix="reconcile-nginx-")
        import socket
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        config = os.path.join(self.base, "nginx.conf")
        with open(config, "w") as file:
            file.write("""
                daemon off; master_process off; worker_processes 1; pid %(base)s/pid; error_log %(base)s/error.log;
                events {}
                http {
                    log_format l '$status $request_uri $body_bytes_sent $http_range';
                    access_log %(base)s/access.log l;
                    client_body_temp_path %(base)s/b; proxy_temp_path %(base)s/p; fastcgi_temp_path %(base)s/f;
                    uwsgi_temp_path %(base)s/u; scgi_temp_path %(base)s/s;
                    server { listen 127.0.0.1:%(port)d; root %(root)s; }
                }""" % {"base": self.base, "port": self.port, "root": root})
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        self.process = subprocess.Popen([binary, "-p", self.base, "-c", config], stderr=subprocess.DEVNULL)
        self.url = "http://127.0.0.1:%d/" % self.port
        for _ in range(100):
            try:
                urllib.request.urlopen(self.url, timeout=1).close()
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
        self.log()

    def log(self):
        """The requests since the last call: (status, path, bytes, range)."""
        path = os.path.join(self.base, "access.log")
        time.sleep(0.1)
        with open(path) as file:
            lines = file.read().splitlines()
        open(path, "r+").truncate(0)
        rows = [line.split(" ", 3) for line in lines]
        return [(int(r[0]), r[1], int(r[2]), r[3]) for r in rows]

    def stop(self):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.base, ignore_errors=True)
