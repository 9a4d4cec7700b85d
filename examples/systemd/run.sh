#!/usr/bin/env bash
# Checks the unit files, and shows what the service tells its manager. Needs no systemd and installs nothing.
#
#   examples/systemd/run.sh                          with a reconcile in PATH, or one that was built in this repository
#   RECONCILE=/path/to/reconcile examples/systemd/run.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

cp "$here"/* "$work/"

say "The unit files. (They are checked with the program of this example in place of /usr/local/bin/reconcile.)"
if command -v systemd-analyze >/dev/null; then
    mkdir units
    for unit in reconcile.service reconcile-git.service reconcile-once.service reconcile-once.timer; do
        sed "s|/usr/local/bin/reconcile|$program|" "$unit" >"units/$unit"
    done
    run systemd-analyze verify --man=no units/*
    expect 0
    [ ! -s output ] || fail "systemd-analyze complains"
else
    echo "(left out: there is no systemd-analyze)"
fi

say "The desired state, with a second file laid over it that brings it to this machine: another store, no server to ask."
cat >here.yaml <<'END'
apiVersion: reconcile/v1
store: ./models
sources: { web: { directory: catalog } }
policy: { windows: null }
models: { vad: { reload: null, probe: null } }
END
run cat here.yaml
run reconcile validate -f desired-state.yaml
expect 0
run reconcile validate -f desired-state.yaml -f here.yaml
expect 0
mkdir build
echo "version 1.0.0" >build/model.txt
run reconcile publish build --to catalog --model vad --version 1.0.0
expect 0

say "The service, with a manager that shows what it is told."
printf '$ reconcile watch -f desired-state.yaml -f here.yaml\n'
python3 manager.py "$program" watch -f desired-state.yaml -f here.yaml 2>watch.log \
    || { cat watch.log; exit 1; }
say "What it wrote meanwhile, for the journal:"
cat watch.log
run cat models/vad/model.txt
expect 0 "version 1.0.0"

say "The pass of reconcile-once.service, which the timer starts."
run reconcile watch --once --progress none -f desired-state.yaml -f here.yaml
expect 0 "1 in sync"
