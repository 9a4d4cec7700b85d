#!/usr/bin/env bash
# Shows models from Hugging Face hubs, which run on this machine, on a temporary copy.
#
#   examples/huggingface/run.sh                      with a reconcile in PATH, or one that was built in this repository
#   RECONCILE=/path/to/reconcile examples/huggingface/run.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

say "The servers start. What they lack is installed at the first time, which takes a minute or two."
serve
if [ -z "$hub" ]; then
    echo "(left out: olah, the hub of this example, could not be installed)"
    exit 0
fi
# Nothing of whoever runs this: no tokens, no files that happen to be in a cache, no settings of git.
unset HF_TOKEN HUGGING_FACE_HUB_TOKEN HF_TOKEN_PATH HF_HUB_OFFLINE HF_HUB_CACHE
export HF_HOME="$work/home" HF_ENDPOINT="$hub" OUR_HUB="$ours"
export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_NAME=Ana GIT_AUTHOR_EMAIL=ana@example.com GIT_COMMITTER_NAME=Ana GIT_COMMITTER_EMAIL=ana@example.com
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE

# What `hf upload` and a tag do on the real hub: a commit to main of acme/vad, and a tag when one is named.
commit() {
    local name="$1" version="$2" tag="${3:-}"
    python3 "$here/../make_release.py" "$repositories/acme/$name" "$name" "$version" "${@:4}"
    echo '{}' >"$repositories/acme/$name/tokenizer.json"
    echo "* a commit to main of acme/$name${tag:+, with the tag $tag}"
    git -C "$repositories/acme/$name" add --all
    git -C "$repositories/acme/$name" commit --quiet --message "$version"
    if [ -n "$tag" ]; then git -C "$repositories/acme/$name" tag "$tag"; fi
}
head_of() { git -C "$repositories/acme/$1" rev-parse HEAD; }
expect_version() {
    grep -qF "\"$2\"" "models/$1/config.json" || fail "$1 is not $2: $(cat "models/$1/config.json")"
}

say "What is there? init --from asks the hub, and declares what it finds with the range of its newest version."
commit vad 1.0.0 v1.0.0
run reconcile init --from hub/acme/vad found.yaml
expect 0 "acme/vad" "1.0.0" "mit"
run grep -A2 -E "^  (hub|vad):" found.yaml
expect 0 "huggingface: https://huggingface.co" "from: hub/acme/vad" "version: ^1.0"

say "Four models. One has a licence that the policy does not take, one is of a hub that wants a token: both say so."
commit captions 1.0.0 v1.0.0 --license cc-by-nc-4.0
cp "$here/desired-state.yaml" .
run reconcile --progress none
expect 4 "captions" "licence" "cc-by-nc-4.0" "OUR_TOKEN" "2 done"
expect_version vad 1.0.0
[ ! -e models/captions ] || fail "captions were installed under a licence that is not taken"
[ ! -e models/diarizer ] || fail "the diarizer was installed without a token"

say "With its token. It is read from the environment, and written nowhere."
export OUR_TOKEN=hf_example
run reconcile --progress none
expect 0 "diarizer  2.0.0  installed" "1 done"
if grep -rqF hf_example "$work/models" "$work/desired-state.yaml"; then fail "the token was written down"; fi

say "include and exclude: the whole repository, and what was chosen of it."
run ls models/vad/ models/vad-nightly/
expect 0 README.md tokenizer.json
[ "$(ls models/vad-nightly | xargs)" = "config.json model.onnx" ] || fail "the nightly has other files than were chosen"

say "The captions are published again, under a licence that is taken. Which versions run: those of tags and those of a commit."
commit captions 1.0.1 v1.0.1 --license apache-2.0
run reconcile --progress none
expect 0 "captions  1.0.1  installed"
run reconcile status
expect 0 "hub/acme/vad" "ours/acme/diarizer" "$(head_of vad | cut -c1-12)"

say "main moves, and nobody has put a tag on it: vad stays, and the nightly waits for a yes."
commit vad 1.1.0
run reconcile --progress none
expect 0 "vad-nightly" "needs approval" "reconcile approve vad-nightly"
expect_version vad 1.0.0
expect_version vad-nightly 1.0.0
run reconcile approve vad-nightly
expect 0
run reconcile --progress none
expect 0 "vad-nightly" "1 done"
expect_version vad-nightly 1.1.0
expect_version vad 1.0.0

say "Now with a tag: that is a version of the range. The nightly has it already, so its bytes are not fetched again."
run git -C "$repositories/acme/vad" tag v1.1.0
run reconcile --dry-run
expect 0 "1.0.0 → 1.1.0"
run reconcile --progress none
expect 0 "1 done"
expect_version vad 1.1.0

say "The lock names the commit of each, and every file by its SHA-256. With it nothing is asked: the hub may be away."
run reconcile lock
expect 0
run grep -E '"revision"|"version"|model.onnx' desired-state.lock
expect 0 "$(head_of vad)" "$(head_of captions)" "$(sha256sum models/vad/model.onnx | cut -d' ' -f1)"
commit vad 1.2.0 v1.2.0
unserve "$server"
run reconcile --locked --progress none
expect 0 "Nothing to do, 4 in sync"
rm desired-state.lock
run reconcile --progress none
expect 4 "does not answer"
expect_version vad 1.1.0
