#!/bin/sh
# Breaks the machine in every small way and sees whether a test notices.
#
# A copy of the machine, its stories and its simulation becomes a crate of its own below target/,
# so that a build takes seconds. Mutants that no test notices are compared with survivors.txt: an
# unknown one fails, and so does a listed one that is gone. More arguments go to cargo-mutants, as in
# `tests/mutants/run.sh --file '*/order.rs'`; then the list is only read for what was tried.
set -eu

version=27.1.0
# Enough seeds for most mutants, few enough that one takes seconds; the stories come first.
seeds=150
jobs=${MUTANTS_JOBS:-2}

root=$(cd "$(dirname "$0")/../.." && pwd)
house=$root/target/mutants
tools=${MUTANTS_TOOLS:-$root/target/tools}
if [ ! -x "$tools/bin/cargo-mutants" ]; then
    cargo install cargo-mutants --version "$version" --locked --root "$tools"
fi

rm -rf "$house/crate" "$house/mutants.out"
mkdir -p "$house/crate/supervisor/src" "$house/crate/tests"
cp -R "$root/supervisor/src/machine" "$house/crate/supervisor/src/"
cp -R "$root/tests/scenarios" "$root/tests/sim" "$house/crate/tests/"
printf '//! The machine alone.\npub mod machine;\n' >"$house/crate/supervisor/src/lib.rs"
cat >"$house/crate/Cargo.toml" <<'TOML'
[workspace]
members = ["supervisor"]
resolver = "3"

[profile.dev]
opt-level = 0
debug = false
TOML
cat >"$house/crate/supervisor/Cargo.toml" <<'TOML'
[package]
name = "mcp-supervisor"
version = "0.0.0"
edition = "2024"

[lib]
name = "mcp_supervisor"

[[test]]
name = "scenarios"
path = "../tests/scenarios/main.rs"

[[test]]
name = "sim"
path = "../tests/sim/main.rs"
TOML

began=$(date +%s)
status=0
env -u CARGO_TARGET_DIR SIM_SEEDS="$seeds" nice "$tools/bin/cargo-mutants" mutants \
    --dir "$house/crate" --output "$house" --gitignore false --jobs "$jobs" \
    --timeout 120 --cap-lints true --no-shuffle --colors never "$@" || status=$?
# 0: all caught; 2: some missed; 3: some timed out, which counts as noticed. The rest is trouble.
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac

# A line of code moves; what a mutant does to which function does not.
name() { sed -E 's|^supervisor/src/machine/||; s|:[0-9]+:[0-9]+:|:|' | sort; }
out=$house/mutants.out
name <"$out/missed.txt" >"$house/missed"
cat "$out/caught.txt" "$out/timeout.txt" "$out/missed.txt" | name | uniq >"$house/tried"
grep -v '^ *#' "$root/tests/mutants/survivors.txt" | grep . | sed 's/  *# .*//' | sort >"$house/known"
unknown=$(comm -23 "$house/missed" "$house/known")
gone=$(comm -13 "$house/missed" "$house/known" | if [ $# -eq 0 ]; then cat; else comm -12 - "$house/tried"; fi)

caught=$(cat "$out/caught.txt" "$out/timeout.txt" | wc -l)
missed=$(wc -l <"$out/missed.txt")
echo "$caught mutants noticed, $missed not, in $((($(date +%s) - began) / 60)) minutes"
if [ -n "$unknown" ]; then
    echo "no test notices these, and survivors.txt has no argument for them:"
    echo "$unknown"
fi
if [ -n "$gone" ]; then
    echo "survivors.txt lists these, but they are noticed or gone:"
    echo "$gone"
fi
[ -z "$unknown$gone" ]
