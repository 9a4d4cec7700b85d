"""What stands between a client and a server: a small proxy, and certificates that no public authority signed."""
import os
import select
import socket
import ssl
import subprocess
import threading
import urllib.parse


class Proxy:
    """An HTTP proxy on a free port of loopback: CONNECT for TLS, absolute addresses for the rest.

    `hosts` says where names lead to that no resolver knows: {"models.test": ("127.0.0.1", 8080)}.
    """

    def __init__(self, hosts=None):
        self.hosts, self.log, self.stopping = hosts or {}, [], False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopping = True
        self.listener.close()

    def accept(self):
        while not self.stopping:
            try:
                if select.select([self.listener], [], [], 0.25)[0]:
                    threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()
            except (OSError, ValueError):
                return

    def serve(self, client):
        with client:
            try:
                head = b""
                while b"\r\n\r\n" not in head:
                    piece = client.recv(65536)
                    if not piece:
                        return
                    head += piece
                lines = head.split(b"\r\n\r\n", 1)[0].decode("latin-1").split("\r\n")
                method, target, _ = lines[0].split(" ", 2)
                headers = {n.lower(): v.strip() for n, _, v in (line.partition(":") for line in lines[1:])}
                self.log.append((method, target, headers))
                place = target if method == "CONNECT" else urllib.parse.urlsplit(target).netloc
                host, _, port = place.partition(":")
                with socket.create_connection(self.hosts.get(host, (host, int(port or 80)))) as server:
                    if method == "CONNECT":
                        client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                        head = head.split(b"\r\n\r\n", 1)[1]
                    # Absolute addresses go on as they are: every HTTP/1.1 server has to take them.
                    server.sendall(head)
                    self.pump(client, server)
            except (OSError, ValueError):
                pass

    def pump(self, client, server):
        sockets = [client, server]
        while not self.stopping:
            for ready in select.select(sockets, [], [], 0.25)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                (server if ready is client else client).sendall(data)


class SocksProxy(Proxy):
    """A SOCKS proxy of version 5 (RFC 1928): CONNECT by name or IPv4 address, without a password."""

    def __init__(self, hosts=None):
        super().__init__(hosts)
        self.url = self.url.replace("http://", "socks5://")

    def serve(self, client):
        with client, client.makefile("rb") as stream:
            try:
                _, methods = stream.read(2)
                stream.read(methods)
                client.sendall(b"\x05\x00")
                _, _, _, kind = stream.read(4)
                host = stream.read(stream.read(1)[0]).decode() if kind == 3 else socket.inet_ntoa(stream.read(4))
                port = int.from_bytes(stream.read(2), "big")
                self.log.append(("SOCKS", "%s:%d" % (host, port), {}))
                with socket.create_connection(self.hosts.get(host, (host, port))) as server:
                    client.sendall(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
                    self.pump(client, server)
            except (OSError, ValueError, IndexError):
                pass


class Certificate:
    """A certificate for loopback and models.test, signed by an authority of our own: `authority` is that one's file."""

    def __init__(self, directory, names="IP:127.0.0.1,DNS:localhost,DNS:models.test"):
        self.authority, self.file, self.key = (os.path.join(directory, name) for name in ("ca.pem", "server.pem", "server.key"))
        authority_key, request, extensions = (os.path.join(directory, name) for name in ("ca.key", "server.csr", "server.ext"))
        with open(extensions, "w") as file:
            file.write("basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
                       "subjectAltName=%s\n" % names)
        new = ["req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        for arguments in (
            [*new, "-x509", "-days", "30", "-subj", "/CN=reconcile test authority", "-keyout", authority_key, "-out", self.authority],
            [*new, "-subj", "/CN=reconcile test server", "-keyout", self.key, "-out", request],
            ["x509", "-req", "-days", "30", "-in", request, "-CA", self.authority, "-CAkey", authority_key, "-CAcreateserial",
             "-extfile", extensions, "-out", self.file],
        ):
            subprocess.run(["openssl", *arguments], check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.file, self.key)
