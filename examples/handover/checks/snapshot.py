#!/usr/bin/env python3
"""Finds a model in the cache of huggingface_hub, without a network, and prints its directory: `snapshot.py CACHE REPOSITORY`.

Where huggingface_hub is not installed, it follows the files of the cache, as its documentation describes them.
"""
import os
import sys


def find(cache, repository):
    try:
        from huggingface_hub import snapshot_download
        print("* huggingface_hub.snapshot_download(\"%s\", local_files_only=True)" % repository, file=sys.stderr)
        return snapshot_download(repository, cache_dir=cache, local_files_only=True)
    except ImportError:
        folder = os.path.join(cache, "models--" + repository.replace("/", "--"))
        with open(os.path.join(folder, "refs", "main")) as file:
            return os.path.join(folder, "snapshots", file.read())


if __name__ == "__main__":
    print(find(*sys.argv[1:]))
