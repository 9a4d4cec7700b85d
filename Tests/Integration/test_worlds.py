#!/usr/bin/env python3
"""The fakes (hub.py, registry.py) and the real servers (worlds.py), seen by clients that nobody here wrote.

    test_worlds.py [--only WORD] [--list] [--jobs N]
"""
import argparse
import base64
import concurrent.futures
import functools
import hashlib
import http.client
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse

import fakes
import faults
import hub as hubs
import registry as registries
import worlds
from faultserver import basic
from hub import Hub, Repo
from registry import Registry
from support import expect

BIG = random.Random(7).randbytes(3_000_000)
OLD = {"model.onnx": BIG[::-1], "config.json": b'{"v": 1}'}
FILES = {"model.onnx": BIG, "config.json": b'{"v": 2}', "README.md": b"# vad\n" * 300, "sub dir/\u00fc+%25.txt": b"hello",
         "sub dir/half.safetensors": BIG[:5000], "empty.txt": b""}
HISTORY = {"v1.0.0": OLD, "v1.1.0": FILES}
REPO, IMAGE = "acme/vad", {"model.onnx": BIG, "config.json": b"{}", "README.md": b"# vad\n"}


def ask(url, method="GET", headers=None, body=None):
    """One request and nothing else: (status, fields, body)."""
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(place.netloc, timeout=20)
    connection.request(method, urllib.parse.urlunsplit(("", "", *place[2:])), body, {"Accept-Encoding": "identity", **(headers or {})})
    answer = connection.getresponse()
    try:
        data = answer.read()
    except http.client.IncompleteRead as problem:
        data = problem.partial
    connection.close()
    return answer.status, answer.headers, data


def quiet(fake):
    expect(fake.violations == [], "violations: %s" % fake.violations)


# Hub

def test_hub_download():
    """hf downloads byte for byte, with and without hf-xet, over pages of the tree and redirects of both kinds."""
    for xet in (True, False):
        with Hub({REPO: Repo.of(HISTORY)}, page=2) as hub, tempfile.TemporaryDirectory() as home:
            for version, wanted in HISTORY.items():
                expect(worlds.hf_download(hub.url, REPO, version, home, xet=xet) == wanted, "hf got other files of %s" % version)
            expect({r.method for r in hub.requests(server="cdn")} == {"GET"}, "the CDN was asked otherwise")
            expect(hub.bytes_sent("model.onnx", server="cdn") == 2 * len(BIG), "bytes: %d" % hub.bytes_sent("model.onnx"))
            expect(any("cursor" in r.query for r in hub.log), "the tree was in one page")
            quiet(hub)


def test_hub_verify():
    """hf cache verify agrees with the hashes of the tree."""
    with Hub({REPO: Repo.of(HISTORY)}) as hub, tempfile.TemporaryDirectory() as home:
        worlds.hf_download(hub.url, REPO, "v1.1.0", home)
        said = worlds.hf(hub.url, home, "cache", "verify", REPO, "--revision", "v1.1.0")
        expect("erified" in said.stdout + said.stderr, said.stdout + said.stderr)
        hub.play(hubs.tree_disagrees, "/tree/")
        said = worlds.hf(hub.url, home, "cache", "verify", REPO, "--revision", "v1.1.0", status=1)
        expect("verification failed" in said.stdout + said.stderr, said.stdout + said.stderr)


def test_hub_access():
    """hf and private, gated and missing repositories."""
    repos = {"acme/private": Repo.of(HISTORY, private=True), "acme/gated": Repo.of(HISTORY, gated="manual"),
             "acme/gone": Repo.of(HISTORY, disabled=True)}
    with Hub(repos, tokens={"hf_ana": {"acme/private", "acme/gated"}, "hf_bob": set()}) as hub, tempfile.TemporaryDirectory() as home:
        for repo in ("acme/private", "acme/gated"):
            place = os.path.join(home, repo.replace("/", "-"))
            expect(worlds.hf_download(hub.url, repo, "v1.1.0", place, token="hf_ana") == FILES, repo)
        for repo, token, words in (("acme/private", None, "not found"), ("acme/private", "hf_bob", "not found"),
                                   ("acme/gated", "hf_bob", "gated"), ("acme/missing", None, "not found"),
                                   ("acme/gone", "hf_bob", "disabled"), ("acme/private", "hf_old", "")):
            said = worlds.hf_download(hub.url, repo, "main", os.path.join(home, "x"), token=token, status=1)
            expect(words in (said.stdout + said.stderr).lower(), "%s %s: %s" % (repo, token, said.stderr))
        quiet(hub)


def test_hub_metadata():
    """huggingface_hub reads refs, commits, sizes and licences."""
    script = """if True:
        import json, sys
        from huggingface_hub import HfApi
        api = HfApi()
        info, refs = api.model_info("acme/vad", files_metadata=True), api.list_repo_refs("acme/vad")
        print(json.dumps({"sha": info.sha, "license": info.card_data.license, "tags": {t.name: t.target_commit for t in refs.tags},
            "sizes": {s.rfilename: [s.size, s.lfs and s.lfs.sha256] for s in info.siblings},
            "commits": [c.commit_id for c in api.list_repo_commits("acme/vad")],
            "paths": [p.path for p in api.get_paths_info("acme/vad", ["model.onnx", "nothing"])],
            "sub": [p.path for p in api.list_repo_tree("acme/vad", "sub dir")]}))"""
    repo = Repo.of(HISTORY, license="apache-2.0")
    with Hub({REPO: repo}, page=1) as hub:
        said = worlds.client([os.path.join(worlds.environment("hf"), "python"), "-c", script], {"HF_ENDPOINT": hub.url})
        found = json.loads(said.stdout)
    expect(found["sha"] == repo.branches["main"] and found["license"] == "apache-2.0" and found["tags"] == repo.tags, found)
    expect(found["sizes"] == {path: [len(data), hashlib.sha256(data).hexdigest() if hubs.is_lfs(path) else None]
                              for path, data in FILES.items()}, found)
    expect(found["commits"] == list(repo.commits)[::-1] and found["paths"] == ["model.onnx"], found)
    expect(found["sub"] == sorted(path for path in FILES if path.startswith("sub dir/")), found)


def test_hub_answers():
    """Ranges, conditions, signed addresses and limits, as they are on the wire."""
    with Hub({REPO: Repo.of(HISTORY)}, link_uses=2, plain_limit=1_000_000, rates={"pages": (2, 1)}) as hub:
        file = "%s/%s/resolve/v1.1.0/" % (hub.url, REPO)
        status, head, _ = ask(file + "model.onnx", "HEAD")
        expect((status, head["X-Linked-Etag"], head["X-Linked-Size"]) == (302, '"%s"' % hashlib.sha256(BIG).hexdigest(), "3000000"), head)
        expect(ask(head["Location"])[0] == 400, "a plain GET over the limit")
        status, fields, body = ask(head["Location"], headers={"Range": "bytes=5-104"})
        expect((status, fields["Content-Range"], body) == (206, "bytes 5-104/3000000", BIG[5:105]), fields)
        expect(ask(head["Location"], headers={"Range": "bytes=0-0"})[0] == 403, "the third use of an address")
        expect(ask(head["Location"].replace("model", "other"))[0] == 403, "another path")
        location = ask(file + "model.onnx", "HEAD")[1]["Location"]
        status, fields, _ = ask(location, headers={"Range": "bytes=3000000-", "Authorization": "Bearer hf_ana"})
        expect((status, fields["Content-Range"]) == (416, "bytes */3000000"), fields)
        expect(len(hub.violations) == 1, "a secret at the CDN was not seen")
        status, fields, _ = ask(file + "config.json")
        expect(status == 307 and fields["Location"].startswith("/api/resolve-cache/models/"), fields)
        oid = hashlib.sha1(b'blob 8\0{"v": 2}').hexdigest()
        status, fields, body = ask(hub.url + fields["Location"], headers={"Range": "bytes=2-4"})
        expect((status, fields["ETag"], body) == (206, '"%s"' % oid, b"v\": "[:3]), (status, fields, body))
        expect(ask(file + "nothing")[1]["X-Error-Code"] == "EntryNotFound", "a file that is not there")
        expect(ask(hub.url + "/api/models/acme/vad/revision/v9")[1]["X-Error-Code"] == "RevisionNotFound", "a revision that is not there")
        statuses = [ask(hub.url + "/acme/vad")[0] for _ in range(3)]
        expect(statuses == [200, 200, 429], statuses)
        time.sleep(1.1)
        expect(ask(hub.url + "/acme/vad")[0] == 200, "the window is over")
        hub.link_seconds = 0.2
        location = ask(file + "model.onnx", "HEAD")[1]["Location"]
        time.sleep(0.3)
        expect(ask(location, headers={"Range": "bytes=0-9"})[0] == 403, "an address that is too old")


def test_hub_faults():
    """Faults are played where and as often as they are told, and do what they say."""
    with Hub({REPO: Repo.of(HISTORY)}) as hub:
        info, tree = "%s/api/models/%s" % (hub.url, REPO), "%s/api/models/%s/tree/v1.1.0?recursive=true" % (hub.url, REPO)
        play = hub.play(hubs.rate_limited, "^api/", times=2)
        expect([ask(info)[0] for _ in range(3)] == [429, 429, 200] and play.played == 2, "two of three")
        for fault, url, check in (
                (hubs.gated, info, lambda s, h, b: s == 403 and h["X-Error-Code"] == "GatedRepo"),
                (hubs.disabled, info, lambda s, h, b: s == 403 and h["X-Error-Message"] == "Access to this resource is disabled."),
                (hubs.bad_credentials, info, lambda s, h, b: s == 401 and "Invalid credentials" in h["X-Error-Message"]),
                (hubs.busy, info, lambda s, h, b: s == 429 and h["Retry-After"] == "2"),
                (fakes.unavailable, info, lambda s, h, b: s == 503),
                (fakes.html, info, lambda s, h, b: s == 200 and b"<title>" in b),
                (fakes.cut_json, info, lambda s, h, b: s == 200 and not is_json(b)),
                (fakes.gzipped, info, lambda s, h, b: h["Content-Encoding"] == "gzip" and b[:2] == b"\x1f\x8b"),
                (functools.partial(fakes.huge_json, size=1 << 20), tree, lambda s, h, b: len(b) > 1_000_000 and is_json(b)),
                (functools.partial(fakes.deep_json, depth=1000), tree, lambda s, h, b: b == b"[" * 1000 + b"]" * 1000),
                (functools.partial(fakes.slow, seconds=0.3), tree, lambda s, h, b: s == 200 and is_json(b)),
                (hubs.pages_for_ever, tree, lambda s, h, b: h["Link"] == '<%s>; rel="next"' % tree),
                (hubs.tree_disagrees, tree, lambda s, h, b: hashlib.sha256(BIG).hexdigest() not in b.decode()),
                (fakes.redirect_loop, info, lambda s, h, b: s == 302 and h["Location"] == info),
                (fakes.redirect_elsewhere, info, lambda s, h, b: h["Location"].startswith("http://localhost:") and
                    json.loads(ask(h["Location"])[2])["id"] == REPO)):
            play = hub.play(fault, "^api/", on="hub")
            found = ask(url)
            expect(check(*found), "%s: %s" % (fault, found))
            play.stop()
        for fault, check in ((hubs.wrong_commit, lambda s, h, b: h["X-Repo-Commit"] == "0" * 40),
                             (hubs.etag_disagrees, lambda s, h, b: h["X-Linked-Etag"] != '"%s"' % hashlib.sha256(BIG).hexdigest())):
            play = hub.play(fault, "/resolve/")
            found = ask("%s/%s/resolve/main/model.onnx" % (hub.url, REPO), "HEAD")
            expect(found[0] == 302 and check(*found), "%s: %s" % (fault, found))
            play.stop()
        for fault, length in ((faults.whole_for_range, len(BIG)), (functools.partial(faults.close_after, count=1000), 1000),
                              (hubs.ignores_range, len(BIG))):
            play = hub.play(fault, r"model\.onnx$", on="cdn")
            location = ask("%s/%s/resolve/main/model.onnx" % (hub.url, REPO), "HEAD")[1]["Location"]
            expect(len(ask(location, headers={"Range": "bytes=0-1999"})[2]) == length, "%s" % fault)
            play.stop()
        hub.play(fakes.wrong_bytes, r"model\.onnx$", on="cdn")
        _, _, body = ask(ask("%s/%s/resolve/main/model.onnx" % (hub.url, REPO), "HEAD")[1]["Location"])
        expect(len(body) == len(BIG) and body != BIG, "the right size of wrong bytes")
        hub.heal()
        expect(ask(info)[0] == 200, "healed")
        quiet(hub)


def test_hub_moves():
    """Commits that are made and tags that move while it runs."""
    repo = Repo.of(HISTORY)
    with Hub({REPO: repo}) as hub:
        sha = repo.commit({"model.onnx": b"new"}, tag="v1.1.0")
        expect(json.loads(ask("%s/api/models/%s/revision/v1.1.0" % (hub.url, REPO))[2])["sha"] == sha, "the tag did not move")
        repo.forget("v1.1.0")
        expect(ask("%s/api/models/%s/revision/%s" % (hub.url, REPO, sha))[0] == 404, "a commit that is gone")


def is_json(text):
    try:
        json.loads(text)
        return True
    except ValueError:
        return False


# Registry

def test_registry_skopeo():
    """skopeo copies every artifact from the fake registry under its digest, whatever auth and redirects."""
    base = registries.modelpack(IMAGE)
    images = {"raw": base, "zstd": registries.modelpack(IMAGE, "tar+zstd"), "gzip": registries.modelpack(IMAGE, "tar+gzip"),
              "kit": registries.modelkit(IMAGE), "oras": registries.oras(IMAGE),
              "multi": registries.index([("linux/amd64", base), ("linux/arm64/v8", registries.modelpack(OLD))])}
    for auth, redirects in ((None, False), ("basic", True), ("bearer", True)):
        with Registry(auth=auth, redirects=redirects, anonymous=False, page=2) as registry, tempfile.TemporaryDirectory() as layout:
            for tag, image in images.items():
                registry.push(REPO, image, tag)
            account = registry.account if auth else None
            for tag, image in images.items():
                found = worlds.skopeo_copy(registry.host, "%s:%s" % (REPO, tag), layout, tag, account)
                expect(found == image.digest, "%s has the digest %s" % (tag, found))
                for digest in image.blobs:
                    expect(os.path.exists(os.path.join(layout, "blobs", *digest.split(":"))), "%s lacks %s" % (tag, digest))
            said = worlds.skopeo("list-tags", "--tls-verify=false", *(["--creds", "%s:%s" % account] if auth else []),
                                 "docker://%s/%s" % (registry.host, REPO))
            expect(json.loads(said.stdout)["Tags"] == sorted(images), said.stdout)
            expect(bool(registry.requests(server="storage")) == redirects, "redirects")
            quiet(registry)


def test_registry_auth():
    """Tokens: anonymous or for credentials, for one repository, and only for a while."""
    image = registries.modelpack(IMAGE)
    with Registry(auth="bearer", token_uses=2) as registry:
        registry.push(REPO, image, "1.0")
        url = "%s/v2/%s/blobs/%s" % (registry.url, REPO, image.layers[0]["digest"])
        status, head, _ = ask(url)
        expect(status == 401 and 'scope="repository:acme/vad:pull"' in head["WWW-Authenticate"], head)

        def token(scope="repository:acme/vad:pull", headers=None):
            status, _, body = ask("%s?service=fake&scope=%s" % (registry.realm, scope), headers=headers)
            return {"Authorization": "Bearer " + json.loads(body)["token"]} if status == 200 else status
        held = token()
        expect([ask(url, headers=held)[0] for _ in range(3)] == [200, 200, 401], "a token of two uses")
        status, head, _ = ask(url, headers=token("repository:acme/other:pull"))
        expect(status == 401 and "insufficient_scope" in head["WWW-Authenticate"], head)
        registry.anonymous = False
        expect(token() == 401, "no token without credentials")
        expect(token(headers={"Authorization": basic("ana", "wrong")}) == 401, "nor with wrong ones")
        held = token(headers={"Authorization": basic("ana", "pa55")})
        registry.expire_tokens()
        expect(ask(url, headers=held)[0] == 401, "expired")
        registry.token_seconds = 0.2
        held = token(headers={"Authorization": basic("ana", "pa55")})
        time.sleep(0.3)
        expect(ask(url, headers=held)[0] == 401, "too old")


def test_registry_referrers():
    """Referrers with a filter, in pages, and by tag where there is no such API."""
    image, kind = registries.modelpack(IMAGE), "application/vnd.test"
    signatures = [registries.signature(image, b"{}"), registries.signature(image, b"[]", kind), registries.signature(image, b"[1]", kind)]
    with Registry(page=1) as registry:
        for each in (image, *signatures):
            registry.push(REPO, each)
        url = "%s/v2/%s/referrers/%s?artifactType=%s" % (registry.url, REPO, image.digest, kind)
        found = []
        while url:
            _, head, body = ask(url)
            expect(head["OCI-Filters-Applied"] == "artifactType" and head["Content-Type"] == registries.INDEX, head)
            found += [entry["digest"] for entry in json.loads(body)["manifests"]]
            url = registry.url + head["Link"].split(">")[0][1:] if head["Link"] else None
        expect(found == [each.digest for each in signatures[1:]], found)
        quiet(registry)
    with Registry(referrers=False) as registry:
        for each in (image, *signatures):
            registry.push(REPO, each)
        expect(ask("%s/v2/%s/referrers/%s" % (registry.url, REPO, image.digest))[0] == 404, "no such API")
        _, _, body = ask("%s/v2/%s/manifests/%s" % (registry.url, REPO, image.digest.replace(":", "-")), headers={"Accept": registries.INDEX})
        expect(len(json.loads(body)["manifests"]) == 3, body)


def test_registry_faults():
    """Answers of the registry, and its faults, as they are on the wire."""
    image = registries.modelpack(IMAGE)
    with Registry() as registry:
        registry.push(REPO, image, "1.0")
        url, accept = "%s/v2/%s/manifests/1.0" % (registry.url, REPO), {"Accept": "%s, %s" % (registries.MANIFEST, registries.INDEX)}
        expect(ask(url)[0] == 404 and b"accept header" in ask(url)[2], "without Accept")
        expect(ask(url, headers={**accept, "If-None-Match": '"%s"' % image.digest})[0] == 304, "unchanged")
        for fault, check in (
                (registries.too_many, lambda s, h, b: s == 429 and h["Retry-After"] == "2" and b"TOOMANYREQUESTS" in b),
                (registries.other_manifest, lambda s, h, b: registries.digest(b) != h["Docker-Content-Digest"]),
                (registries.lying_digest, lambda s, h, b: registries.digest(b) == image.digest != h["Docker-Content-Digest"]),
                (registries.other_type, lambda s, h, b: h["Content-Type"] != json.loads(b)["mediaType"]),
                (registries.warning, lambda s, h, b: s == 200 and h["Warning"].startswith("299")),
                (registries.evil_realm, lambda s, h, b: s == 401 and "http://localhost:" in h["WWW-Authenticate"]),
                (registries.html, lambda s, h, b: s == 200 and b"<title>" in b)):
            play = registry.play(fault, "/manifests/", times=1)
            found = ask(url, headers=accept)
            expect(check(*found) and play.played == 1, "%s: %s" % (fault, found))
        registry.play(registries.lying_416, "/blobs/")
        blob = image.layers[0]
        result = subprocess.run(["curl", "-s", "--max-time", "1", "-r", "%d-" % blob["size"], "-w", "%{http_code}", "-o", os.devnull,
                                 "%s/v2/%s/blobs/%s" % (registry.url, REPO, blob["digest"])], capture_output=True, text=True)
        expect((result.returncode, result.stdout) == (28, "416"), "curl: %s" % result)
        quiet(registry)


def test_archives():
    """GNU tar lists every attack or refuses it, and reads what zstd and gzip pack."""
    for name, make in registries.ATTACKS.items():
        data = make()
        result = subprocess.run(["tar", "-tvf", "-"], input=data, capture_output=True)
        broken = name in ("truncated", "lying header", "no archive")
        expect((result.returncode != 0) == broken, "%s: %s%s" % (name, result.stdout, result.stderr))
    for how, option in (("tar", "-x"), ("tar+gzip", "-xz"), ("tar+zstd", "-x")):
        layer = registries.modelpack({"a/model.onnx": BIG}, how)
        data = layer.blobs[layer.layers[0]["digest"]]
        if how == "tar+zstd":
            data = subprocess.run(["zstd", "-d", "-q", "-c"], input=data, capture_output=True, check=True).stdout
        result = subprocess.run(["tar", option, "-O", "-f", "-", "a/model.onnx"], input=data, capture_output=True)
        expect(result.stdout == BIG, "%s: %s" % (how, result.stderr))
        config = json.loads(layer.blobs[layer.manifest["config"]["digest"]])
        with tarfile.open(fileobj=io.BytesIO(registries.tar({"a/model.onnx": BIG}))) as file:
            expect(file.getnames() == ["a/model.onnx"], "names")
        expect(config["modelfs"]["diffIds"] == [registries.digest(registries.tar({"a/model.onnx": BIG}))], "diffIds are of what is inside")


# Real servers

def test_olah():
    """hf downloads byte for byte from olah, which made its own hashes of a git-lfs repository."""
    with worlds.olah(HISTORY, REPO) as server, tempfile.TemporaryDirectory() as home:
        for version, wanted in HISTORY.items():
            found = worlds.hf_download(server.url, REPO, version, home)
            expect(found.pop(".gitattributes", b"") and found == wanted, "hf got other files of %s" % version)
        refs = json.loads(ask("%s/api/models/%s/refs" % (server.url, REPO))[2])
        expect({tag["name"]: tag["targetCommit"] for tag in refs["tags"]} == server.commits, refs)


def test_silero():
    """hf gets silero-vad from the fake hub and from olah, and the same hashes of it."""
    history = worlds.silero(["6.0.0"])
    with worlds.olah(history, "acme/silero") as server, Hub({"acme/silero": Repo.of(history)}) as hub:
        trees = []
        for url in (hub.url, server.url):
            with tempfile.TemporaryDirectory() as home:
                found = worlds.hf_download(url, "acme/silero", "6.0.0", home)
                expect({path: found[path] for path in history["6.0.0"]} == history["6.0.0"], url)
                path = "/api/models/acme/silero/tree/6.0.0?recursive=true"
                status, fields, body = ask(url + path)
                if status == 307:
                    body = ask(urllib.parse.urljoin(url + path, fields["Location"]))[2]
                trees.append({entry["path"]: (entry["size"], entry["lfs"]["oid"]) for entry in json.loads(body) if "lfs" in entry})
        expect(trees[0] == trees[1] and trees[0], "the trees differ: %s" % trees)


def test_docker_registry():
    """docker-registry takes our artifacts and those of oras-py, and skopeo gets them under their digests."""
    image = registries.modelpack(IMAGE)
    multi = registries.index([("linux/amd64", image), ("linux/arm64", registries.modelpack(OLD, "tar+zstd"))])
    for password in (False, True):
        with worlds.docker_registry(password) as server, tempfile.TemporaryDirectory() as layout:
            account = worlds.ACCOUNT if password else None
            for tag, each in (("1.0", image), ("multi", multi), ("kit", registries.modelkit(IMAGE))):
                server.push(REPO, each, tag)
                expect(worlds.skopeo_copy(server.host, "%s:%s" % (REPO, tag), layout, tag, account) == each.digest, tag)
            expect(ask(server.url + "/v2/")[0] == (401 if password else 200), "who may ask")
            if not password:
                worlds.oras_push(server.host, REPO + ":oras", IMAGE, annotations={"org.opencontainers.image.version": "1.0"})
                found = worlds.skopeo_copy(server.host, REPO + ":oras", layout, "oras")
                with open(os.path.join(layout, "blobs", *found.split(":"))) as file:
                    layers = {layer["annotations"]["org.opencontainers.image.title"]: layer["digest"] for layer in json.load(file)["layers"]}
                expect(layers == {path: registries.digest(data) for path, data in IMAGE.items()}, layers)


def s3(make):
    with make() as server:
        server.make_bucket("models", versioned=True)
        first = server.put("models", {"vad/model.onnx": OLD["model.onnx"], "vad/a b+\u00fc.json": b"{}"})
        server.put("models", {"vad/model.onnx": BIG})
        found = server.get("models", "vad/model.onnx")
        expect(found["Body"] == BIG, "the bytes")
        expect(base64.b64decode(found["ChecksumSHA256"]) == hashlib.sha256(BIG).digest(), "the checksum: %s" % found["ChecksumSHA256"])
        old = server.get("models", "vad/model.onnx", VersionId=first["vad/model.onnx"]["VersionId"])
        expect(old["Body"] == OLD["model.onnx"], "the older version")
        part = server.get("models", "vad/model.onnx", Range="bytes=10-19")
        expect(part["Body"] == BIG[10:20] and part["ContentRange"] == "bytes 10-19/3000000", part)
        expect(sorted(server.listed("models", "vad/")) == ["vad/a b+\u00fc.json", "vad/model.onnx"], "the list")
        server.put_in_parts("models", "parts.bin", BIG * 2, size=5 << 20)
        found = server.get("models", "parts.bin")
        expect(found["Body"] == BIG * 2 and found["ChecksumSHA256"].endswith("-2"), "a file of two parts")
        expect(ask(server.presigned("models", "vad/model.onnx"))[2] == BIG, "a presigned address")
        with tempfile.TemporaryDirectory() as place:
            worlds.s5cmd(server, "cp", "s3://models/vad/*", place + "/")
            expect(worlds.files(place)["model.onnx"] == BIG, "s5cmd")


def test_seaweedfs():
    """boto3 and s5cmd read from SeaweedFS what boto3 put there, by version, range and part."""
    s3(worlds.seaweedfs)


def test_moto():
    """boto3 and s5cmd read from moto what boto3 put there, by version, range and part."""
    s3(worlds.moto)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="tests whose name holds this")
    parser.add_argument("--list", action="store_true", help="only list the tests")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    tests = [function for name, function in globals().items() if name.startswith("test_") and options.only in name]
    if options.list:
        return print("\n".join("%-24s %s" % (test.__name__, test.__doc__) for test in tests))
    failures, start = [], time.monotonic()
    worlds.need("zstd", "curl")
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        futures = {pool.submit(test): test for test in tests}
        for future in concurrent.futures.as_completed(futures):
            test = futures[future]
            try:
                future.result()
                print("ok      " + test.__doc__, flush=True)
            except (SystemExit, Exception) as problem:  # every test is made, whatever one of them shows
                text = str(problem) if isinstance(problem, SystemExit) else repr(problem)
                failures.append(test.__name__)
                print("FAILED  %s: %s" % (test.__name__, text.removeprefix("FAILED: ")), flush=True)
    expect(not failures, "%d of %d: %s" % (len(failures), len(tests), ", ".join(failures)))
    print("worlds: %d tests passed in %.0f s" % (len(tests), time.monotonic() - start))


if __name__ == "__main__":
    sys.exit(main())
