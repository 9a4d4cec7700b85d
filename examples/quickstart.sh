#!/usr/bin/env bash
# Shows what reconcile does, on a copy of the example: publishes a small trained model in five versions, two of them
# broken, and makes a pass after each. Installs what is missing and builds the program first.
#
#   examples/quickstart.sh                 build and show
#   RECONCILE=/path/to/reconcile …         show with a program that is built already
set -euo pipefail
cd "$(dirname "$0")/.."
. Tests/install.sh

need python3
if [ -z "${RECONCILE:-}" ]; then
    need yaml sqlite zlib zstd
    echo "Building reconcile (some minutes the first time) …" >&2
    swift build -c release --product reconcile >&2
    RECONCILE="$(swift build -c release --show-bin-path)/reconcile"
fi

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
mkdir "$work/examples"
cp -R examples/checks examples/make_models.py "$work/examples/"
cp desired-state.yaml "$work/"
python3 examples/make_models.py "$work/trained"
cd "$work"

say() { printf '\n# %s\n' "$*"; }
run() {
    printf '$ %s\n' "$*"
    local status=0
    "$RECONCILE" "${@:2}" || status=$?
    [ "$status" -eq 0 ] || printf '(exit status %s)\n' "$status"
}
publish() { run reconcile publish "trained/$1" --to examples/catalog --model digits --version "$1"; }
export TERM=dumb

say "A first release. A dry run shows the plan and writes nothing; a pass installs the model."
publish 1.0.0
run reconcile --dry-run
run reconcile --progress none
run reconcile --progress none

say "A better one: checked on held-out pictures, activated by one rename, probed, confirmed."
publish 1.1.0
run reconcile --progress none

say "A broken one: right format, right digest, bad weights. Its check fails, so it never becomes active."
publish 1.2.0
run reconcile --progress none

say "A broken one that passes its check: the program that uses it cannot read its labels. It is rolled back by itself."
publish 1.3.0
run reconcile --progress none

say "A large step waits for a person. What did not work is not tried again."
publish 2.0.0
run reconcile --progress none
run reconcile approve digits
run reconcile --progress none

say "Back to what worked before, at once; the next pass leaves it there, until somebody says otherwise."
run reconcile rollback digits --to 1.1.0 --reason "just looking" --progress none
run reconcile --progress none
run reconcile resume digits
run reconcile --progress none

say "What happened."
run reconcile status
run reconcile history
