#!/usr/bin/env python3
"""The registry of the example, until it is ended: Debian's docker-registry, which wants a user and a password."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from serving import serve, worlds  # noqa: E402

if __name__ == "__main__":
    worlds.need("skopeo")
    with worlds.docker_registry(password=True) as registry:
        user, password = worlds.ACCOUNT
        serve(registry=registry.host, user=user, password=password)
