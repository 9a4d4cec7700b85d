# What the examples share: the program, a temporary directory, and showing commands with their output. Sourced by run.sh in
# the folders: `. ../support.sh` sets $program, $here and $work, and changes into $work.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)"
root="$(cd "$here/../.." && pwd)"

program="${RECONCILE:-$(command -v reconcile || true)}"
for built in "$root"/.build/{debug,release}/reconcile; do
    if [ -z "$program" ] && [ -x "$built" ]; then program="$built"; fi
done
[ -x "$program" ] || { echo "There is no reconcile ${program:+at $program }yet: swift build --product reconcile" >&2; exit 1; }
program="$(realpath "$program")"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
export TERM=dumb

say() { printf '\n# %s\n' "$*"; }
fail() { echo "UNEXPECTED: $*" >&2; exit 1; }
# Shows a command and its output, and keeps both for `expect`.
run() {
    printf '$ %s\n' "$*"
    status=0
    if [ "$1" = reconcile ]; then set -- "$program" "${@:2}"; fi
    "$@" >"$work/output" 2>&1 || status=$?
    cat "$work/output"
    [ "$status" -eq 0 ] || printf '(exit status %s)\n' "$status"
}
# Ends the example when the last command did not end with this status, or did not print all of these.
expect() {
    local text
    [ "$status" -eq "$1" ] || fail "the exit status is $status and not $1"
    for text in "${@:2}"; do grep -qF -- "$text" "$work/output" || fail "the output does not have “$text”"; done
}
