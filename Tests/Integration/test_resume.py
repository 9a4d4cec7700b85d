#!/usr/bin/env python3
"""A download that is killed at any byte goes on where it was: what a kill costs is at most a block for each connection.

    test_resume.py --kills 500 --size 64 --connections 16

Each download of a file of SIZE MB is killed once (SIGKILL) after a random number of bytes was served, and then run to its
end. The law: bytes served in both runs ≤ the file + connections × (block + socket buffers); and the file is right.

What the socket buffers held is not guessed (the client's alone may be 32 MiB): at the kill nothing more is sent, the program
is stopped, the kernel's table says what of the bytes it took was not read yet, and only then is the program killed. So the
law is held to what was really in the buffers, plus for each connection a block and `--reader`: what a program has just read
and not yet put into its block.
"""
import argparse
import concurrent.futures
import os
import random
import signal
import statistics
import sys
import time

from downloads import Catalog, MiB, Workspace, knows_connections
from faultserver import FaultServer
from support import expect

SEND_BUFFER = 256 << 10
# Without the kernel's table (not Linux) a connection is taken to hold this much: our buffer and the client's.
GUESSED_BUFFERS = 2 * SEND_BUFFER + 4 * MiB


def unread(port):
    """Bytes that the kernel took for connections to a port of this machine and no program has read; None if it cannot tell."""
    total = 0
    try:
        with open("/proc/net/tcp") as file, open("/proc/net/tcp6") as file6:
            lines = file.read().splitlines()[1:] + file6.read().splitlines()[1:]
    except OSError:
        return None
    for line in lines:
        words = line.split()
        local, remote, state = (int(words[1].rpartition(":")[2], 16), int(words[2].rpartition(":")[2], 16), words[3])
        sent, received = (int(word, 16) for word in words[4].split(":"))
        if local == port and state != "0A":
            total += sent
        if remote == port:
            total += received
    return total


def stop(process):
    """Stops a process, and waits until all of it stands still."""
    process.send_signal(signal.SIGSTOP)
    try:
        for _ in range(2000):
            states = []
            for task in os.listdir("/proc/%d/task" % process.pid):
                with open("/proc/%d/task/%s/stat" % (process.pid, task)) as file:
                    states.append(file.read().rpartition(")")[2].split()[0])
            if all(state in "Tt" for state in states):
                return
            time.sleep(0.0005)
    except OSError:
        pass


class Toll:
    """What one kill cost."""

    def __init__(self, killed_at, served, size, buffered, left_over):
        self.killed_at, self.again = killed_at, served - size
        self.buffered, self.left_over = buffered, left_over
        self.lost = self.again - (buffered or 0)  # what the program had read, and not kept


def kill_once(catalog, index, connections, at):
    with Workspace(catalog) as work, FaultServer(catalog.place(index), send_buffer=SEND_BUFFER) as server:
        work.declare(server.url, connections=connections)
        seen = {}

        def kill():
            stop(process)
            seen["buffered"] = unread(server.port)
            process.kill()

        server.at(at, kill)
        process = work.start()
        try:
            process.communicate(timeout=120)
        finally:
            process.kill()
        expect(process.returncode == -signal.SIGKILL and "buffered" in seen, "killed at byte %d: it ended with %s before" % (
            at, process.returncode))
        expect(work.wrong_files() == [], "killed at byte %d: wrong files %s" % (at, work.wrong_files()))
        result = work.run(120)
        expect(result.status == 0 and work.is_right(), "killed at byte %d: then exit %s\n%s" % (at, result.status, result.output))
        # An empty directory of a download may stay, for `gc` to find; its bytes may not.
        left_over = work.left_over()
        expect(sum(map(os.path.getsize, left_over)) < 64 << 10, "killed at byte %d: left over %s" % (at, left_over))
        return Toll(at, server.bytes_sent("model.bin"), catalog.size, seen["buffered"], bool(left_over))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="how many downloads")
    parser.add_argument("--size", type=float, default=64, help="size of the file in MB")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--block", type=float, default=1, help="what a connection may lose, in MiB")
    parser.add_argument("--reader", type=float, default=0.25, help="what it may have just read, in MiB")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--jobs", type=int, default=2, help="how many at once")
    parser.add_argument("--keep-going", action="store_true", help="measure all, even when one breaks the law")
    options = parser.parse_args()
    chance = random.Random(options.seed)
    connections = options.connections
    allowed = connections * (options.block + options.reader)
    if not knows_connections():
        print("(this program does not take “download.connections”; it is left out)")
    start = time.monotonic()
    with Catalog(int(options.size * 1e6)) as catalog, concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        # Without and with a block index by turns, where publish writes them.
        work = [(k % 2 == 1 and catalog.has_index, chance.randint(1, catalog.size)) for k in range(options.kills)]
        tolls, broken = [], []
        for toll in pool.map(lambda each: kill_once(catalog, each[0], connections, each[1]), work):
            tolls.append(toll)
            buffers = toll.buffered if toll.buffered is not None else connections * GUESSED_BUFFERS
            if toll.again > buffers + allowed * MiB:
                broken.append("killed at byte %d: %.2f MiB were served again; %.2f MiB of them in socket buffers" % (
                    toll.killed_at, toll.again / MiB, buffers / MiB))
                expect(options.keep_going, "\n".join(broken))
    again, lost = ([getattr(toll, name) / MiB for toll in tolls] for name in ("again", "lost"))
    if any(toll.left_over for toll in tolls):
        print("(after %d of them a directory of a download that is over was left)" % sum(toll.left_over for toll in tolls))
    print("resume: %d downloads of %g MB, %d connections, seed %d, %.0f s; served again: median %.2f, most %.2f MiB; "
          "of that read by the program and not kept: median %.2f, most %.2f MiB (allowed %g)" % (
              len(tolls), options.size, connections, options.seed, time.monotonic() - start, statistics.median(again), max(again),
              statistics.median(lost), max(lost), allowed))
    expect(not broken, "%d of %d broke the law:\n  %s" % (len(broken), len(tolls), "\n  ".join(broken)))


if __name__ == "__main__":
    sys.exit(main())
