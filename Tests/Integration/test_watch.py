#!/usr/bin/env python3
"""`reconcile watch` as machines run it: files, signals, a service manager, git, and everything that does not answer."""
import hashlib
import hmac
import http.server
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

from support import RECONCILE, expect, run

BASE = tempfile.mkdtemp(prefix="reconcile-watch-")
RUNNING = []


class Watch:
    """A watcher of a directory's desired state (or of a repository), whose log is a file."""

    def __init__(self, directory, *arguments, env=None):
        self.directory = directory
        self.path = os.path.join(directory, "watch.log")
        self.log = open(self.path, "a")
        self.process = subprocess.Popen(
            [RECONCILE, "watch", "--interval", "1h", *arguments], cwd=directory, stdout=self.log, stderr=self.log,
            env=dict(os.environ, NO_COLOR="1", TERM="dumb", **(env or {})))
        RUNNING.append(self.process)

    def text(self):
        with open(self.path) as file:
            return file.read()

    def hangup(self):
        self.process.send_signal(signal.SIGHUP)

    def end(self, within=10):
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            raise SystemExit("FAILED: SIGTERM did not end watch within %s s\n%s" % (within, self.text()))
        expect(self.process.returncode == 0, "watch ends with %s\n%s" % (self.process.returncode, self.text()))
        return time.monotonic() - start


def until(condition, what, seconds=15):
    """Waits for something and returns how long it took."""
    start = time.monotonic()
    while not condition():
        if time.monotonic() - start > seconds:
            raise SystemExit("FAILED: not within %s s: %s" % (seconds, what() if callable(what) else what))
        time.sleep(0.02)
    return time.monotonic() - start


def workspace(name, model="", head=""):
    directory = os.path.join(BASE, name)
    os.makedirs(directory)
    declare(directory, model, head)
    return directory


def declare(directory, model="", head="", version="^1.0"):
    text = "apiVersion: reconcile/v1\nstore: models\nsources: { zoo: { directory: catalog } }\n%s\nmodels:\n" % head
    text += "  vad: { from: zoo/vad, version: '%s'%s }\n" % (version, model)
    write(os.path.join(directory, "desired-state.yaml"), text)


def write(path, text):
    """As editors and deployments do: a new file takes the place of the old one."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def publish(directory, version, text=None, repository="vad"):
    source = os.path.join(directory, "src", repository + version)
    os.makedirs(source)
    write(os.path.join(source, "v"), text or version)
    run(directory, "publish", source, "--to", os.path.join(directory, "catalog"), "--model", repository, "--version", version)


def active(directory, model="vad"):
    try:
        with open(os.path.join(directory, "models", model, "v")) as file:
            return file.read()
    except OSError:
        return None


def files_and_signals():
    """A changed file or SIGHUP starts a pass within a second; a broken file leaves the last good one in force."""
    directory = workspace("files")
    publish(directory, "1.0.0")
    watch = Watch(directory)
    until(lambda: active(directory) == "1.0.0", watch.text)
    publish(directory, "1.1.0")
    time.sleep(1)
    expect(active(directory) == "1.0.0", "nothing wakes watch before the interval is over")
    watch.hangup()
    took = until(lambda: "replace 1.1.0" in watch.text(), watch.text)
    expect(took <= 1, "from SIGHUP to the pass: %.2f s" % took)
    until(lambda: active(directory) == "1.1.0", watch.text)
    publish(directory, "1.2.0")
    declare(directory, version=">=1.0 <2")
    took = until(lambda: "replace 1.2.0" in watch.text(), watch.text)
    expect(took <= 1, "from a changed file to the pass: %.2f s" % took)
    until(lambda: active(directory) == "1.2.0", watch.text)
    publish(directory, "1.3.0")
    declare(directory, model=", colour: red")
    until(lambda: "has no key “colour”" in watch.text(), watch.text)
    expect("the last good one stays in force" in watch.text(), watch.text())
    watch.hangup()
    until(lambda: active(directory) == "1.3.0", watch.text)
    run(directory, "wait", "--timeout", "1s", status=1)
    declare(directory, version="*")
    until(lambda: "can be used again" in watch.text(), watch.text)
    run(directory, "wait", "vad", "--for", "Ready", "--timeout", "10s")
    print("  SIGTERM ended it in %.2f s" % watch.end())


def computed_moments():
    """At the end of a hold there is a pass, although the interval is an hour."""
    directory = workspace("moments")
    publish(directory, "1.0.0")
    watch = Watch(directory)
    until(lambda: active(directory) == "1.0.0", watch.text)
    end = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 6))
    run(directory, "hold", "vad", "--until", end)
    publish(directory, "1.1.0")
    watch.hangup()
    until(lambda: "held" in watch.text().lower(), watch.text)
    expect(active(directory) == "1.0.0", "the hold holds")
    took = until(lambda: active(directory) == "1.1.0", watch.text)
    expect(took < 9, "the end of the hold was noticed after %.1f s" % took)
    watch.end()


def hanging_hooks():
    """A probe that hangs, forks, prints without end and ignores SIGTERM is ended with all it started; SIGTERM ends watch all the same."""
    directory = workspace("hooks")
    publish(directory, "1.0.0")
    run(directory)
    script = os.path.join(directory, "probe.sh")
    write(script, """#!/bin/sh
        test "$(cat "$RECONCILE_PATH/v")" = 1.0.0 && exit 0
        trap '' TERM
        sleep 300 & echo $! >> %(d)s/pids
        (trap '' TERM; yes "$(head -c 1000 /dev/zero | tr '\\0' x)") & echo $! >> %(d)s/pids
        wait
        """ % {"d": directory})
    os.chmod(script, 0o755)
    declare(directory, model=", probe: { exec: [./probe.sh], timeout: 2s, attempts: 1 }")
    publish(directory, "1.1.0")
    watch = Watch(directory)
    until(lambda: "revert" in watch.text(), watch.text, 20)
    until(lambda: active(directory) == "1.0.0", watch.text)
    expect_gone(directory)
    os.remove(os.path.join(directory, "pids"))
    declare(directory, model=", probe: { exec: [./probe.sh], timeout: 5m, attempts: 1 }")
    until(lambda: os.path.exists(os.path.join(directory, "pids")), watch.text)
    took = watch.end()
    print("  SIGTERM ended it in the middle of a probe in %.2f s" % took)
    expect(active(directory) == "1.0.0", "the trial was taken back")
    expect_gone(directory)


def expect_gone(directory):
    with open(os.path.join(directory, "pids")) as file:
        pids = [int(line) for line in file]
    def alive():
        return [pid for pid in pids if os.path.exists("/proc/%d/stat" % pid)
                and open("/proc/%d/stat" % pid).read().split(") ")[1][0] != "Z"]
    until(lambda: not alive(), "what the probe started is gone: %s" % alive(), 5)


def newer_state_ends_waits():
    """A fix that is declared while the broken version is still being probed does not wait for that."""
    directory = workspace("waits")
    publish(directory, "1.0.0")
    run(directory)
    publish(directory, "1.1.0", text="slow")
    publish(directory, "1.1.1")
    probe = ", probe: { exec: [sh, -c, 'test \"$(cat \"$RECONCILE_PATH/v\")\" != slow || sleep 60'], timeout: 60s, attempts: 1 }"
    declare(directory, model=probe, version="=1.1.0")
    watch = Watch(directory)
    until(lambda: "vad: probe" in watch.text(), watch.text)
    declare(directory, model=probe, version="=1.1.1")
    took = until(lambda: active(directory) == "1.1.1", watch.text)
    expect(took < 10, "the fix was active after %.1f s" % took)
    watch.end()


def reload_that_fails():
    """A reload hook that fails takes the trial back."""
    directory = workspace("reload")
    publish(directory, "1.0.0")
    declare(directory, model=", reload: { exec: [sh, -c, 'test \"$(cat \"$RECONCILE_PATH/v\")\" = 1.0.0'] }")
    run(directory)
    publish(directory, "1.1.0")
    result = run(directory, status=4)
    expect("rolled back: reload failed" in result.stdout, result.stdout)
    expect(active(directory) == "1.0.0", "the old one is back")


class Receiver(http.server.BaseHTTPRequestHandler):
    """Takes news; `answers` says how: a status each, or None for never."""
    news, answers = [], []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = type(self).answers.pop(0) if type(self).answers else 200
        if answer is None:
            time.sleep(30)
            return
        if answer == 200:
            type(self).news.append((body, self.headers))
        self.send_response(answer)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def webhooks():
    """News is signed, brought again when a receiver fails, and never in a rollout's way."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = "http://127.0.0.1:%d/hook" % server.server_port
    head = "notify: [{ webhook: { env: HOOK }, secret: { env: KEY }, timeout: 1s }, { webhook: '%s', template: slack }]" % url
    directory = workspace("news", head=head)
    Receiver.answers = [None, 503]
    publish(directory, "1.0.0")
    watch = Watch(directory, env={"HOOK": url, "KEY": "a key"})
    until(lambda: active(directory) == "1.0.0", watch.text)
    until(lambda: len(Receiver.news) == 2, lambda: watch.text() + str(Receiver.news), 30)
    signed = [(body, headers) for body, headers in Receiver.news if headers["X-Reconcile-Signature-256"]]
    plain = [(body, headers) for body, headers in Receiver.news if not headers["X-Reconcile-Signature-256"]]
    expect(len(signed) == 1 and len(plain) == 1, "one news for each receiver: %s" % Receiver.news)
    body, headers = signed[0]
    code = hmac.new(b"a key", body, hashlib.sha256).hexdigest()
    expect(headers["X-Reconcile-Signature-256"] == "sha256=" + code, "the signature is that of the body")
    expect(json.loads(body)["kind"] == "confirmed", body)
    expect("1.0.0 is active and works" in json.loads(plain[0][0])["text"], plain[0][0])
    # One that never answers neither delays a rollout nor the end.
    Receiver.answers = [None] * 20
    publish(directory, "1.1.0")
    watch.hangup()
    took = until(lambda: active(directory) == "1.1.0", watch.text)
    expect(took < 5, "a receiver that hangs delayed a rollout by %.1f s" % took)
    watch.end()
    expect("a key" not in watch.text() and url not in watch.text(), "the log holds no secret")
    server.shutdown()


def service_manager():
    """systemd hears that it is ready, alive and ending (sd_notify(3))."""
    directory = workspace("systemd")
    publish(directory, "1.0.0")
    path = os.path.join(BASE, "notify.socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(path)
        server.settimeout(5)
        watch = Watch(directory, env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "1000000"})
        heard = set()
        while not {"READY=1", "WATCHDOG=1"} <= heard or not any(m.startswith("STATUS=") for m in heard):
            heard.add(server.recv(4096).decode())
        watch.end()
        while "STOPPING=1" not in heard:
            heard.add(server.recv(4096).decode())


def git(directory, *arguments):
    identity = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com", "GIT_COMMITTER_NAME": "t",
                "GIT_COMMITTER_EMAIL": "t@example.com", "GIT_CONFIG_GLOBAL": "/dev/null"}
    result = subprocess.run(["git", *arguments], cwd=directory, capture_output=True, text=True, env=dict(os.environ, **identity))
    expect(result.returncode == 0, "git %s: %s" % (arguments, result.stderr))
    return result.stdout.strip()


def commit(repository, catalog, version, message="change", *options):
    write(os.path.join(repository, "desired-state.yaml"), (
        "apiVersion: reconcile/v1\nstore: %s\nsources: { zoo: { directory: %s } }\nmodels:\n"
        "  vad: { from: zoo/vad, version: '%s' }\n") % (os.path.join(BASE, "git", "models"), catalog, version))
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", message, *options)
    return git(repository, "rev-parse", "HEAD")


def repositories():
    """A branch is followed through commits, reverts, force-pushes, garbage and silence; signatures count when they must."""
    directory = os.path.join(BASE, "git")
    repository = os.path.join(directory, "repository")
    os.makedirs(repository)
    git(repository, "init", "-q", "-b", "main")
    catalog = os.path.join(directory, "catalog")
    for version in ["1.0.0", "1.1.0", "1.2.0"]:
        publish(directory, version)
    first = commit(repository, catalog, "=1.0.0")
    clone = os.path.join(directory, "clone")
    watch = Watch(directory, "--git", repository, "--branch", "main", "--clone", clone)
    until(lambda: active(directory) == "1.0.0", watch.text)
    second = commit(repository, catalog, "=1.1.0")
    watch.hangup()
    took = until(lambda: "replace 1.1.0" in watch.text(), watch.text)
    expect(took <= 2, "from SIGHUP to the pass of a new commit: %.2f s" % took)
    until(lambda: active(directory) == "1.1.0", watch.text)
    state = os.path.join(clone, "desired-state.yaml")
    run(directory, "wait", "-f", state, "--timeout", "10s")
    expect(json.loads(run(directory, "status", "-f", state, "-o", "json").stdout)["commit"] == second, "status names the commit")
    acts = json.loads(run(directory, "history", "vad", "-f", state, "-o", "json").stdout)
    expect(acts[0]["commit"] == second, "history names the commit")
    git(repository, "reset", "-q", "--hard", first)
    commit(repository, catalog, "=1.2.0", "another history")
    watch.hangup()
    until(lambda: active(directory) == "1.2.0", watch.text)
    away = repository + ".away"
    os.rename(repository, away)
    watch.hangup()
    until(lambda: "does not answer" in watch.text(), watch.text)
    expect(active(directory) == "1.2.0", "the last commit stays in force")
    with open(repository, "w") as file:
        file.write("garbage")
    watch.hangup()
    time.sleep(1)
    os.remove(repository)
    os.rename(away, repository)
    write(os.path.join(repository, "desired-state.yaml"), "models: [")
    git(repository, "commit", "-q", "-am", "broken")
    watch.hangup()
    until(lambda: "the last good one stays in force" in watch.text(), watch.text)
    commit(repository, catalog, "=1.1.0")
    watch.hangup()
    until(lambda: active(directory) == "1.1.0", watch.text)
    expect("=1.1.0" in open(state).read(), "the clone is at the commit in force")
    watch.end()
    expect(run(directory, "watch", "--once", "--git", repository, "--clone", clone).stdout.startswith("Nothing to do"), "--once")
    signatures(directory, repository, catalog, clone)


def signatures(directory, repository, catalog, clone):
    if not shutil.which("ssh-keygen"):
        print("  ssh-keygen is not there: signatures were not tested")
        return
    for name in ["ana", "eve"]:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", os.path.join(directory, name)], check=True)
    signers = os.path.join(directory, "signers")
    with open(os.path.join(directory, "ana.pub")) as key:
        write(signers, "ana@example.com " + key.read())
    arguments = ["--git", repository, "--clone", clone, "--require-signed", signers]

    def signed_by(name, version):
        git(repository, "config", "gpg.format", "ssh")
        git(repository, "config", "user.signingkey", os.path.join(directory, name))
        return commit(repository, catalog, version, "signed", "-S")

    signed_by("ana", "=1.0.0")
    run(directory, "watch", "--once", *arguments)
    expect(active(directory) == "1.0.0", "a commit signed by an allowed key is taken")
    signed_by("eve", "=1.1.0")
    result = run(directory, "watch", "--once", *arguments, status=4)
    expect("no valid signature" in result.stderr, result.stderr)
    git(repository, "config", "commit.gpgsign", "false")
    commit(repository, catalog, "=1.2.0")
    watch = Watch(directory, *arguments)
    until(lambda: "no valid signature" in watch.text(), watch.text)
    time.sleep(1)
    expect(active(directory) == "1.0.0", "an unsigned commit is not taken")
    signed_by("ana", "=1.1.0")
    watch.hangup()
    until(lambda: active(directory) == "1.1.0", watch.text)
    watch.end()


def main():
    try:
        for test in [files_and_signals, computed_moments, newer_state_ends_waits, reload_that_fails, hanging_hooks,
                     webhooks, service_manager, repositories]:
            print("%s: %s" % (test.__name__, test.__doc__.splitlines()[0]), flush=True)
            test()
    finally:
        for process in RUNNING:
            if process.poll() is None:
                process.kill()
                process.wait()
    shutil.rmtree(BASE)


main()
