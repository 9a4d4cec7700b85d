#!/usr/bin/env bash
# Shows models that switch together (`group`) and one that waits for them (`dependsOn`), on a temporary copy.
#
#   examples/group/run.sh                            with a reconcile in PATH, or one that was built in this repository
#   RECONCILE=/path/to/reconcile examples/group/run.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

cp -R "$here/checks" "$here/desired-state.yaml" "$work/"
python3 "$here/make_models.py" "$work/trained"
publish() { run reconcile publish "trained/$1/$2" --to catalog --model "$1" --version "$2" "${@:3}"; expect 0; }
# An encoder and a decoder, each of which says that it fits only the other.
publish_pair() {
    publish encoder "$1" --requires "model:decoder=$1"
    publish decoder "$1" --requires "model:encoder=$1"
}
# What is active, as a program that opens the models sees it.
active() { for model in "$@"; do readlink -f "models/$model"; done | xargs -n1 basename | cut -d- -f1 | xargs; }
expect_active() {
    local now; now="$(active encoder decoder captions)"
    [ "$now" = "$*" ] || { echo "UNEXPECTED: the active versions are $now and not $*" >&2; exit 1; }
}

say "Three models. The pair is installed together, and captions after the decoder that they depend on."
publish_pair 1.0.0
publish captions 1.0.0
run reconcile --dry-run
expect 0 "install, group codec" "3 to install"
run reconcile --progress plain
expect 0 "3 done"
expect_active 1.0.0 1.0.0 1.0.0

say "The links of the pair lead through one link of their group: moving that one moves both at once."
run readlink models/encoder models/decoder models/captions
expect 0 groups/codec/active/encoder groups/codec/active/decoder generations/captions/1.0.0

say "A new encoder, and the only decoder that it fits is not published yet: nothing moves."
publish encoder 1.1.0 --requires model:decoder=1.1.0
run reconcile --progress none
expect 4 "needs decoder 1.1.0" "1 blocked"
expect_active 1.0.0 1.0.0 1.0.0

say "Now the decoder is there, too: both go together."
publish decoder 1.1.0 --requires model:encoder=1.1.0
run reconcile --progress none
expect 0 "2 done"
expect_active 1.1.0 1.1.0 1.0.0

say "A pair that says that it fits, and does not. Each passes its check, the probe after the switch fails: both go back."
publish_pair 1.2.0
run reconcile --progress none
expect 4 "rolled back" "1.1.0 is active again" "0 done, 2 failed"
expect_active 1.1.0 1.1.0 1.0.0

say "The set is in quarantine and is not tried again. New captions wait for a decoder that works."
publish captions 1.1.0
run reconcile --progress none
expect 4 "captions  1.1.0  depends on decoder" "decoder   1.2.0  quarantined" "encoder   1.2.0  quarantined"
expect_active 1.1.0 1.1.0 1.0.0

say "A pair that fits. That is another set, so it is tried; the captions follow."
publish_pair 1.2.1
run reconcile --progress none
expect 0 "3 done"
expect_active 1.2.1 1.2.1 1.1.0

say "A hold of one holds both, and so does the end of it."
run reconcile hold decoder --reason "a demo today"
expect 0
publish_pair 1.3.0
run reconcile --progress none
expect 0 "decoder  1.3.0  held at 1.2.1" "encoder  1.3.0  held at 1.2.1"
expect_active 1.2.1 1.2.1 1.1.0
run reconcile resume encoder
expect 0
run reconcile --progress none
expect 0 "2 done"
expect_active 1.3.0 1.3.0 1.1.0

say "A rollback of one brings back both, to the set that worked before, and holds it."
run reconcile rollback encoder --reason "too slow" --progress none
expect 0 "2 done"
expect_active 1.2.1 1.2.1 1.1.0
run reconcile --progress none
expect 0 "decoder  1.3.0  held at 1.2.1" "encoder  1.3.0  held at 1.2.1"
expect_active 1.2.1 1.2.1 1.1.0

say "What runs, and what happened to the decoder."
run reconcile status
expect 0 "1.2.1"
run reconcile history decoder
expect 0 rolledBack held resumed rollback
