#!/usr/bin/env bash
# Counts the requests to hubs, registries and buckets, and measures downloads from them, beside hf, skopeo and s5cmd, in turn, on this machine.
#
#   Tests/Benchmarks/sources.sh [SUITE…] [--runs N] [--keep]
#       requests start http oci s3 xet; all without a name. What is made for them (8 GB of disk) is deleted unless --keep.
#
# BENCH names the folder of the peers' benchmarks (benchlib.py, fakehf.py, servers.py, setup.sh); `setup.sh packages` must have been run.
set -euo pipefail
cd "$(dirname "$0")/../.."
BENCH="${BENCH:-../shared/bench}"
[ -e "$BENCH/benchlib.py" ] || { echo "BENCH must name the folder of benchlib.py." >&2; exit 1; }
swift build -c release --scratch-path .build-release --product reconcile >&2
PYTHONPATH="$BENCH" exec python3 Tests/Benchmarks/sources.py \
    --bench "$BENCH" --reconcile "$(swift build -c release --scratch-path .build-release --show-bin-path)/reconcile" "$@"
