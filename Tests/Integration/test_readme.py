#!/usr/bin/env python3
"""Holds the README true: the output of the quickstart, the defaults, the committed catalog, and the commands it names."""
import filecmp
import os
import re
import subprocess
import tempfile

from support import RECONCILE, ROOT, expect, run


def normalised(text):
    text = re.sub(r"\d{4}-\d\d-\d\d( \d\d:\d\d UTC)?", "DATE", text)
    text = re.sub(r"\d+\.\d s\b", "TIME", text)
    return re.sub(r"\b[a-z_][a-z0-9_-]*@[A-Za-z0-9._-]+", "USER", text).strip()


def check_quickstart(readme):
    written = re.search(r"<!-- quickstart output.*?-->\n```text\n(.*?)\n```", readme, re.S).group(1)
    result = subprocess.run([os.path.join(ROOT, "examples", "quickstart.sh")], capture_output=True, text=True,
                            env=dict(os.environ, RECONCILE=RECONCILE, NO_COLOR="1"))
    expect(result.returncode == 0, "the quickstart fails:\n" + result.stdout + result.stderr)
    shown, said = normalised(result.stdout).splitlines(), normalised(written).splitlines()
    said = [line for line in said if not line.startswith("“digits” is held there") and line.strip() != "reconcile resume digits"]
    for number, (a, b) in enumerate(zip(shown, said)):
        expect(a == b, "line %d of the quickstart is\n%s\nbut the README says\n%s" % (number + 1, a, b))
    expect(len(shown) == len(said), "the quickstart prints %d lines, the README has %d" % (len(shown), len(said)))


def check_catalog():
    with tempfile.TemporaryDirectory() as copy:
        subprocess.run(["cp", "-R", os.path.join(ROOT, "examples"), copy], check=True)
        subprocess.run([os.path.join(copy, "examples", "make_models.py"), "--catalog"], check=True)
        for path in ("index.json", "1.0.0/release.json", "1.0.0/model.safetensors", "1.0.0/labels.json"):
            made = os.path.join(copy, "examples", "catalog", "digits", path)
            kept = os.path.join(ROOT, "examples", "catalog", "digits", path)
            expect(filecmp.cmp(made, kept, shallow=False), "examples/catalog/digits/%s is not what make_models.py makes" % path)


def check_commands(readme):
    with tempfile.TemporaryDirectory() as empty:
        for command in sorted(set(re.findall(r"`reconcile ([a-z]+)", readme))):
            help_text = run(empty, command, "-h").stdout
            expect("EXAMPLE" in help_text, "`reconcile %s -h` shows no example" % command)


def main():
    with open(os.path.join(ROOT, "README.md")) as file:
        readme = file.read()
    check_catalog()
    check_commands(readme)
    check_quickstart(readme)
    print("README: quickstart, catalog and commands are as it says")


if __name__ == "__main__":
    main()
