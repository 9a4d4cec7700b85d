#!/usr/bin/env python3
"""Writes a small model into a directory, as several of the examples publish it.

    make_release.py DIRECTORY MODEL VERSION [--license SPDX] [--gguf]

model.onnx is a real ONNX file with 50,000 weights that follow from MODEL and VERSION, the same bytes on every machine; beside
it are config.json and a README.md with the licence at its head. With --gguf there is model.gguf in place of model.onnx. Needs
nothing but Python 3.
"""
import argparse
import os
import random
import struct


def number(value):
    """An integer as protocol buffers write it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytearray([value]))


def field(index, value):
    """A field of a message: an integer, or bytes."""
    if isinstance(value, int):
        return number(index << 3) + number(value)
    return number(index << 3 | 2) + number(len(value)) + value


def onnx(weights):
    tensor = field(1, len(weights) // 4) + field(2, 1) + field(8, b"weights") + field(9, weights)
    graph = field(2, b"vad") + field(5, tensor)
    return field(1, 8) + field(2, b"example") + field(7, graph) + field(8, field(1, b"") + field(2, 17))


def gguf(weights):
    def text(value):
        return struct.pack("<Q", len(value)) + value
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, 1) + text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama")
    head += text(b"weights") + struct.pack("<IQIQ", 1, len(weights) // 4, 0, 0)
    return head + bytes(-len(head) % 32) + weights


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("model")
    parser.add_argument("version")
    parser.add_argument("--license", default="mit")
    parser.add_argument("--gguf", action="store_true")
    options = parser.parse_args()
    source = random.Random("%s %s" % (options.model, options.version))
    weights = b"".join(struct.pack("<f", source.uniform(-1, 1)) for _ in range(50_000))
    files = {
        "model.gguf" if options.gguf else "model.onnx": gguf(weights) if options.gguf else onnx(weights),
        "config.json": b'{ "version": "%s" }\n' % options.version.encode(),
        "README.md": b"---\nlicense: %s\n---\n\n# A model of the examples\n" % options.license.encode(),
    }
    os.makedirs(options.directory, exist_ok=True)
    for name, data in files.items():
        with open(os.path.join(options.directory, name), "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main()
