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
# Seeds: the shipped file, and each small file of the tests.
cp ../ecosystem.toml "$corpus/shipped"
awk -v to="$corpus" '
    /^##### /  { close(file); file = to "/seed-" ++n; taken = 1; next }
    /^-----$/  { taken = 0; next }
    taken      { print > file }
' ../supervisor/src/config/tests/typos.txt ../supervisor/src/config/tests/problems.txt

flags="--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 -Cdebug-assertions"
for option in level=4 inline-8bit-counters pc-table trace-compares; do
    flags="$flags -Cllvm-args=-sanitizer-coverage-$option"
done
RUSTFLAGS=$flags cargo build --target "$host" --bin "$target"
exec "${CARGO_TARGET_DIR:-target}/$host/debug/$target" "$corpus" \
    -artifact_prefix="artifacts/$target/" -max_total_time="$seconds" -max_len=8192 \
    -rss_limit_mb=2048 -timeout=10 -print_final_stats=1
