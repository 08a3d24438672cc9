#!/usr/bin/env bash
# What the way to Snowflake costs, against a server of the tests in the same process.
#
#   benches/pool/run.sh
#
# Builds the worker without the sample account's engine, for release.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
exec cargo run --release --locked --quiet -p mcp-worker --no-default-features --features benches \
    --example pool
