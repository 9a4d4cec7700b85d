#!/usr/bin/env python3
"""Follows a model as Ollama does, from its manifest to its weights: `chat.py MODELS NAMESPACE/MODEL/TAG`.

Ends with status 0 when the weights have the digest that the manifest says, and are a GGUF file of a known architecture.
"""
import hashlib
import json
import os
import struct
import sys

KNOWN = ("llama", "gemma3", "qwen3")


def string(data, place):
    """A text of GGUF: what kind of value it is, its length, and its bytes."""
    kind, length = struct.unpack_from("<IQ", data, place)
    return data[place + 12:place + 12 + length].decode() if kind == 8 else ""


def main(models, name):
    with open(os.path.join(models, "manifests", "registry.ollama.ai", name)) as file:
        manifest = json.load(file)
    for part in [manifest["config"], *manifest["layers"]]:
        with open(os.path.join(models, "blobs", part["digest"].replace(":", "-")), "rb") as file:
            data = file.read()
        if (len(data), "sha256:" + hashlib.sha256(data).hexdigest()) != (part["size"], part["digest"]):
            sys.exit("the blob %s is not what its name says" % part["digest"][:19])
        if part["mediaType"] == "application/vnd.ollama.image.model":
            architecture = string(data, data.index(b"general.architecture") + 20)
            if data[:4] != b"GGUF" or architecture not in KNOWN:
                sys.exit("it cannot be loaded: unknown model architecture: '%s'" % architecture)
            print("%s, %s" % (part["digest"][7:19], architecture))


if __name__ == "__main__":
    main(*sys.argv[1:])
