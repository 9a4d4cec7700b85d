#!/usr/bin/env python3
"""Makes a safetensors model of llama's shapes (bf16, hidden 1024, 16 layers, 426 MB) and six versions of it that people really
publish, for the figures of delta updates.   delta_models.py DIR [SCALE]

DIR/<case>/model.safetensors, with <case> one of: base, metadata, lora, layers, reordered, rows, flipped. SCALE divides all sizes.
"""

import json
import os
import random
import struct
import sys

import numpy

CASES = ["base", "metadata", "lora", "layers", "reordered", "rows", "flipped"]


def shapes(scale):
    hidden, layers, words, inner = 1024 // scale, 16, 32000 // scale, 2816 // scale
    yield "embed", words * hidden
    for layer in range(layers):
        for name, count in [
            ("q", hidden * hidden), ("k", hidden * hidden // 4), ("v", hidden * hidden // 4), ("o", hidden * hidden),
            ("gate", hidden * inner), ("up", hidden * inner), ("down", hidden * inner), ("n1", hidden), ("n2", hidden),
        ]:
            yield f"layer.{layer}.{name}", count


def write(directory, case, order, tensors, note):
    header, offset = {"__metadata__": {"note": note}}, 0
    for name in order:
        size = len(tensors[name])
        header[name] = {"dtype": "BF16", "shape": [size // 2], "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(f"{directory}/{case}", exist_ok=True)
    with open(f"{directory}/{case}/model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in order:
            file.write(tensors[name])


def main():
    directory, scale = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1
    numbers = numpy.random.default_rng(1)
    base = {}
    for name, count in shapes(scale):
        values = numbers.standard_normal(count, dtype=numpy.float32) * 0.02
        base[name] = (values.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()
    order = list(base)

    def fresh(size):
        return numbers.integers(0, 65536, size // 2, dtype=numpy.uint16).tobytes()

    def retrained(chosen):
        return {name: fresh(len(data)) if chosen(name) else data for name, data in base.items()}

    write(directory, "base", order, base, "one")
    write(directory, "metadata", order, base, "two " + "x" * 213)
    write(directory, "lora", order, retrained(lambda name: name.split(".")[-1] in "qv"), "one")
    write(directory, "layers", order, retrained(lambda name: name.startswith(tuple(f"layer.{n}." for n in range(12, 16)))), "one")
    shuffled = order[:]
    random.Random(3).shuffle(shuffled)
    write(directory, "reordered", shuffled, base, "one")
    rows = dict(base, embed=base["embed"] + fresh(64 * 2 * 1024 // scale))
    write(directory, "rows", order, rows, "one")
    flipped = {}
    for name, data in base.items():
        values = numpy.frombuffer(data, numpy.uint16).copy()
        values[numbers.integers(0, len(values), max(1, len(values) // 1000))] ^= 1
        flipped[name] = values.tobytes()
    write(directory, "flipped", order, flipped, "one")


main()
