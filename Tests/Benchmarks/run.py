#!/usr/bin/env python3
"""The figures that reconcile is held to, medians of interleaved runs, beside the peers that are named.

    swift build -c release --product reconcile
    Tests/Benchmarks/run.py            all of them (some minutes, 10 GB of disk)
    Tests/Benchmarks/run.py --quick    without the 10,000 models and with smaller files
"""
import glob
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
RECONCILE = os.environ.get("RECONCILE") or os.path.join(ROOT, ".build", "release", "reconcile")
QUICK = "--quick" in sys.argv
ROWS = []


def measure(command, cwd):
    """Seconds and peak memory in MiB of one run."""
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - start
    if os.waitstatus_to_exitcode(status) != 0:
        sys.exit("%s failed in %s" % (command, cwd))
    return seconds, usage.ru_maxrss / (1024 if sys.platform == "linux" else 1 << 20)


def medians(cases, rounds=5):
    """Runs all cases in turn, so that what else the machine does hits them alike."""
    results = {name: [] for name in cases}
    for _ in range(rounds):
        for name, (command, cwd) in cases.items():
            results[name].append(measure(command, cwd))
    return {name: (statistics.median(r[0] for r in runs), max(r[1] for r in runs)) for name, runs in results.items()}


def row(name, figure, limit, good):
    ROWS.append((name, figure, limit, "yes" if good else "NO"))
    print("%-58s %-34s %-26s %s" % ROWS[-1], flush=True)


def start_up(work):
    place = os.path.join(work, "quickstart")
    os.makedirs(place)
    shutil.copytree(os.path.join(ROOT, "examples"), os.path.join(place, "examples"))
    shutil.copy(os.path.join(ROOT, "desired-state.yaml"), place)
    found = medians({"dry run": ([RECONCILE, "--dry-run"], place)}, rounds=21)["dry run"]
    row("start-up to the end of --dry-run on the quickstart", "%.0f ms, %.0f MiB" % (found[0] * 1000, found[1]), "30 ms, 40 MiB",
        found[0] <= 0.030 and found[1] <= 40)


def nothing_to_do(work):
    times = {}
    sizes = [1000] if QUICK else [1000, 10000]
    cases = {}
    for models in sizes:
        place = os.path.join(work, "fleet-%d" % models)
        subprocess.run([sys.executable, os.path.join(ROOT, "Tests", "Benchmarks", "make_fleet.py"), place, str(models), "10"], check=True)
        subprocess.run([RECONCILE, "--progress", "none"], cwd=place, check=True, stdout=subprocess.DEVNULL)
        cases[models] = ([RECONCILE], place)
    times = medians(cases)
    found = times[1000]
    row("nothing to do, 1,000 models of 10 files", "%.0f ms, %.0f MiB" % (found[0] * 1000, found[1]), "300 ms, 120 MiB",
        found[0] <= 0.3 and found[1] <= 120)
    if not QUICK:
        ratio = times[10000][0] / found[0]
        row("nothing to do, 10,000 models", "%.1f x 1,000 (%.2f s, %.0f MiB)" % (ratio, times[10000][0], times[10000][1]), "12 x", ratio <= 12)


def deep_verification(work):
    place = os.path.join(work, "verify")
    size = (64 if QUICK else 1024) << 20
    os.makedirs(os.path.join(place, "src"))
    for number in range(4):
        with open(os.path.join(place, "src", "part-%d" % number), "wb") as file:
            block = os.urandom(1 << 20)
            for index in range(size >> 20):
                file.write(index.to_bytes(8, "little") + block[8:])
    subprocess.run([RECONCILE, "publish", "src", "--to", "catalog", "--model", "m", "--version", "1.0.0"], cwd=place, check=True,
                   stdout=subprocess.DEVNULL)
    shutil.rmtree(os.path.join(place, "src"))
    with open(os.path.join(place, "desired-state.yaml"), "w") as file:
        file.write("apiVersion: reconcile/v1\nsources: { z: { directory: catalog } }\nmodels: { m: { from: z/m, version: '*' } }\n")
    subprocess.run([RECONCILE, "--progress", "none"], cwd=place, check=True, stdout=subprocess.DEVNULL)
    shutil.rmtree(os.path.join(place, "catalog"))
    openssl = "openssl dgst -sha256 part-0 part-1 & openssl dgst -sha256 part-2 part-3; wait"
    cases = {"reconcile": ([RECONCILE, "verify", "--deep"], place),
             "openssl": (["sh", "-c", openssl], os.path.join(place, "models", "m"))}
    medians(cases, rounds=1)
    found = medians(cases)
    ratio = found["reconcile"][0] / found["openssl"][0]
    row("verify --deep, 4 files of %d MiB, warm" % (size >> 20),
        "%.2f x two openssl (%.2f s, %.2f s), %.0f MiB" % (ratio, found["reconcile"][0], found["openssl"][0], found["reconcile"][1]),
        "1.2 x, 64 MiB", ratio <= 1.2 and found["reconcile"][1] <= 64)


def activation(work):
    """A reader that resolves the link once and opens three files below it, in a tight loop during 1,000 swaps."""
    place = os.path.join(work, "swap")
    for version in ("1.0.0", "1.1.0"):
        os.makedirs(os.path.join(place, "src-" + version))
        for name in "abc":
            with open(os.path.join(place, "src-" + version, name), "w") as file:
                file.write(version)
        subprocess.run([RECONCILE, "publish", "src-" + version, "--to", "catalog", "--model", "m", "--version", version], cwd=place,
                       check=True, stdout=subprocess.DEVNULL)
    with open(os.path.join(place, "desired-state.yaml"), "w") as file:
        file.write("apiVersion: reconcile/v1\nsources: { z: { directory: catalog } }\nmodels: { m: { from: z/m, version: '*' } }\n")
    quiet = dict(cwd=place, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(os.path.join(place, "desired-state.yaml")) as file:
        text = file.read()
    with open(os.path.join(place, "desired-state.yaml"), "w") as file:
        file.write(text.replace("'*'", "'=1.0.0'"))
    subprocess.run([RECONCILE], **quiet)
    with open(os.path.join(place, "desired-state.yaml"), "w") as file:
        file.write(text)
    subprocess.run([RECONCILE], **quiet)
    done, reads, wrong = threading.Event(), [0], []

    def read():
        while not done.is_set():
            try:
                base = os.path.realpath(os.path.join(place, "models", "m"))
                found = {open(os.path.join(base, name)).read() for name in "abc"}
                if len(found) != 1:
                    wrong.append("a mixture: %s" % found)
            except OSError as error:
                wrong.append(str(error))
            reads[0] += 1

    reader = threading.Thread(target=read)
    reader.start()
    swaps = 100 if QUICK else 1000
    for number in range(swaps):
        subprocess.run([RECONCILE, "rollback", "m", "--to", "1.0.0" if number % 2 == 0 else "1.1.0", "--progress", "none"], **quiet)
    done.set()
    reader.join()
    row("activation, %d swaps under a reader" % swaps, "%d reads, %d wrong" % (reads[0], len(wrong)), "0 wrong", not wrong)


class Watch:
    """`reconcile watch` whose events are read as JSON lines."""

    def __init__(self, place, *arguments):
        self.process = subprocess.Popen([RECONCILE, "watch", "--progress", "json", *arguments], cwd=place,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def until(self, event):
        """Reads on until an event; returns when it came."""
        for line in self.process.stderr:
            if json.loads(line).get("event") == event:
                return time.monotonic()
        sys.exit("watch has ended")

    def cpu(self):
        with open("/proc/%d/stat" % self.process.pid) as file:
            fields = file.read().rsplit(") ", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self):
        with open("/proc/%d/status" % self.process.pid) as file:
            return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmHWM"))

    def end(self):
        self.process.terminate()
        self.process.stderr.read()
        self.process.wait()


def idle(work):
    place = os.path.join(work, "fleet-1000")
    if not os.path.isdir(place):
        subprocess.run([sys.executable, os.path.join(ROOT, "Tests", "Benchmarks", "make_fleet.py"), place, "1000", "10"], check=True)
        subprocess.run([RECONCILE, "--progress", "none"], cwd=place, check=True, stdout=subprocess.DEVNULL)
    watch = Watch(place)
    watch.until("sleeping")
    seconds = 60 if QUICK else 600
    threading.Thread(target=watch.process.stderr.read, daemon=True).start()
    before = watch.cpu()
    time.sleep(seconds)
    share = (watch.cpu() - before) / seconds * 100
    memory = watch.memory()
    watch.process.terminate()
    watch.process.wait()
    row("watch idle over %d s, 1,000 models" % seconds, "%.2f %% of a core, %.0f MiB" % (share, memory), "0.3 %, 100 MiB",
        share <= 0.3 and memory <= 100)


def wake(work):
    place = os.path.join(work, "wake")
    os.makedirs(os.path.join(place, "src"))
    with open(os.path.join(place, "src", "model.bin"), "w") as file:
        file.write("1")
    state = os.path.join(place, "desired-state.yaml")
    text = "apiVersion: reconcile/v1\nstore: %s\nsources: { zoo: { directory: %s } }\nmodels: { vad: { from: zoo/vad, version: '*' } }\n" % (
        os.path.join(place, "models"), os.path.join(place, "catalog"))
    with open(state, "w") as file:
        file.write(text)
    subprocess.run([RECONCILE, "publish", "src", "--to", "catalog", "--model", "vad", "--version", "1.0.0"], cwd=place, check=True,
                   stdout=subprocess.DEVNULL)
    watch = Watch(place, "--interval", "1h")
    times = {"a changed file": [], "SIGHUP": [], "a commit and SIGHUP": []}
    watch.until("sleeping")
    for number in range(5):
        start = time.monotonic()
        with open(state, "w") as file:
            file.write(text + "# %d\n" % number)
        times["a changed file"].append(watch.until("passBegan") - start)
        watch.until("sleeping")
        start = time.monotonic()
        watch.process.send_signal(signal.SIGHUP)
        times["SIGHUP"].append(watch.until("passBegan") - start)
        watch.until("sleeping")
    watch.end()
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-C", place]
    quiet = dict(check=True, stdout=subprocess.DEVNULL)
    subprocess.run(git + ["init", "-q", "-b", "main"], **quiet)
    commit = lambda: (subprocess.run(git + ["add", "desired-state.yaml"], **quiet), subprocess.run(git + ["commit", "-qm", "c"], **quiet))
    commit()
    watch = Watch(place, "--interval", "1h", "--git", place, "--clone", os.path.join(place, "clone"))
    watch.until("sleeping")
    for number in range(5):
        with open(state, "w") as file:
            file.write(text + "# commit %d\n" % number)
        commit()
        start = time.monotonic()
        watch.process.send_signal(signal.SIGHUP)
        times["a commit and SIGHUP"].append(watch.until("passBegan") - start)
        watch.until("sleeping")
    watch.end()
    for name, limit in (("a changed file", 1), ("SIGHUP", 1), ("a commit and SIGHUP", 2)):
        found = statistics.median(times[name])
        row("from %s to the start of the pass" % name, "%.2f s, at most %.2f s" % (found, max(times[name])), "%d s" % limit,
            max(times[name]) <= limit)


def windows(work):
    program = os.path.join(work, "windows")
    sources = glob.glob(os.path.join(ROOT, "Sources", "ReconcileCore", "**", "*.swift"), recursive=True)
    subprocess.run(["swiftc", "-O", "-parse-as-library", "-swift-version", "6", "-package-name", "reconcile", "-whole-module-optimization", "-o", program, *sources,
                    os.path.join(ROOT, "Tests", "Benchmarks", "windows.swift")], check=True)
    times = [float(subprocess.run([program], check=True, capture_output=True, text=True).stdout.split()[0]) for _ in range(5)]
    row("a window computation", "%.1f µs" % statistics.median(times), "50 µs", statistics.median(times) <= 50)


def main():
    if not os.access(RECONCILE, os.X_OK):
        sys.exit("%s is not there: swift build -c release --product reconcile" % RECONCILE)
    work = tempfile.mkdtemp(prefix="reconcile-bench-")
    print("%-58s %-34s %-26s %s" % ("what", "measured", "at most", "met"))
    try:
        start_up(work)
        windows(work)
        wake(work)
        deep_verification(work)
        activation(work)
        nothing_to_do(work)
        idle(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(0 if all(r[3] == "yes" for r in ROWS) else 1)


if __name__ == "__main__":
    main()
