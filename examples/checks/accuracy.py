#!/usr/bin/env python3
"""The check of the digits model: runs it on pictures it was not trained on and demands an accuracy.

    examples/checks/accuracy.py MODEL_DIRECTORY
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.dont_write_bytecode = True
from checks import digits  # noqa: E402
import make_models  # noqa: E402

DEMANDED = 0.80


def main():
    rows, bias, labels = digits.load(sys.argv[1])
    symbols = list("0123456789abcdef")[:len(labels)]
    held_out = make_models.samples(symbols, 500, seed=99, noise=2)
    right = sum(digits.classify(rows, bias, pixels) == label for pixels, label in held_out)
    accuracy = right / len(held_out)
    print("accuracy %.2f on %d held-out pictures, %.2f demanded" % (accuracy, len(held_out), DEMANDED))
    return 0 if accuracy >= DEMANDED else 1


if __name__ == "__main__":
    sys.exit(main())
