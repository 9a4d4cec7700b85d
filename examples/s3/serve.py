#!/usr/bin/env python3
"""The object store of the example, until it is ended: SeaweedFS, which checks every signature."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from serving import serve, worlds  # noqa: E402

if __name__ == "__main__":
    python = worlds.python_with_boto()
    with worlds.seaweedfs() as store:
        store.make_bucket("acme-models")
        try:
            serve(endpoint=store.url, key=store.key, secret=store.secret, python=python)
        finally:  # it takes its time to end, and nobody wants to read what it holds
            store.process.kill()
            store.process.wait()
