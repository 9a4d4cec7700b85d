#!/usr/bin/env python3
"""Kills the program (SIGKILL) after each of its effects on the disk, one run for each, and shows that

- LAW 4: the model's link leads to a complete release at every moment, once one was confirmed;
- LAW 3: the next pass converges to the state that an undisturbed one reaches, and the one after has nothing to do;
- the models of a group are never seen at different versions;
- what was handed over to the Hugging Face cache leads to a complete release at every moment, too.

strace tells of every system call that changes something, and holds up the next; this script kills the program after the k-th.
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import registry as registries
from support import RECONCILE, expect, run

EFFECTS = ("mkdir,mkdirat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,rmdir,fsync,fdatasync,"
           "ftruncate,pwrite64,write,chmod,fchmod,utimensat,utimes,futimesat,ioctl")
RELEASES = {"1.0.0": {"model.bin": "one" * 100, "d/labels": "same"}, "1.1.0": {"model.bin": "two" * 200, "d/labels": "same"}}
HOOKS = {
    "works": "check: { exec: [sh, -c, 'exit 0'] }, reload: { exec: [sh, -c, 'exit 0'] }, "
             "probe: { exec: [sh, -c, 'exit 0'], attempts: 2 }",
    "probe fails": "probe: { exec: [sh, -c, 'grep -q one models/vad/model.bin'], attempts: 1 }",
}


def prepare(base, hooks, installed, models):
    """A machine with a catalog that it takes a release from."""
    work = os.path.join(base, "template")
    for version, files in RELEASES.items():
        for path, text in files.items():
            place = os.path.join(work, "src", version, path)
            os.makedirs(os.path.dirname(place), exist_ok=True)
            with open(place, "w") as file:
                file.write(text)
    with open(os.path.join(work, "desired-state.yaml"), "w") as file:
        file.write("apiVersion: reconcile/v1\nsources: { zoo: { directory: catalog } }\nmodels:\n")
        for model in models:
            file.write("  %s: { from: zoo/%s, version: ^1.0%s, %s }\n" % (
                model, model, ", group: g" if len(models) > 1 else "", hooks))

    def publish(version):
        for model in models:
            run(work, "publish", "src/" + version, "--to", "catalog", "--model", model, "--version", version)

    publish("1.0.0")
    if installed:
        run(work)
    publish("1.1.0")
    return work


def prepare_packed(base, hooks, installed, models):
    """A machine with an image layout whose releases are tar layers, and which hands them over to a Hugging Face cache."""
    work = os.path.join(base, "template")
    os.makedirs(os.path.join(work, "layout/blobs/sha256"))
    with open(os.path.join(work, "desired-state.yaml"), "w") as file:
        file.write("apiVersion: reconcile/v1\nsources: { zoo: { bundle: layout } }\nmodels:\n")
        for model in models:
            file.write("  %s: { from: zoo/acme/%s, version: ^1.0, publishAs: { huggingfaceCache: hub }, %s }\n" % (model, model, hooks))

    def push(*versions):
        names = []
        for version in versions:
            tar = registries.tar({path: text.encode() for path, text in RELEASES[version].items()})
            image = registries.modelpack({}, tars=[tar], version=version)
            for digest, data in {**image.blobs, image.digest: image.data}.items():
                with open(os.path.join(work, "layout/blobs/sha256", digest[7:]), "wb") as file:
                    file.write(data)
            names.append(image.descriptor(annotations={"org.opencontainers.image.ref.name": version}))
        with open(os.path.join(work, "layout/index.json"), "w") as file:
            json.dump({"schemaVersion": 2, "manifests": names}, file)

    push("1.0.0")
    if installed:
        run(work)
        expect(all(handed_over(work, model) == "1.0.0" for model in models), "nothing was handed over")
    push("1.0.0", "1.1.0")
    return work


def handed_over(work, model):
    """The version that a reader of the cache finds; None when there is none, "broken" when files of it are missing."""
    folder = os.path.join(work, "hub/models--acme--" + model)
    try:
        with open(os.path.join(folder, "refs/main")) as file:
            snapshot = os.path.join(folder, "snapshots", file.read())
    except FileNotFoundError:
        return None
    return version_of(snapshot)


def content(work, models):
    """What a reader finds behind the links: the version whose files are all there; None when there is no link."""
    found = {content_of(work, model) for model in models}
    return found.pop() if len(found) == 1 else "broken"


def content_of(work, model):
    link = os.path.join(work, "models", model)
    return version_of(link) if os.path.islink(link) else None


def version_of(place):
    for version, files in RELEASES.items():
        try:
            if all(open(os.path.join(place, path)).read() == text for path, text in files.items()):
                return version
        except OSError:
            pass
    return "broken"


def state(work, models):
    """What a pass decides about: links, generations, and what is remembered (without times)."""
    return {model: state_of(work, model) for model in models}


def state_of(work, model):
    store = os.path.join(work, "models")
    if not os.path.isdir(os.path.join(store, ".reconcile")):
        return None
    links = {name: os.path.relpath(os.path.realpath(os.path.join(store, name)), store)
             for name in (model, ".reconcile/good/" + model) if os.path.islink(os.path.join(store, name))}
    generations = sorted(
        name for name in os.listdir(os.path.join(store, ".reconcile/generations", model)) if not name.startswith("."))
    try:
        with open(os.path.join(store, ".reconcile/memory/%s.json" % model)) as file:
            memory = json.load(file)
    except FileNotFoundError:
        memory = {}
    return {"links": links, "generations": generations,
            "confirmed": sorted(c["release"]["version"] for c in memory.get("confirmed", [])),
            "quarantine": sorted((q["release"]["version"], "set" in q) for q in memory.get("quarantine", [])),
            "trial": memory.get("trial"), "hold": memory.get("hold"), "handed over": handed_over(work, model)}


def run_until(work, point):
    """Runs a pass that is killed after its effect number `point`; False when it had fewer.

    Every effect is held up for some milliseconds before it happens, which is ample time to kill the program between two.
    Effects of SQLite on its own file count as one in twelve: they are many, SQLite's own to survive, and decide nothing.
    """
    reader, writer = os.pipe()
    process = subprocess.Popen(
        ["strace", "-f", "-y", "-qq", "-o", "/dev/fd/%d" % writer, "-e", "trace=" + EFFECTS, "-e", "signal=none",
         "-e", "inject=%s:delay_enter=3000" % EFFECTS, RECONCILE, "--progress", "none"],
        cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, pass_fds=[writer])
    os.close(writer)
    seen, database, program = 0, 0, None
    with os.fdopen(reader) as log:
        for line in log:
            words = line.split(None, 1)
            if len(words) < 2 or "unfinished" in line:
                continue
            program = program or int(words[0])
            if "history.db" in line:
                database += 1
                if database % 12:
                    continue
            seen += 1
            if seen == point:
                os.kill(program, signal.SIGKILL)
                break
        log.read()
    process.wait()
    return seen == point


def kill_everywhere(name, hooks, installed, models=("vad",), make=prepare):
    base = tempfile.mkdtemp(prefix="reconcile-kill-")
    template = make(base, hooks, installed, models)
    undisturbed = os.path.join(base, "undisturbed")
    shutil.copytree(template, undisturbed, symlinks=True)
    run(undisturbed, status=None)
    run(undisturbed, status=None)
    wanted = state(undisturbed, models)
    points = 0
    for point in range(1, 2000):
        work = os.path.join(base, "work")
        shutil.copytree(template, work, symlinks=True)
        killed = run_until(work, point)
        found = content(work, models)
        # A group that is installed for the first time appears model by model; from then on it moves as one.
        expect(found != "broken" or not installed, "%s: killed after effect %d, a reader finds a mixture" % (name, point))
        expect(all(content_of(work, model) != "broken" for model in models), "%s: killed after effect %d, half a model" % (name, point))
        expect(not installed or found is not None, "%s: killed after effect %d, the model is gone" % (name, point))
        expect(all(handed_over(work, model) != "broken" for model in models), "%s: killed after effect %d, half a snapshot" % (name, point))
        if not killed:
            shutil.rmtree(work)
            break
        points += 1
        run(work, "--progress", "none", status=None)
        run(work, "--progress", "none", status=None)
        now = state(work, models)
        expect(now == wanted, "%s: killed after effect %d, the next passes end at\n%s\ninstead of\n%s" % (
            name, point, json.dumps(now, indent=1), json.dumps(wanted, indent=1)))
        expect(run(work, "--dry-run", "--detailed-exitcode", status=None).returncode != 2,
               "%s: killed after effect %d, there is still something to do" % (name, point))
        shutil.rmtree(work)
    shutil.rmtree(base)
    expect(points > 40, "%s: only %d effects were seen; is strace at work?" % (name, points))
    print("%s: killed after each of %d effects; every next pass converged" % (name, points))


def main():
    if sys.platform != "linux":
        print("test_kill: needs strace, so it runs on Linux only")
        return
    kill_everywhere("first install", HOOKS["works"], installed=False)
    kill_everywhere("update that works", HOOKS["works"], installed=True)
    kill_everywhere("update whose probe fails", HOOKS["probe fails"], installed=True)
    kill_everywhere("update of a group that works", HOOKS["works"], installed=True, models=("enc", "vad"))
    kill_everywhere("update of a group whose probe fails", HOOKS["probe fails"], installed=True, models=("enc", "vad"))
    kill_everywhere("install from an archive, handed over", HOOKS["works"], installed=False, make=prepare_packed)
    kill_everywhere("update from an archive, handed back", HOOKS["probe fails"], installed=True, make=prepare_packed)


if __name__ == "__main__":
    main()
