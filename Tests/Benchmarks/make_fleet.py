#!/usr/bin/env python3
"""Makes a catalog of many small models and a desired state for them.

    make_fleet.py OUT MODELS FILES
"""
import hashlib
import json
import os
import sys

out, models, files = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
lines = ["apiVersion: reconcile/v1", "store: ./models", "sources:", "  zoo: { directory: catalog }", "models:"]
for number in range(models):
    name = "model-%05d" % number
    place = os.path.join(out, "catalog", name, "1.0.0")
    os.makedirs(place)
    listed = []
    for index in range(files):
        data = ("%s file %d\n" % (name, index)).encode() * 4
        path = "part-%02d.bin" % index
        with open(os.path.join(place, path), "wb") as file:
            file.write(data)
        listed.append({"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()})
    text = json.dumps({"format": 1, "repository": name, "version": "1.0.0", "channel": "stable", "files": listed})
    with open(os.path.join(place, "release.json"), "w") as file:
        file.write(text)
    entry = {"version": "1.0.0", "channel": "stable",
             "release": {"path": "1.0.0/release.json", "sha256": hashlib.sha256(text.encode()).hexdigest()}}
    with open(os.path.join(out, "catalog", name, "index.json"), "w") as file:
        json.dump({"format": 1, "repository": name, "releases": [entry]}, file)
    lines.append("  %s: { from: zoo/%s, version: ^1.0 }" % (name, name))
with open(os.path.join(out, "desired-state.yaml"), "w") as file:
    file.write("\n".join(lines) + "\n")
