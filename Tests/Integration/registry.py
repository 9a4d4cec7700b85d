"""An OCI registry on loopback for what Debian's docker-registry cannot do, and the artifacts to put into registries.

    with Registry(auth="bearer", redirects=True) as registry:
        image = modelpack({"model.onnx": b"…"}, version="1.0.0")
        registry.push("acme/vad", image, "1.0.0")
        ...  registry.host, registry.log, registry.violations
        registry.play(lying_digest, only="/manifests/", times=1)

Three origins: `registry` itself, `tokens` (who gives bearer tokens) and `storage` (where blobs are redirected to with signed
addresses); and `elsewhere`, another host. Paths in the log are without the first slash: `v2/acme/vad/manifests/1.0.0`.
"""
import dataclasses
import functools
import gzip
import hashlib
import io
import json
import re
import subprocess
import tarfile
import time
import urllib.parse

from faultserver import basic
from fakes import (Fake, answers, cut_json, deep_json, empty, field, gzipped, html, huge_json,  # noqa: F401 (for tests)
                   redirect_chain, redirect_elsewhere, redirect_loop, sha256, slow, unavailable, wrong_bytes)

OCI = "application/vnd.oci.image."
MANIFEST, INDEX = OCI + "manifest.v1+json", OCI + "index.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
CNCF, KIT = "application/vnd.cncf.model.", "application/vnd.kitops.modelkit."
SIGSTORE = "application/vnd.dev.sigstore.bundle.v0.3+json"
WEIGHTS = (".onnx", ".safetensors", ".gguf", ".jit", ".bin", ".pt", ".pth")


def digest(data):
    return "sha256:" + sha256(data)


# Artifacts

@dataclasses.dataclass
class Image:
    """A manifest or an index, its blobs by digest, and the images that an index holds."""
    data: bytes
    media_type: str
    blobs: dict = dataclasses.field(default_factory=dict)
    children: list = dataclasses.field(default_factory=list)

    @property
    def digest(self):
        return digest(self.data)

    @property
    def manifest(self):
        return json.loads(self.data)

    @property
    def layers(self):
        return self.manifest["layers"]

    def descriptor(self, **more):
        return {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data), **more}


def descriptor(media_type, data, **more):
    return {"mediaType": media_type, "digest": digest(data), "size": len(data), **more}


def dump(value):
    return json.dumps(value, separators=(",", ":")).encode()


def image(layers, config=b"{}", config_type=EMPTY, artifact_type=None, annotations=None, subject=None):
    """An image of layers (media type, bytes, annotations); `subject` is the image that it refers to."""
    manifest = {"schemaVersion": 2, "mediaType": MANIFEST}
    if artifact_type:
        manifest["artifactType"] = artifact_type
    manifest["config"] = descriptor(config_type, config)
    manifest["layers"] = [descriptor(kind, data, **({"annotations": notes} if notes else {})) for kind, data, notes in layers]
    if subject:
        manifest["subject"] = subject.descriptor()
    if annotations:
        manifest["annotations"] = annotations
    return Image(dump(manifest), MANIFEST, {digest(data): data for data in [config, *(layer[1] for layer in layers)]})


def kind(path):
    """What ModelPack calls such a file."""
    name = path.lower()
    if name.endswith(WEIGHTS):
        return "weight"
    if name.endswith((".md", ".txt", "license")):
        return "doc"
    return "code" if name.endswith(".py") else "weight.config"


def modelpack(files, layers="raw", version="1.0.0", licenses=("MIT",), name="model", tars=(), annotations=None, subject=None,
              architecture="transformer"):
    """A CNCF ModelPack of {path: bytes}, a layer for each: "raw", "tar", "tar+gzip" or "tar+zstd".

    `tars` are further layers, tar archives that `layers` says how to compress ("raw": not): see `ATTACKS`.
    """
    plain = [(path, data if layers == "raw" else tar({path: data}), len(data)) for path, data in files.items()]
    plain += [("archive-%d" % number, data, len(data)) for number, data in enumerate(tars)]
    packing = layers if layers != "raw" else "tar"
    held = []
    for number, (path, data, size) in enumerate(plain):
        notes = {"org.cncf.model.filepath": path, "org.cncf.model.file.metadata+json": json.dumps({
            "name": path, "mode": 0o644, "uid": 0, "gid": 0, "size": size, "mtime": "2026-01-01T00:00:00Z", "typeflag": 48}),
            "org.cncf.model.file.mediatype.untested": "false"}
        how = layers if number < len(files) else packing
        held.append(("%s%s.v1.%s" % (CNCF, kind(path) if number < len(files) else "weight", how), packed(data, how), notes))
    config = {"descriptor": {"createdAt": "2026-01-01T00:00:00Z", "name": name, "version": version, "licenses": list(licenses)},
              "config": {"architecture": architecture, "format": "onnx", "paramSize": "1m", "precision": "float32"},
              "modelfs": {"type": "layers", "diffIds": [digest(data) for _, data, _ in plain]}}
    return image(held, dump(config), CNCF + "config.v1+json", CNCF + "manifest.v1+json", annotations, subject)


def modelkit(files, version="1.0.0", license="MIT", name="model", compression="", tars=()):
    """A ModelKit of KitOps: the first weight is the model, other weights are its parts, the rest code and docs.

    `compression` is "" or "gzip"; `tars` are further layers, archives as they are.
    """
    ending = "tar" + ("+" + compression if compression else "")
    kitfile = {"manifestVersion": "1.0.0", "package": {"name": name, "version": version, "license": license, "authors": ["ana"]}}
    held, parts = [], []
    for path, data in files.items():
        archive = tar({path: data}, parents=True)
        layer = packed(archive, ending)
        entry = {"path": path, "digest": digest(layer), "diffId": digest(archive)}
        if kind(path) == "weight" and "model" not in kitfile:
            kitfile["model"], what = {"name": name, "version": version, **entry, "parts": parts}, "model"
        elif kind(path) == "weight":
            parts.append({"name": path, **entry})
            what = "modelpart"
        else:
            what = "docs" if kind(path) == "doc" else "code"
            kitfile.setdefault(what, []).append(entry)
        held.append(("%s%s.v1.%s" % (KIT, what, ending), layer, None))
    held += [("%smodelpart.v1.%s" % (KIT, ending), packed(data, ending), None) for data in tars]
    return image(held, dump(kitfile), KIT + "config.v1+json", annotations={"ml.kitops.modelkit.cli-version": "1.7.0"})


def oras(files, media_type="application/octet-stream", annotations=None):
    """Plain files as ORAS pushes them: a layer with its file's name as title."""
    held = [(media_type, data, {"org.opencontainers.image.title": path}) for path, data in files.items()]
    return image(held, config_type="application/vnd.unknown.config.v1+json", annotations=annotations)


def index(images, annotations=None):
    """An index of (platform, image): "linux/arm64", "linux/arm64/v8", or None for an image of no platform."""
    entries = []
    for platform, child in images:
        names = dict(zip(("os", "architecture", "variant"), platform.split("/"))) if platform else None
        entries.append(child.descriptor(**({"platform": names} if names else {})))
    value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries, **({"annotations": annotations} if annotations else {})}
    return Image(dump(value), INDEX, {}, [child for _, child in images])


def signature(subject, bundle, artifact_type=SIGSTORE):
    """What refers to an image, such as the bundle that signs it."""
    return image([(artifact_type, bundle, None)], artifact_type=artifact_type, subject=subject)


# Archives

def packed(data, how):
    """Bytes as the ending of a media type says: raw, tar, tar+gzip, tar+zstd."""
    if how.endswith("+gzip"):
        return gzip.compress(data, 6, mtime=0)
    if how.endswith("+zstd"):
        return subprocess.run(["zstd", "-q", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def archive(entries, format=tarfile.PAX_FORMAT):
    """A tar archive of (name, bytes or None, fields of its TarInfo)."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format) as file:
        for name, data, fields in entries:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data or b""), 0o644
            for key, value in fields.items():
                setattr(entry, key, value)
            file.addfile(entry, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def tar(files, parents=False, format=tarfile.PAX_FORMAT):
    """An honest archive of {path: bytes}, with entries for directories when `parents` is wanted."""
    entries, seen = [], set()
    for path, data in files.items():
        parts = path.split("/")[:-1]
        for count in range(1, len(parts) + 1) if parents else ():
            folder = "/".join(parts[:count])
            if folder not in seen:
                entries.append((folder, None, {"type": tarfile.DIRTYPE, "mode": 0o755}))
                seen.add(folder)
        entries.append((path, data, {}))
    return archive(entries, format)


def single(name, data=None, **fields):
    return archive([(name, data, fields)])


def bomb(size=256 << 20):
    """An archive of one file of zeros, which compresses to a thousandth."""
    entry = tarfile.TarInfo("bomb.bin")
    entry.size = size
    return entry.tobuf() + bytes(size + -size % 512 + 1024)


def truncated(size=100_000):
    """An archive that ends inside its only file."""
    return tar({"cut.bin": b"x" * size})[:size // 2]


def lying_header():
    """An archive whose pax header says another size than the entry's own."""
    return archive([("model.bin", b"x" * 1000, {"pax_headers": {"size": "999999999999"}})])


# Each is a function of no argument that returns an archive which must not be unpacked as it says; none may leave a file named
# `evil` anywhere, nor a link, a device or a pipe.
ATTACKS = {
    "traversal": lambda: single("../evil", b"x"),
    "traversal within": lambda: single("sub/../../evil", b"x"),
    "traversal at the end": lambda: single("sub/..", b"x"),
    "absolute": lambda: single("/tmp/evil", b"x"),
    "backslash": lambda: single("..\\evil", b"x"),
    "line break": lambda: single("a\nevil", b"x"),
    "long traversal": lambda: single("../" * 60 + "evil", b"x"),
    "symlink out": lambda: archive([("out", None, {"type": tarfile.SYMTYPE, "linkname": "/tmp"}), ("out/evil", b"x", {})]),
    "symlink up": lambda: archive([("out", None, {"type": tarfile.SYMTYPE, "linkname": ".."}), ("out/evil", b"x", {})]),
    "symlink to a file": lambda: single("model.bin", None, type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    "symlink replaced": lambda: archive([("model.bin", None, {"type": tarfile.SYMTYPE, "linkname": "../evil"}), ("model.bin", b"x", {})]),
    "hard link": lambda: single("model.bin", None, type=tarfile.LNKTYPE, linkname="../../../../../../etc/passwd"),
    "device": lambda: single("model.bin", None, type=tarfile.CHRTYPE, devmajor=1, devminor=3),
    "block device": lambda: single("model.bin", None, type=tarfile.BLKTYPE, devmajor=8, devminor=0),
    "pipe": lambda: single("model.bin", None, type=tarfile.FIFOTYPE),
    "sparse": lambda: single("model.bin", b"x", type=tarfile.GNUTYPE_SPARSE),
    "duplicate": lambda: archive([("model.bin", b"one", {}), ("model.bin", b"two", {})]),
    "duplicate by case": lambda: archive([("model.bin", b"one", {}), ("MODEL.bin", b"two", {})]),
    "file and folder": lambda: archive([("model", b"one", {}), ("model/part", b"two", {})]),
    "setuid": lambda: single("model.bin", b"x", mode=0o4755),
    "empty name": lambda: single("", b"x"),
    "current folder": lambda: single(".", b"x"),
    "truncated": truncated,
    "lying header": lying_header,
    "no archive": lambda: b"this is no tar archive" * 100,
    "bomb": bomb,
}


# The registry

class Registry(Fake):
    """A registry.

    `auth` is None, "basic" or "bearer"; `account` (user, password) is wanted by "basic" and by the token endpoint, unless
    `anonymous` tokens are given. Tokens work for `token_seconds` and `token_uses`. `redirects` sends blobs to the storage.
    `page` is how many tags or referrers one answer lists; `filters` whether referrers are filtered and OCI-Filters-Applied
    is said; without `referrers` there is no such API (404), and `push` keeps the index at the tag sha256-HEX instead.
    `strict_accept`: 404 for a manifest whose media type the request does not name, as Debian's does it.
    """

    def __init__(self, auth=None, account=("ana", "pa55"), anonymous=True, token_seconds=60, token_uses=None, redirects=False,
                 page=100, referrers=True, filters=True, strict_accept=True, tls=None, link_seconds=3600, link_uses=None):
        super().__init__(link_seconds, link_uses)
        self.auth, self.account, self.anonymous, self.redirects = auth, account, anonymous, redirects
        self.token_seconds, self.token_uses, self.token_field, self.says_seconds = token_seconds, token_uses, "token", True
        self.page, self.referrers, self.filters, self.strict_accept = page, referrers, filters, strict_accept
        self.blobs, self.manifests, self.tags, self.tokens = {}, {}, {}, {}
        self.registry = self.origin("registry", tls=tls)
        self.tokens_origin = self.origin("tokens", tls=tls)
        self.storage = self.origin("storage", trusted=False, tls=tls)
        self.url, self.host = self.registry.url.rstrip("/"), self.registry.netloc
        self.realm = self.tokens_origin.url + "token"  # may be set to play one of another host

    # What is put in

    def push_blob(self, repo, data, media_type="application/octet-stream"):
        """Puts a blob in; returns its descriptor."""
        self.blobs.setdefault(repo, {})[digest(data)] = data
        return descriptor(media_type, data)

    def push_manifest(self, repo, manifest, tag=None, media_type=None):
        """Puts a manifest in, as bytes or as what JSON is made of; returns its digest."""
        data = manifest if isinstance(manifest, bytes) else dump(manifest)
        media_type = media_type or json.loads(data).get("mediaType", MANIFEST)
        self.manifests.setdefault(repo, {})[digest(data)] = (data, media_type)
        self.tags.setdefault(repo, {})
        if tag:
            self.tags[repo][tag] = digest(data)
        return digest(data)

    def push(self, repo, image, tag=None):
        """Puts an image in with all that it holds; returns its digest."""
        for child in image.children:
            self.push(repo, child)
        for data in image.blobs.values():
            self.push_blob(repo, data)
        found = self.push_manifest(repo, image.data, tag, image.media_type)
        subject = image.manifest.get("subject")
        if subject and not self.referrers:
            value = {"schemaVersion": 2, "mediaType": INDEX, "manifests": self.referring(repo, subject["digest"])}
            self.push_manifest(repo, value, subject["digest"].replace(":", "-"))
        return found

    def tag(self, repo, tag, digest):
        """Moves a tag."""
        self.tags[repo][tag] = digest

    def forget(self, repo, reference):
        """Takes a tag, a manifest or a blob away."""
        for table in (self.tags, self.manifests, self.blobs):
            table.get(repo, {}).pop(reference, None)

    def referring(self, repo, subject):
        found = []
        for data, media_type in self.manifests.get(repo, {}).values():
            manifest = json.loads(data)
            if manifest.get("subject", {}).get("digest") == subject:
                artifact = manifest.get("artifactType") or manifest.get("config", {}).get("mediaType")
                entry = descriptor(media_type, data, artifactType=artifact)
                found.append({**entry, **({"annotations": manifest["annotations"]} if "annotations" in manifest else {})})
        return found

    # Who may ask

    def admits(self, x, repo):
        """Whether the request may be answered; otherwise the answer is ready."""
        given = x.record.authorization
        if self.auth is None:
            return True
        if self.auth == "basic":
            return given == basic(*self.account) or self.challenge(x, 'Basic realm="registry"')
        scope = "repository:%s:pull" % repo if repo else ""
        error = ""
        if given:
            with self.lock:
                token = self.tokens.get(given.removeprefix("Bearer "))
                if token and time.monotonic() < token["until"] and token["uses"] != 0:
                    if not repo or scope in token["scopes"]:
                        if token["uses"] is not None:
                            token["uses"] -= 1
                        return True
                    error = ',error="insufficient_scope"'
                else:
                    error = ',error="invalid_token"'
        scope = ',scope="%s"' % scope if scope else ""
        return self.challenge(x, 'Bearer realm="%s",service="fake"%s%s' % (self.realm, scope, error))

    def challenge(self, x, text):
        return fail(x, 401, "UNAUTHORIZED", "authentication required", {"WWW-Authenticate": text})

    def on_tokens(self, x):
        form = dict(urllib.parse.parse_qsl(x.body.decode())) if x.method == "POST" else {}
        given, right = x.record.authorization, basic(*self.account)
        if form.get("grant_type") == "password":
            given = basic(form.get("username", ""), form.get("password", ""))
        if given != right and (given or not self.anonymous):
            return self.challenge(x, 'Basic realm="tokens"')
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(x.record.target).query)
        scopes = [one for text in query.get("scope", []) + [form.get("scope", "")] for one in text.split()]
        with self.lock:
            token = "token-%d-%s" % (len(self.tokens), "x" * 40)
            self.tokens[token] = {"until": time.monotonic() + self.token_seconds, "uses": self.token_uses,
                                  "scopes": [re.sub(":(pull,push|push,pull)$", ":pull", scope) for scope in scopes]}
        said = {"expires_in": max(1, int(self.token_seconds))} if self.says_seconds else {}
        x.json({self.token_field: token, "issued_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **said})

    def expire_tokens(self):
        """All tokens given so far work no more."""
        with self.lock:
            for token in self.tokens.values():
                token["uses"] = 0

    # What is asked

    def on_registry(self, x):
        x.fields["Docker-Distribution-API-Version"] = "registry/2.0"
        parts = x.path.rstrip("/").split("/")
        if parts[0] != "v2":
            return x.reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})
        if len(parts) == 1:
            return self.admits(x, None) and x.json({})
        repo, (what, reference) = "/".join(parts[1:-2]), parts[-2:]
        if not self.admits(x, repo):
            return
        if repo not in self.manifests and repo not in self.blobs:
            return fail(x, 404, "NAME_UNKNOWN", "repository name not known to registry", detail={"name": repo})
        if what == "manifests":
            self.manifest(x, repo, reference)
        elif what == "blobs":
            self.blob(x, repo, reference)
        elif what == "tags":
            self.listing(x, {"name": repo}, "tags", sorted(self.tags.get(repo, {})))
        elif what == "referrers" and self.referrers:
            self.list_referrers(x, repo, reference)
        else:
            x.reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})

    def manifest(self, x, repo, reference):
        found = self.manifests.get(repo, {}).get(self.tags.get(repo, {}).get(reference, reference))
        if not found:
            return fail(x, 404, "MANIFEST_UNKNOWN", "manifest unknown", detail={"Tag": reference})
        data, media_type = found
        accepted = [part.split(";")[0].strip() for part in x.headers.get("accept", "").split(",")]
        if self.strict_accept and media_type not in accepted:
            what = ("OCI index", "OCI indexes") if media_type == INDEX else ("OCI manifest", "OCI manifests")
            return fail(x, 404, "MANIFEST_UNKNOWN", "%s found, but accept header does not support %s" % what)
        x.reply(200, data, {"Content-Type": media_type, "Docker-Content-Digest": digest(data)}, '"%s"' % digest(data))

    def blob(self, x, repo, reference):
        data = self.blobs.get(repo, {}).get(reference)
        if data is None:
            return fail(x, 404, "BLOB_UNKNOWN", "blob unknown to registry", detail=reference)
        if self.redirects:
            path = "%s/%s" % (repo, reference)
            return x.to(307, "%s%s?%s" % (self.storage.url, path, self.sign(path)), {"Docker-Content-Digest": reference})
        x.reply(200, data, {"Docker-Content-Digest": reference}, '"%s"' % reference, ranged=True)

    def on_storage(self, x):
        if self.is_signed(x):
            repo, _, reference = x.path.rpartition("/")
            data = self.blobs[repo][reference]
            x.reply(200, data, {}, '"%s"' % hashlib.md5(data).hexdigest(), ranged=True)

    def list_referrers(self, x, repo, subject):
        found, wanted = self.referring(repo, subject), x.query.get("artifactType")
        if wanted and self.filters:
            found = [entry for entry in found if entry["artifactType"] == wanted]
            x.fields["OCI-Filters-Applied"] = "artifactType"
        self.listing(x, {"schemaVersion": 2, "mediaType": INDEX}, "manifests", found, key=lambda entry: entry["digest"])
        x.fields["Content-Type"] = INDEX

    def listing(self, x, value, name, entries, key=str):
        """A page of a list, and in Link where the next one is."""
        last, count = x.query.get("last"), min(int(x.query.get("n", self.page)), self.page)
        begin = next((place + 1 for place, entry in enumerate(entries) if key(entry) == last), 0)
        page = entries[begin:begin + count]
        if page and begin + count < len(entries):
            query = urllib.parse.urlencode(dict(x.query, n=count, last=key(page[-1])))
            x.fields["Link"] = '</%s?%s>; rel="next"' % (x.path, query)
        x.json({**value, name: page})


def fail(x, status, code, message, headers=None, detail=None):
    """Gets an error of the registry ready; returns False."""
    error = {"code": code, "message": message, "detail": detail}
    x.json({"errors": [error]}, headers, status)
    return False


# Faults of a registry

def refuse(x, status, code, message="", headers=None):
    """An error in the registry's own words, and nothing of the right answer."""
    x.fields.clear()
    fail(x, status, code, message or code.lower(), headers)
    x.honest()


too_many = functools.partial(refuse, status=429, code="TOOMANYREQUESTS", headers={"Retry-After": 2})
denied = functools.partial(refuse, status=403, code="DENIED", message="requested access to the resource is denied")
name_unknown = functools.partial(refuse, status=404, code="NAME_UNKNOWN")
manifest_unknown = functools.partial(refuse, status=404, code="MANIFEST_UNKNOWN")
blob_unknown = functools.partial(refuse, status=404, code="BLOB_UNKNOWN")


def other_manifest(x):
    """A manifest that means the same and has another digest, which Docker-Content-Digest does not say."""
    x.honest(x.data + b"\n")


def replaced_manifest(x, image):
    """Another image's manifest, under its own digest."""
    x.fields.update({"Docker-Content-Digest": image.digest, "Content-Type": image.media_type})
    x.honest(image.data, etag='"%s"' % image.digest)


def lying_digest(x):
    """The right bytes under a Docker-Content-Digest of others."""
    x.fields["Docker-Content-Digest"] = "sha256:" + "0" * 64
    x.honest()


def no_digest(x):
    """No Docker-Content-Digest, which is allowed."""
    x.fields.pop("Docker-Content-Digest", None)
    x.honest()


def other_type(x, media_type=INDEX):
    """A Content-Type that is not the mediaType inside."""
    x.fields["Content-Type"] = media_type
    x.honest()


def warning(x, text="this tag goes away in May"):
    """The right answer, with a word to the user."""
    x.fields["Warning"] = '299 - "%s"' % text
    x.honest()


def lying_416(x):
    """416 with the length of the blob and a short text, as Debian's docker-registry does, for ranges that are not there."""
    if x.span != ():
        return x.honest()
    x.head(416, {"Content-Range": "bytes */%d" % len(x.data)}, length=len(x.data))
    x.send(b"requested range not satisfiable\r\n")
    x.silence()


def evil_realm(x):
    """A challenge whose realm is on another host, without TLS."""
    x.answer(401, b"", {"WWW-Authenticate": 'Bearer realm="%stoken",service="fake",scope="repository:x:pull"' % x.fake.elsewhere.url})


def pages_for_ever(x):
    """Every page says that the next one is itself."""
    x.fields["Link"] = '<%s>; rel="next"' % x.record.target
    x.honest()
