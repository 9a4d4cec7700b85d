"""Servers for the examples, those that the tests start too: what a machine lacks is installed when it is first wanted.

A serve.py starts its servers with `worlds`, and calls `serve(name=value, …)`, which tells run.sh of them and waits until
run.sh ends it.
"""
import os
import shlex
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Tests", "Integration"))
import worlds  # noqa: E402, F401

STARTED_BY = os.getppid()
# Being ended is an exit like others: the servers are stopped, and what they wrote is removed.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


def serve(**facts):
    """Says the facts as assignments of the shell, and stays until whoever started this wants no more."""
    for name, value in facts.items():
        print("%s=%s" % (name, shlex.quote(value)))
    print("served=yes", flush=True)
    while os.getppid() == STARTED_BY:
        time.sleep(0.2)
