#!/bin/sh
# Breaks the machine in every small way and sees whether a test notices.
#
# A copy of the machine, its stories and its simulation becomes a crate of its own below target/,
# so that a build takes seconds. Tables and stories are tried first, because they are quick; then
# some seeds of the simulation on what they let pass. Mutants that no test notices are compared with
# survivors.txt: an unknown one fails, and so does a listed one that is gone. More arguments go to
# cargo-mutants, as in `tests/mutants/run.sh --file order.rs`; then only what was tried counts.
#
# invariants.rs is left out: it is itself a test of the machine, and breaking it breaks nothing else.
set -eu

version=27.1.0
# Enough seeds for most mutants, few enough that one takes seconds.
seeds=100
jobs=${MUTANTS_JOBS:-2}

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
house=$root/target/mutants
tools=$root/target/tools
if [ ! -x "$tools/bin/cargo-mutants" ]; then
    cargo install cargo-mutants --version "$version" --locked --root "$tools"
fi

rm -rf "$house"
mkdir -p "$house/crate/supervisor/src" "$house/crate/tests"
cp -R "$root/supervisor/src/machine" "$house/crate/supervisor/src/"
cp -R "$root/tests/scenarios" "$root/tests/sim" "$house/crate/tests/"
printf '//! The machine alone.\npub mod machine;\n' >"$house/crate/supervisor/src/lib.rs"
cp "$here/workspace.toml" "$house/crate/Cargo.toml"
cp "$here/crate.toml" "$house/crate/supervisor/Cargo.toml"

# Tries all mutants with these tests; the second time only those that were missed before.
try() {
    status=0
    env -u CARGO_TARGET_DIR SIM_SEEDS="$seeds" nice "$tools/bin/cargo-mutants" mutants \
        --iterate --dir "$house/crate" --output "$house" --gitignore false --jobs "$jobs" \
        --timeout 300 --cap-lints true --no-shuffle --colors never \
        --exclude invariants.rs "$@" || status=$?
    # 0: all caught; 2: some missed; 3: some timed out, which counts as noticed. The rest is trouble.
    case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
    cat "$house/mutants.out/caught.txt" "$house/mutants.out/timeout.txt" >>"$house/noticed.txt"
}
began=$(date +%s)
try "$@" -- --lib --test scenarios
missed=$house/mutants.out/missed.txt
if [ -s "$missed" ]; then
    try "$@" -- --test sim
fi

# A line of code moves; what a mutant does to which function does not.
name() { sed -E 's|^supervisor/src/machine/||; s|:[0-9]+:[0-9]+:|:|' | LC_ALL=C sort; }
name <"$missed" >"$house/missed.txt"
cat "$house/noticed.txt" "$missed" | name | uniq >"$house/tried.txt"
grep -Ev '^ *(#|$)' "$here/survivors.txt" | sed 's/  *# .*//' | LC_ALL=C sort >"$house/known.txt"
if [ $# -gt 0 ]; then
    grep -Fxf "$house/tried.txt" "$house/known.txt" >"$house/known.tried" || true
    mv "$house/known.tried" "$house/known.txt"
fi
unknown=$(LC_ALL=C comm -23 "$house/missed.txt" "$house/known.txt")
gone=$(LC_ALL=C comm -13 "$house/missed.txt" "$house/known.txt")

minutes=$((($(date +%s) - began) / 60))
echo "$(wc -l <"$house/noticed.txt") mutants noticed, $(wc -l <"$missed") not, in $minutes minutes"
if [ -n "$unknown" ]; then
    printf 'no test notices these, and survivors.txt has no argument for them:\n%s\n' "$unknown"
fi
if [ -n "$gone" ]; then
    printf 'survivors.txt lists these, but they are noticed or gone:\n%s\n' "$gone"
fi
[ -z "$unknown$gone" ]
