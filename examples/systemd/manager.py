#!/usr/bin/env python3
"""Plays the part of systemd for a service of Type=notify: starts it, shows what it tells, asks it to reload, ends it.

    manager.py COMMAND …        exit 0 when the service behaved as the unit files count on

The protocol is that of sd_notify(3): datagrams on a Unix socket, a line KEY=VALUE each. Needs nothing but Python 3.
"""
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time

WATCHDOG = 2.0  # as WatchdogSec=2 would be


class Manager:
    def __init__(self, command):
        self.directory = tempfile.TemporaryDirectory()
        path = os.path.join(self.directory.name, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        environment = dict(os.environ, NOTIFY_SOCKET=path, WATCHDOG_USEC=str(int(WATCHDOG * 1e6)))
        environment.pop("WATCHDOG_PID", None)
        self.begin = time.monotonic()
        self.seen = []
        self.service = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)

    def receive(self, seconds):
        """The lines of one datagram; none when there is none for so long."""
        self.socket.settimeout(max(seconds, 0.01))
        try:
            lines = self.socket.recv(4096).decode().splitlines()
        except socket.timeout:
            return []
        now = time.monotonic() - self.begin
        for line in lines:
            self.seen.append((now, line))
            print("%5.1f s  %s" % (now, line), flush=True)
        return lines

    def expect(self, start, seconds=8.0):
        """Waits until the service tells something that begins so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if any(line.startswith(start) for line in self.receive(end - time.monotonic())):
                return
            if self.service.poll() is not None:
                fail("the service has ended with status %s" % self.service.returncode)
        fail("the service did not tell %s within %g s" % (start, seconds))

    def watch(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.receive(end - time.monotonic())

    def close(self):
        if self.service.poll() is None:
            self.service.kill()
            self.service.wait()
        self.socket.close()
        self.directory.cleanup()


def say(text):
    print("# " + text, flush=True)


def fail(text):
    sys.exit("UNEXPECTED: " + text)


def replace(path, text):
    """Writes a file at once, as editors and git do."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.replace(path + ".new", path)


def play(manager):
    say("It says when it has begun (systemctl start returns), that it is alive, and how the models are.")
    manager.expect("READY=1")
    manager.expect("STATUS=")
    manager.watch(3)

    say("systemctl reload: SIGHUP asks for a pass.")
    manager.service.send_signal(signal.SIGHUP)
    manager.expect("STATUS=1 in sync")

    say("A desired state that cannot be used does not end the service.")
    with open("here.yaml") as file:
        good = file.read()
    replace("here.yaml", "models: [this is no map]\n")
    manager.expect("STATUS=the desired state cannot be used")
    replace("here.yaml", good)
    manager.expect("STATUS=1 in sync")

    say("systemctl stop: SIGTERM.")
    manager.service.terminate()
    manager.expect("STOPPING=1", 5.0)
    try:
        status = manager.service.wait(timeout=10)
    except subprocess.TimeoutExpired:
        fail("the service did not end within 10 s")
    say("It has ended with status %d." % status)
    if status != 0:
        fail("that is a failure to systemd")

    times = [0.0] + [at for at, line in manager.seen if line == "WATCHDOG=1"]
    pause = max(later - earlier for earlier, later in zip(times, times[1:]))
    say("It was silent for %.1f s at most; after %g s a watchdog would have ended it." % (pause, WATCHDOG))
    if len(times) < 4 or pause >= WATCHDOG:
        fail("too long")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__.strip())
    manager = Manager(sys.argv[1:])
    try:
        play(manager)
    finally:
        manager.close()
