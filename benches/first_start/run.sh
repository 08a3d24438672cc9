#!/usr/bin/env bash
# What a first start costs: build time, binary sizes, time until every worker is ready, memory.
#
#   benches/first_start/run.sh [debug|release] [--build]
#
# With --build it first builds from nothing, in a target directory of its own, and says how long
# that took. Without it, the binaries of the usual target directory are measured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

profile="${1:-debug}"
target="$PWD/target"
flags=()
if [ "$profile" = release ]; then flags=(--release); fi

if [ "${2:-}" = --build ]; then
    target="$(mktemp -d)"
    trap 'rm -rf "$target"' EXIT
    printf 'clean build, %s:\n' "$profile"
    time CARGO_TARGET_DIR="$target" cargo build --workspace --locked "${flags[@]}" 2>/dev/null
fi

bin="$target/$profile"
printf '\nsizes in bytes, as built and stripped:\n'
for name in mcp-supervisor mcp-worker; do
    stripped="$(mktemp)"
    strip -o "$stripped" "$bin/$name"
    printf '  %-15s %12s %12s\n' "$name" "$(stat -c %s "$bin/$name")" "$(stat -c %s "$stripped")"
    rm "$stripped"
done

house="$(mktemp -d)"
cat > "$house/ecosystem.toml" <<EOF
[supervisor]
metrics = "off"
[apps.query]
exec = ["$bin/mcp-worker"]
listen = "127.0.0.1:0"
instances = 4
EOF
supervisor() { "$bin/mcp-supervisor" --config "$house/ecosystem.toml" "$@"; }

printf '\nstart until all 4 workers are ready, three times, then one reload:\n'
for _ in 1 2 3; do
    began=$(date +%s%N)
    supervisor start >/dev/null 2>&1
    printf '  start  %5d ms\n' $((($(date +%s%N) - began) / 1000000))
    supervisor stop 2>/dev/null
done
supervisor start >/dev/null 2>&1
began=$(date +%s%N)
supervisor reload 2>/dev/null
printf '  reload %5d ms\n' $((($(date +%s%N) - began) / 1000000))

printf '\nresident memory, kB:\n'
supervisor status --json | tr ',{' '\n\n' | sed -n 's/.*"pid": *\([0-9]*\).*/\1/p' | while read -r pid; do
    printf '  %-15s %8s\n' "$(cat "/proc/$pid/comm")" "$(awk '/VmRSS/ {print $2}' "/proc/$pid/status")"
done
supervisor stop 2>/dev/null
rm -rf "$house"
