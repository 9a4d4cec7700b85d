"""Reads a digits model and runs it; shared by the check and by the program that uses the model."""
import json
import os
import struct


def load(path):
    """The weights and labels of a model directory."""
    with open(os.path.join(path, "model.safetensors"), "rb") as file:
        data = file.read()
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])

    def tensor(name):
        begin, end = header[name]["data_offsets"]
        return struct.unpack_from("<%df" % ((end - begin) // 4), data, 8 + length + begin)

    weight, bias = tensor("weight"), tensor("bias")
    rows = [weight[i * 64:(i + 1) * 64] for i in range(len(bias))]
    with open(os.path.join(path, "labels.json")) as file:
        return rows, bias, json.load(file)


def classify(rows, bias, pixels):
    """The index of the symbol that a picture shows."""
    scores = [sum(w * x for w, x in zip(row, pixels)) + b for row, b in zip(rows, bias)]
    return max(range(len(rows)), key=lambda i: scores[i])
