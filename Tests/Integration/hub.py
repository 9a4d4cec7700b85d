"""A Hugging Face hub on loopback, as huggingface_hub 2.4 sees the real one, and its CDN on another origin.

    with Hub({"acme/vad": Repo.of({"v1.0.0": {"model.onnx": b"…"}, "v1.1.0": {…}})}) as hub:
        ...  HF_ENDPOINT=hub.url
        hub.play(gated, only="^acme/vad/resolve/", times=1)
        hub.bytes_sent("model.onnx", server="cdn"), hub.violations

Paths in the log are without the first slash: `api/models/acme/vad/tree/main`, `acme/vad/resolve/main/model.onnx`, and on the
CDN `blobs/SHA256/model.onnx`. Files that LFS would hold are redirected to signed addresses there; the others come from the
hub itself, as the real one does it behind a 307 to `api/resolve-cache/`.
"""
import base64
import datetime
import fnmatch
import functools
import hashlib
import json
import urllib.parse

from fakes import (Fake, answers, cut_json, deep_json, empty, field, gzipped, html, huge_json,  # noqa: F401 (for tests)
                   redirect_chain, redirect_elsewhere, redirect_loop, sha256, slow, unavailable, wrong_bytes)

LFS = ("*.onnx", "*.safetensors", "*.bin", "*.gguf", "*.jit")
QUOTAS = {"api": (500, 300), "resolvers": (3000, 300), "pages": (100, 300)}  # of one who is not logged in: requests, seconds
START = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)


@functools.cache
def git_oid(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@functools.cache
def md5(data):
    return hashlib.md5(data).hexdigest()


def is_lfs(path):
    return any(fnmatch.fnmatch(path.rsplit("/", 1)[-1], pattern) for pattern in LFS)


def pointer(data):
    """What git holds in place of a file that LFS holds."""
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (sha256(data).encode(), len(data))


class Commit:
    def __init__(self, files, parent, title):
        self.files, self.parent, self.title = dict(files), parent, title
        self.number = parent.number + 1 if parent else 0
        listing = [(path, sha256(data)) for path, data in sorted(self.files.items())]
        self.sha = hashlib.sha1(json.dumps([parent and parent.sha, title, listing]).encode()).hexdigest()
        self.date = (START + datetime.timedelta(days=self.number)).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    def entries(self, under="", expand=False, unsafe=None):
        """What the tree lists, directories too."""
        found = {}
        for path, data in self.files.items():
            if path.startswith(under):
                for parent in parents(path):
                    if parent.startswith(under):
                        found[parent] = {"type": "directory", "oid": hashlib.sha1(parent.encode()).hexdigest(), "size": 0, "path": parent}
                found[path] = {"type": "file", "oid": git_oid(data), "size": len(data), "path": path}
                if is_lfs(path):
                    found[path]["oid"] = git_oid(pointer(data))
                    found[path]["lfs"] = {"oid": sha256(data), "size": len(data), "pointerSize": len(pointer(data))}
                if expand:
                    found[path]["lastCommit"] = {"id": self.sha, "title": self.title, "date": self.date}
                    found[path]["securityFileStatus"] = {"status": (unsafe or {}).get(path, "safe")}
        return [found[path] for path in sorted(found)]


def parents(path):
    parts = path.split("/")[:-1]
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


class Repo:
    """A repository: its commits in order, and tags and branches that name them by index; `main` is the last commit.

    `gated` is "auto" or "manual"; `unsafe` is {path: "unsafe"} for what the hub's scanners say.
    """

    def __init__(self, commits=(), tags=None, branches=None, private=False, gated=False, disabled=False, license="mit",
                 unsafe=None):
        self.private, self.gated, self.disabled = private, gated, disabled
        self.license, self.unsafe = license, unsafe or {}
        self.commits, self.tags, self.branches = {}, {}, {}
        for files in commits:
            self.commit(files)
        shas = list(self.commits)
        self.tags.update({name: shas[index] for name, index in (tags or {}).items()})
        self.branches.update({name: shas[index] for name, index in (branches or {}).items()})

    @classmethod
    def of(cls, history, **options):
        """A repository with a commit and a tag for each version of {version: files}."""
        return cls(history.values(), {name: index for index, name in enumerate(history)}, **options)

    def commit(self, files, tag=None, branch="main", title=None):
        """Adds a commit of these files to a branch; returns its hash."""
        commit = Commit(files, self.find(branch), title or "commit %d" % len(self.commits))
        self.commits[commit.sha] = commit
        self.branches[branch] = commit.sha
        if tag:
            self.tags[tag] = commit.sha
        return commit.sha

    def find(self, revision):
        """The commit of a branch, a tag or a hash, or None."""
        return self.commits.get(self.branches.get(revision) or self.tags.get(revision) or revision)

    def forget(self, revision):
        """Takes a commit away, as when history is rewritten; returns its hash."""
        sha = self.find(revision).sha
        del self.commits[sha]
        for names in (self.tags, self.branches):
            for name in [name for name, target in names.items() if target == sha]:
                del names[name]
        return sha


class Hub(Fake):
    """The hub and its CDN.

    `tokens` is {token: repositories that it may read, or "*"}; without it private repositories are not there and files of
    gated ones are refused. `page` is how many entries one answer lists. `plain_limit` is the size over which the CDN wants
    ranges (of the real one: 50 GB). `rates` is {"api" | "resolvers" | "pages": (requests, seconds)} to be kept to.
    """

    def __init__(self, repos=None, tokens=None, page=1000, resolve_cache=True, plain_limit=None, rates=None, tls=None,
                 link_seconds=3600, link_uses=None):
        super().__init__(link_seconds, link_uses)
        self.repos = {name: repo if isinstance(repo, Repo) else Repo(**repo) for name, repo in (repos or {}).items()}
        self.tokens, self.page, self.resolve_cache = tokens or {}, page, resolve_cache
        self.plain_limit, self.rates, self.windows, self.blobs = plain_limit, rates or {}, {}, {}
        self.hub = self.origin("hub", tls=tls)
        self.cdn = self.origin("cdn", trusted=False, tls=tls)
        self.url, self.netloc = self.hub.url.rstrip("/"), self.hub.netloc

    # The hub

    def on_hub(self, x):
        kind = "resolvers" if "/resolve/" in x.path or "/resolve-cache/" in x.path else "api" if x.path.startswith("api/") else "pages"
        if not self.count(x, kind):
            return
        raw = [part for part in urllib.parse.urlsplit(x.record.target).path.split("/") if part]
        prefix = ["api"] if raw[:1] == ["api"] else []
        parts = raw[len(prefix):]
        cached = prefix and parts[:1] == ["resolve-cache"]
        parts = parts[1:] if cached else parts
        datasets = parts[:1] != ["models"] and parts[:1] in (["datasets"], ["spaces"])
        if parts[:1] == ["models"] or datasets:
            group, parts = parts[0], parts[1:]
        elif prefix:
            return fail(x, 404, None, "Sorry, we can't find the page you are looking for.")
        else:
            group = "models"
        size = 1 if "/".join(parts[:2]) not in self.names(group) and parts[:1] and parts[0] in self.names(group) else 2
        name, rest = "/".join(parts[:size]), [urllib.parse.unquote(part) for part in parts[size:]]
        repo = self.repos.get(name if group == "models" else "%s/%s" % (group, name))
        if not self.admits(x, repo, name):
            return
        if cached:
            self.file(x, repo, rest[0], "/".join(rest[1:]))
        elif not prefix and rest[:1] == ["resolve"]:
            self.file(x, repo, rest[1], "/".join(rest[2:]), "%s/%s" % (group, name))
        elif prefix:
            self.api(x, repo, name, rest)
        else:
            x.reply(200, b"<!doctype html><title>%s</title>" % name.encode(), {"Content-Type": "text/html"})

    def names(self, group):
        return {name.removeprefix(group + "/") for name in self.repos}

    def count(self, x, kind):
        """Counts a request in the window of its kind; False when there were too many, and then the answer is ready."""
        quota, seconds = self.rates.get(kind, QUOTAS[kind])
        now, rest = x.record.started, quota - 1
        with self.lock:
            if kind in self.rates:
                began, used = self.windows.get(kind, (now, 0))
                began, used = (now, 0) if now - began >= seconds else (began, used)
                self.windows[kind] = (began, used + 1)
                rest, seconds = quota - used - 1, max(0, round(began + seconds - now))
        x.fields.update(limit_fields(kind, max(rest, 0), seconds, quota, self.rates.get(kind, QUOTAS[kind])[1]))
        if rest < 0:
            x.reply(429, b'{"error":"We had to rate limit you"}', {"Content-Type": "application/json"})
        return rest >= 0

    def admits(self, x, repo, name):
        """Whether the request may see the repository; otherwise the answer is ready."""
        token = x.record.authorization
        if token and token.removeprefix("Bearer ") not in self.tokens:
            return fail(x, 401, None, "Invalid credentials in Authorization header")
        granted = self.tokens[token.removeprefix("Bearer ")] if token else ()
        has_access = granted == "*" or name in granted
        if repo is None or repo.private and not has_access:
            return fail(x, *((404, "RepoNotFound", "Repository not found") if token else
                             (401, "RepoNotFound", "Invalid username or password.")))
        if repo.disabled:
            return fail(x, 403, None, "Access to this resource is disabled.")
        if repo.gated and not has_access and "/resolve" in x.path:
            return fail(x, 403 if token else 401, "GatedRepo", "Access to model %s is restricted%s" % (
                name, " and you are not in the authorized list. Visit %s/%s to ask for access." % (self.url, name) if token
                else ". You must have access to it and be authenticated to access it. Please log in."))
        return True

    def api(self, x, repo, name, rest):
        what = rest[0] if rest else "revision"
        if what == "refs":
            return x.json({"tags": refs(repo.tags, "refs/tags/"), "branches": refs(repo.branches, "refs/heads/"), "converts": []})
        commit = repo.find(rest[1] if rest[1:] else "main")
        if what not in ("revision", "tree", "commits", "paths-info"):
            return fail(x, 404, None, "Sorry, we can't find the page you are looking for.")
        if commit is None:
            return fail(x, 404, "RevisionNotFound", "Invalid rev id: %s" % (rest[1] if rest[1:] else "main"))
        if what == "revision":
            return x.json(self.info(repo, name, commit, "blobs" in x.query, x.query.get("securityStatus") == "true"))
        if what == "commits":
            return self.listing(x, [{"id": c.sha, "title": c.title, "message": "", "date": c.date, "authors": [{"user": "ana"}]}
                                    for c in ancestors(commit)])
        expand = x.query.get("expand", "false").lower() == "true"
        if what == "paths-info":
            form = urllib.parse.parse_qs(x.body.decode())
            wanted = form.get("paths", []) if form or not x.body.startswith(b"{") else json.loads(x.body)["paths"]
            return x.json([entry for entry in commit.entries("", expand, repo.unsafe) if entry["path"] in wanted])
        under = "/".join(rest[2:]).strip("/")
        entries = commit.entries(under + "/" if under else "", expand, repo.unsafe)
        if under and not entries:
            return fail(x, 404, "EntryNotFound", "%s does not exist on \"%s\"" % (under, rest[1]), commit)
        if x.query.get("recursive", "false").lower() not in ("true", "1"):
            depth = under.count("/") + 1 if under else 0
            entries = [entry for entry in entries if entry["path"].count("/") == depth]
        self.listing(x, entries)

    def info(self, repo, name, commit, blobs, security):
        entries = {entry["path"]: entry for entry in commit.entries()}
        siblings = []
        for path in sorted(commit.files):
            siblings.append({"rfilename": path})
            if blobs:
                siblings[-1].update(size=entries[path]["size"], blobId=entries[path]["oid"])
                if "lfs" in entries[path]:
                    lfs = entries[path]["lfs"]
                    siblings[-1]["lfs"] = {"sha256": lfs["oid"], "size": lfs["size"], "pointerSize": lfs["pointerSize"]}
        info = {"_id": commit.sha[:24], "id": name, "modelId": name, "author": name.split("/")[0], "sha": commit.sha,
                "lastModified": commit.date, "createdAt": START.strftime("%Y-%m-%dT%H:%M:%S.000Z"), "private": repo.private,
                "gated": repo.gated, "disabled": repo.disabled, "downloads": 7, "likes": 0,
                "tags": ["license:%s" % repo.license] if repo.license else [],
                "cardData": {"license": repo.license} if repo.license else None, "siblings": siblings}
        if security:
            info["securityRepoStatus"] = {"scansDone": True, "filesWithIssues": [
                {"path": path, "level": level} for path, level in repo.unsafe.items()]}
        return info

    def listing(self, x, entries):
        """A page of a list, and where the next one is."""
        begin = int(base64.urlsafe_b64decode(x.query["cursor"]).decode()) if x.query.get("cursor") else 0
        end = begin + min(int(x.query.get("limit", self.page)), self.page)
        if end < len(entries):
            query = dict(x.query, cursor=base64.urlsafe_b64encode(b"%d" % end).decode())
            x.fields["Link"] = '<%s?%s>; rel="next"' % (x.address.partition("?")[0], urllib.parse.urlencode(query))
        x.json(entries[begin:end])

    # Files

    def file(self, x, repo, revision, path, cached_as=None):
        commit = repo.find(revision)
        if commit is None:
            return fail(x, 404, "RevisionNotFound", "Invalid rev id: %s" % revision)
        if path not in commit.files:
            return fail(x, 404, "EntryNotFound", "Entry not found", commit)
        data = commit.files[path]
        digest = sha256(data) if is_lfs(path) else git_oid(data)
        linked = {"X-Repo-Commit": commit.sha, "X-Linked-Etag": '"%s"' % digest, "X-Linked-Size": len(data), "Accept-Ranges": "bytes"}
        if is_lfs(path):
            place = "blobs/%s/%s" % (digest, path)
            self.blobs[place] = data
            x.to(302, "%s%s?%s" % (self.cdn.url, urllib.parse.quote(place), self.sign(place)), linked)
        elif self.resolve_cache and cached_as:
            x.to(307, "/api/resolve-cache/%s/%s/%s?etag=%s" % (
                cached_as, commit.sha, urllib.parse.quote(path), urllib.parse.quote('"%s"' % digest)), linked)
        else:
            x.reply(200, data, {"X-Repo-Commit": commit.sha, "Content-Type": "text/plain; charset=utf-8",
                                "Content-Disposition": "inline; filename=\"%s\"" % path.rsplit("/", 1)[-1]}, '"%s"' % digest, True)

    def on_cdn(self, x):
        if not self.is_signed(x):
            return
        data = self.blobs[x.path]
        if self.plain_limit is not None and len(data) > self.plain_limit and not x.headers.get("range"):
            return x.reply(400, b"<Error><Code>EntityTooLarge</Code><Message>Use ranges</Message></Error>",
                           {"Content-Type": "application/xml"})
        x.reply(200, data, {"X-Cache": "Hit from cloudfront"}, '"%s"' % md5(data), ranged=True)


def refs(names, prefix):
    return [{"name": name, "ref": prefix + name, "targetCommit": sha} for name, sha in names.items()]


def ancestors(commit):
    while commit:
        yield commit
        commit = commit.parent


def limit_fields(kind, rest, seconds, quota, window):
    return {"RateLimit": '"%s";r=%d;t=%d' % (kind, rest, seconds),
            "RateLimit-Policy": '"fixed window";"%s";q=%d;w=%d' % (kind, quota, window)}


def fail(x, status, code, message, commit=None):
    """Gets an error of the hub ready; returns False."""
    headers = {"Content-Type": "application/json; charset=utf-8", "X-Error-Message": message}
    if code:
        headers["X-Error-Code"] = code
    if commit:
        headers["X-Repo-Commit"] = commit.sha
    x.reply(status, json.dumps({"error": message}).encode(), headers)
    return False


# Faults of a hub

def refuse(x, status, code, message):
    """An error with the hub's own fields, and none of the right answer."""
    x.fields.clear()
    fail(x, status, code, message)
    x.honest()


def refusal(status, code, message):
    return functools.partial(refuse, status=status, code=code, message=message)


repo_not_found = refusal(401, "RepoNotFound", "Invalid username or password.")
gated = refusal(403, "GatedRepo", "Access to this model is restricted and you are not in the authorized list.")
no_scope = refusal(403, None, "Your token does not have the scope that is needed to read this repository")
disabled = refusal(403, None, "Access to this resource is disabled.")
revision_not_found = refusal(404, "RevisionNotFound", "Invalid rev id")
entry_not_found = refusal(404, "EntryNotFound", "Entry not found")
bad_credentials = refusal(401, None, "Invalid credentials in Authorization header")
not_found = functools.partial(answers, status=404, body=b"Not Found")


def rate_limited(x, seconds=2, kind="api"):
    """429 that says in RateLimit when to come again."""
    quota, window = QUOTAS[kind]
    x.answer(429, b'{"error":"We had to rate limit you"}', {**limit_fields(kind, 0, seconds, quota, window),
                                                            "Content-Type": "application/json"})


def busy(x, seconds=2):
    """429 that says in Retry-After when to come again, and whose RateLimit is not the reason."""
    x.answer(429, b"Too Many Requests", {**limit_fields("api", 400, 200, 500, 300), "Retry-After": seconds})


def tree_disagrees(x):
    """The tree lists another hash of every file than the file's own answer has."""
    entries = json.loads(x.data)
    for entry in entries:
        entry["oid"] = flip(entry["oid"])
        if "lfs" in entry:
            entry["lfs"]["oid"] = flip(entry["lfs"]["oid"])
    x.honest(json.dumps(entries).encode())


def size_disagrees(x):
    """The tree lists files one byte larger than they are."""
    entries = json.loads(x.data)
    for entry in entries:
        entry["size"] += 1
        if "lfs" in entry:
            entry["lfs"]["size"] += 1
    x.honest(json.dumps(entries).encode())


def etag_disagrees(x):
    """The file's own answer has another hash than the tree lists."""
    for name in ("X-Linked-Etag", "ETag"):
        if name in x.fields:
            x.fields[name] = '"%s"' % flip(x.fields[name].strip('"'))
    x.honest(etag=x.etag and '"%s"' % flip(x.etag.strip('"')))


def flip(text):
    return text[:-1] + ("0" if text[-1] != "0" else "1")


def edited(x, change):
    """The JSON of the right answer, changed by a function that gets it and may return another."""
    value = json.loads(x.data)
    changed = change(value)
    x.honest(json.dumps(value if changed is None else changed).encode())


def pages_for_ever(x):
    """Every page says that the next one is itself."""
    x.fields["Link"] = '<%s>; rel="next"' % x.address
    x.honest()


def new_pages_for_ever(x):
    """Every page names a next one that was not seen before."""
    x.fields["Link"] = '<%s?recursive=true&endless=%d>; rel="next"' % (x.address.partition("?")[0], x.number + 1)
    x.honest()


def next_page_elsewhere(x):
    """The next page is said to be on another host."""
    x.fields["Link"] = '<%s%s>; rel="next"' % (x.fake.elsewhere.url.rstrip("/"), x.record.target)
    x.honest()


def wrong_commit(x):
    """X-Repo-Commit names another commit than was asked for."""
    x.fields["X-Repo-Commit"] = "0" * 40
    x.honest()


def no_commit(x):
    """X-Repo-Commit is missing, as from what is no hub."""
    x.fields.pop("X-Repo-Commit", None)
    x.honest()


def ignores_range(x):
    """200 and the whole file, whatever was asked for."""
    x.honest(whole=True)
