#!/usr/bin/env python3
"""The hubs of the example, until they are ended: olah with two git repositories, and one that opens only for a token.

olah (https://github.com/vtuber-plan/olah) mirrors Hugging Face; here it serves git repositories of this machine and asks
nobody else. It knows no tokens, so the other hub is the one that the tests of reconcile use.
"""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from serving import serve, worlds  # noqa: E402

from hub import Hub, Repo  # noqa: E402

MAKE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "make_release.py")


def release(model, version):
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, MAKE, folder, model, version], check=True)
        return worlds.files(folder)


def main():
    try:
        worlds.environment("olah")
    except SystemExit as problem:
        print(problem, file=sys.stderr)
        return serve(hub="")
    private = Repo.of({"v2.0.0": release("diarizer", "2.0.0")}, private=True)
    with worlds.olah({}, "acme/vad") as olah, Hub({"acme/diarizer": private}, tokens={"hf_example": "*"}) as ours:
        repositories = os.path.join(olah.base, "mirrors", "models")
        worlds.git_lfs(os.path.join(repositories, "acme", "captions"), {})
        serve(hub=olah.url, repositories=repositories, ours=ours.url)


if __name__ == "__main__":
    main()
