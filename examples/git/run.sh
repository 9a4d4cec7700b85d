#!/usr/bin/env bash
# Shows `reconcile watch` following a branch of a git repository, all of it in a temporary directory.
#
#   examples/git/run.sh                              with a reconcile in PATH, or one that was built in this repository
#   RECONCILE=/path/to/reconcile examples/git/run.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

watcher=""
finish() {
    local try
    if [ -n "$watcher" ] && kill -TERM "$watcher" 2>/dev/null; then
        for try in $(seq 100); do kill -0 "$watcher" 2>/dev/null || break; sleep 0.1; done
        kill -KILL "$watcher" 2>/dev/null || true
        wait "$watcher" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT
# A git that knows nothing of whoever runs this.
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Ana GIT_AUTHOR_EMAIL=ana@example.com GIT_COMMITTER_NAME=Ana GIT_COMMITTER_EMAIL=ana@example.com
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
publish() {
    mkdir "build-$1"
    echo "version $1 works" >"build-$1/model.txt"
    run reconcile publish "build-$1" --to catalog --model vad --version "$1"
    expect 0
}

# Runs watch in the background. Its interval is long, so that only signals wake it here.
start_watch() {
    printf '$ reconcile watch %s &\n' "$*"
    "$program" watch "$@" >watch.log 2>&1 &
    watcher=$!
    shown=0
}
# Waits until watch has said this, and shows all that it has said since the last time.
heard() {
    local try
    for try in $(seq 100); do
        if tail -n "+$((shown + 1))" watch.log | grep -qF -- "$1"; then break; fi
        kill -0 "$watcher" 2>/dev/null || { cat watch.log; fail "watch has ended"; }
        [ "$try" -lt 100 ] || { cat watch.log; fail "watch did not say “$1”"; }
        sleep 0.1
    done
    sleep 0.3
    tail -n "+$((shown + 1))" watch.log | sed 's/^/  watch: /'
    shown="$(wc -l <watch.log)"
}
wake_watch() { echo "\$ kill -HUP \$!"; kill -HUP "$watcher"; }
stop_watch() {
    local ended=0
    echo "\$ kill -TERM \$!; wait \$!"
    kill -TERM "$watcher"
    wait "$watcher" || ended=$?
    watcher=""
    [ "$ended" -eq 0 ] || { cat watch.log; fail "watch ended with status $ended"; }
}
expect_active() {
    local now; now="$(cat models/vad/model.txt)"
    [ "$now" = "version $1 works" ] || fail "“$now” is active and not $1"
}
in_git() { run git -C desk "$@"; expect 0; }
# Commits a range, and pushes it.
declare_range() {
    sed "s/version: [^ ]*/version: $1/" desk/desired-state.yaml >changed.yaml
    mv changed.yaml desk/desired-state.yaml
    in_git commit --quiet --all -m "vad: $1" "${@:2}"
    in_git push --quiet origin main
}
commit() { git -C desk rev-parse --short=12 HEAD; }

say "A repository with a desired state, and two releases."
run git init --quiet --bare --initial-branch=main models.git
expect 0
run git clone --quiet models.git desk
expect 0
cp "$here/desired-state.yaml" desk/
in_git checkout --quiet -B main
in_git add desired-state.yaml
in_git commit --quiet -m "vad: ~1.0"
in_git push --quiet origin main
publish 1.0.0
publish 1.1.0

say "The machine follows the branch. Scripts beside it wait for what they need."
start_watch --git "$work/models.git" --branch main --clone clone --interval 1h
heard "Progressing=False"
run reconcile wait vad --for Ready --timeout 10s -f clone/desired-state.yaml
expect 0 "vad  Ready"
expect_active 1.0.0

say "A commit that widens the range. The interval would bring it by itself; SIGHUP brings it now."
declare_range "^1.0"
wake_watch
heard "Progressing=False"
expect_active 1.1.0

say "A commit that cannot be used is told and refused; the last good one stays in force, and so does its work tree."
good="$(git -C clone rev-parse HEAD)"
declare_range "banana"
wake_watch
heard "cannot be used"
[ "$(git -C clone rev-parse HEAD)" = "$good" ] || fail "the clone has left the last good commit"
run reconcile status -f clone/desired-state.yaml
expect 0 "^1.0"
expect_active 1.1.0

say "Taken back by a revert: a commit like any other."
in_git revert --no-edit HEAD
in_git push --quiet origin main
wake_watch
heard "commit $(commit) is in force"
expect_active 1.1.0

say "What worked can be taken back like that, too: the range no longer holds 1.1.0, and 1.0.0 is activated again."
in_git revert --no-edit HEAD~2
in_git push --quiet origin main
wake_watch
heard "Progressing=False"
expect_active 1.0.0

say "The history knows the commit that each change came from. SIGTERM ends the watch."
run reconcile history -f clone/desired-state.yaml
expect 0 "1.1.0 3e21051c1aca → 1.0.0" "commit $(commit)"
stop_watch

say "Only signed commits: whoever can push to the repository cannot change the machine without a key."
if ! command -v ssh-keygen >/dev/null; then
    echo "(left out: there is no ssh-keygen)"
    exit 0
fi
run ssh-keygen -q -t ed25519 -N "" -C ana -f key
expect 0
echo "ana@example.com namespaces=\"git\" $(cut -d' ' -f1,2 key.pub)" >allowed-signers
run cat allowed-signers
in_git config gpg.format ssh
in_git config user.signingKey "$work/key"
if ! git -C desk commit-tree -S -m test "HEAD^{tree}" >/dev/null 2>&1; then
    echo "(left out: this git or this ssh-keygen cannot sign commits with SSH keys)"
    exit 0
fi
start_watch --git "$work/models.git" --branch main --clone signed --interval 1h --require-signed allowed-signers
heard "it has no valid signature"
[ ! -e signed/desired-state.yaml ] || fail "an unsigned commit was checked out"

say "The same by somebody who has a key:"
declare_range "^1.0" -S
wake_watch
heard "Progressing=False"
expect_active 1.1.0

say "And an unsigned commit on top of it: the signed one stays in force."
good="$(git -C signed rev-parse HEAD)"
declare_range "~1.0"
wake_watch
heard "it has no valid signature"
[ "$(git -C signed rev-parse HEAD)" = "$good" ] || fail "the clone has left the signed commit"
expect_active 1.1.0
stop_watch
