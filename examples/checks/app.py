#!/usr/bin/env python3
"""The probe of the digits model: the program that uses it, asked to read one house number.

It opens the active version as any user of the model would, through its link in the store.

    examples/checks/app.py [LINK]
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.dont_write_bytecode = True
from checks import digits  # noqa: E402
import make_models  # noqa: E402


def main():
    # Resolve the link once and open everything below it: a switch in between cannot mix two versions.
    model = os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else "models/digits")
    rows, bias, labels = digits.load(model)
    random = make_models.Random(7)
    read = [labels[digits.classify(rows, bias, make_models.picture(s, random, noise=0))] for s in "42"]
    try:
        number = int("".join(read), 16)
    except ValueError:
        print("the labels %s are not a number" % read)
        return 1
    print("read house number %x" % number)
    return 0


if __name__ == "__main__":
    sys.exit(main())
