#!/usr/bin/env bash
# Shows a machine without a network that is fed by a stick, on a temporary copy.
#
#   examples/bundle/run.sh                           with a reconcile in PATH, or one that was built in this repository
#   RECONCILE=/path/to/reconcile examples/bundle/run.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

(cd "$root" && . Tests/install.sh && need skopeo)
publish() {
    python3 "$here/../make_release.py" "build-$1-$2" "$1" "$2"
    run reconcile publish "build-$1-$2" --to catalog --model "$1" --version "$2"
    expect 0
}
# Each machine is a directory of its own; `on office reconcile …` runs a command there.
on() {
    local machine="$1"
    shift
    printf '%s' "$machine"
    cd "$work/$machine"
    run "$@"
    cd "$work"
}
expect_files() { diff -r "$1/models/$2/" "build-$2-$3" >&2 || fail "$2 on the $1 has other files than were published"; }

say "The office has a network. Two models are published there, and locked."
publish vad 1.0.0
publish captions 1.0.0
serve "$work/catalog"
export ZOO="$url"
mkdir office laboratory
cp "$here/desired-state.yaml" office/
on office reconcile lock
expect 0 "vad  nothing → 1.0.0" "captions  nothing → 1.0.0"

say "bundle writes what the lock names to one file. It is an image layout of OCI, so others can read it, too."
mkdir office/stick
on office reconcile bundle --out stick/models.tar
expect 0 "vad:1.0.0" "captions:1.0.0" "2 releases"
on office skopeo copy --quiet oci-archive:stick/models.tar:vad:1.0.0 dir:opened
expect 0
on office ls opened
expect 0 manifest.json "$(sha256sum build-vad-1.0.0/model.onnx | cut -d' ' -f1)"
cmp build-vad-1.0.0/model.onnx "office/opened/$(sha256sum build-vad-1.0.0/model.onnx | cut -d' ' -f1)" || fail "skopeo found another file"

say "The laboratory has no network: from here on no server runs. The stick, the desired state and the lock go there."
unserve "$server"
cp -R office/stick office/desired-state.yaml office/desired-state.lock laboratory/
on laboratory reconcile --dry-run
expect 0 "2 to install"
on laboratory reconcile --locked --progress none
expect 0 "vad  1.0.0  installed" "captions  1.0.0  installed" "2 done"
expect_files laboratory vad 1.0.0
expect_files laboratory captions 1.0.0
on laboratory reconcile --locked --progress none
expect 0 "Nothing to do, 2 in sync"

say "A newer version goes the same way. Only what differs is read from the stick."
publish vad 1.1.0
serve "$work/catalog"
export ZOO="$url"
on office reconcile lock --update
expect 0 "vad  1.0.0 → 1.1.0"
on office reconcile bundle --out stick/models.tar
expect 0 "vad:1.1.0" "captions:1.0.0"
unserve "$server"
cp office/stick/models.tar laboratory/stick/
cp office/desired-state.lock laboratory/
on laboratory reconcile --locked --progress none
expect 0 "vad  1.0.0 → 1.1.0  replaced" "1 done, 1 in sync"
expect_files laboratory vad 1.1.0

say "A stick that was damaged or changed on its way: what is read from it must have the SHA-256 that the lock names."
publish vad 1.2.0
serve "$work/catalog"
export ZOO="$url"
on office reconcile lock --update vad
expect 0
on office reconcile bundle vad --out stick/models.tar
expect 0 "1 release"
unserve "$server"
python3 - <<'END'
data = open("office/stick/models.tar", "rb").read()
weights = open("build-vad-1.2.0/model.onnx", "rb").read()
place = data.index(weights) + 100_000
open("laboratory/stick/models.tar", "wb").write(data[:place] + bytes([data[place] ^ 1]) + data[place + 1:])
END
cp office/desired-state.lock laboratory/
on laboratory reconcile --locked --progress none
expect 1 "stick/models.tar holds wrong bytes" "“vad” stays as it is"
expect_files laboratory vad 1.1.0

say "With a good one it goes on. And without a lock, too: zoo does not answer, so the stick says what there is."
cp office/stick/models.tar laboratory/stick/
on laboratory reconcile --locked --progress none
expect 0 "vad  1.1.0 → 1.2.0  replaced"
expect_files laboratory vad 1.2.0
rm laboratory/desired-state.lock
on laboratory reconcile vad --progress none
expect 0 "Nothing to do, 1 in sync"
