#!/usr/bin/env bash
# The way of a program's output to its file, side by side: throughput and processor time.
#
#   benches/logs/run.sh [--quick] [--parts side-by-side,steady] [--managers ours,pm2,...] [--profile release]
#
# The steady part prints 50 MB a second, with rotations and compression, and counts every line.
# Installs PM2 and supervisord into target/process_managers/ (once), builds ours, measures all in
# one run and prints a table. Every process is ended at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
profile=dist
rest=()
while (($#)); do
    case "$1" in
    --profile) profile=$2 && shift 2 ;;
    *) rest+=("$1") && shift ;;
    esac
done
cargo build --profile "$profile" --locked --quiet -p mcp-supervisor
[[ $profile == dev ]] && profile=debug
exec python3 benches/logs/bench.py \
    --binary "${CARGO_TARGET_DIR:-target}/$profile/mcp-supervisor" "${rest[@]}"
