#!/usr/bin/env python3
"""Writes the small models of the example: an encoder and a decoder that only work as a pair, and captions.

    make_models.py OUT      writes OUT/encoder/1.0.0 … OUT/captions/1.1.0

The encoder turns letters into codes, the decoder turns codes into letters again. Both hold the same table, made from the
same seed; what one release writes, only the release with the same table can read. Needs nothing but Python 3.
"""
import json
import os
import random
import sys

LETTERS = "abcdefghijklmnopqrstuvwxyz "
PAIRS = {  # version: the seed of the encoder's table, the seed of the decoder's
    "1.0.0": (10, 10),
    "1.1.0": (11, 11),
    "1.2.0": (12, 99),  # broken: each is a proper table, but they are not the same one
    "1.2.1": (12, 12),
    "1.3.0": (13, 13),
}


def table(seed):
    codes = list(range(100, 100 + len(LETTERS)))
    random.Random(seed).shuffle(codes)
    return dict(zip(LETTERS, codes))


def write(out, model, version, content):
    directory = os.path.join(out, model, version)
    os.makedirs(directory)
    with open(os.path.join(directory, "model.json"), "w") as file:
        json.dump(content, file, indent=1)


def main(out):
    for version, (encoder, decoder) in PAIRS.items():
        write(out, "encoder", version, table(encoder))
        write(out, "decoder", version, {code: letter for letter, code in table(decoder).items()})
    write(out, "captions", "1.0.0", {"prefix": "> "})
    write(out, "captions", "1.1.0", {"prefix": "» "})


if __name__ == "__main__":
    main(sys.argv[1]) if len(sys.argv) == 2 else sys.exit(__doc__.strip())
