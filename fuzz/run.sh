#!/bin/sh
# Fuzzes a target for some seconds: fuzz/run.sh [TARGET] [SECONDS]. Needs a C++ compiler, and
# neither nightly nor cargo-fuzz: coverage is a pass of LLVM that the stable compiler has too.
# What it finds lies in fuzz/artifacts/, what it learned in fuzz/corpus/.
set -eu
target=${1:-config}
seconds=${2:-300}
cd "$(dirname "$0")"
host=$(rustc -vV | sed -n 's/^host: //p')
[ -e Cargo.lock ] || cp ../Cargo.lock Cargo.lock

corpus=corpus/$target
mkdir -p "$corpus" "artifacts/$target"
# Seeds: for the gate, every labelled statement; else the shipped file and each small one of the tests.
if [ "$target" = gate ]; then
    python3 -c '
import json, pathlib, sys
lines = [line for file in sys.argv[2:] for line in open(file)]
for n, line in enumerate(lines):
    statement = json.loads(line)["sql"].encode("utf-8", "surrogatepass")
    if len(statement) < 8192:
        pathlib.Path(sys.argv[1], f"seed-{n}").write_bytes(statement)
' "$corpus" ../worker/tests/data/sql_*.jsonl
else
    cp ../ecosystem.toml "$corpus/shipped"
    awk -v to="$corpus" '
        /^##### /  { close(file); file = to "/seed-" ++n; taken = 1; next }
        /^-----$/  { taken = 0; next }
        taken      { print > file }
    ' ../supervisor/src/config/tests/typos.txt ../supervisor/src/config/tests/problems.txt
fi

flags="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 -Cdebug-assertions"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
RUSTFLAGS=$flags cargo build --target "$host" --bin "$target"
exec "${CARGO_TARGET_DIR:-target}/$host/debug/$target" "$corpus" \
    -artifact_prefix="artifacts/$target/" -max_total_time="$seconds" -max_len=8192 \
    -rss_limit_mb=2048 -timeout=10 -print_final_stats=1
