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
servers=()
finish() {
    local server
    for server in "${servers[@]+"${servers[@]}"}"; do unserve "$server"; done
    rm -rf "$work"
}
trap finish EXIT
cd "$work"
export TERM=dumb PYTHONDONTWRITEBYTECODE=1

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

# Starts the example's serve.py in the background, and takes over what it says: `serve registry` may set $registry. It may
# install its servers first. Its process is $server; `unserve $server` ends it, and so does the end of the example.
serve() {
    local said="$work/served-${#servers[@]}"
    : >"$said"
    python3 "$here/serve.py" "$@" >"$said" &
    server=$!
    servers+=("$server")
    until grep -q '^served=' "$said"; do
        kill -0 "$server" 2>/dev/null || fail "the servers could not be started"
        sleep 0.1
    done
    # shellcheck disable=SC1090
    . "$said"
}
unserve() {
    kill -TERM "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}
