#!/usr/bin/env python3
"""Prints the directory of a python3 that has huggingface_hub, which is installed at the first time; else of this one."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from serving import worlds  # noqa: E402

if __name__ == "__main__":
    try:
        print(worlds.environment("hf"))
    except SystemExit:
        print(os.path.dirname(sys.executable))
