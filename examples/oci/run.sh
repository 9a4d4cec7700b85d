#!/usr/bin/env bash
# Shows models from an OCI registry, which runs on this machine, on a temporary copy.
#
#   examples/oci/run.sh                              with a reconcile in PATH, or one that was built in this repository
#   RECONCILE=/path/to/reconcile examples/oci/run.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

say "The registry starts. What is lacking is installed at the first time, which takes a minute."
serve
# Where docker keeps its logins; nothing of whoever runs this.
export DOCKER_CONFIG="$work/docker"
unset REGISTRY_AUTH_FILE
sed "s/registry\.example\.com/$registry/" "$here/desired-state.yaml" >desired-state.yaml

push() {
    python3 "$here/../make_release.py" "build-$2-$4" "$2" "$4"
    python3 "$here/push.py" "$1" "build-$2-$4" "$registry/acme/$2:$3" "$4" "$user:$password"
}
point_latest_at() {
    echo "\$ skopeo copy docker://$registry/acme/vad:$1 docker://$registry/acme/vad:latest"
    skopeo copy --quiet --src-tls-verify=false --dest-tls-verify=false --authfile "$DOCKER_CONFIG/config.json" \
        "docker://$registry/acme/vad:$1" "docker://$registry/acme/vad:latest"
}
# What a registry has under a tag, as skopeo says it.
digest_of() {
    skopeo inspect --tls-verify=false --authfile "$DOCKER_CONFIG/config.json" --raw "docker://$registry/acme/$1" |
        sha256sum | cut -d' ' -f1
}
expect_version() {
    grep -qF "\"$2\"" "models/$1/config.json" || fail "$1 is not $2: $(cat "models/$1/config.json")"
}
# The files of a model are those that were pushed, byte for byte.
expect_files() { diff -r "models/$1/" "$2" "${@:3}" >&2 || fail "$1 has other files than were pushed"; }

say "Two models in the registry: a ModelPack of raw layers, and a ModelKit, whose layers are tars. A pass needs a login."
push modelpack vad 1.0.0 1.0.0
push modelkit captions v1.0.0 1.0.0
run reconcile --progress none
expect 4 "needs a login"

say "The login is docker's: whatever can log in to a registry writes it, or a credential helper keeps it."
mkdir "$DOCKER_CONFIG"
echo "\$ skopeo login --username $user $registry"
skopeo login --tls-verify=false --authfile "$DOCKER_CONFIG/config.json" --username "$user" --password-stdin "$registry" <<<"$password"
point_latest_at 1.0.0
run reconcile init --from "oci://$registry/acme/vad" found.yaml
expect 0 "vad  1.0.0, the newest of 1 version"
run reconcile --progress none
expect 0 "vad  1.0.0  installed" "captions  1.0.0  installed" "3 done"
expect_files vad build-vad-1.0.0
expect_files captions build-captions-1.0.0 --exclude README.md
[ ! -e models/captions/README.md ] || fail "a file was installed that the model excludes"

say "Tags are versions: v1.1.0 is one, nightly is none. latest stays where it was until somebody moves it."
push modelpack vad v1.1.0 1.1.0
push modelpack vad nightly 9.9.9
push modelkit captions 1.1.0 1.1.0
run reconcile --progress none
expect 0 "vad  1.0.0 → 1.1.0  replaced" "captions  1.0.0 → 1.1.0  replaced" "2 done, 1 in sync"
expect_version vad-latest 1.0.0

say "latest is moved. That waits for a yes, because a tag that moves does not say how large the step is."
point_latest_at v1.1.0
run reconcile --progress none
expect 0 "vad-latest" "needs approval"
expect_version vad-latest 1.0.0
run reconcile approve vad-latest
expect 0
run reconcile --progress none
expect 0 "vad-latest" "1 done, 2 in sync"
expect_version vad-latest 1.1.0

say "The lock names manifests by digest. What is in tars is known by their digests, if nobody unpacked them yet."
push modelkit captions 1.2.0 1.2.0
run reconcile lock
expect 0 captions
grep -qF "$(digest_of captions:1.2.0)" desired-state.lock || fail "the lock does not name the manifest that skopeo sees"
grep -qF "$(sha256sum build-captions-1.2.0/model.onnx | cut -d' ' -f1)" desired-state.lock &&
    fail "the lock knows a file that nobody has unpacked"

say "lock --fetch downloads them, and names each file. --locked takes just what is named."
run reconcile lock --fetch
expect 0
grep -qF "$(sha256sum build-captions-1.2.0/model.onnx | cut -d' ' -f1)" desired-state.lock ||
    fail "the lock does not name the file by its SHA-256"
run reconcile --locked --progress none
expect 0 "captions  1.1.0 → 1.2.0  replaced" "1 done, 2 in sync"
expect_files captions build-captions-1.2.0 --exclude README.md

say "Back to what worked, which needs no registry: what is kept is kept as files."
unserve "$server"
run reconcile rollback captions --to 1.0.0 --reason "the new ones stutter" --progress none
expect 0 "1.2.0 → 1.0.0"
expect_version captions 1.0.0
run reconcile status
expect 0 "registry/captions" "registry/vad" "1.1.0"
