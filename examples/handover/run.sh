#!/usr/bin/env bash
# Shows models that are handed over to the programs that load them, on a temporary copy.
#
#   examples/handover/run.sh                         with a reconcile in PATH, or one that was built in this repository
#   RECONCILE=/path/to/reconcile examples/handover/run.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support.sh"

cp -R "$here/checks" "$here/desired-state.yaml" .
# The python3 from here on has huggingface_hub, which is installed at the first time.
PATH="$(python3 "$here/python.py"):$PATH"
export HF_HOME="$work/home"
publish() {
    [ -e "build-$1-$2" ] || python3 "$here/../make_release.py" "build-$1-$2" "$1" "$2" "${@:3}"
    run reconcile publish "build-$1-$2" --to catalog --model "$1" --version "$2"
    expect 0
}
sum() { sha256sum "$1" | cut -d' ' -f1; }

# What a program finds that asks huggingface_hub for acme/vad.
expect_snapshot() {
    run python3 checks/snapshot.py hub acme/vad
    expect 0 "hub/models--acme--vad/snapshots/"
    diff -r "$(tail -1 output)/" "build-vad-$1" >&2 || fail "another snapshot is found than $1"
}
# What Triton would serve: the version with the highest number.
expect_triton() {
    local highest; highest="$(ls triton/detector | grep -E '^[0-9]+$' | sort -n | tail -1)"
    [ "$highest" = "$1" ] || fail "the highest version is $highest and not $1"
    cmp "triton/detector/$1/model.onnx" "build-detector-$2/model.onnx" || fail "version $1 is not the detector $2"
}
# What `ollama run acme/chat` would load.
expect_chat() {
    run python3 checks/chat.py ollama acme/chat/latest
    expect 0 "$(sum "build-chat-$1/model.gguf" | cut -c1-12)"
}

say "Three models, for three programs. In the Triton repository there is a config already: it is the user's own."
publish vad 1.0.0
publish detector 1.0.0
publish chat 1.0.0 --gguf
mkdir -p triton/detector
printf 'backend: "onnxruntime"\nmax_batch_size: 8\n' >triton/detector/config.pbtxt
run reconcile --dry-run
expect 0 "3 to install"
run reconcile --progress none
expect 0 "3 done"

say "Each program finds its model where it looks for it."
run find hub triton ollama -not -type d
expect 0 "models--acme--vad/refs/main" "triton/detector/1/model.onnx" "manifests/registry.ollama.ai/acme/chat/latest"
expect_snapshot 1.0.0
expect_triton 1 1.0.0
expect_chat 1.0.0

say "New versions. The cache and Ollama move to them by one small file, Triton sees a version with a higher number."
publish vad 1.1.0
publish detector 1.1.0
publish chat 1.1.0 --gguf
run reconcile --progress none
expect 0 "3 done"
expect_snapshot 1.1.0
expect_triton 2 1.1.0
expect_chat 1.1.0

say "A rollback takes back what was handed over, too. In Triton, the old one comes back under a higher number."
for model in vad detector chat; do
    run reconcile rollback "$model" --to 1.0.0 --reason "just looking" --progress none
    expect 0 "1.1.0 → 1.0.0"
done
expect_snapshot 1.0.0
expect_triton 3 1.0.0
expect_chat 1.0.0
for model in vad detector chat; do
    run reconcile resume "$model"
    expect 0
done
run reconcile --progress none
expect 0 "3 done"
expect_snapshot 1.1.0
expect_triton 4 1.1.0
expect_chat 1.1.0

say "A release that Ollama could not load: the probe finds out, it is rolled back by itself, and Ollama has the old one."
python3 "$here/../make_release.py" build-chat-1.2.0 chat 1.2.0 --gguf
LC_ALL=C sed -i.old 's/llama/mamba/' build-chat-1.2.0/model.gguf && rm build-chat-1.2.0/model.gguf.old
publish chat 1.2.0
run reconcile --progress none
expect 4 "1.1.0 → 1.2.0  rolled back: probe failed" "unknown model architecture: 'mamba'" "1.1.0 is active again"
expect_chat 1.1.0

say "What somebody took away is handed over again by the next pass. The config of the detector is as it was."
rm hub/models--acme--vad/refs/main
run reconcile --progress none
expect 4 "vad" "1 done"
expect_snapshot 1.1.0
run cat triton/detector/config.pbtxt
expect 0 "max_batch_size: 8"
run reconcile status
expect 0 "1.2.0 quarantined"
