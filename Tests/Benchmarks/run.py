#!/usr/bin/env python3
"""The figures that reconcile is held to, medians of interleaved runs, beside the peers that are named.

    swift build -c release --product reconcile
    Tests/Benchmarks/run.py            all of them (some minutes, 10 GB of disk)
    Tests/Benchmarks/run.py --quick    without the 10,000 models and with smaller files
"""
import os
import resource
import shutil
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


def main():
    if not os.access(RECONCILE, os.X_OK):
        sys.exit("%s is not there: swift build -c release --product reconcile" % RECONCILE)
    work = tempfile.mkdtemp(prefix="reconcile-bench-")
    print("%-58s %-34s %-26s %s" % ("what", "measured", "at most", "met"))
    try:
        start_up(work)
        deep_verification(work)
        activation(work)
        nothing_to_do(work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(0 if all(r[3] == "yes" for r in ROWS) else 1)


if __name__ == "__main__":
    main()
