#!/usr/bin/env bash
# Shows one model that several sources have, some of which are down or lie, on a temporary copy.
#
#   examples/mirrors/run.sh                          with a reconcile in PATH, or one that was built in this repository
#   RECONCILE=/path/to/reconcile examples/mirrors/run.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

say "Three sources: a web server with a catalog, a registry, and a disk. What is lacking is installed at the first time."
serve registry
registry_server="$server"
mkdir web disk
serve web "$work/web"
web_server="$server"
export WEB="$web"
sed "s/registry\.example\.com/$registry/" "$here/desired-state.yaml" >desired-state.yaml

# The same files, published in each of these sources.
publish() {
    local version="$1" place
    [ -e "build-$version" ] || python3 "$here/../make_release.py" "build-$version" vad "$version"
    for place in "${@:2}"; do
        if [ "$place" = registry ]; then
            python3 "$here/../oci/push.py" modelpack "build-$version" "$registry/acme/vad:$version" "$version" ana:none
        else
            run reconcile publish "build-$version" --to "$place" --model vad --version "$version"
            expect 0
        fi
    done
}
expect_files() { diff -r models/vad/ "build-$1" >&2 || fail "other files are active than were published as $1"; }

say "All three have the model. The first says what there is; the disk delivers it, because it is no network at all."
publish 1.0.0 web registry disk
run reconcile --progress none
expect 0 "vad  1.0.0  installed"
expect_files 1.0.0
run cat web.log
expect 0 /vad/index.json
if grep -q model.onnx web.log; then fail "a file came over the network that is here"; fi

say "A new version is on two of them. The disk does not have it, and is not missed."
publish 1.1.0 web registry
run reconcile --progress none
expect 0 "vad  1.0.0 → 1.1.0  replaced"
expect_files 1.1.0
grep -q /vad/1.1.0/model.onnx web.log || fail "the first source was not asked"

say "The web server is down. The registry is the next that answers: it says what there is, and delivers it."
publish 1.2.0 web registry
unserve "$web_server"
run reconcile --dry-run
expect 0 "1.1.0 → 1.2.0"
run reconcile --progress none
expect 0 "vad  1.1.0 → 1.2.0  replaced"
expect_files 1.2.0

say "One that has other content under a version: told, and not used."
serve web "$work/web"
web_server="$server"
export WEB="$web"
publish 1.3.0 web registry
python3 "$here/../make_release.py" build-other vad other
run reconcile publish build-other --to disk --model vad --version 1.3.0
expect 0
run reconcile --progress none
expect 0 "disk/vad publishes 1.3.0 with other content than web/vad; it is not used" "vad  1.2.0 → 1.3.0  replaced"
expect_files 1.3.0

say "One that says what the others say, and sends other bytes: found out while they come, and the next one is asked."
publish 1.4.0 web registry disk
printf 'other bytes' | dd of=disk/vad/1.4.0/model.onnx bs=1 seek=100000 conv=notrunc status=none
run reconcile --progress none
expect 0 "disk/vad/1.4.0/model.onnx holds wrong bytes" "vad  1.3.0 → 1.4.0  replaced"
expect_files 1.4.0

say "With a lock nobody is asked what there is: the web server may be down, and whoever has the locked content delivers it."
publish 1.5.0 web registry
run reconcile lock
expect 0 "vad  nothing → 1.5.0"
unserve "$web_server"
run reconcile --locked --progress none
expect 0 "vad  1.4.0 → 1.5.0  replaced"
expect_files 1.5.0

say "When all are down, what runs goes on running."
unserve "$registry_server"
mv disk unplugged
rm desired-state.lock
run reconcile --progress none
expect 4 "vad" "does not answer"
expect_files 1.5.0
run reconcile history vad
expect 0 "1.4.0" "1.5.0"
