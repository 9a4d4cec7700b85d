#!/usr/bin/env python3
"""Lets `reconcile watch` live through bad days, for as long as wanted, and holds it to its laws all the while.

A publisher releases real silero-vad files about every second, many of them broken in one of the ways a release can be
broken; a committer changes the desired state in git; people give orders; and the watch is killed every few seconds. A
reader never stops to read. Every now and then all of them pause, and what is then found must be right.

    soak.py --seconds 30 --seed 7

The seed decides what is done and in which order. When it is done, and so what comes of it, depends on the clock too.
"""
import argparse
import calendar
import collections
import copy
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Integration"))
from support import RECONCILE, sha256
from test_silero import wheels

MODELS = ["vad", "enc", "dec"]
GROUP = {"vad": ["vad"], "enc": ["enc", "dec"], "dec": ["enc", "dec"]}  # what moves together
ATTEMPTS = 2  # of a probe
FILES = [("5.1", "silero_vad.onnx"), ("6.0.0", "silero_vad.onnx"), ("6.2.0", "silero_vad.onnx"),
         ("6.2.1", "silero_vad_16k.safetensors"), ("6.2.1", "silero_vad_16k_op15.onnx")]
RELEASES = {"good": 50, "check fails": 8, "probe fails": 9, "probe hangs": 5, "wrong bytes": 6, "release.json damaged": 4,
            "yanked": 6, "fact missing": 5, "republished": 5, "unlisted": 2}
COMMITS = {"range": 6, "policy": 5, "remove": 2, "add": 4, "syntax error": 3, "revert": 2, "force-push": 2, "hooks": 2, "facts": 1}
ORDERS = {"hold": 3, "resume": 5, "approve": 4, "rollback": 3, "retry": 3, "look": 2}
LISTED = 40  # releases a repository lists at most, so that a long run does not fill the disk
SLACK = 30  # seconds within which a changed desired state is in force for certain, kills included

# A check reads the staged release, a probe what the link leads to. Both note what they were asked about, in one write.
# A grouped model's probe answers about the set, so both names are noted. They take a moment, so that a kill may meet them.
HOOK = """#!/bin/sh
case $1 in
check) place=$2; subject=$(basename "$2");;
probe)
    place=$(readlink -f "STORE/$RECONCILE_MODEL"); subject=$(basename "$place")
    if [ "$RECONCILE_MODEL" != vad ]; then
        subject="$(basename "$(readlink -f STORE/enc)")+$(basename "$(readlink -f STORE/dec)")"
    fi;;
esac
answer=works
if ! [ -r "$place/meta.json" ]; then answer=missing
elif grep -q "\\"$1 fails\\"" "$place/meta.json"; then answer=broken
elif grep -q "\\"$1 hangs\\"" "$place/meta.json"; then answer=hangs
fi
echo "$(date +%s.%N) $1 $RECONCILE_MODEL $subject $answer" >>LOG
sleep "0.$(($$ % 5))"
case $answer in works) exit 0;; hangs) exec sleep 5;; *) echo "it is $answer"; exit 1;; esac
"""


def version_text(version):
    return "%d.%d.%d" % version


def version_of(directory):
    """The version that a generation's directory is named after."""
    return tuple(int(part) for part in directory.rsplit("-", 1)[0].split("."))


def json_of(path):
    with open(path) as file:
        return json.load(file)


def write(path, text):
    """Writes a file in one rename, so that nobody reads half of it."""
    with open(path + ".new", "w") as file:
        file.write(text)
    os.rename(path + ".new", path)


def choose(dice, weights):
    return dice.choices(list(weights), list(weights.values()))[0]


class Report:
    """What was done, and what was wrong; shared by all that run."""

    def __init__(self):
        self.counts = collections.Counter()
        self.wrong = []
        self.lock = threading.Lock()

    def count(self, what, number=1):
        with self.lock:
            self.counts[what] += number

    def expect(self, condition, what):
        if condition:
            return
        with self.lock:
            if len(self.wrong) < 30:
                self.wrong.append(what)
                print("WRONG after %d s: %s" % (time.time() - self.start, what), flush=True)

    start = time.time()


class Publisher:
    """Writes the catalog, by `reconcile publish` and, for what that refuses to do, by hand."""

    def __init__(self, work, dice, report):
        self.work, self.dice, self.report = work, dice, report
        self.catalog = os.path.join(work, "catalog")
        self.newest = {model: (1, 0, 0) for model in MODELS}
        self.faults = {}  # by (model, version)
        self.folders = wheels(os.path.join(work, "wheels"))

    def publish(self, model, kind, version=None):
        if version is None:
            major, minor, patch = self.newest[model]
            size = choose(self.dice, {"patch": 80, "minor": 17, "major": 3})
            version = {"patch": (major, minor, patch + 1), "minor": (major, minor + 1, 0), "major": (major + 1, 0, 0)}[size]
            self.newest[model] = version
        text = version_text(version)
        source = os.path.join(self.work, "source")
        shutil.rmtree(source, ignore_errors=True)
        os.makedirs(source)
        wheel, name = self.dice.choice(FILES)
        shutil.copyfile(os.path.join(self.folders[wheel], name), os.path.join(source, name))
        write(os.path.join(source, "meta.json"), json.dumps({"model": model, "version": text, "wheel": wheel, "kind": kind}))
        self.faults[model, text] = kind
        requires = ["--requires", "fact:engine=>=3"] if kind == "fact missing" else []
        self.reconcile("publish", source, "--to", self.catalog, "--model", model, "--version", text, *requires)
        place = os.path.join(self.catalog, model, text)
        if kind == "wrong bytes":
            self.spoil(os.path.join(place, name))
        elif kind == "release.json damaged":
            self.spoil(os.path.join(place, "release.json"))
        elif kind == "yanked":
            self.reconcile("publish", "--to", self.catalog, "--model", model, "--yank", text)
        elif kind == "republished":
            self.republish(model, text)
        elif kind == "unlisted":
            self.unlist(model, [text])
        self.report.count("released: " + kind)
        listed = [entry["version"] for entry in self.index(model)["releases"]]
        if len(listed) > LISTED:
            listed.sort(key=lambda text: tuple(int(part) for part in text.split(".")))
            self.unlist(model, listed[:-LISTED])

    def reconcile(self, *arguments):
        result = subprocess.run([RECONCILE, *arguments], capture_output=True, text=True, timeout=60)
        self.report.expect(result.returncode == 0, "reconcile %s: exit %s: %s" % (
            " ".join(arguments), result.returncode, result.stderr))

    def index(self, model):
        return json_of(os.path.join(self.catalog, model, "index.json"))

    def spoil(self, path):
        """Cuts a file short, or turns one bit of it around, in place: what was linked to it would change as well."""
        size = os.path.getsize(path)
        with open(path, "r+b") as file:
            if self.dice.random() < 0.5:
                file.truncate(size // 2)
            else:
                file.seek(size // 3)
                byte = file.read(1)[0]
                file.seek(size // 3)
                file.write(bytes([byte ^ 1]))

    def republish(self, model, text):
        """Puts other bytes under a version that is listed, half of the time one that was listed for long."""
        if self.dice.random() < 0.5:
            working = [entry["version"] for entry in self.index(model)["releases"]
                       if self.faults[model, entry["version"]] in ("good", "republished")]
            text = self.dice.choice(working)
        folder = os.path.join(self.catalog, model, text)
        write(os.path.join(folder, "meta.json"), json.dumps({"model": model, "version": text, "again": self.dice.random()}))
        release = json_of(os.path.join(folder, "release.json"))
        for file in release["files"]:
            if file["path"] == "meta.json":
                place = os.path.join(folder, "meta.json")
                file["size"], file["sha256"] = os.path.getsize(place), sha256(place)
        write(os.path.join(folder, "release.json"), json.dumps(release))
        index = self.index(model)
        for entry in index["releases"]:
            if entry["version"] == text:
                entry["release"]["sha256"] = sha256(os.path.join(folder, "release.json"))
        write(os.path.join(self.catalog, model, "index.json"), json.dumps(index))

    def unlist(self, model, versions):
        index = self.index(model)
        index["releases"] = [entry for entry in index["releases"] if entry["version"] not in versions]
        write(os.path.join(self.catalog, model, "index.json"), json.dumps(index))
        for version in versions:
            shutil.rmtree(os.path.join(self.catalog, model, version))


class Committer:
    """Keeps the desired state in git, and remembers what it said when."""

    def __init__(self, work, dice, report):
        self.work, self.dice, self.report = work, dice, report
        self.origin = os.path.join(work, "origin.git")
        self.tree = os.path.join(work, "tree")
        subprocess.run(["git", "init", "-q", "--bare", "-b", "main", self.origin], check=True)
        subprocess.run(["git", "init", "-q", "-b", "main", self.tree], check=True)
        self.git("remote", "add", "origin", self.origin)
        self.serial = 0
        self.state = self.plain()
        self.commits = []  # (state, whether it is valid), as they are in the branch
        self.valid = []  # (time, state): what was in force one after the other
        self.commit("first")

    def plain(self):
        return {"models": {model: {"low": (1, 0, 0), "high": None, "automatic": "minor", "minimumAge": "0d"} for model in MODELS},
                "facts": "2.10", "hooks": 0}

    def git(self, *arguments):
        command = ["git", "-c", "user.name=soak", "-c", "user.email=soak@localhost", "-c", "commit.gpgsign=false"]
        return subprocess.run(command + list(arguments), cwd=self.tree, check=True, capture_output=True, text=True).stdout.strip()

    def text(self, state):
        hook = os.path.join(self.work, "hook.sh")
        lines = ["apiVersion: reconcile/v1", "# %d" % self.serial, "store: " + os.path.join(self.work, "store"),
                 "sources: { zoo: { directory: %s } }" % os.path.join(self.work, "catalog"),
                 "facts: { engine: '%s' }" % state["facts"],
                 "notify:", "  - file: " + os.path.join(self.work, "news.jsonl"), "models:"]
        for model, wanted in state["models"].items():
            span = ">=" + version_text(wanted["low"]) + (" <" + version_text(wanted["high"]) if wanted["high"] else "")
            lines += ["  %s:" % model, "    from: zoo/" + model, "    version: '%s'" % span,
                      "    automatic: " + wanted["automatic"], "    minimumAge: " + wanted["minimumAge"],
                      "    check: { exec: [%s, check, '{path}', '%d'], timeout: 10s }" % (hook, state["hooks"]),
                      "    probe: { exec: [%s, probe, '%d'], timeout: 1s, attempts: %d }" % (hook, state["hooks"], ATTEMPTS)]
            if model != "vad":
                lines.append("    group: pair")
        return "\n".join(lines) + "\n"

    def commit(self, kind, valid=True):
        self.serial += 1
        text = self.text(self.state)
        if not valid:
            text = self.dice.choice([text + "  vad: [\n", text.replace("automatic: ", "automatic: x"), text.replace("models:", "modells:"),
                                     "\tnonsense", ""])
        write(os.path.join(self.tree, "desired-state.yaml"), text)
        self.git("add", "desired-state.yaml")
        self.git("commit", "-q", "-m", kind)
        self.commits.append((copy.deepcopy(self.state), valid))
        self.push(kind)

    def push(self, kind):
        self.git("push", "-q", "--force", "origin", "main")
        state, valid = self.commits[-1]
        if valid:
            self.valid.append((time.time(), state))
        self.report.count("commits: " + kind)

    def act(self, newest):
        kind = choose(self.dice, COMMITS)
        if not self.commits[-1][1] and kind != "force-push":
            return self.commit("repair")
        models = self.state["models"]
        model = self.dice.choice(MODELS)
        if kind == "syntax error":
            return self.commit(kind, valid=False)
        if kind in ("revert", "force-push"):
            steps = self.dice.randint(1, 3)
            if len(self.commits) <= steps + 1:
                return
            if kind == "force-push":
                self.git("reset", "-q", "--hard", "HEAD~%d" % steps)
                del self.commits[-steps:]
                self.state = copy.deepcopy(self.commits[-1][0])
                return self.push(kind)
            before, valid = self.commits[-2]
            self.state = copy.deepcopy(before)
            return self.commit(kind if valid else "repair")
        if kind == "remove" and len(models) > 1 and model in models:
            del models[model]
        elif kind == "add":
            missing = [name for name in MODELS if name not in models]
            if not missing:
                return
            models[missing[0]] = self.plain()["models"][missing[0]]
        elif kind == "facts":
            self.state["facts"] = "3.0" if self.state["facts"] == "2.10" else "2.10"
        elif kind == "hooks":
            self.state["hooks"] += 1
        elif model in models and kind == "range":
            major, minor, patch = newest[model]
            models[model]["low"], models[model]["high"] = self.dice.choice([
                ((1, 0, 0), None), ((1, 0, 0), (major + 1, 0, 0)), ((major, minor, 0), (major, minor + 1, 0)),
                ((1, 0, 0), (major, minor, max(1, patch - 3)))])
        elif model in models and kind == "policy":
            models[model]["automatic"] = self.dice.choice(["none", "patch", "minor", "major"])
            models[model]["minimumAge"] = self.dice.choice(["0d", "0d", "2s", "5s"])
        else:
            return
        self.commit(kind)

    def settle(self):
        """All models, all versions, no waiting."""
        self.state = dict(self.plain(), hooks=self.state["hooks"], facts=self.state["facts"])
        for wanted in self.state["models"].values():
            wanted["automatic"] = "major"
        self.commit("plain")
        return self.git("rev-parse", "HEAD")

    def mayLeave(self, model, version, moment):
        """Whether a desired state that may have been in force at a moment has no place for a version."""
        states = [state for since, state in self.valid if moment - SLACK < since <= moment]
        states += [state for since, state in self.valid if since <= moment - SLACK][-1:]
        for state in states:
            wanted = state["models"].get(model)
            if wanted and (version < tuple(wanted["low"]) or wanted["high"] and version >= tuple(wanted["high"])):
                return True
        return False


class Watch:
    """The process that is tested, and its end in many ways."""

    def __init__(self, work, dice, report):
        self.work, self.dice, self.report = work, dice, report
        self.clone = os.path.join(work, "clone")
        self.log = os.path.join(work, "watch.log")
        self.process = None
        self.disturbances = []  # times of ends

    def start(self):
        with open(self.log, "a") as log:
            log.write("---- started %.3f\n" % time.time())
            log.flush()
            self.process = subprocess.Popen(
                [RECONCILE, "watch", "--git", "file://" + os.path.join(self.work, "origin.git"), "--branch", "main",
                 "--path", "desired-state.yaml", "--clone", self.clone, "--interval", "2s", "--progress", "plain"],
                cwd=self.work, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=dict(os.environ, NO_COLOR="1"))
        self.due = time.time() + self.dice.uniform(3, 8)

    def look(self):
        status = self.process.poll()
        self.report.expect(status is None, "the watch ended by itself, with exit %s; see %s" % (status, self.log))
        if status is not None:
            self.start()

    def kill(self):
        self.look()
        self.process.kill()
        self.process.wait()
        self.disturbances.append(time.time())
        self.report.count("kills")

    def terminate(self):
        """LAW 7: it ends within 10 s, whatever it is doing."""
        self.look()
        began = time.time()
        self.process.terminate()
        try:
            status = self.process.wait(timeout=10)
            self.report.expect(status == 0, "the watch ended with exit %s after SIGTERM" % status)
        except subprocess.TimeoutExpired:
            self.report.expect(False, "the watch does not end within 10 s of SIGTERM")
            self.process.kill()
            self.process.wait()
        self.report.count("longest end, in ms", max(0, int(1000 * (time.time() - began)) - self.report.counts["longest end, in ms"]))
        self.disturbances.append(time.time())
        self.report.count("terminations")

    def nudge(self):
        self.look()
        self.process.send_signal(signal.SIGHUP)
        self.report.count("wake-ups")


class Orders:
    """People who give orders while all of that goes on; one at a time, without anybody waiting for it."""

    def __init__(self, work, dice, report, publisher, isHarsh):
        self.work, self.dice, self.report, self.publisher, self.isHarsh = work, dice, report, publisher, isHarsh
        self.process = None
        self.given = []  # (time, order, model)

    def give(self):
        if not self.ended():
            return
        kind, model = choose(self.dice, ORDERS), self.dice.choice(MODELS)
        words = {"hold": ["hold", model, "--reason", "soak"], "resume": ["resume", model], "approve": ["approve", "--all"],
                 "rollback": ["rollback", model, *self.target(model)], "retry": ["retry", model], "look": ["explain", model]}[kind]
        self.begin(kind, model, words)

    def target(self, model):
        """Where to go back to: mostly to what was active before, else to a version that works, if it is still there."""
        if model != "vad" and not self.isHarsh:
            return []
        working = [version for (other, version), kind in self.publisher.faults.items() if other == model and kind == "good"]
        return [] if self.dice.random() < 0.6 else ["--to", self.dice.choice(working[-8:])]

    def begin(self, kind, model, words):
        self.words, self.since = words, time.time()
        self.output = open(os.path.join(self.work, "orders.log"), "a+")
        self.output.write("---- %.3f %s\n" % (self.since, " ".join(words)))
        self.output.flush()
        self.given.append((self.since, kind, model))
        self.process = subprocess.Popen(
            [RECONCILE, *words, "-f", os.path.join(self.work, "clone", "desired-state.yaml")], cwd=self.work,
            stdout=self.output, stderr=self.output, stdin=subprocess.DEVNULL, env=dict(os.environ, NO_COLOR="1"))
        self.report.count("orders: " + kind)
        if self.isHarsh and self.dice.random() < 0.5:
            time.sleep(self.dice.uniform(0, 0.15))
            self.process.kill()
            self.report.count("orders killed")

    def ended(self):
        """Whether no order is at work. An order may be refused, but must end, and not by a crash."""
        if self.process is None:
            return True
        status = self.process.poll()
        if status is None:
            if time.time() - self.since > 60:
                self.report.expect(False, "reconcile %s does not end" % " ".join(self.words))
                self.process.kill()
            return False
        self.report.expect(status in (0, 1, 4, 75, -9), "reconcile %s: exit %s; see orders.log" % (" ".join(self.words), status))
        if status != 0:
            self.report.count("orders refused")
        self.output.close()
        self.process = None
        return True

    def wait(self):
        while not self.ended():
            time.sleep(0.1)


class Reader(threading.Thread):
    """LAW 4 and LAW 6, seen from outside: a program that never stops to read the models, and never reads anything wrong."""

    def __init__(self, work, report, committer, orders):
        super().__init__(daemon=True)
        self.store = os.path.join(work, "store")
        self.report, self.committer, self.orders = report, committer, orders
        self.ends = threading.Event()
        self.good = {}  # the last confirmed generation, by model

    def run(self):
        while not self.ends.wait(0.2):
            try:
                for model in MODELS:
                    self.read(model)
                self.readPair()
            except Exception as error:
                self.report.expect(False, "the reader itself failed: %r" % error)

    def read(self, model):
        good = os.path.join(self.store, ".reconcile", "good", model)
        if model not in self.good and not os.path.lexists(good):
            return
        self.watch(model, os.path.realpath(good))
        self.report.count("reads")
        wrong = self.wrong(model, os.path.join(self.store, model))
        if wrong:
            self.report.count("wrong reads")
            self.report.expect(False, "LAW 4: a reader of %s: %s" % (model, wrong))

    def wrong(self, model, link):
        """What is wrong with what a link leads to, resolved once; None when nothing is."""
        place = os.path.realpath(link)
        if os.path.dirname(place) != os.path.join(self.store, ".reconcile", "generations", model):
            return "the link leads to %s" % place
        try:
            lines = json_of(place + ".json")["files"]
            expected = {}
            for line in lines:
                digest, _, _, _, path = line.split(" ", 4)
                expected[path] = digest
            found = {name: sha256(os.path.join(place, name)) for name in os.listdir(place)}
        except (OSError, ValueError) as error:
            return "%r" % error
        return None if expected == found else "%s holds %s instead of %s" % (place, found, expected)

    def watch(self, model, place):
        """A confirmed version works, and goes down only for a reason."""
        name = os.path.basename(place)
        before = self.good.get(model)
        if name == before:
            return
        now = time.time()
        self.good[model] = name
        meta = json_of(os.path.join(place, "meta.json"))
        self.report.expect(meta.get("kind") not in ("check fails", "probe fails", "probe hangs"), "%s %s is confirmed: %s" % (model, name, meta))
        if before is None or version_of(name) >= version_of(before):
            return
        self.report.count("moves down")
        ordered = any(kind == "rollback" and other in GROUP[model] and now - since < SLACK for since, kind, other in self.orders.given)
        try:
            held = (json_of(os.path.join(self.store, ".reconcile", "memory", model + ".json")).get("hold") or {}).get("kind") == "rollback"
        except (OSError, ValueError):
            held = False
        self.report.expect(ordered or held or self.committer.mayLeave(model, version_of(before), now),
                           "LAW 6: %s went from %s to %s, and neither its range nor a rollback asked for that" % (model, before, name))

    def readPair(self):
        """Two models of one group are of one set: what the group's link leads to."""
        active = os.path.join(self.store, ".reconcile", "groups", "pair", "active")
        through = [os.path.join(".reconcile", "groups", "pair", "active", model) for model in ("enc", "dec")]
        for _ in range(20):
            try:
                before = os.readlink(active)
                links = [os.readlink(os.path.join(self.store, model)) for model in ("enc", "dec")]
                places = [os.path.realpath(os.path.join(self.store, model)) for model in ("enc", "dec")]
                wanted = [os.path.realpath(os.path.join(os.path.dirname(active), before, model)) for model in ("enc", "dec")]
                after = os.readlink(active)
            except FileNotFoundError:
                return
            if before == after:
                break
        else:
            return
        if links != through:
            return  # one of them left the group, or joins it again
        self.report.count("reads of the pair")
        if places != wanted:
            self.report.count("wrong reads")
            self.report.expect(False, "the links of the group lead to %s, its set is %s" % (places, wanted))


class Soak:
    def __init__(self, work, seed, isHarsh=False):
        self.work = work
        self.report = Report()
        os.makedirs(os.path.join(work, "wheels"))
        text = HOOK.replace("STORE", os.path.join(work, "store")).replace("LOG", os.path.join(work, "hooks.log"))
        write(os.path.join(work, "hook.sh"), text)
        os.chmod(os.path.join(work, "hook.sh"), 0o755)
        open(os.path.join(work, "hooks.log"), "w").close()
        self.dice = random.Random("%d loop" % seed)
        self.publisher = Publisher(work, random.Random("%d publisher" % seed), self.report)
        for model in MODELS:
            self.publisher.publish(model, "good")
        self.committer = Committer(work, random.Random("%d committer" % seed), self.report)
        self.orders = Orders(work, random.Random("%d orders" % seed), self.report, self.publisher, isHarsh)
        self.watch = Watch(work, random.Random("%d watch" % seed), self.report)
        self.reader = Reader(work, self.report, self.committer, self.orders)
        self.told = set()
        self.logged = 0  # bytes of the hooks' log

    def run(self, seconds):
        began = time.time()
        self.watch.start()
        self.reader.start()
        while True:
            left = began + seconds - time.time()
            # Several short spells in a short run, longer ones in a long run; each ends in a pause.
            self.busy(min(max(left, 5), 12 if seconds < 60 else self.dice.uniform(15, 45)))
            self.quiet()
            if time.time() - began >= seconds:
                return

    def busy(self, seconds):
        end = time.time() + seconds
        self.watch.due = time.time() + self.dice.uniform(3, 8)
        due = {"publish": 0.0, "commit": time.time() + 2, "order": time.time() + 3, "nudge": time.time() + 5}
        spans = {"publish": (0.5, 1.5), "commit": (2, 5), "order": (1, 4), "nudge": (4, 15)}
        while time.time() < end:
            for act in due:
                if time.time() >= due[act]:
                    due[act] = time.time() + self.dice.uniform(*spans[act])
                    self.act(act)
            if time.time() >= self.watch.due or self.isAimed():
                self.watch.kill() if self.dice.random() < 0.8 else self.watch.terminate()
                self.watch.start()
            self.watch.look()
            self.orders.ended()
            time.sleep(0.05)

    def isAimed(self):
        """Whether to end the watch right now, because a check or a probe has just begun: most moments are idle ones."""
        size = os.path.getsize(os.path.join(self.work, "hooks.log"))
        grown, self.logged = size > self.logged, size
        return grown and time.time() > self.watch.due - 6 and self.dice.random() < 0.25

    def act(self, act):
        if act == "publish":
            self.publisher.publish(self.dice.choice(MODELS), choose(self.dice, RELEASES))
        elif act == "commit":
            self.committer.act(self.publisher.newest)
        elif act == "order":
            self.orders.give()
        else:
            self.watch.nudge()

    # What must be right when everybody pauses.

    def quiet(self):
        self.orders.wait()
        held = set()
        for model in MODELS:
            if self.dice.random() < 0.75:
                self.orders.begin("resume", model, ["resume", model])
                self.orders.wait()
        for model in MODELS:
            self.publisher.publish(model, "good")
        commit = self.committer.settle()
        began = time.time()
        plan = self.settled(commit)
        self.report.count("quiet periods")
        self.report.count("longest time to settle, in s", max(0, int(time.time() - began) - self.report.counts["longest time to settle, in s"]))
        if plan is None:
            return
        self.report.expect(plan["problems"] == [], "the settled plan has problems: %s" % plan["problems"])
        self.checkIdle()
        self.checkStatus()
        self.checkGroup()
        self.checkTrials()
        self.checkNews()
        self.reconcile("verify", "--deep")
        self.reconcile("history", "--verify")

    def reconcile(self, *arguments, statuses=(0,)):
        command = [RECONCILE, *arguments, "-f", os.path.join(self.watch.clone, "desired-state.yaml")]
        result = subprocess.run(command, cwd=self.work, capture_output=True, text=True, timeout=120)
        self.report.expect(result.returncode in statuses, "reconcile %s: exit %s:\n%s%s" % (
            " ".join(arguments), result.returncode, result.stdout, result.stderr))
        return result.stdout

    def plan(self):
        # 4 says that something is blocked by a problem, such as a quarantine.
        return json.loads(self.reconcile("--dry-run", "-o", "json", statuses=(0, 4)))

    def settled(self, commit):
        """LAW 3: waits until two plans in a row are empty; None when that does not come."""
        empty, end = 0, time.time() + 60
        while time.time() < end:
            time.sleep(1)
            self.watch.look()
            head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=self.watch.clone, capture_output=True, text=True).stdout.strip()
            if head != commit:
                continue
            plan = self.plan()
            empty = empty + 1 if plan["changes"] == [] else 0
            if empty == 2:
                return plan
        self.report.expect(False, "LAW 3: nothing settles within 60 s; commit %s, clone at %s, plan:\n%s" % (
            commit, head, json.dumps(self.plan()["changes"], indent=1) if head == commit else "?"))
        return None

    def checkIdle(self):
        """What is in sync is left alone: nothing is tried while nothing changes."""
        before = self.asked()
        time.sleep(4)
        news = self.asked()[len(before):]
        self.report.expect(news == [], "hooks were asked although the plan is empty: %s" % news)
        plan = self.plan()
        self.report.expect(plan["changes"] == [], "LAW 3: the plan was empty and is not: %s" % json.dumps(plan["changes"], indent=1))

    def checkStatus(self):
        """LAW 5: what status says is what is there, and what is quarantined is not active."""
        for model in json.loads(self.reconcile("status", "-o", "json", statuses=(0, 1, 4)))["models"]:
            name = model["model"]
            place = os.path.basename(os.path.realpath(os.path.join(self.work, "store", name)))
            said = "%s-%s" % (model.get("active"), (model.get("contentDigest") or "")[:12])
            self.report.expect(place == said, "LAW 5: status says %s of %s, the link leads to %s" % (said, name, place))
            self.report.expect(not model["isTrial"], "%s is on trial although nothing changes" % name)
            for entry in model["quarantine"]:
                # A set of a group that did not work together says nothing about one of its releases.
                if "set" not in entry:
                    self.report.expect(entry["release"]["contentDigest"] != model.get("contentDigest"),
                                       "LAW 5: %s %s is active and quarantined: %s" % (name, said, entry))
            self.checkNewest(name, model)

    def checkNewest(self, name, status):
        """What works, is published and not held is what is active."""
        newest = version_text(self.publisher.newest[name])
        conditions = {condition["type"]: condition for condition in status["conditions"]}
        if any(self.isHeld(other) for other in GROUP[name]):
            self.report.expect(conditions["Held"]["status"] or not self.isHeld(name), "%s is held, and its conditions do not say so" % name)
            return
        if status.get("active") == newest:
            found = {name: condition["status"] for name, condition in conditions.items()}
            wanted = {"Ready": True, "Progressing": False, "Degraded": False, "Held": False, "Drifted": False}
            self.report.expect(found == wanted, "%s is as declared, but its conditions say %s" % (name, json.dumps(conditions)))
            self.reconcile("wait", name, "--timeout", "30s")
            return
        # On a machine that is very busy a good release's probe may take too long as well.
        late = any("no answer within" in entry["cause"] for entry in status["quarantine"] if entry["release"]["version"] == newest)
        unsure = any(entry["release"]["version"] == newest for other in GROUP[name] for entry in self.memory(other).get("undecided", []))
        if late or unsure:
            return self.report.count("good ones that did not answer in time")
        self.report.expect(False, "%s is at %s, but %s is there and works; conditions %s" % (
            name, status.get("active"), newest, json.dumps(conditions)))

    def memory(self, model):
        try:
            return json_of(os.path.join(self.work, "store", ".reconcile", "memory", model + ".json"))
        except FileNotFoundError:
            return {}

    def isHeld(self, model):
        return self.memory(model).get("hold") is not None

    def checkGroup(self):
        """A hold or a rollback is the group's: all of its models are held, or none."""
        for model, other in (("enc", "dec"), ("dec", "enc")):
            hold = self.memory(model).get("hold")
            if hold is None or self.isHeld(other):
                continue
            # While one of the two was not declared, an order was about the other alone.
            since = calendar.timegm(time.strptime(hold["at"], "%Y-%m-%dT%H:%M:%SZ"))
            states = [state for moment, state in self.committer.valid if moment > since - SLACK]
            states += [state for moment, state in self.committer.valid if moment <= since - SLACK][-1:]
            self.report.expect(not all(name in state["models"] for state in states for name in ("enc", "dec")),
                               "%s is held and %s of its group is not: %s" % (model, other, json.dumps(hold)))

    def asked(self):
        """What the hooks were asked: (time, hook, model, what about, answer)."""
        with open(os.path.join(self.work, "hooks.log")) as file:
            rows = [line.split() for line in file.read().splitlines()]
        return [(float(row[0]), *row[1:]) for row in rows]

    def checkTrials(self):
        """What did not work is not tried again without a reason.

        Of one release, or of one set of a group, a probe may say "broken" at most ATTEMPTS times, and a check once, for the
        first trial and for each thing that explains another one: a kill or termination (an interrupted trial is begun
        again), a commit (a trial is cut short for it, or hooks or facts change and end a quarantine), and an order to
        retry, roll back or resume. Only what happened from shortly before the first answer to the last one counts.
        """
        answers = collections.defaultdict(list)
        for moment, hook, model, subject, answer in self.asked():
            self.report.expect(answer != "missing", "%s of %s found nothing at %s" % (hook, model, subject))
            if answer in ("broken", "hangs"):
                answers[hook, model, subject].append(moment)
        for (hook, model, subject), moments in answers.items():
            reasons = list(self.watch.disturbances) + [since for since, _ in self.committer.valid]
            reasons += [since for since, kind, other in self.orders.given
                        if kind in ("retry", "rollback", "resume") and other in GROUP[model]]
            explained = sum(1 for since in reasons if moments[0] - 10 <= since <= moments[-1])
            limit = (ATTEMPTS if hook == "probe" else 1) * (1 + explained)
            self.report.expect(len(moments) <= limit, "the %s of %s was asked %d times about %s, which does not work; %d are explained" % (
                hook, model, len(moments), subject, limit))

    def checkNews(self):
        """Nothing is told twice."""
        try:
            with open(os.path.join(self.work, "news.jsonl")) as file:
                lines = file.read().splitlines()
        except FileNotFoundError:
            return
        seen, since = set(), {}
        for line in lines:
            try:
                news = json.loads(line)
            except ValueError:
                self.report.expect(False, "this is no news: %s" % line)
                continue
            model, digest = news.get("model"), (news.get("to") or {}).get("contentDigest")
            self.tellOnce(line, seen, line)
            if news.get("pass"):
                self.tellOnce((news["kind"], model, digest, news["pass"]), seen, line)
            elif news["kind"] in ("failed", "rolledBack", "halted", "updateAvailable"):
                # Trouble that was over may come back.
                self.tellOnce((news["kind"], model, digest, since.get(model, 0)), seen, line)
            if news["kind"] in ("confirmed", "recovered"):
                since[model] = since.get(model, 0) + 1
        self.report.counts["news"] = len(lines)

    def tellOnce(self, key, seen, line):
        if key in seen and key not in self.told:
            self.told.add(key)
            self.report.expect(False, "this was told twice: %s" % line)
        seen.add(key)

    # The end.

    def close(self):
        self.orders.wait()
        if self.watch.process and self.watch.process.poll() is None:
            self.watch.terminate()
        self.reader.ends.set()
        self.reader.join(timeout=30)
        # A probe that hangs outlives a watch that was killed; it ends by itself.
        hung = max([row[0] for row in self.asked() if row[4] == "hangs"], default=0)
        time.sleep(max(0, hung + 6 - time.time()))
        with open(self.watch.log) as file:
            for line in file:
                self.report.expect("Fatal error" not in line and "this is a bug" not in line.lower(), "the watch says: " + line)

    def tally(self):
        acts = json.loads(subprocess.run(
            [RECONCILE, "history", "-o", "json", "--limit", "1000000", "-f", os.path.join(self.watch.clone, "desired-state.yaml")],
            capture_output=True, text=True).stdout or "[]")
        kinds = collections.Counter(act["kind"] for act in acts)
        counts = self.report.counts
        counts["passes that did something"] = len({act["pass"] for act in acts if act.get("pass")})
        for kind in ("confirmed", "rolledBack", "failed", "heldBack"):
            counts["history: " + kind] = kinds[kind]
        for _, hook, _, _, answer in self.asked():
            counts["%s: %s" % (hook, answer)] += 1
        counts["seconds"] = int(time.time() - self.report.start)
        counts["wrong reads"] += 0
        for name in sorted(counts):
            print("%-36s %8d" % (name, counts[name]))


def main():
    parser = argparse.ArgumentParser(description="Soaks `reconcile watch`.")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10000))
    parser.add_argument("--harsh", action="store_true", help="also kill orders while they are carried out, and name versions when a group is rolled back")
    parser.add_argument("--keep", action="store_true", help="leave the directory behind, whatever happens")
    options = parser.parse_args()
    # Its real path: what links lead to is compared with it.
    work = os.path.realpath(tempfile.mkdtemp(prefix="reconcile-soak-"))
    print("soak: seed %d, %d s, in %s" % (options.seed, options.seconds, work), flush=True)
    soak = Soak(work, options.seed, options.harsh)
    try:
        soak.run(options.seconds)
    finally:
        soak.close()
    soak.tally()
    if soak.report.wrong:
        raise SystemExit("FAILED: %d things are wrong; the first: %s\nSeed %d. What was left behind: %s (watch.log, orders.log, hooks.log, "
                         "news.jsonl, store, tree)" % (len(soak.report.wrong), soak.report.wrong[0], options.seed, work))
    if not options.keep:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
