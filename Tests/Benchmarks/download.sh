#!/usr/bin/env bash
# Measures downloads and delta updates beside curl, aria2c, rclone, zsync, casync and rsync, in turn, on this machine.
#
#   Tests/Benchmarks/download.sh [SUITE…] [--runs N]
#       single tls dir small huge wan delta nothing cases resume; all without a name. huge takes 40 GB of disk for its time.
#
# BENCH names the folder of the peers' benchmarks (benchlib.py, setup.sh, floor_dl.c, wan.sh); its setup.sh must have been run.
set -euo pipefail
cd "$(dirname "$0")/../.."
BENCH="${BENCH:-../shared/bench}"
[ -e "$BENCH/benchlib.py" ] || { echo "BENCH must name the folder of benchlib.py." >&2; exit 1; }
swift build -c release --scratch-path .build-release --product reconcile >&2
PYTHONPATH="$BENCH" exec python3 Tests/Benchmarks/download.py \
    --bench "$BENCH" --reconcile "$(swift build -c release --scratch-path .build-release --show-bin-path)/reconcile" "$@"
