"""The suites of sources.sh. Every case ends with what was fetched durable (`sync -f`); ratios are of medians of one run.

The servers: fakehf.py of the peers' benchmarks behind nginx, which sends the large files itself; Debian's docker-registry;
SeaweedFS. An nginx of our own is also before the two latter where requests are counted: its log is what counts.
"""
import argparse
import collections
import os
import re
import shlex
import signal
import subprocess
import sys
import time

from benchlib import Case, med, rm, run_interleaved, warm

HOME = os.path.expanduser("~/.cache/reconcile-bench")
WWW, STATE, DL = (os.environ.get("BENCH_" + name.upper(), f"{HOME}/{other}")
                  for name, other in (("www", "www"), ("sources", "sources"), ("dl", "dl-sources")))
BIN = os.environ.get("BENCH_VENV_BIN", f"{HOME}/venv/bin")
SUITES = ["requests", "start", "http", "oci", "s3", "xet"]
FRONT, HUB, REGISTRY, BUCKETS = 8924, 8923, 8905, 8907  # where the front's own ports are FRONT, FRONT + 1 and FRONT + 2
HUB_URL, CDN_URL = f"http://127.0.0.1:{FRONT}", f"http://127.0.0.2:{FRONT}"
LOG = f"{STATE}/front.log"
AWS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "benchsecret", "AWS_REGION": "us-east-1",
       "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
HF = {"HF_ENDPOINT": HUB_URL, "HF_HOME": f"{DL}/hf", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
      "HF_HUB_DISABLE_UPDATE_CHECK": "1", "NO_COLOR": "1"}
HTTP = {**HF, "HF_HUB_DISABLE_XET": "1"}
TO_BUCKETS = [f"{BIN}/s5cmd", "--retry-count", "0", "--endpoint-url", f"http://127.0.0.1:{BUCKETS}"]
THIRTY, SIX = "acme/thirty", "acme/model6"
FRONT_CONFIG = f"""
daemon off; pid {STATE}/front.pid; error_log {STATE}/front.err warn; worker_processes 2; user root; events {{ worker_connections 1024; }}
http {{
  include /etc/nginx/mime.types; default_type application/octet-stream;
  sendfile on; tcp_nopush on; keepalive_timeout 65; keepalive_requests 100000; server_tokens off; client_max_body_size 0;
  log_format b '$bytes_sent $status "$http_range" "$request"'; access_log {LOG} b;
  client_body_temp_path {STATE}/t1; proxy_temp_path {STATE}/t2; fastcgi_temp_path {STATE}/t3; uwsgi_temp_path {STATE}/t4;
  scgi_temp_path {STATE}/t5;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_buffering off;
  server {{ listen 127.0.0.1:{FRONT}; listen 127.0.0.2:{FRONT};
    location /cdn/ {{ alias {STATE}/hub/; }}
    location /xorbs/ {{ alias {STATE}/hub/xorbs/; }}
    location / {{ proxy_pass http://127.0.0.1:{HUB}; }} }}
  server {{ listen 127.0.0.1:{FRONT + 1}; location / {{ proxy_pass http://127.0.0.1:{REGISTRY}; }} }}
  server {{ listen 127.0.0.1:{FRONT + 2}; location / {{ proxy_pass http://127.0.0.1:{BUCKETS}; }} }}
}}
"""
rows, processes = [], []


# Servers and what they have

def hub():
    """fakehf.py with the branch and the tag that its repositories lack, and without the pauses of Nagle's algorithm."""
    import fakehf

    class Hub(fakehf.H):
        disable_nagle_algorithm = True

        def do_GET(self):
            found = re.fullmatch(r"/api/models/([^/]+/[^/]+)/refs", self.path.split("?")[0])
            if not found or found[1] not in fakehf.REPOS:
                return super().do_GET()
            commit = fakehf.REPOS[found[1]][0]
            self.reply(200, {"converts": [], "branches": [{"name": "main", "ref": "refs/heads/main", "targetCommit": commit}],
                             "tags": [{"name": "v1.0.0", "ref": "refs/tags/v1.0.0", "targetCommit": commit}]})

        do_HEAD = do_GET

    fakehf.load()
    fakehf.ThreadingHTTPServer.daemon_threads = True
    fakehf.ThreadingHTTPServer.request_queue_size = 128
    fakehf.ThreadingHTTPServer(("127.0.0.1", HUB), Hub).serve_forever()


def once(name, make):
    """Makes something unless it was made."""
    if not os.path.exists(f"{STATE}/{name}.made"):
        make()
        open(f"{STATE}/{name}.made", "w").close()


def generate():
    generator = [sys.executable, f"{options.bench}/gen.py", "model"]
    six = f"{WWW}/hf/{SIX}"
    os.makedirs(f"{STATE}/hub/acme", exist_ok=True)
    if not os.path.exists(f"{six}/SHA256SUMS"):
        six = f"{STATE}/six"
        subprocess.run([*generator, six], check=True)
    if not os.path.exists(f"{STATE}/hub/{SIX}"):
        os.symlink(six, f"{STATE}/hub/{SIX}")
    subprocess.run([*generator, f"{STATE}/hub/{THIRTY}", "4", "40000000", "26"], check=True)


def files(repo):
    """The files of a repository, without the list of their sums."""
    return [line.split()[1] for line in open(f"{STATE}/hub/{repo}/SHA256SUMS")]


def linked(repo):
    """A directory of links to just these files."""
    place = f"{STATE}/src/{repo}"
    os.makedirs(place, exist_ok=True)
    for name in files(repo):
        if not os.path.exists(f"{place}/{name}"):
            os.link(f"{STATE}/hub/{repo}/{name}", f"{place}/{name}")
    return place


def push():
    for repo in (THIRTY, SIX):
        subprocess.run([sys.executable, f"{options.bench}/oci_push.py", f"http://127.0.0.1:{REGISTRY}", repo, "1.0.0",
                        f"{STATE}/hub/{repo}"], check=True)


UPLOAD = """
import sys
import boto3, botocore.config
config = botocore.config.Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
client = boto3.client("s3", endpoint_url=sys.argv[1], config=config)
for place, prefix, *names in [line.split() for line in sys.stdin]:
    for name in names:
        with open(place + "/" + name, "rb") as file:
            client.put_object(Bucket="models", Key=prefix + name, Body=file, ChecksumAlgorithm="SHA256")
"""


def upload():
    """The plain objects, with their SHA-256, as `aws s3 cp --checksum-algorithm SHA256` does it, and a catalog of each repository."""
    subprocess.run([*TO_BUCKETS, "mb", "s3://models"], env={**os.environ, **AWS}, capture_output=True, check=True)
    sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "Integration"))
    import worlds
    subprocess.run([worlds.python_with_boto(), "-c", UPLOAD, f"http://127.0.0.1:{BUCKETS}"], env={**os.environ, **AWS}, check=True,
                   text=True, input="".join(f"{STATE}/hub/{repo} plain/{repo}/1.0.0/ {' '.join(files(repo))}\n" for repo in (THIRTY, SIX)))
    subprocess.run([*TO_BUCKETS, "cp", f"{STATE}/hub/{THIRTY}/", f"s3://models/sums/{THIRTY}/1.0.0/"], env={**os.environ, **AWS},
                   capture_output=True, check=True)
    for repo in (THIRTY, SIX):
        subprocess.run([OURS, "publish", linked(repo), "--to", "s3://models/catalog", "--endpoint", f"http://127.0.0.1:{BUCKETS}",
                        "--model", repo, "--version", "1.0.0"], env={**os.environ, **AWS}, check=True)


def bundle():
    """A bundle of the 30 files, by way of a catalog on this disk."""
    subprocess.run([OURS, "publish", linked(THIRTY), "--to", f"{STATE}/catalog", "--model", THIRTY, "--version", "1.0.0"], check=True)
    place = f"{STATE}/bundling"
    declare(place, f"directory: {STATE}/catalog", THIRTY)
    for command in (["lock"], ["bundle", "--out", f"{STATE}/thirty.tar"]):
        subprocess.run([OURS, *command], cwd=place, check=True, stdout=subprocess.DEVNULL)


# What each suite asks.
SERVERS = {"requests": {"hub", "registry", "s3"}, "http": {"hub"}, "xet": {"hub"}, "oci": {"registry"}, "s3": {"s3"}, "start": set()}


def start_servers():
    once("content", generate)
    wanted = set().union(*[SERVERS[suite] for suite in options.suites])
    with open(f"{STATE}/front.conf", "w") as file:
        file.write(FRONT_CONFIG)
    with open(f"{STATE}/hub.log", "ab") as log:
        processes.append(subprocess.Popen(["nginx", "-c", f"{STATE}/front.conf"], stderr=log))
        if "hub" in wanted:
            processes.append(subprocess.Popen(
                [sys.executable, os.path.abspath(__file__), str(HUB), HUB_URL, CDN_URL, f"{STATE}/hub", "--xet"], stdout=log, stderr=log,
                env={**os.environ, "SOURCES_HUB": "1", "PYTHONPATH": options.bench}))
    bench("start", *wanted & {"registry", "s3"})
    if "hub" in wanted:
        await_success(["curl", "-sf", f"http://127.0.0.1:{HUB}/api/models/{SIX}"])
    if "registry" in wanted:
        await_success(["curl", "-sf", f"http://127.0.0.1:{REGISTRY}/v2/"])
        once("registry", push)
    if "s3" in wanted:
        await_success([*TO_BUCKETS, "ls"])
        once("buckets", upload)
    if "requests" in options.suites:
        once("bundle", bundle)


def bench(what, *servers):
    if servers:
        subprocess.run([sys.executable, f"{options.bench}/servers.py", what, *servers], check=True,
                       env={**os.environ, "BENCH_STATE": STATE, "BENCH_VENV_BIN": BIN})


def server_pids():
    return [int(open(f"{STATE}/{name}.pid").read()) for name in ("registry", "s3") if os.path.exists(f"{STATE}/{name}.pid")]


def await_success(command):
    for _ in range(600):
        if subprocess.run(command, env={**os.environ, **AWS}, capture_output=True).returncode == 0:
            return
        time.sleep(0.1)
    raise SystemExit(f"no answer: {' '.join(command)}")


def stop_servers():
    pids = server_pids()
    bench("stop", "registry", "s3")
    for process in processes:
        process.send_signal(signal.SIGTERM)
        process.wait()
    # One that still ends takes the sockets of the next one with it.
    while any(os.path.exists(f"/proc/{pid}") for pid in pids):
        time.sleep(0.2)
    if not options.keep:
        rm(STATE)


# Cases

def front(number):
    return f"127.0.0.1:{FRONT + number}"


def source(kind, counted=False):
    """How a source is declared; with `counted` by way of the front, which has a log."""
    bucket = f"endpoint: 'http://{front(2) if counted else f'127.0.0.1:{BUCKETS}'}', region: us-east-1, addressing: path"
    return {
        "hub": f"huggingface: '{HUB_URL}'",
        "oci": f"oci: '{front(1) if counted else f'127.0.0.1:{REGISTRY}'}'",
        "plain": f"s3: 's3://models/plain', {bucket}",
        "sums": f"s3: 's3://models/sums', {bucket}",
        "catalog": f"s3: 's3://models/catalog', {bucket}",
        "bundle": f"bundle: '{STATE}/thirty.tar'",
    }[kind]


def declare(directory, source, repo):
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/desired-state.yaml", "w") as file:
        file.write(f"apiVersion: reconcile/v1\nsources: {{ it: {{ {source} }} }}\nmodels: {{ m: {{ from: it/{repo}, version: ^1.0 }} }}\n")


# Nothing of whoever runs this: a cache of the hub would be a place that models are taken from.
ENV = {**AWS, "HF_HOME": f"{DL}/none", "DOCKER_CONFIG": f"{DL}/none"}


def ours(name, source, repo):
    def prepare():
        rm(DL)
        declare(f"{DL}/r", source, repo)
        os.sync()
    return Case(name, f"cd {DL}/r && {OURS} --progress none && sync -f .", prepare, lambda: is_whole(f"{DL}/r/models/m", repo),
                lambda: rm(DL), env=ENV)


def theirs(name, command, repo, env=None, place=None):
    def prepare():
        rm(DL)
        os.makedirs(f"{DL}/m")
        os.sync()
    return Case(name, command + f" && sync -f {DL}", prepare, lambda: is_whole(place or f"{DL}/m", repo, exact=not place),
                lambda: rm(DL), env=env)


def is_whole(place, repo, exact=True):
    """Whether all files are there; in an image layout they have other names."""
    if exact:
        return all(os.path.getsize(f"{place}/{name}") == os.path.getsize(f"{STATE}/hub/{repo}/{name}") for name in files(repo))
    total = sum(os.path.getsize(os.path.join(folder, name)) for folder, _, names in os.walk(place) for name in names)
    return total >= sum(os.path.getsize(f"{STATE}/hub/{repo}/{name}") for name in files(repo))


def hf(repo):
    return f"{BIN}/hf download {repo} --local-dir {DL}/m"


def skopeo(repo, host):
    return f"skopeo --insecure-policy copy -q --src-tls-verify=false docker://{host}/{repo}:1.0.0 dir:{DL}/m"


def s5cmd(repo, host, what="plain/{}/1.0.0/*"):
    return f"{BIN}/s5cmd --log error --endpoint-url http://{host} cp 's3://models/{what.format(repo)}' {DL}/m/"


def run(cases):
    run_interleaved(cases, options.runs, 1, [process.pid for process in processes] + server_pids(), LOG, options.quiet,
                    clean_other=CLEAN, max_runs=2 * options.runs + 2)
    return {case.name: case for case in cases}


CLEAN = 0.15  # of the machine that others used meanwhile


def wall(case):
    """The median of the runs that nobody disturbed, if there are enough of them."""
    clean = [r for r in case.runs if r["other"] <= CLEAN]
    return med(clean if len(clean) >= 3 else case.runs, "wall")


def row(what, measured, bar, met):
    rows.append((what, measured, bar, "yes" if met else "NO"))
    print("| " + " | ".join(rows[-1]) + " |", flush=True)


def ratio(what, cases, name, base, bar):
    """Our median beside that of a base, and the others for comparison."""
    value = wall(cases[name]) / wall(cases[base])
    others = ", ".join(f"{other} {wall(case):.2f} s {med(case.runs, 'peak_mb'):.0f} MB" for other, case in cases.items() if other != name)
    row(what, f"{value:.2f} x {base} ({wall(cases[name]):.2f} s, peak {med(cases[name].runs, 'peak_mb'):.0f} MB; {others})",
        f"{bar} x", value <= bar and all(r["rc"] == 0 for case in (cases[name], cases[base]) for r in case.runs))


def peak(what, *cases):
    most = max(r["peak_mb"] for case in cases for r in case.runs)
    row(f"peak memory, {what}", f"{most:.0f} MB", "100 MiB", most <= 100)


# Suites

Count = collections.namedtuple("Count", "all ranges lines")


def counted(command, place, env):
    """The requests that a command makes, and how many of them are further ranges of a file that was asked for already."""
    before = os.path.getsize(LOG)
    subprocess.run(command, shell=True, cwd=place, env={**os.environ, **(env or {})}, check=True, stdout=subprocess.DEVNULL)
    time.sleep(0.3)
    with open(LOG) as file:
        file.seek(before)
        # A client that tries TLS first leaves lines that are no requests.
        lines = [line for line in file.read().splitlines() if re.search(r'"[A-Z]+ /[^" ]* HTTP/1.1"$', line)]
    parts = collections.Counter(line.split('"')[3] for line in lines if line.split('"')[1] != "-")
    return Count(len(lines), sum(parts.values()) - len(parts), lines)


def kinds(count):
    """What was asked for, for people: `2 GET x.json`."""
    found = collections.Counter()
    for line in count.lines:
        method, path = line.split('"')[3].split(" ")[:2]
        path = re.sub(r"[0-9a-f]{40,64}", "…", path.split("?")[0] + ("?list" if "list-type" in path else ""))
        status = line.split()[1]
        found[f"{method} {status} {re.sub(r'[^/]*[.](json|md|safetensors)$', 'FILE', path)}"] += 1
    return ", ".join(f"{number} {what}" for what, number in sorted(found.items()))


def requests():
    """30 files: 4 of 40 MB and 26 small ones."""
    peers = {
        "hub": [("hf download", hf(THIRTY), HTTP), ("hf download with Xet", hf(THIRTY), HF)],
        "oci": [("skopeo copy", skopeo(THIRTY, front(1)), None)],
        "plain": [("s5cmd cp", s5cmd(THIRTY, front(2)), AWS)],
        "sums": [("s5cmd cp", s5cmd(THIRTY, front(2), "sums/{}/1.0.0/*"), AWS)],
        "catalog": [("s5cmd cp of it", s5cmd(THIRTY, front(2), "catalog/{}/*"), AWS)],
        "bundle": [],
    }
    for kind, others in peers.items():
        asked = {}
        for name, command, env in others:
            rm(DL)
            os.makedirs(f"{DL}/m")
            asked[name] = counted(command, DL, env)
            print(f"  {kind}, {name}: {kinds(asked[name])}", file=sys.stderr)
        rm(DL)
        place = f"{DL}/r"
        declare(place, source(kind, counted=True), THIRTY)
        program = f"{OURS} --progress none"
        first = counted(program, place, ENV)
        print(f"  {kind}, reconcile: {kinds(first)}", file=sys.stderr)
        assert is_whole(f"{place}/models/m", THIRTY), kind
        again = counted(program, place, ENV)
        print(f"  {kind}, nothing new: {kinds(again)}", file=sys.stderr)
        subprocess.run([OURS, "lock"], cwd=place, env={**os.environ, **ENV}, check=True, stdout=subprocess.DEVNULL)
        locked = counted(program, place, ENV)
        base, limit = next(iter(asked), ""), next((count.all for count in asked.values()), -2) + 2
        seen = "; ".join(f"{name} {count.all}" + (f", {count.ranges} of them further ranges" if count.ranges else "")
                         for name, count in asked.items())
        row(f"requests, {kind}, first install of 30 files", f"{first.all}, {first.ranges} of them further ranges"
            + (f" ({seen})" if seen else ""), f"{limit}" + (f", 2 more than {base}" if base else ""), first.all <= limit)
        limit = 0 if kind == "bundle" else 1
        row(f"requests, {kind}, nothing new", f"{again.all}", f"{limit}", again.all <= limit)
        row(f"requests, {kind}, nothing new, with a lock", f"{locked.all}", "0", locked.all == 0)
    rm(DL)


def start():
    """How long the programs take to say their version."""
    commands = {"reconcile": f"{OURS} --version", "hf": f"{BIN}/hf version", "skopeo": "skopeo --version", "s5cmd": f"{BIN}/s5cmd version"}
    cases = run([Case(name, shlex.split(command), env=HF) for name, command in commands.items()])
    for name, case in cases.items():
        row(f"start of {name}", f"{wall(case):.3f} s", "", all(r["rc"] == 0 for r in case.runs))


def http():
    warm(f"{STATE}/hub/{SIX}")
    cases = run([ours("reconcile", source("hub"), SIX), theirs("hf download over HTTP", hf(SIX), SIX, HTTP)])
    ratio("hub, 6 x 300 MB + 20 small files", cases, "reconcile", "hf download over HTTP", 0.4)
    peak("hub", cases["reconcile"])


def xet():
    warm(f"{STATE}/hub/{SIX}", f"{STATE}/hub/xorbs")
    cases = run([ours("reconcile", source("hub"), SIX), theirs("hf download with Xet", hf(SIX), SIX, HF)])
    ratio("hub, 6 x 300 MB + 20 small files", cases, "reconcile", "hf download with Xet", 0.6)
    peak("hub, beside Xet", cases["reconcile"])


def oci():
    warm(f"{STATE}/registry")
    cases = run([ours("reconcile", source("oci"), SIX),
                 theirs("skopeo copy", skopeo(SIX, f"127.0.0.1:{REGISTRY}"), SIX, place=f"{DL}/m")])
    ratio("registry, 6 x 300 MB + 20 small files", cases, "reconcile", "skopeo copy", 0.4)
    peak("registry", cases["reconcile"])


def s3():
    warm(f"{STATE}/weed")
    cases = run([ours("reconcile", source("plain"), SIX), ours("reconcile, catalog", source("catalog"), SIX),
                 theirs("s5cmd cp", s5cmd(SIX, f"127.0.0.1:{BUCKETS}"), SIX, AWS)])
    ratio("bucket, plain objects, 6 x 300 MB + 20 small files", cases, "reconcile", "s5cmd cp", 1.0)
    ratio("bucket, catalog, 6 x 300 MB + 20 small files", cases, "reconcile, catalog", "s5cmd cp", 1.0)
    peak("bucket", cases["reconcile"], cases["reconcile, catalog"])


if os.environ.get("SOURCES_HUB"):
    hub()
parser = argparse.ArgumentParser()
parser.add_argument("suites", nargs="*", default=SUITES)
parser.add_argument("--bench", required=True)
parser.add_argument("--reconcile", required=True)
parser.add_argument("--runs", type=int, default=5)
parser.add_argument("--quiet", type=float, default=5)
parser.add_argument("--keep", action="store_true", help="do not delete what was made for the servers")
options = parser.parse_args()
options.bench = os.path.abspath(options.bench)
OURS = os.path.abspath(options.reconcile)
os.makedirs(STATE, exist_ok=True)
try:
    start_servers()
    for suite in options.suites:
        globals()[suite]()
finally:
    stop_servers()
print("\n| what | measured | at most | met |\n| --- | --- | --- | --- |")
for line in rows:
    print("| " + " | ".join(line) + " |")
