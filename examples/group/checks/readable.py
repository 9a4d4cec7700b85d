#!/usr/bin/env python3
"""The check of each model, before it is activated: can the file be read at all? It sees one model and not the pair.

    readable.py MODEL_DIRECTORY
"""
import json
import os
import sys

with open(os.path.join(sys.argv[1], "model.json")) as file:
    entries = json.load(file)
print("%d entries" % len(entries))
sys.exit(0 if entries else 1)
