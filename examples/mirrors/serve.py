#!/usr/bin/env python3
"""One of the servers of the example, until it is ended.

    serve.py web DIRECTORY    a web server of a directory, which writes a line for each request into DIRECTORY.log
    serve.py registry         Debian's docker-registry
"""
import functools
import http.server
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from serving import serve, worlds  # noqa: E402


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, form, *values):
        with open(self.directory + ".log", "a") as file:
            file.write("%s\n" % self.path)


if __name__ == "__main__":
    if sys.argv[1] == "web":
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=sys.argv[2]))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        serve(web="http://127.0.0.1:%d/" % server.server_port)
    else:
        with worlds.docker_registry() as registry:
            serve(registry=registry.host)
