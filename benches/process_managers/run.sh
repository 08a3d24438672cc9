#!/usr/bin/env bash
# Process managers side by side: memory, wake-ups, status, restart, start and stop.
#
#   benches/process_managers/run.sh [--quick] [--managers ours,pm2,...] [--sizes 1,10,100,1000]
#
# Installs the peers into target/process_managers/ (once), builds ours, measures everything in one
# run and prints tables. Nothing is installed into the system; every process is ended at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cargo build --profile dist --locked --quiet -p mcp-supervisor
exec python3 benches/process_managers/bench.py \
    --ours "ours=${CARGO_TARGET_DIR:-target}/dist/mcp-supervisor" "$@"
