#!/usr/bin/env python3
"""Pushes a directory as one of the artifacts that models are published as: what `modctl push` or `kit push` do.

    push.py modelpack|modelkit DIRECTORY HOST/REPOSITORY:TAG VERSION USER:PASSWORD
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from serving import worlds  # noqa: E402

from registry import modelkit, modelpack  # noqa: E402


def main(kind, directory, reference, version, account):
    files = dict(sorted(worlds.files(directory).items()))
    if kind == "modelpack":
        image = modelpack(files, "raw", version=version, licenses=("MIT",))
    else:
        image = modelkit(files, version=version, license="MIT", compression="gzip")
    host, name = reference.split("/", 1)
    repository, tag = name.rsplit(":", 1)
    print("* pushed %s as a %s, %s" % (name, "ModelPack" if kind == "modelpack" else "ModelKit",
                                       worlds.push(host, repository, image, tag, tuple(account.split(":", 1)))[:19]))


if __name__ == "__main__":
    main(*sys.argv[1:]) if len(sys.argv) == 6 else sys.exit(__doc__.strip())
