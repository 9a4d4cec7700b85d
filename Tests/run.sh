#!/usr/bin/env bash
# Installs what the tests need, builds, and runs them all.
#
#   Tests/run.sh                 everything
#   Tests/run.sh --filter NAME   only Swift tests whose name matches
set -euo pipefail
cd "$(dirname "$0")/.."
. Tests/install.sh

need yaml sqlite zlib zstd python3 pip strace nginx openssl flock git ssh-keygen docker-registry git-lfs skopeo curl
swift build --build-tests
swift test --skip-build "$@"
[ $# -eq 0 ] || exit 0

RECONCILE="$(swift build --show-bin-path)/reconcile"
export RECONCILE
for test in schema readme input http silero watch kill; do
    echo "== Tests/Integration/test_$test.py"
    python3 "Tests/Integration/test_$test.py"
done
for test in "faultserver" "download" "resume --kills 40" "servers" "delta" "worlds" "hub" "registry" "buckets" "bundle" "handover"; do
    echo "== Tests/Integration/test_$test"
    # shellcheck disable=SC2086
    (set -- $test && name="$1" && shift && python3 "Tests/Integration/test_$name.py" "$@")
done
for example in group windows git systemd huggingface oci s3 bundle mirrors handover; do
    echo "== examples/$example/run.sh"
    "examples/$example/run.sh" >/dev/null
done
echo "== Tests/Soak/soak.py, the short version"
python3 Tests/Soak/soak.py --seconds 30 --seed 3
