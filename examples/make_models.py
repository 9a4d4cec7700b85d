#!/usr/bin/env python3
"""Trains the small models of the examples and writes each version into a directory of its own.

    examples/make_models.py OUT          writes OUT/1.0.0 … OUT/2.0.0
    examples/make_models.py --catalog    writes examples/catalog, which holds 1.0.0

The model is a linear classifier of noisy 8 x 8 pictures of digits, trained by the averaged perceptron. Everything is
deterministic: the random numbers are our own, and only additions, multiplications and comparisons of IEEE doubles are
used, so every machine writes the same bytes. Needs nothing but Python 3.
"""
import hashlib
import json
import os
import shutil
import struct
import sys

GLYPHS = {  # 5 x 7 pictures, a row each
    "0": "01110 10001 10011 10101 11001 10001 01110", "1": "00100 01100 00100 00100 00100 00100 01110",
    "2": "01110 10001 00001 00010 00100 01000 11111", "3": "11111 00010 00100 00010 00001 10001 01110",
    "4": "00010 00110 01010 10010 11111 00010 00010", "5": "11111 10000 11110 00001 00001 10001 01110",
    "6": "00110 01000 10000 11110 10001 10001 01110", "7": "11111 00001 00010 00100 01000 01000 01000",
    "8": "01110 10001 10001 01110 10001 10001 01110", "9": "01110 10001 10001 01111 00001 00010 01100",
    "a": "00000 00000 01110 00001 01111 10001 01111", "b": "10000 10000 10110 11001 10001 10001 11110",
    "c": "00000 00000 01110 10000 10000 10001 01110", "d": "00001 00001 01101 10011 10001 10001 01111",
    "e": "00000 00000 01110 10001 11111 10000 01110", "f": "00110 01001 01000 11100 01000 01000 01000",
}


class Random:
    """A 64-bit linear congruential generator (Knuth's MMIX constants)."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % (1 << 64)
        return (self.state >> 33) % limit


def picture(symbol, random, noise):
    """A symbol somewhere in 8 x 8 pixels, of which `noise` percent are flipped."""
    left, top = random.below(4), random.below(2)
    pixels = [0.0] * 64
    for y, row in enumerate(GLYPHS[symbol].split()):
        for x, bit in enumerate(row):
            pixels[(top + y) * 8 + left + x] = float(bit)
    return [1.0 - p if random.below(100) < noise else p for p in pixels]


def samples(symbols, count, seed, noise):
    random = Random(seed)
    chosen = [random.below(len(symbols)) for _ in range(count)]
    return [(picture(symbols[label], random, noise), label) for label in chosen]


def train(symbols, count, epochs, seed):
    """The averaged perceptron: one row of 64 weights and a bias for each symbol."""
    rows = [[0.0] * 65 for _ in symbols]
    total = [[0.0] * 65 for _ in symbols]
    data = samples(symbols, count, seed, noise=2)
    for _ in range(epochs):
        for pixels, label in data:
            inputs = pixels + [1.0]
            scores = [sum(w * x for w, x in zip(row, inputs)) for row in rows]
            guess = max(range(len(symbols)), key=lambda i: (scores[i], -i))
            if guess != label:
                for i, x in enumerate(inputs):
                    rows[label][i] += x
                    rows[guess][i] -= x
            for row, sums in zip(rows, total):
                for i, weight in enumerate(row):
                    sums[i] += weight
    scale = 1.0 / 1024.0
    return [[w * scale for w in sums] for sums in total]


def safetensors(rows):
    """The weights as safetensors: an eight-byte length, a JSON header, little-endian 32-bit floats."""
    weight = b"".join(struct.pack("<64f", *row[:64]) for row in rows)
    bias = struct.pack("<%df" % len(rows), *[row[64] for row in rows])
    header = json.dumps({
        "__metadata__": {"format": "averaged-perceptron"},
        "bias": {"dtype": "F32", "shape": [len(rows)], "data_offsets": [len(weight), len(weight) + len(bias)]},
        "weight": {"dtype": "F32", "shape": [len(rows), 64], "data_offsets": [0, len(weight)]},
    }, separators=(",", ":"), sort_keys=True).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + weight + bias


def write(directory, rows, labels):
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    with open(os.path.join(directory, "model.safetensors"), "wb") as file:
        file.write(safetensors(rows))
    with open(os.path.join(directory, "labels.json"), "w") as file:
        file.write(json.dumps(labels) + "\n")


def make(out):
    digits, hexadecimal = list("0123456789"), list("0123456789abcdef")
    quick, good = train(digits, 800, 4, seed=1), train(digits, 1200, 8, seed=2)
    write(os.path.join(out, "1.0.0"), quick, digits)
    write(os.path.join(out, "1.1.0"), good, digits)
    # 1.2.0 is broken in a way that only running it shows: right format, but its rows are in the wrong order.
    write(os.path.join(out, "1.2.0"), good[3:] + good[:3], digits)
    # 1.3.0 classifies well, but spells its labels in a way that the program that uses them cannot read.
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    write(os.path.join(out, "1.3.0"), train(digits, 1200, 9, seed=3), words)
    write(os.path.join(out, "2.0.0"), train(hexadecimal, 2400, 8, seed=4), hexadecimal)


def catalog(models, target, version):
    """A catalog with one release, as `reconcile publish` writes it, with a fixed date."""
    published = "2026-11-01T12:00:00Z"
    place = os.path.join(target, "digits", version)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(os.path.join(models, version), place)
    files = []
    for name in sorted(os.listdir(place)):
        with open(os.path.join(place, name), "rb") as file:
            data = file.read()
        files.append({"path": name, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)})
    release = {"channel": "stable", "changelog": "First release.", "files": files, "format": 1, "license": "Apache-2.0",
               "publishedAt": published, "repository": "digits", "version": version}
    text = json.dumps(release, indent=2, sort_keys=True) + "\n"
    with open(os.path.join(place, "release.json"), "w") as file:
        file.write(text)
    entry = {"channel": "stable", "publishedAt": published, "version": version,
             "release": {"path": version + "/release.json", "sha256": hashlib.sha256(text.encode()).hexdigest()}}
    with open(os.path.join(target, "digits", "index.json"), "w") as file:
        file.write(json.dumps({"format": 1, "releases": [entry], "repository": "digits"}, indent=2, sort_keys=True) + "\n")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.argv[1:] == ["--catalog"]:
        import tempfile
        with tempfile.TemporaryDirectory() as models:
            make(models)
            catalog(models, os.path.join(here, "catalog"), "1.0.0")
    elif len(sys.argv) == 2 and not sys.argv[1].startswith("-"):
        make(sys.argv[1])
    else:
        sys.exit(__doc__.strip())


if __name__ == "__main__":
    main()
