#!/usr/bin/env python3
"""Holds the JSON Schema against the decoder: every file of a list is judged by both, and they must agree.

Uses the jsonschema package where it is installed, and installs it into a directory of its own where it is not.
"""
import json
import os
import subprocess
import sys
import tempfile

from support import ROOT, expect, run

HEAD = {"apiVersion": "reconcile/v1", "sources": {"zoo": {"directory": "catalog"}}}


def with_model(**keys):
    return dict(HEAD, models={"vad": dict({"from": "zoo/vad", "version": "^1.0"}, **keys)})


GOOD = [
    HEAD, with_model(), with_model(channel="beta", automatic="none", drift="warn", onFailure="halt", minimumAge="3d"),
    with_model(check={"exec": ["true"], "timeout": "5s"}), with_model(keep={"last": 1, "within": "4h"}),
    with_model(probe={"http": {"url": "http://127.0.0.1:1/", "status": 204, "headers": {"A": {"env": "B"}}}, "attempts": 2}),
    with_model(reload={"http": {"url": {"env": "URL"}, "method": "POST", "body": "x"}}),
    with_model(include=["*.json", "d/**"], notBefore="2026-12-01T02:00:00Z", protect=True),
    dict(HEAD, facts={"engine": "2.10"}, prune=True, store="./m", policy={"automatic": "major"}),
    dict(HEAD, sources={"web": {"http": "https://a/", "mirrors": ["https://b/"], "token": {"env": "T"}, "allowInsecure": False}}),
    dict(HEAD, sources={
        "hub": {"huggingface": "https://huggingface.co", "token": {"file": "t"}}, "ghcr": {"oci": "ghcr.io/acme"},
        "here": {"oci": "oci://127.0.0.1:5000"}, "stick": {"bundle": "/media/models.tar"},
        "bucket": {"s3": "s3://acme/prod", "region": "eu-central-1", "endpoint": "https://s3.example", "profile": "ops",
                   "anonymous": False, "addressing": "path"}}),
    dict(HEAD, models={"vad": {"from": "zoo/vad", "revision": "main", "exclude": ["*.md"]}}),
    dict(HEAD, models={"vad": {"from": ["zoo/vad", "zoo/copies/vad"], "version": "1"}}),
    with_model(licenses=["mit", "apache-2.0"]), dict(HEAD, policy={"licenses": ["MIT"]}),
    with_model(publishAs={"huggingfaceCache": "~/.cache/huggingface/hub", "repository": "acme/vad"}),
    with_model(publishAs={"triton": "/models/vad", "file": "model.onnx", "server": "http://127.0.0.1:8000", "timeout": "2m"}),
    with_model(publishAs={"ollama": "/models", "name": "acme/vad:1"}),
]
BAD = [
    {}, dict(HEAD, apiVersion="v2"), dict(HEAD, nonsense=1), dict(HEAD, prune="yes"), with_model(verison="1"),
    with_model(automatic="huge"), with_model(check={"exec": "true"}), with_model(check={"timeout": "5s"}),
    with_model(check={"exec": ["a"], "timeout": "5 minutes"}), with_model(keep={"last": 0}), with_model(keep={"lats": 1}),
    with_model(probe={"exec": ["a"], "http": {"url": "https://a/"}}), with_model(probe={"http": {"status": 200}}),
    with_model(reload={"http": {"url": "ftp://a/"}}), with_model(notBefore="tomorrow"), with_model(protect="maybe"),
    dict(HEAD, models={"../vad": {"from": "zoo/vad", "version": "1"}}), dict(HEAD, models={"vad": {"version": "1"}}),
    dict(HEAD, models={"vad": {"from": "zoo/vad"}}), dict(HEAD, models={"vad": {"from": "zoo", "version": "1"}}),
    dict(HEAD, sources={"zoo": {}}), dict(HEAD, sources={"zoo": {"directory": "a", "http": "https://a/"}}), dict(HEAD, models=[]),
    dict(HEAD, sources={"hub": {"huggingface": "huggingface.co"}}), dict(HEAD, sources={"ghcr": {"oci": "ghcr.io/ACME/X y"}}),
    dict(HEAD, sources={"bucket": {"s3": "acme/prod"}}), dict(HEAD, sources={"bucket": {"s3": "s3://a/b", "addressing": "dns"}}),
    dict(HEAD, models={"vad": {"from": "zoo/vad", "version": "1", "revision": "main"}}), with_model(licenses="mit"),
    dict(HEAD, models={"vad": {"from": ["zoo"], "version": "1"}}), dict(HEAD, models={"vad": {"from": "zoo/vad", "revision": "a b"}}),
    with_model(publishAs={}), with_model(publishAs={"triton": "/m", "ollama": "/o"}), with_model(publishAs={"vllm": "/m"}),
]


def validator(schema):
    try:
        import jsonschema
    except ImportError:
        target = os.path.join(os.path.expanduser("~"), ".cache", "reconcile-tests", "python")
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--target", target, "jsonschema"], check=True)
        sys.path.insert(0, target)
        import jsonschema
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def main():
    with tempfile.TemporaryDirectory() as work:
        schema = json.loads(run(work, "schema").stdout)
        judge = validator(schema)
        for document, good in [(d, True) for d in GOOD] + [(d, False) for d in BAD]:
            with open(os.path.join(work, "desired-state.yaml"), "w") as file:
                json.dump(document, file)
            result = run(work, "validate", status=None)
            expect((result.returncode == 0) == good, "the decoder judges wrongly: %s\n%s" % (json.dumps(document), result.stderr))
            expect(judge.is_valid(document) == good, "the schema judges wrongly: %s" % json.dumps(document))
    defaults = {}

    def collect(node):
        for name, value in node.get("properties", {}).items():
            if "default" in value:
                defaults.setdefault(name, value["default"])
            collect(value)
            for more in ("additionalProperties", "items"):
                if isinstance(value.get(more), dict):
                    collect(value[more])
    collect(schema)
    with open(os.path.join(ROOT, "README.md")) as file:
        table = file.read().split("| key | default |", 1)[1].split("\n\n", 1)[0]
    for name, value in defaults.items():
        shown = value.split(" ")[0]
        expect(any(name in row and "`%s`" % shown in row for row in table.splitlines()), "the README's table lacks %s: %s" % (name, value))
    print("schema: %d files judged alike by schema and decoder; %d defaults are in the README" % (len(GOOD) + len(BAD), len(defaults)))


if __name__ == "__main__":
    main()
