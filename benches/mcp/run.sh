#!/usr/bin/env bash
# MCP servers side by side on the same canned account: ours and those of the Python registry.
#
#   benches/mcp/run.sh [--rounds 3] [--seconds 5] [--only ours,toolbox]
#
# Builds ours for release without the sample account, installs the peers below the target directory
# (once), measures everything in one run and prints tables. A peer that cannot be installed is named
# and left out. Nothing is installed into the system; every process is ended at the end.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
target=${CARGO_TARGET_DIR:-target}
profile=${MCP_BENCH_PROFILE:-release}
peers=$target/mcp-peers

install_peer() { # name, packages...
    local name=$1
    shift
    local mark="$peers/$name/installed"
    [[ -e $mark && $(<"$mark") == "$*" ]] && return
    echo "installing $*" >&2
    mkdir -p "$peers"
    if python3 -m venv "$peers/$name" &&
        "$peers/$name/bin/python" -m pip install --quiet --disable-pip-version-check \
            --cache-dir "$peers/cache" "$@" >"$peers/$name.log" 2>&1; then
        echo "$*" >"$mark"
    else
        echo "cannot install $*: $(tail -1 "$peers/$name.log")" >&2
        rm -rf "${peers:?}/$name"
    fi
}

install_peer toolbox toolbox-server==1.15.0
install_peer labs snowflake-labs-mcp==1.4.2
install_peer isaac mcp-snowflake-server==0.4.0 'mcp<2'
# The program itself, not the script around it.
for program in "$peers"/toolbox/lib/python3*/site-packages/toolbox_server/bin/toolbox; do
    [[ -x $program ]] && ln -sf "$(realpath "$program")" "$peers/toolbox/bin/toolbox"
done

built=$([[ $profile == dev ]] && echo debug || echo "$profile")
cargo build --profile "$profile" --locked --quiet -p mcp-supervisor -p mcp-worker \
    --no-default-features --features mcp-worker/benches --bins --example mcp
exec "$target/$built/examples/mcp" --supervisor "$target/$built/mcp-supervisor" \
    --worker "$target/$built/mcp-worker" --peers "$peers" "$@"
